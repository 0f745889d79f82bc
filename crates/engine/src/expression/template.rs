//! Text with `${{ … }}` in it: split once at load, filled in per run.
//!
//! Filling in makes values, never program text: what a template yields is handed on as one
//! value, and nothing interprets it again. `$${{` stands for a literal `${{`. The grammar inside
//! the braces is `parser`; which fields take templates is `workflow`'s matter.

use super::check;
use super::evaluate;
use super::fault::{At, Fault};
use super::parser;
use super::scope::{Names, Scope};
use super::shape::Kinds;
use super::syntax::{Kind, Node};
use serde_json::Value;

/// The most expressions in one template; more is an error at load.
pub const MAX_EXPRESSIONS: usize = 256;

/// The longest text a template may yield, in bytes; a longer one is a fault in the run.
pub const MAX_TEXT_BYTES: usize = 1024 * 1024;

const OPEN: &str = "${{";
const CLOSE: &str = "}}";

/// One expression that has been read.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    node: Node,
}

impl Expression {
    /// Reads a text that is one expression, without the braces of a template.
    ///
    /// # Errors
    /// The first mistake, placed in `text`: syntax, an unknown name or function, more than 4 KiB,
    /// more than 32 levels.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let (node, end) = parser::parse(text, 0)?;
        if end < text.len() {
            return Err(Fault::new(At { start: end, len: 2 }, "`}}` without `${{`"));
        }
        Ok(Self { node })
    }

    /// Checks names and kinds; returns the possible kinds of the value and every mistake.
    pub fn check(&self, names: &Names<'_>) -> (Kinds, Vec<Fault>) {
        check::check(&self.node, names)
    }

    /// The value in `scope`.
    ///
    /// # Errors
    /// A fault where an operator or function is given what it cannot take, where a field or item
    /// is missing, and where a limit is passed.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, Fault> {
        evaluate::evaluate(&self.node, scope)
    }

    /// Whether the expression asks `success()`, `failure()`, `always()` or `cancelled()`
    /// anywhere.
    pub fn asks_status(&self) -> bool {
        asks_status(&self.node)
    }

    /// Where the expression stands in the text it was read from.
    pub fn at(&self) -> At {
        self.node.at
    }
}

fn asks_status(node: &Node) -> bool {
    use super::function::Form;
    use super::syntax::Access;
    match &node.kind {
        Kind::Literal(_) | Kind::Reference(_) => false,
        Kind::List(items) => items.iter().any(asks_status),
        Kind::Access { base, path } => {
            let inside =
                |access: &Access| matches!(access, Access::Index(index) if asks_status(index));
            asks_status(base) || path.iter().any(inside)
        }
        Kind::Unary { operand, .. } => asks_status(operand),
        Kind::Chain { first, rest } => {
            asks_status(first) || rest.iter().any(|(_, node)| asks_status(node))
        }
        Kind::Choice { condition, yes, no } => {
            [condition, yes, no].into_iter().any(|node| asks_status(node))
        }
        Kind::Call { function, arguments } => {
            function.form() == Form::Status || arguments.iter().any(asks_status)
        }
    }
}

/// A text of literal pieces and expressions.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    source: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Expression(Expression),
}

impl Template {
    /// Reads a text with any number of `${{ … }}` in it.
    ///
    /// # Errors
    /// The first mistake, placed in `text`.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let (mut position, mut count) = (0, 0);
        while let Some((before, open)) = next_open(text, position) {
            literal.push_str(before);
            if let Some(kept) = literal.strip_suffix('$') {
                literal = format!("{kept}{OPEN}");
                position = open + OPEN.len();
                continue;
            }
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            count += 1;
            if count > MAX_EXPRESSIONS {
                let message = format!("text has more than {MAX_EXPRESSIONS} expressions");
                return Err(Fault::new(At { start: open, len: OPEN.len() }, message));
            }
            let (node, end) = parser::parse(text, open + OPEN.len())?;
            if !text.get(end..).is_some_and(|rest| rest.starts_with(CLOSE)) {
                let at = At { start: open, len: OPEN.len() };
                return Err(Fault::new(at, "`${{` is not closed").hint("end it with `}}`"));
            }
            parts.push(Part::Expression(Expression { node }));
            position = end + CLOSE.len();
        }
        literal.push_str(text.get(position..).unwrap_or(""));
        if !literal.is_empty() || parts.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self { source: text.to_owned(), parts })
    }

    /// The text as written in the document.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text itself when no expression is in it.
    pub fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The expression when the template is exactly one.
    pub fn expression(&self) -> Option<&Expression> {
        match self.parts.as_slice() {
            [Part::Expression(expression)] => Some(expression),
            _ => None,
        }
    }

    /// Every expression, in order.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Expression(expression) => Some(expression),
        })
    }

    /// Checks every expression; returns the possible kinds of the value and every mistake.
    pub fn check(&self, names: &Names<'_>) -> (Kinds, Vec<Fault>) {
        if let Some(expression) = self.expression() {
            return expression.check(names);
        }
        let faults = self.expressions().flat_map(|expression| inside_text(expression, names));
        (Kinds::TEXT, faults.collect())
    }

    /// The typed value when the template is exactly one expression, the text otherwise.
    ///
    /// # Errors
    /// As [`Expression::evaluate`]; null inside a longer text; a text of more than 1 MiB.
    pub fn value(&self, scope: &Scope<'_>) -> Result<Value, Fault> {
        match self.expression() {
            Some(expression) => expression.evaluate(scope),
            None => self.text(scope).map(Value::String),
        }
    }

    /// The text with every expression filled in: text as it is, numbers and booleans as in JSON,
    /// lists and maps as compact JSON.
    ///
    /// # Errors
    /// As [`Template::value`], and null also where the template is exactly one expression.
    pub fn text(&self, scope: &Scope<'_>) -> Result<String, Fault> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Expression(expression) => {
                    let value = expression.evaluate(scope)?;
                    filled.push_str(&as_text(value, expression.at())?);
                }
            }
            if filled.len() > MAX_TEXT_BYTES {
                return Err(Fault::new(At { start: 0, len: 1 }, "text grows beyond 1 MiB"));
            }
        }
        Ok(filled)
    }
}

/// The next `${{` from `position` on, with the text before it.
fn next_open(text: &str, position: usize) -> Option<(&str, usize)> {
    let rest = text.get(position..)?;
    let offset = rest.find(OPEN)?;
    Some((rest.get(..offset)?, position + offset))
}

/// Null has no text; the likely cause is an optional value without a default.
fn null_fault(at: At) -> Fault {
    Fault::new(at, "value is null, which has no text")
        .hint("give a default: `value != null ? value : \"…\"`")
}

fn as_text(value: Value, at: At) -> Result<String, Fault> {
    match value {
        Value::Null => Err(null_fault(at)),
        Value::String(text) => Ok(text),
        value => Ok(value.to_string()),
    }
}

fn inside_text(expression: &Expression, names: &Names<'_>) -> Vec<Fault> {
    let (kinds, mut faults) = expression.check(names);
    if faults.is_empty() && kinds == Kinds::NULL {
        faults.push(null_fault(expression.at()));
    }
    faults
}
