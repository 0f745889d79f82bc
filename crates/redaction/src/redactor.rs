//! Known values and patterns together, for whole texts, JSON values and streams.
//! What each of them finds is in `known` and `pattern`; here is only where they are applied.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::known::Known;
use crate::mark::Tagger;
use crate::pattern::Patterns;
use crate::stream::Stream;

/// What is redacted, and under which key the marks are made.
#[derive(Debug, Clone)]
pub struct Redactor {
    known: Arc<Known>,
    patterns: Option<Arc<Patterns>>,
    tagger: Tagger,
}

impl Redactor {
    /// Redacts `known`, and what `patterns` find where there are any.
    #[must_use]
    pub fn new(known: Arc<Known>, patterns: Option<Arc<Patterns>>, tagger: Tagger) -> Self {
        Self { known, patterns, tagger }
    }

    /// The same with other patterns, or without any.
    #[must_use]
    pub fn with_patterns(&self, patterns: Option<Arc<Patterns>>) -> Self {
        Self { patterns, ..self.clone() }
    }

    /// The values it knows.
    #[must_use]
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// Whether every text comes out as it went in.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.known.is_empty() && self.patterns.is_none()
    }

    /// For what comes piece by piece.
    #[must_use]
    pub fn stream(&self) -> Stream {
        Stream::new(Arc::clone(&self.known), self.patterns.clone(), self.tagger.clone())
    }

    /// A whole text.
    #[must_use]
    pub fn bytes(&self, text: &[u8]) -> Vec<u8> {
        if self.is_idle() {
            return text.to_vec();
        }
        let mut stream = self.stream();
        let mut redacted = stream.take(text);
        redacted.extend(stream.finish());
        redacted
    }

    /// A text of which the end is missing: what may be the beginning of a known value is replaced as well.
    #[must_use]
    pub fn bytes_cut(&self, text: &[u8]) -> Vec<u8> {
        let mut stream = self.stream();
        let mut redacted = stream.take(text);
        redacted.extend(stream.cut());
        redacted
    }

    /// A whole text; what is no text after a pattern of bytes was replaced in it is withheld.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let redacted = String::from_utf8(self.bytes(text.as_bytes()));
        redacted.unwrap_or_else(|_| self.tagger.withheld(text.as_bytes()))
    }

    /// Every text of a JSON value, names of fields included; a number that is a known value becomes a text.
    ///
    /// Recursion is bounded by whoever read the value: `serde_json` reads 128 levels.
    #[must_use]
    pub fn value(&self, value: &Value) -> Value {
        match value {
            _ if self.is_idle() => value.clone(),
            Value::Null | Value::Bool(_) => value.clone(),
            Value::Number(number) => {
                let text = number.to_string();
                match self.known.first_in(text.as_bytes()) {
                    Some(_) => self.text(&text).into(),
                    None => value.clone(),
                }
            }
            Value::String(text) => self.text(text).into(),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => Value::Object(self.map(fields)),
        }
    }

    /// The same of the fields of an object.
    #[must_use]
    pub fn map(&self, fields: &Map<String, Value>) -> Map<String, Value> {
        fields.iter().map(|(name, value)| (self.text(name), self.value(value))).collect()
    }
}
