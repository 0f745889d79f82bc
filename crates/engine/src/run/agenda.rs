//! `Agenda`: what is to be done next, as ordered sets over the phases of steps.
//!
//! Derived and never asked to decide anything: `shift` keeps it in step with every phase, so that
//! the first ready step, the first due retry and the first lease to run out are each found in
//! logarithmic time, with a thousand queued steps or a million. Who may go is in `schedule`.

use super::id::RunId;

use super::progress::{Phase, Wait};
use super::time::Micros;
use crate::workflow::StepIndex;
use std::collections::BTreeSet;

/// A step in the order of its run's submission and then of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    pub(super) order: u64,
    pub(super) run: RunId,
    pub(super) step: StepIndex,
}

/// Steps by what happens to them next.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Agenda {
    /// Steps whose turn it may be.
    pub(super) ready: BTreeSet<Turn>,
    /// Steps that wait for a time.
    pub(super) retries: BTreeSet<(Micros, Turn)>,
    /// Steps that run, by the end of their lease. Its size is the number of slots in use.
    pub(super) leases: BTreeSet<(Micros, Turn)>,
    /// Steps with an open request for an approval, by when it expires.
    pub(super) reviews: BTreeSet<(Micros, Turn)>,
    /// Runs whose steps have succeeded and whose outputs are not evaluated.
    pub(super) concluding: BTreeSet<(u64, RunId)>,
}

impl Agenda {
    pub(super) fn add(&mut self, turn: Turn, phase: &Phase) {
        match phase {
            Phase::Ready => self.ready.insert(turn),
            Phase::Running(lease) => self.leases.insert((lease.until, turn)),
            Phase::Waiting(Wait::Retry { due }) => self.retries.insert((*due, turn)),
            Phase::Waiting(Wait::Approval { until }) => self.reviews.insert((*until, turn)),
            Phase::Waiting(Wait::Approved { until }) => {
                self.reviews.insert((*until, turn)) | self.ready.insert(turn)
            }
            Phase::Waiting(Wait::Unknown) | Phase::Pending | Phase::Ended(_) => false,
        };
    }

    pub(super) fn remove(&mut self, turn: Turn, phase: &Phase) {
        match phase {
            Phase::Ready => self.ready.remove(&turn),
            Phase::Running(lease) => self.leases.remove(&(lease.until, turn)),
            Phase::Waiting(Wait::Retry { due }) => self.retries.remove(&(*due, turn)),
            Phase::Waiting(Wait::Approval { until }) => self.reviews.remove(&(*until, turn)),
            Phase::Waiting(Wait::Approved { until }) => {
                self.reviews.remove(&(*until, turn)) | self.ready.remove(&turn)
            }
            Phase::Waiting(Wait::Unknown) | Phase::Pending | Phase::Ended(_) => false,
        };
    }
}
