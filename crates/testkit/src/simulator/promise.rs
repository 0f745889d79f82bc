//! What the outside was told, and may therefore rely on for ever.
//!
//! Filled only when an answer leaves the code under test. After each recovery the judges compare
//! it with the journal. It is deliberately plain: lists and maps, no state of the product.

use super::check::{Rule, Violation, broken};
use engine::run::{ApprovalId, Fence, Ruling, RunEnd, RunId};
use engine::workflow::StepIndex;
use journal::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// One attempt that a worker was told to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    /// The run.
    pub(super) run: RunId,
    /// The step's place in its workflow.
    pub(super) step: StepIndex,
    /// The step's name.
    pub(super) name: String,
    /// From 1.
    pub(super) number: u32,
    /// The lease.
    pub(super) fence: Fence,
    /// The idempotency key of its effect.
    pub(super) key: String,
}

/// Everything that was promised in one run of the simulator.
#[derive(Debug, Default)]
pub(super) struct Promises {
    /// Requests that were accepted, and as which run.
    pub(super) accepted: BTreeMap<String, RunId>,
    /// Runs whose end was told.
    pub(super) ended: BTreeMap<RunId, RunEnd>,
    /// Attempts that were begun, by lease.
    pub(super) begun: BTreeMap<Fence, Attempt>,
    /// Answers to requests for approvals that were taken.
    pub(super) ruled: BTreeSet<(ApprovalId, Ruling)>,
    /// Last record of every acknowledged commit, with its leaf.
    pub(super) durable: BTreeMap<u64, Digest>,
    /// Answers given, repeated ones included.
    pub(super) count: u64,
}

impl Promises {
    /// A commit was acknowledged up to this record.
    pub(super) fn durable(&mut self, sequence: u64, leaf: Digest) {
        self.durable.insert(sequence, leaf);
    }

    /// A request was accepted as `run`; a request is one run, however often it is asked.
    pub(super) fn accept(&mut self, request: &str, run: RunId) -> Result<(), Violation> {
        self.count += 1;
        let before = self.accepted.insert(request.to_owned(), run);
        unchanged(before, &run, || format!("request `{request}`"))
    }

    /// An answer to a request was taken.
    pub(super) fn rule(&mut self, approval: ApprovalId, ruling: Ruling) {
        self.count += 1;
        self.ruled.insert((approval, ruling));
    }

    /// The end of a run was told.
    pub(super) fn end(&mut self, run: RunId, end: RunEnd) -> Result<(), Violation> {
        self.count += 1;
        let before = self.ended.insert(run, end);
        unchanged(before, &end, || format!("the end of `{run}`"))
    }

    /// A worker was told to begin.
    pub(super) fn begin(&mut self, attempt: Attempt) -> Result<(), Violation> {
        self.count += 1;
        let before = self.begun.insert(attempt.fence, attempt.clone());
        unchanged(before, &attempt, || format!("lease {}", attempt.fence))
    }
}

fn unchanged<T: PartialEq + Debug>(
    before: Option<T>,
    now: &T,
    what: impl FnOnce() -> String,
) -> Result<(), Violation> {
    match before {
        Some(before) if before != *now => {
            Err(broken(Rule::Durable, format!("{} was {before:?} and is now {now:?}", what())))
        }
        _ => Ok(()),
    }
}
