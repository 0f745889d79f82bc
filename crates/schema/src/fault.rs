//! What is wrong with a schema itself, and where.
//! What is wrong with a value is a [`crate::Mistake`].

use std::fmt;

/// A mistake in a schema, at a JSON Pointer (RFC 6901) into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where; empty for the whole schema.
    pub pointer: String,
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// The remedy, where one is known.
    pub hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(
        pointer: impl Into<String>,
        message: impl Into<String>,
        hint: Option<&str>,
    ) -> Self {
        let (pointer, message) = (pointer.into(), message.into());
        Self { pointer, message, hint: hint.map(str::to_owned) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.pointer, self.message)
    }
}

impl std::error::Error for Fault {}
