//! The extension: a program of the user's that is asked last and can object to what rules let through.
//!
//! What it may answer, and the bytes that questions and answers are made of (`frame.rs`, `message.rs`).
//! Running it, waiting for it and starting it again are the host's; nothing here starts or reads
//! anything. Every fault is a denial.

mod frame;
mod message;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use frame::{ANSWER_BYTES_MAX, Answer, QUESTION_BYTES_MAX, question};

/// How long an answer is waited for; without one by then the call is denied.
pub const ANSWER_WITHIN: Duration = Duration::from_millis(100);

/// What came of asking the extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extended {
    /// It has nothing to say, or there is none.
    Pass,
    /// It allows, with its reason.
    Allow(Option<Arc<str>>),
    /// It denies, with its reason.
    Deny(Option<Arc<str>>),
    /// It asks for a review, with its reason.
    RequireReview(Option<Arc<str>>),
    /// It gave no answer that can be used: the call is denied.
    Failed(ExtensionFault),
}

/// Why an extension gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExtensionFault {
    /// It is not running and could not be started.
    Unavailable,
    /// It ended before it answered, and so did its one restart.
    Crashed,
    /// It did not answer in time.
    TimedOut,
    /// The call is too large to be asked about.
    TooLarge,
    /// It answered with anything but an answer to what was asked.
    Malformed,
}

impl fmt::Display for ExtensionFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            ExtensionFault::Unavailable => "the extension is not available",
            ExtensionFault::Crashed => "the extension crashed",
            ExtensionFault::TimedOut => "the extension did not answer in time",
            ExtensionFault::TooLarge => "the call is too large for the extension",
            ExtensionFault::Malformed => "the extension gave no valid answer",
        })
    }
}
