//! What an owner can be asked, and what it answers.
//! Requests carry ids, time and randomness with them, so that the owner needs neither clock nor kernel.

use std::sync::Arc;

use engine::run::{Micros, Outcome, Rejection, RunId, Submission};
use engine::workflow::{InputError, Workflow};
use serde_json::Value;
use ticket::Ticket;

use super::Ruled;
use crate::gate::Principal;
use crate::tickets::Unstarted;

/// Longest idempotency key, in bytes.
const KEY_MAX: usize = 255;

/// The time and randomness an input may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Now.
    pub now: Micros,
    /// Uniform random bits.
    pub entropy: u64,
}

/// A new run.
#[derive(Debug, Clone)]
pub struct Submit {
    /// A fresh id.
    pub run: RunId,
    /// What to run.
    pub workflow: Arc<Workflow>,
    /// File name of the workflow, for people.
    pub name: String,
    /// Whether the journal does not have the document yet.
    pub first_seen: bool,
    /// Inputs as given.
    pub inputs: Value,
    /// Who asks.
    pub principal: Principal,
    /// Who started it, where the principal acts for somebody.
    pub started_by: Option<String>,
    /// Idempotency key.
    pub key: Option<String>,
    /// The run of an earlier process that has the key, with what it was submitted with.
    pub holder: Option<(RunId, Arc<Submission>)>,
}

/// What somebody asks for.
#[derive(Debug, Clone)]
pub enum Asking {
    /// A new run. Legal at any time.
    Submit(Box<Submit>),
    /// A new run whose calls are held against a ticket. Legal at any time.
    Presenting(Box<Submit>, Vec<Ticket>),
    /// Stop a run. Legal until it ended.
    Cancel {
        /// The run.
        run: RunId,
        /// Who asks.
        by: String,
        /// Why.
        reason: String,
    },
    /// Answer a request for an approval. Legal while it is open, for whoever may answer it.
    Rule(Ruled),
    /// Do failed steps again. Legal once the run ended or waits.
    Retry {
        /// The run.
        run: RunId,
        /// Only this step; every failed one without it.
        step: Option<String>,
        /// Who asks.
        by: String,
        /// Tickets for the start of a workflow with actions, and for calls.
        tickets: Vec<Ticket>,
    },
}

/// What is answered once the request is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The run exists.
    Accepted {
        /// Its id.
        run: RunId,
        /// Whether it had been submitted before under the same key.
        existing: bool,
    },
    /// Done as asked.
    Done,
    /// Tickets deny the actions of the workflow. That is on record; nothing else happened.
    Denied(Box<Unstarted>),
}

/// Why a request is refused; nothing changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusing {
    /// The inputs do not fit the workflow's schema.
    #[error("the inputs do not fit the workflow")]
    Inputs(Vec<InputError>),
    /// The key is none.
    #[error("an idempotency key is 1 to {KEY_MAX} ASCII letters, digits, `.`, `_`, `:` and `-`")]
    Key,
    /// The key belongs to a run of other work.
    #[error(
        "the idempotency key belongs to run `{0}`, which was submitted with another workflow or other inputs"
    )]
    KeyTaken(RunId),
    /// The run has no such step.
    #[error("the run has no step `{0}`")]
    NoStep(String),
    /// A step would do what only a command of its own asks for.
    #[error("no step can call `{0}`")]
    Deed(String),
    /// No step failed.
    #[error("no step of the run failed")]
    NothingToRetry,
    /// Tickets deny the actions of the workflow.
    #[error(transparent)]
    Actions(Box<Unstarted>),
    /// Only a person answers for a change of the policy.
    #[error("a change of the policy is approved by a person, and `{0}` has the role of an agent")]
    Agent(String),
    /// The engine says no.
    #[error(transparent)]
    Rejected(Rejection),
}

/// Whether a text can be an idempotency key.
///
/// # Errors
/// [`Refusing::Key`] when it cannot.
pub fn check_key(key: &str) -> Result<(), Refusing> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    match (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(plain) {
        true => Ok(()),
        false => Err(Refusing::Key),
    }
}

/// Whether a step ended badly by itself, not because of another step or a person.
pub(super) fn is_own_failure(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Failed | Outcome::TimedOut | Outcome::Denied | Outcome::Cancelled => true,
        Outcome::Succeeded | Outcome::Skipped => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_short_and_plain() {
        let (longest, longer) = ("k".repeat(KEY_MAX), "k".repeat(KEY_MAX + 1));
        for good in ["k", "aZ09._:-", &longest] {
            assert!(check_key(good).is_ok(), "{good}");
        }
        for bad in ["", " ", "a b", "a\n", "é", "a/b", "k\0", &longer] {
            assert!(matches!(check_key(bad), Err(Refusing::Key)), "{bad}");
        }
    }
}
