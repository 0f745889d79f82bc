//! What is wrong with an expression, and where in its text.
//!
//! One plain value serves the three moments an expression can be wrong: reading, checking at
//! load, and evaluating. It is not a diagnostic: it knows no file and no line. The workflow
//! decoder places it inside the YAML scalar (`workflow::locate`).

use std::fmt;

/// A piece of an expression's or template's text, in bytes from the beginning of that text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct At {
    /// Offset of the first byte.
    pub start: usize,
    /// Length in bytes; at least one for anything a caret can point at.
    pub len: usize,
}

impl At {
    /// The piece from `start` up to, not including, `end`.
    pub fn between(start: usize, end: usize) -> Self {
        Self { start, len: end.saturating_sub(start).max(1) }
    }

    /// The offset just behind the piece.
    pub fn end(self) -> usize {
        self.start.saturating_add(self.len)
    }

    /// The piece from the beginning of `self` to the end of `other`.
    pub fn to(self, other: Self) -> Self {
        Self::between(self.start, other.end())
    }
}

/// A mistake in an expression: a lower-case sentence, its place, and the remedy where one is
/// known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, without the remedy.
    pub message: String,
    /// Where in the text.
    pub at: At,
    /// How to put it right.
    pub hint: Option<String>,
}

impl Fault {
    /// A mistake without a known remedy.
    pub fn new(at: At, message: impl Into<String>) -> Self {
        Self { message: message.into(), at, hint: None }
    }

    /// The same mistake with a remedy.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same mistake with a remedy where there is one.
    #[must_use]
    pub fn hint_if(self, hint: Option<String>) -> Self {
        Self { hint: hint.or(self.hint), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {} of the expression)", self.message, self.at.start)
    }
}

impl std::error::Error for Fault {}
