//! The tree a document becomes: values with the place each was written.
//!
//! A node knows nothing of the document it belongs to; the accessors answer "is this a text" with
//! the diagnostic a decoder would otherwise have to write itself.
//! It is built by `reader.rs` only, so its depth is bounded and recursing over it is safe.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::diagnostic::Diagnostic;

/// A document's text with the name to show in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// File name, shown as it is; never opened.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// Takes a name and a text as they are.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Source {
        Source { name: name.into(), text: text.into() }
    }

    /// Takes a file's bytes, which must be UTF-8.
    ///
    /// # Errors
    /// A diagnostic naming the line and column of the first byte that is not UTF-8.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Source, Diagnostic> {
        let name = name.into();
        String::from_utf8(bytes).map(|text| Source { name: name.clone(), text }).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(error.as_bytes().get(..good).unwrap_or_default());
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            Diagnostic::error(Span { line, column, len: 1 }, "the file is not UTF-8 text")
                .in_file(&name)
        })
    }
}

/// A place in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Span {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Length in characters; a caret is drawn even where it is 0.
    pub len: usize,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where the value was written.
    pub span: Span,
    /// What was written.
    pub value: Yaml,
}

/// A value by the YAML 1.2 core schema (`yes`, `no`, `on`, `off` are texts).
#[derive(Debug, Clone, PartialEq)]
pub enum Yaml {
    /// Nothing, `null` or `~`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number; one outside the range of `i64` is an error of the reader.
    Int(i64),
    /// A finite number with a fraction or an exponent.
    Float(f64),
    /// Anything quoted, and any plain text that is none of the above.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order written; no key occurs twice.
    Map(Vec<(Key, Node)>),
}

/// The key of a map entry, taken as it was written: `1:` has the name `1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The text of the key.
    pub name: String,
    /// Where it was written.
    pub span: Span,
}

impl Node {
    /// The kind of the value in words, for messages: "a list".
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.value {
            Yaml::Null => "nothing",
            Yaml::Bool(_) => "true or false",
            Yaml::Int(_) => "a whole number",
            Yaml::Float(_) => "a number with a fraction",
            Yaml::Text(_) => "a text",
            Yaml::List(_) => "a list",
            Yaml::Map(_) => "a map",
        }
    }

    /// The JSON value; map order is lost, as JSON objects are kept sorted.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.value {
            Yaml::Null => Value::Null,
            Yaml::Bool(value) => Value::Bool(*value),
            Yaml::Int(value) => Value::from(*value),
            Yaml::Float(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
            Yaml::Text(value) => Value::String(value.clone()),
            Yaml::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Yaml::Map(entries) => {
                let pairs = entries.iter().map(|(key, node)| (key.name.clone(), node.to_json()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }

    /// The entry named `name`, where this is a map that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Node> {
        match &self.value {
            Yaml::Map(entries) => {
                entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
            }
            _ => None,
        }
    }

    /// The text, or a diagnostic saying that `what` must be one.
    ///
    /// # Errors
    /// Where the value is not a text; a plain scalar of another kind gets the hint to quote it.
    pub fn text(&self, what: &str) -> Result<&str, Diagnostic> {
        match &self.value {
            Yaml::Text(text) => Ok(text),
            Yaml::Bool(_) | Yaml::Int(_) | Yaml::Float(_) => {
                Err(self.expected(what, "a text").with_hint("quote the value to make it a text"))
            }
            _ => Err(self.expected(what, "a text")),
        }
    }

    /// The whole number, or a diagnostic saying that `what` must be one.
    ///
    /// # Errors
    /// Where the value is not a whole number.
    pub fn int(&self, what: &str) -> Result<i64, Diagnostic> {
        match self.value {
            Yaml::Int(value) => Ok(value),
            _ => Err(self.expected(what, "a whole number")),
        }
    }

    /// The truth value, or a diagnostic saying that `what` must be one.
    ///
    /// # Errors
    /// Where the value is neither `true` nor `false`; `yes` and `on` are texts.
    pub fn bool(&self, what: &str) -> Result<bool, Diagnostic> {
        match self.value {
            Yaml::Bool(value) => Ok(value),
            _ => Err(self.expected(what, "`true` or `false`")),
        }
    }

    /// The items, or a diagnostic saying that `what` must be a list.
    ///
    /// # Errors
    /// Where the value is not a list.
    pub fn list(&self, what: &str) -> Result<&[Node], Diagnostic> {
        match &self.value {
            Yaml::List(items) => Ok(items),
            _ => Err(self.expected(what, "a list")),
        }
    }

    /// The entries, or a diagnostic saying that `what` must be a map.
    ///
    /// # Errors
    /// Where the value is not a map.
    pub fn map(&self, what: &str) -> Result<&[(Key, Node)], Diagnostic> {
        match &self.value {
            Yaml::Map(entries) => Ok(entries),
            _ => Err(self.expected(what, "a map")),
        }
    }

    /// The diagnostic "`what` must be `wanted`, found …" at this node.
    #[must_use]
    pub fn expected(&self, what: &str, wanted: &str) -> Diagnostic {
        Diagnostic::error(self.span, format!("{what} must be {wanted}, found {}", self.kind()))
    }
}
