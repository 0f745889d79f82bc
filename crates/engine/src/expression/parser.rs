//! Tokens to tree, by precedence climbing.
//!
//! Operators of one strength become one flat chain, so a long sum does not make a deep tree;
//! only brackets, signs and choices nest, and they nest at most [`MAX_DEPTH`] levels. The parser
//! resolves references (see `reference`) but knows neither which steps exist nor any type.

use super::fault::{At, Fault};
use super::function::{Form, Function};
use super::reference;
use super::syntax::{Access, Kind, LEVELS, Node, Operator, Unary};
use super::token::{Token, Word, tokens};
use policy::document::suggest;
use serde_json::Value;

/// The deepest nesting of brackets, signs and choices; a deeper expression is an error at load.
pub const MAX_DEPTH: usize = 32;

/// Reads one expression beginning at byte `start`, and returns it with the offset of the `}}` or
/// end of text behind it.
pub(super) fn parse(text: &str, start: usize) -> Result<(Node, usize), Fault> {
    let tokens = tokens(text, start)?;
    let mut parser = Parser { tokens, index: 0, depth: 0 };
    if parser.peek().word == Word::End {
        return Err(Fault::new(parser.peek().at, "expression is empty"));
    }
    let node = parser.choice()?;
    let end = parser.peek().clone();
    match end.word {
        Word::End => Ok((node, end.at.start)),
        word => Err(unexpected(&word, end.at, "an operator or the end of the expression")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    index: usize,
    depth: usize,
}

/// What `peek` answers behind the last token; the lexer always ends with it anyway.
const END: Token = Token { word: Word::End, at: At { start: 0, len: 1 } };

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.index).or(self.tokens.last()).unwrap_or(&END)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.index += 1;
        token
    }

    /// Takes the next token if it is this sign.
    fn eat(&mut self, sign: &str) -> bool {
        let found = self.peek().word.is(sign);
        if found {
            self.index += 1;
        }
        found
    }

    fn expect(&mut self, sign: &str) -> Result<At, Fault> {
        let token = self.next();
        if token.word.is(sign) {
            return Ok(token.at);
        }
        Err(unexpected(&token.word, token.at, &format!("`{sign}`")))
    }

    /// Runs `read` one level deeper, refusing when that is too deep.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth >= MAX_DEPTH {
            let message = format!("expression nests deeper than {MAX_DEPTH} levels");
            return Err(Fault::new(self.peek().at, message));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn choice(&mut self) -> Result<Node, Fault> {
        self.deeper(|parser| {
            let condition = parser.chain(0)?;
            if !parser.eat("?") {
                return Ok(condition);
            }
            let yes = parser.choice()?;
            parser.expect(":")?;
            let no = parser.choice()?;
            let at = condition.at.to(no.at);
            let (condition, yes, no) = (Box::new(condition), Box::new(yes), Box::new(no));
            Ok(Node { kind: Kind::Choice { condition, yes, no }, at })
        })
    }

    /// Operators of strength `level` and everything that binds more tightly.
    fn chain(&mut self, level: u8) -> Result<Node, Fault> {
        if level >= LEVELS {
            return self.unary();
        }
        let first = self.chain(level + 1)?;
        let mut rest = Vec::new();
        while let Some(operator) = self.operator(level) {
            self.index += 1;
            rest.push((operator, self.chain(level + 1)?));
        }
        let Some((_, last)) = rest.last() else { return Ok(first) };
        let at = first.at.to(last.at);
        Ok(Node { kind: Kind::Chain { first: Box::new(first), rest }, at })
    }

    fn operator(&self, level: u8) -> Option<Operator> {
        match &self.peek().word {
            Word::Sign(sign) => Operator::at_level(sign, level),
            Word::Name(name) => Operator::at_level(name, level),
            _ => None,
        }
    }

    fn unary(&mut self) -> Result<Node, Fault> {
        let begin = self.peek().at;
        let operator = match &self.peek().word {
            word if word.is("!") => Unary::Not,
            word if word.is("-") => Unary::Negate,
            _ => return self.access(),
        };
        self.index += 1;
        if let (Unary::Negate, Word::Int(magnitude)) = (operator, &self.peek().word) {
            let value = 0_i64.checked_sub_unsigned(*magnitude);
            let at = begin.to(self.next().at);
            return integer(value, at);
        }
        let operand = Box::new(self.deeper(Self::unary)?);
        let at = begin.to(operand.at);
        Ok(Node { kind: Kind::Unary { operator, operand }, at })
    }

    /// A value with the fields, indexes and the method call behind it.
    fn access(&mut self) -> Result<Node, Fault> {
        let start = self.peek().clone();
        let root = self.root_name(&start);
        let base = if root.is_some() { None } else { Some(self.primary()?) };
        let mut path = Vec::new();
        let mut end = base.as_ref().map_or(start.at, |node| node.at);
        loop {
            if self.eat(".") {
                let (name, at) = self.name()?;
                if self.peek().word.is("(") {
                    let receiver = place(root, base, path, start.at, end)?;
                    return self.method(receiver, &name, at);
                }
                end = at;
                path.push(Access::Field(name, at));
            } else if self.eat("[") {
                let index = self.choice()?;
                end = self.expect("]")?;
                path.push(Access::Index(index));
            } else {
                return place(root, base, path, start.at, end);
            }
        }
    }

    /// Takes a name that is a root of references rather than a literal or a call.
    fn root_name(&mut self, token: &Token) -> Option<String> {
        let Word::Name(name) = &token.word else { return None };
        let behind = self.tokens.get(self.index + 1);
        let called = behind.is_some_and(|token| token.word.is("("));
        if called || matches!(name.as_str(), "true" | "false" | "null" | "in") {
            return None;
        }
        self.index += 1;
        Some(name.clone())
    }

    fn name(&mut self) -> Result<(String, At), Fault> {
        let token = self.next();
        match token.word {
            Word::Name(name) => Ok((name, token.at)),
            word => Err(unexpected(&word, token.at, "a field name")
                .hint("other fields are written `[\"name\"]`")),
        }
    }

    fn primary(&mut self) -> Result<Node, Fault> {
        let Token { word, at } = self.next();
        let kind = match word {
            Word::Int(magnitude) => return integer(i64::try_from(magnitude).ok(), at),
            Word::Text(text) => Kind::Literal(Value::String(text)),
            Word::Name(name) => match name.as_str() {
                "true" => Kind::Literal(Value::Bool(true)),
                "false" => Kind::Literal(Value::Bool(false)),
                "null" => Kind::Literal(Value::Null),
                _ if self.peek().word.is("(") => return self.call(&name, at),
                _ => return Err(unexpected(&Word::Name(name), at, "a value")),
            },
            Word::Sign("(") => {
                let inner = self.choice()?;
                let end = self.expect(")")?;
                return Ok(Node { at: at.to(end), ..inner });
            }
            Word::Sign("[") => {
                let (items, end) = self.items("]")?;
                return Ok(Node { kind: Kind::List(items), at: at.to(end) });
            }
            word => return Err(unexpected(&word, at, "a value")),
        };
        Ok(Node { kind, at })
    }

    /// Values separated by commas up to the closing bracket, which is taken too.
    fn items(&mut self, close: &str) -> Result<(Vec<Node>, At), Fault> {
        let mut items = Vec::new();
        if self.peek().word.is(close) {
            return Ok((items, self.next().at));
        }
        loop {
            items.push(self.choice()?);
            if !self.eat(",") {
                return Ok((items, self.expect(close)?));
            }
        }
    }

    fn call(&mut self, name: &str, at: At) -> Result<Node, Fault> {
        let function = function(name, at)?;
        self.expect("(")?;
        let (arguments, end) = self.items(")")?;
        if function.form() == Form::Method {
            let message = format!("`{name}` is called on a text");
            return Err(Fault::new(at, message).hint(format!("write `text.{name}(part)`")));
        }
        finish_call(function, arguments, at, at.to(end))
    }

    fn method(&mut self, receiver: Node, name: &str, at: At) -> Result<Node, Fault> {
        let function = function(name, at)?;
        self.expect("(")?;
        let whole = receiver.at;
        let (mut arguments, end) = self.items(")")?;
        if matches!(function.form(), Form::Call | Form::Status) {
            let message = format!("`{name}` is not called on a value");
            return Err(Fault::new(at, message).hint(format!("write `{name}(…)`")));
        }
        arguments.insert(0, receiver);
        if self.peek().word.is(".") || self.peek().word.is("[") {
            return Err(Fault::new(
                self.peek().at,
                format!("the result of `{name}` has no fields"),
            ));
        }
        finish_call(function, arguments, at, whole.to(end))
    }
}

impl Word {
    fn is(&self, sign: &str) -> bool {
        matches!(self, Self::Sign(own) if *own == sign)
    }
}

/// Joins a base with its accesses: a reference when it began with a name.
fn place(
    root: Option<String>,
    base: Option<Node>,
    path: Vec<Access>,
    start: At,
    end: At,
) -> Result<Node, Fault> {
    let at = start.to(end);
    match (root, base) {
        (Some(root), _) => reference::resolve(&root, start, path, at),
        (None, Some(base)) if path.is_empty() => Ok(base),
        (None, Some(base)) => Ok(Node { kind: Kind::Access { base: Box::new(base), path }, at }),
        (None, None) => Err(Fault::new(at, "expected a value")),
    }
}

fn integer(value: Option<i64>, at: At) -> Result<Node, Fault> {
    let value = value.ok_or_else(|| Fault::new(at, "number does not fit in 64 bits"))?;
    Ok(Node { kind: Kind::Literal(Value::from(value)), at })
}

fn function(name: &str, at: At) -> Result<Function, Fault> {
    Function::named(name).ok_or_else(|| {
        let hint = match suggest(name, &Function::names()) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("the functions are {}", Function::names().join(", ")),
        };
        Fault::new(at, format!("unknown function `{name}`")).hint(hint)
    })
}

fn finish_call(function: Function, arguments: Vec<Node>, name: At, at: At) -> Result<Node, Fault> {
    if arguments.len() == function.arity() {
        return Ok(Node { kind: Kind::Call { function, arguments }, at });
    }
    let receiver = usize::from(function.form() == Form::Method);
    let wanted = match function.arity() - receiver {
        0 => "no argument".to_owned(),
        1 => "one argument".to_owned(),
        count => format!("{count} arguments"),
    };
    let given = arguments.len().saturating_sub(receiver);
    Err(Fault::new(name, format!("`{}` takes {wanted}, not {given}", function.name())))
}

fn unexpected(word: &Word, at: At, wanted: &str) -> Fault {
    let found = match word {
        Word::End => return Fault::new(at, format!("expression ends where {wanted} is expected")),
        Word::Name(name) => format!("`{name}`"),
        Word::Int(number) => format!("`{number}`"),
        Word::Text(_) => "a string".to_owned(),
        Word::Sign(sign) => format!("`{sign}`"),
    };
    Fault::new(at, format!("expected {wanted}, found {found}"))
}
