//! The fixed list of functions an expression may call.
//!
//! Four ask how the needed steps ended and belong in `if:` only; the rest are total functions of
//! their arguments. There is no way to add one from a document. What they compute is in
//! `evaluate`.

/// A function of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    /// `size(x)`: characters of a text, items of a list, entries of a map.
    Size,
    /// `string(x)`: a text of a number, a truth value or a text.
    Text,
    /// `int(x)`: an integer of a decimal text or a number.
    Int,
    /// `a.contains(b)`.
    Contains,
    /// `a.startsWith(b)`.
    StartsWith,
    /// `a.endsWith(b)`.
    EndsWith,
    /// `success()`: everything waited for succeeded.
    Success,
    /// `failure()`: something waited for failed.
    Failure,
    /// `always()`: true whatever happened.
    Always,
    /// `cancelled()`: the run is being cancelled.
    Cancelled,
}

/// How a function is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `f(x)`.
    Call,
    /// `x.f(y)`.
    Method,
    /// Both `f(x)` and `x.f()`.
    Either,
    /// `f()`, about the run so far; only in `if:`.
    Status,
}

impl Function {
    const TABLE: [(Self, &'static str, Form); 10] = [
        (Self::Size, "size", Form::Either),
        (Self::Text, "string", Form::Call),
        (Self::Int, "int", Form::Call),
        (Self::Contains, "contains", Form::Method),
        (Self::StartsWith, "startsWith", Form::Method),
        (Self::EndsWith, "endsWith", Form::Method),
        (Self::Success, "success", Form::Status),
        (Self::Failure, "failure", Form::Status),
        (Self::Always, "always", Form::Status),
        (Self::Cancelled, "cancelled", Form::Status),
    ];

    /// The function of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// The name it is called by.
    pub(super) fn name(self) -> &'static str {
        Self::TABLE.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    /// How it is written.
    pub(super) fn form(self) -> Form {
        Self::TABLE.iter().find(|row| row.0 == self).map_or(Form::Status, |row| row.2)
    }

    /// The number of arguments, the receiver included.
    pub(super) fn arity(self) -> usize {
        match self.form() {
            Form::Status => 0,
            Form::Call | Form::Either => 1,
            Form::Method => 2,
        }
    }

    /// Every name, for suggestions.
    pub(super) fn names() -> Vec<&'static str> {
        Self::TABLE.iter().map(|row| row.1).collect()
    }
}
