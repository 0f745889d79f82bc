//! `State`: every run in memory, with what is to be done next.
//!
//! The state is a fold of events: it changes by `apply` only, save for plans that are made known,
//! the number of slots, and ended runs that are forgotten. It grows with open runs, not with
//! history: the runner forgets a run once its end is in a projection, and applies the run's events
//! again where somebody wants to go on with it. Questions are in `schedule`, `explain`, `view`.

use super::agenda::Agenda;
use super::digest::Digest;
use super::event::Submission;
use super::fence::Fence;
use super::id::RunId;
use super::plan::Plan;
use super::progress::Run;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A principal and its idempotency key.
type Key = (Arc<str>, Box<str>);

/// All runs of one shard.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub(super) slots: u32,
    /// The last fence that was granted; its epoch is the owner's.
    pub(super) fence: Fence,
    /// Runs submitted so far.
    pub(super) submitted: u64,
    pub(super) plans: BTreeMap<Digest, Arc<Plan>>,
    pub(super) runs: BTreeMap<RunId, Box<Run>>,
    pub(super) keys: BTreeMap<Key, RunId>,
    pub(super) agenda: Agenda,
}

impl State {
    /// No runs; at most `slots` leases at a time. With 0 slots nothing ever starts.
    pub fn new(slots: u32) -> Self {
        Self {
            slots,
            fence: Fence::new(0, 0),
            submitted: 0,
            plans: BTreeMap::new(),
            runs: BTreeMap::new(),
            keys: BTreeMap::new(),
            agenda: Agenda::default(),
        }
    }

    /// Makes a plan known, so that runs of it can be submitted or folded. Idempotent.
    pub fn know(&mut self, plan: Arc<Plan>) {
        self.plans.entry(plan.digest()).or_insert(plan);
    }

    /// The known plan of this workflow document.
    pub fn plan(&self, workflow: &Digest) -> Option<&Arc<Plan>> {
        self.plans.get(workflow)
    }

    /// The run of this id, unless it was forgotten.
    pub fn run(&self, run: &RunId) -> Option<&Run> {
        self.runs.get(run).map(Box::as_ref)
    }

    /// Every run in memory, by id.
    pub fn runs(&self) -> impl DoubleEndedIterator<Item = &Run> {
        self.runs.values().map(Box::as_ref)
    }

    /// The run that was submitted with this key, unless it was forgotten: then the caller's
    /// projection knows it.
    pub fn run_of_key(&self, principal: &str, key: &str) -> Option<RunId> {
        self.keys.get(&(Arc::from(principal), Box::from(key))).copied()
    }

    /// The owner's epoch.
    pub fn epoch(&self) -> u32 {
        self.fence.epoch()
    }

    /// Leases that may be held at a time.
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// Leases that are held: counted, never kept.
    pub fn slots_used(&self) -> u32 {
        u32::try_from(self.agenda.leases.len()).unwrap_or(u32::MAX)
    }

    /// Drops an ended run from memory, and its plan where nobody else holds it. False where the
    /// run is unknown or has not ended; then nothing changes.
    pub fn forget(&mut self, run: &RunId) -> bool {
        if self.run(run).is_none_or(|run| run.conclusion.is_none()) {
            return false;
        }
        let Some(gone) = self.runs.remove(run) else { return false };
        if let Some(key) = key_of(&gone.submission)
            && self.keys.get(&key) == Some(run)
        {
            self.keys.remove(&key);
        }
        let digest = gone.plan.digest();
        drop(gone);
        if self.plans.get(&digest).is_some_and(|plan| Arc::strong_count(plan) == 1) {
            self.plans.remove(&digest);
        }
        true
    }
}

pub(super) fn key_of(submission: &Submission) -> Option<Key> {
    Some((Arc::clone(&submission.principal), submission.key.clone()?))
}
