//! An error with its causes in one line, for records and answers that have only a line.
//! Where there is room, the causes are shown one by one instead; that is the command line's business.

use std::error::Error;

/// The error and everything that caused it, joined by colons.
pub(crate) fn line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
