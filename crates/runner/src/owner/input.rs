//! What an owner can be asked, and what it answers.
//! Requests carry ids, time and randomness with them, so that the owner needs neither clock nor kernel.

use std::sync::Arc;

use engine::run::{Micros, Outcome, Rejection, RunId, Submission};
use engine::workflow::{InputError, Workflow};
use serde_json::Value;
use ticket::Ticket;

use super::Ruled;
use crate::gate::Principal;

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
    Presenting(Box<Submit>, Box<Ticket>),
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
    },
}

/// What is answered once the request is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

/// Why a request is refused; nothing changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusing {
    /// The inputs do not fit the workflow's schema.
    #[error("the inputs do not fit the workflow")]
    Inputs(Vec<InputError>),
    /// The key belongs to a run of other work.
    #[error(
        "the idempotency key belongs to run `{0}`, which was submitted with another workflow or other inputs"
    )]
    KeyTaken(RunId),
    /// The run has no such step.
    #[error("the run has no step `{0}`")]
    NoStep(String),
    /// No step failed.
    #[error("no step of the run failed")]
    NothingToRetry,
    /// The engine says no.
    #[error(transparent)]
    Rejected(Rejection),
}

/// Whether a step ended badly by itself, not because of another step or a person.
pub(super) fn is_own_failure(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Failed | Outcome::TimedOut | Outcome::Denied | Outcome::Cancelled => true,
        Outcome::Succeeded | Outcome::Skipped => false,
    }
}
