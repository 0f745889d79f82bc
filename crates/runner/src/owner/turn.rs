//! A turn: what one input leads to, to be made durable as one operation, and what may be done after that.
//!
//! Effects leave a turn only through [`Turn::split`], together with the operation they wait for; whoever holds them
//! has to commit first. That is how a decision is durable before its effect begins.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::run::{ApprovalId, Event, Fence, Micros};
use journal::{Change, Draft, LogId, Operation};

use super::Moment;
use crate::executor::Job;
use crate::gate::Gate;

/// Most records of a turn before nothing more is begun in it. What one input leads to at most, which is an event for
/// each step of the largest workflow, still fits the operation: a quarter of [`journal::DRAFTS_MAX`].
const DRAFTS_ENOUGH: usize = journal::DRAFTS_MAX / 4;
/// The same for the bytes of payloads, keys and values.
const BYTES_ENOUGH: usize = journal::OPERATION_BYTES_MAX / 8;

/// Most questions to an extension in a turn. Each may take its time, and nothing of a turn happens before all of it.
const QUESTIONS_ENOUGH: u32 = 16;

/// What may be done once the turn's operation is durable.
#[derive(Debug)]
pub enum Effect {
    /// Carry out an attempt.
    Begin(Box<Job>),
    /// Stop an attempt.
    Stop(Fence),
    /// Tell whoever watches.
    Tell(Event),
    /// Decide what is no step by this gate from now on.
    Stand(Arc<Gate>),
}

/// What inputs led to, with the time and randomness they may use.
#[derive(Debug)]
pub struct Turn {
    moment: Moment,
    draws: u64,
    drafts: Vec<Draft>,
    changes: BTreeMap<(&'static str, Vec<u8>), Option<Vec<u8>>>,
    effects: Vec<Effect>,
    /// Of payloads, keys and values, those that were replaced included.
    bytes: usize,
    questions: u32,
}

impl Turn {
    /// An empty turn at `moment`.
    #[must_use]
    pub fn new(moment: Moment) -> Self {
        let (drafts, changes, effects) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { moment, draws: 0, drafts, changes, effects, bytes: 0, questions: 0 }
    }

    /// The time of everything in this turn.
    #[must_use]
    pub fn now(&self) -> Micros {
        self.moment.now
    }

    /// Uniform random bits, different at each call.
    pub(super) fn draw(&mut self) -> u64 {
        // One draw of the kernel is spread over the turn by the 64-bit finaliser of SplitMix64 (Steele et al., 2014).
        self.draws = self.draws.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = self.moment.entropy.wrapping_add(self.draws);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A fresh id of a request for an approval: UUIDv7 (RFC 9562, section 5.7).
    pub(super) fn approval_id(&mut self) -> ApprovalId {
        let mut random = [0; 10];
        let draws = [self.draw().to_be_bytes(), self.draw().to_be_bytes()].concat();
        for (slot, byte) in random.iter_mut().zip(draws) {
            *slot = byte;
        }
        let millis = u64::try_from(self.now().0 / 1000).unwrap_or(0);
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &random);
        ApprovalId(id.into_uuid().into_bytes())
    }

    /// The operation to commit, where there is anything to record, and what may be done after.
    #[must_use]
    pub fn split(self, log: &LogId) -> (Option<Operation>, Vec<Effect>) {
        let changes = self
            .changes
            .into_iter()
            .map(|((view, key), value)| Change { view, key, value })
            .collect();
        let operation = Operation { log: log.clone(), drafts: self.drafts, changes };
        ((!operation.drafts.is_empty()).then_some(operation), self.effects)
    }

    /// Whether it should be committed before anything more is begun in it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.drafts.len() >= DRAFTS_ENOUGH
            || self.bytes >= BYTES_ENOUGH
            || self.questions >= QUESTIONS_ENOUGH
    }

    /// Notes that an extension may have been asked.
    pub(super) fn questioned(&mut self) {
        self.questions += 1;
    }

    pub(crate) fn draft(&mut self, draft: Draft) {
        self.bytes += draft.payload.len();
        self.drafts.push(draft);
    }

    /// The last change of a row is the one that counts.
    pub(crate) fn change(&mut self, change: Change) {
        self.bytes += change.key.len() + change.value.as_ref().map_or(0, Vec::len);
        self.changes.insert((change.view, change.key), change.value);
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_of_many_questions_is_full() {
        let mut turn = Turn::new(Moment { now: Micros(0), entropy: 0 });
        for _ in 1..QUESTIONS_ENOUGH {
            turn.questioned();
        }
        assert!(!turn.is_full());
        turn.questioned();
        assert!(turn.is_full());
    }
}
