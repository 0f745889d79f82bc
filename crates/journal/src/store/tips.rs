//! The tips of all logs: number, last sequence, last leaf, and the clock they share.
//!
//! A group works on a `Staged` overlay that is adopted when its commit succeeds and forgotten when it
//! fails, so the chain in memory never runs ahead of the chain on disk.

use std::collections::HashMap;

use crate::checkpoint::Checkpoint;
use crate::digest::Digest;
use crate::error::Refusal;
use crate::record::{LOGS_MAX, LogId, LogNumber, SEQUENCE_MAX, Timestamp};

/// Where a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tip {
    pub(super) number: LogNumber,
    pub(super) sequence: u64,
    pub(super) leaf: Digest,
}

/// The tips as of the last commit.
#[derive(Debug)]
pub(super) struct Tips {
    logs: HashMap<LogId, Tip>,
    clock: Timestamp,
}

impl Tips {
    pub(super) fn empty() -> Self {
        Self { logs: HashMap::new(), clock: Timestamp::MIN }
    }

    /// Adds a log as found in the database at opening.
    pub(super) fn found(&mut self, log: LogId, tip: Tip, time: Timestamp) {
        self.logs.insert(log, tip);
        self.clock = self.clock.max(time);
    }

    pub(super) fn get(&self, log: &LogId) -> Option<&Tip> {
        self.logs.get(log)
    }

    pub(super) fn checkpoints(&self) -> Vec<Checkpoint> {
        let mut all: Vec<Checkpoint> = self
            .logs
            .iter()
            .map(|(log, tip)| Checkpoint {
                log: log.clone(),
                sequence: tip.sequence,
                leaf: tip.leaf,
            })
            .collect();
        all.sort_unstable_by(|a, b| a.log.cmp(&b.log));
        all
    }

    pub(super) fn stage(&self) -> Staged {
        let logs = u32::try_from(self.logs.len()).unwrap_or(u32::MAX);
        Staged { changed: HashMap::new(), clock: self.clock, logs }
    }

    pub(super) fn adopt(&mut self, staged: Staged) {
        self.logs.extend(staged.changed);
        self.clock = staged.clock;
    }
}

/// The tips as they will be when the group under way is committed.
#[derive(Debug)]
pub(super) struct Staged {
    changed: HashMap<LogId, Tip>,
    pub(super) clock: Timestamp,
    logs: u32,
}

/// A tip to append to, and whether its log has to be registered first.
pub(super) enum Place {
    Known(Tip),
    New(Tip),
}

impl Staged {
    /// Where `log` stands, with room for `records` more; nothing is changed yet.
    pub(super) fn place(&self, tips: &Tips, log: &LogId, records: usize) -> Result<Place, Refusal> {
        let Some(tip) = self.changed.get(log).or_else(|| tips.get(log)) else {
            return self.new_place();
        };
        let room = SEQUENCE_MAX.saturating_sub(tip.sequence);
        if u64::try_from(records).is_ok_and(|records| records <= room) {
            Ok(Place::Known(*tip))
        } else {
            Err(Refusal::Invalid(format!("log `{log}` is full at {SEQUENCE_MAX} records")))
        }
    }

    fn new_place(&self) -> Result<Place, Refusal> {
        if self.logs >= LOGS_MAX {
            return Err(Refusal::Invalid(format!("database is full at {LOGS_MAX} logs")));
        }
        let number = LogNumber(self.logs + 1);
        Ok(Place::New(Tip { number, sequence: 0, leaf: Digest::ZERO }))
    }

    pub(super) fn set(&mut self, log: &LogId, tip: Tip) {
        self.logs = self.logs.max(tip.number.0);
        match self.changed.get_mut(log) {
            Some(slot) => *slot = tip,
            None => {
                self.changed.insert(log.clone(), tip);
            }
        }
    }
}
