//! The words of the expression language: text to tokens.
//!
//! The lexer knows no grammar and no names. It stops at `}}`, which cannot occur inside an
//! expression except in a string literal, so a template finds the end of an expression by
//! reading it. Next: `parser`.

use super::fault::{At, Fault};

/// The longest text of one expression, in bytes; a longer one is an error at load.
pub const MAX_SOURCE_BYTES: usize = 4096;

/// One word of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// A name: letters, digits and `_`, not beginning with a digit.
    Name(String),
    /// A decimal magnitude; the parser applies a sign.
    Int(u64),
    /// A quoted string with its escapes decoded.
    Text(String),
    /// An operator or bracket, as written.
    Sign(&'static str),
    /// `}}` or the end of the text.
    End,
}

/// A word and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) word: Word,
    pub(super) at: At,
}

/// Longest first, so that `<=` is not read as `<`.
const SIGNS: [&str; 23] = [
    "<=", ">=", "==", "!=", "&&", "||", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", "(", ")",
    "[", "]", ",", ".", "=",
];

/// Reads the words of one expression beginning at byte `start` of `text`, up to `}}` or the end
/// of the text. The last token is always [`Word::End`], placed where the expression ends.
pub(super) fn tokens(text: &str, start: usize) -> Result<Vec<Token>, Fault> {
    let mut lexer = Lexer { text, start, position: start };
    let mut found = Vec::new();
    loop {
        let token = lexer.next()?;
        let last = token.word == Word::End;
        found.push(token);
        if last {
            return Ok(found);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    start: usize,
    position: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.position..).unwrap_or("")
    }

    fn next(&mut self) -> Result<Token, Fault> {
        let rest = self.rest();
        self.position += rest.len() - rest.trim_start().len();
        let begin = self.position;
        if begin - self.start > MAX_SOURCE_BYTES {
            let at = At { start: self.start, len: 1 };
            return Err(Fault::new(at, "expression is longer than 4 KiB"));
        }
        let rest = self.rest();
        let word = match rest.chars().next() {
            None => Word::End,
            Some(_) if rest.starts_with("}}") => Word::End,
            Some('"' | '\'') => self.string()?,
            Some(c) if c.is_ascii_digit() => self.number()?,
            Some(c) if c.is_ascii_alphabetic() || c == '_' => self.name(),
            Some(c) => self.sign(c)?,
        };
        Ok(Token { word, at: At::between(begin, self.position) })
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> String {
        let taken: String = self.rest().chars().take_while(|c| keep(*c)).collect();
        self.position += taken.len();
        taken
    }

    fn name(&mut self) -> Word {
        Word::Name(self.take_while(|c| c.is_ascii_alphanumeric() || c == '_'))
    }

    fn number(&mut self) -> Result<Word, Fault> {
        let begin = self.position;
        let digits = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        let at = At::between(begin, self.position);
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Fault::new(at, format!("`{digits}` is not a number"))
                .hint("numbers are decimal integers; names begin with a letter"));
        }
        if self.rest().starts_with('.') {
            let message = format!("`{digits}.` is not an integer");
            return Err(Fault::new(at, message).hint("the language has integers only"));
        }
        let too_large = |_| Fault::new(at, format!("`{digits}` does not fit in 64 bits"));
        digits.parse().map(Word::Int).map_err(too_large)
    }

    fn sign(&mut self, first: char) -> Result<Word, Fault> {
        let rest = self.rest();
        let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) else {
            let at = At { start: self.position, len: first.len_utf8() };
            return Err(
                Fault::new(at, format!("unexpected character `{first}`")).hint_if(sign_hint(first))
            );
        };
        if sign == "=" {
            let at = At { start: self.position, len: 1 };
            return Err(Fault::new(at, "unexpected `=`").hint("equality is written `==`"));
        }
        self.position += sign.len();
        Ok(Word::Sign(sign))
    }

    fn string(&mut self) -> Result<Word, Fault> {
        let begin = self.position;
        let mut chars = self.rest().char_indices();
        let quote = chars.next().map_or('"', |(_, c)| c);
        let mut value = String::new();
        while let Some((offset, c)) = chars.next() {
            match c {
                '\\' => value.push(escape(&mut chars, begin + offset)?),
                c if c == quote => {
                    self.position = begin + offset + c.len_utf8();
                    return Ok(Word::Text(value));
                }
                c => value.push(c),
            }
        }
        let at = At { start: begin, len: 1 };
        Err(Fault::new(at, "string is not closed").hint(format!("add the closing {quote}")))
    }
}

fn sign_hint(c: char) -> Option<String> {
    let hint = match c {
        '&' => "logical and is written `&&`",
        '|' => "logical or is written `||`",
        '{' | '}' => "an expression ends with `}}`; there are no map literals",
        '$' => "write the name alone; only a template begins with `${{`",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Decodes what follows a backslash at byte `offset`: the escapes of CEL that text needs.
fn escape(chars: &mut std::str::CharIndices<'_>, offset: usize) -> Result<char, Fault> {
    let at = At { start: offset, len: 2 };
    let hint = r#"the escapes are \n \r \t \\ \" \' and \uXXXX"#;
    let code = chars.next().map(|(_, c)| c);
    Ok(match code {
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some(c @ ('\\' | '"' | '\'')) => c,
        Some('u') => {
            let digits: String = chars.take(4).map(|(_, c)| c).collect();
            let value = u32::from_str_radix(&digits, 16).ok().filter(|_| is_four_hex(&digits));
            let wrong = || Fault::new(at, format!("`\\u{digits}` is not a character")).hint(hint);
            value.and_then(char::from_u32).ok_or_else(wrong)?
        }
        _ => return Err(Fault::new(at, "unknown escape in a string").hint(hint)),
    })
}

/// `from_str_radix` alone would also take `+123`.
fn is_four_hex(digits: &str) -> bool {
    digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit())
}
