//! Splits Rust text into what is code and what is comment, so that rules look in the right place.
//!
//! It is not a parser: it knows comments, strings and character literals, and nothing of items.
//! Both views keep every line where it was; the contents of strings are blanked in the code view,
//! so a rule's own examples never break the rule.

/// The two views of one file; line numbers agree with the text they came from.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Views {
    /// The text with comments and the insides of literals blanked.
    pub(crate) code: String,
    /// The text with everything but comments blanked.
    pub(crate) comments: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// Splits `text`; an unterminated comment or literal reaches to the end.
pub(crate) fn split(text: &str) -> Views {
    let mut views = Views::default();
    let mut rest = text;
    while !rest.is_empty() {
        let (kind, length) = next_token(rest);
        let (token, tail) = rest.split_at(length);
        match kind {
            Kind::Code => {
                views.code.push_str(token);
                blank(token, &mut views.comments);
            }
            Kind::Comment => {
                blank(token, &mut views.code);
                views.comments.push_str(token);
            }
            Kind::Literal => {
                views.code.push('"');
                blank(token, &mut views.code);
                views.code.push('"');
                blank(token, &mut views.comments);
            }
        }
        rest = tail;
    }
    views
}

/// Keeps line breaks, turns all else into spaces.
fn blank(token: &str, into: &mut String) {
    into.extend(token.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
}

/// Kind and length in bytes of the token `rest` begins with; the length is never zero.
fn next_token(rest: &str) -> (Kind, usize) {
    if rest.starts_with("//") {
        return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Kind::Comment, block_comment(rest));
    }
    if rest.starts_with('"') {
        return (Kind::Literal, quoted(rest, '"'));
    }
    if rest.starts_with('\'') {
        return character(rest).map_or((Kind::Code, 1), |length| (Kind::Literal, length));
    }
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    if word == 0 {
        return (Kind::Code, rest.chars().next().map_or(1, char::len_utf8));
    }
    let (name, tail) = rest.split_at(word);
    match raw_string(name, tail) {
        Some(length) => (Kind::Literal, word + length),
        None => (Kind::Code, word),
    }
}

/// Length of a block comment, which may hold others.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with("*/") {
            depth = depth.saturating_sub(1);
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += tail.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Length of a literal between two `quote`s, with backslash escapes.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + c.len_utf8();
        }
    }
    rest.len()
}

/// Length of a character literal, or nothing for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let mut inside = rest.chars().skip(1);
    match (inside.next()?, inside.next()?) {
        ('\\', _) => Some(quoted(rest, '\'')),
        (c, '\'') => Some(2 + c.len_utf8()),
        _ => None,
    }
}

/// Length after the prefix of a raw string, when `name` and `tail` are one.
fn raw_string(name: &str, tail: &str) -> Option<usize> {
    if !matches!(name, "r" | "br" | "cr") {
        return None;
    }
    let hashes = tail.find(|c| c != '#')?;
    let body = tail.get(hashes..)?.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    Some(body.find(&close).map_or(tail.len(), |at| hashes + 1 + at + close.len()))
}

#[cfg(test)]
mod tests {
    use super::split;

    fn check(text: &str, code: &[&str], not_code: &[&str], comments: &[&str]) {
        let views = split(text);
        for word in code {
            assert!(views.code.contains(word), "`{word}` is code in {text:?}: {views:?}");
        }
        for word in not_code {
            assert!(!views.code.contains(word), "`{word}` is not code in {text:?}: {views:?}");
        }
        for word in comments {
            assert!(views.comments.contains(word), "`{word}` is comment in {text:?}: {views:?}");
        }
        assert_eq!(views.code.lines().count(), text.lines().count(), "{text:?}");
    }

    #[test]
    fn comments_strings_and_code_are_told_apart() {
        check("let a = 1; // one\nlet b;", &["let a", "let b"], &["one"], &["// one"]);
        check("a /* b /* c */ d */ e", &["a", "e"], &["b", "c", "d"], &["d */"]);
        check("f(\"x // y\", z)", &["f(", "z)"], &["x", "y"], &[]);
        check("f(\"a\\\"b\") + g", &["g"], &["a\\", "b\""], &[]);
        check("r#\"in \" side\"# out", &["out"], &["in", "side"], &[]);
        check("br\"in\" out", &["out"], &["in"], &[]);
        check("r#type + 'q' + '\\'' + x", &["r#type", "x"], &["q"], &[]);
        check("fn f<'a>(x: &'a str) {}", &["<'a>", "&'a str"], &[], &[]);
        check("let s = \"two\nlines\"; end", &["end"], &["two", "lines"], &[]);
        check("// open\n\"never closed", &[], &["never"], &["open"]);
    }
}
