//! A turn: what one input leads to, to be made durable as one operation, and what may be done after that.
//!
//! Effects leave a turn only through [`Turn::split`], together with the operation they wait for; whoever holds them
//! has to commit first. That is how a decision is durable before its effect begins.

use std::collections::BTreeMap;

use engine::run::{Event, Fence};
use journal::{Change, Draft, LogId, Operation};

use crate::executor::Job;

/// What may be done once the turn's operation is durable.
#[derive(Debug)]
pub enum Effect {
    /// Carry out an attempt.
    Begin(Box<Job>),
    /// Stop an attempt.
    Stop(Fence),
    /// Tell whoever watches.
    Tell(Event),
}

/// What an input led to.
#[derive(Debug, Default)]
pub struct Turn {
    drafts: Vec<Draft>,
    changes: BTreeMap<(&'static str, Vec<u8>), Option<Vec<u8>>>,
    effects: Vec<Effect>,
}

impl Turn {
    /// Whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.drafts.is_empty() && self.effects.is_empty()
    }

    /// Number of records it holds.
    #[must_use]
    pub fn records(&self) -> usize {
        self.drafts.len()
    }

    /// The operation to commit, where there is anything to record, and what may be done after.
    #[must_use]
    pub fn split(self, log: &LogId) -> (Option<Operation>, Vec<Effect>) {
        let changes = self.changes.into_iter().map(|((view, key), value)| Change { view, key, value }).collect();
        let operation = Operation { log: log.clone(), drafts: self.drafts, changes };
        ((!operation.drafts.is_empty()).then_some(operation), self.effects)
    }

    pub(crate) fn draft(&mut self, draft: Draft) {
        self.drafts.push(draft);
    }

    /// The last change of a row is the one that counts.
    pub(crate) fn change(&mut self, change: Change) {
        self.changes.insert((change.view, change.key), change.value);
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
}
