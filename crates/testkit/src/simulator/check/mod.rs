//! The judges: what must hold in the journal whatever happened to the disk.
//!
//! Each file has one rule and works from records and promises alone, never from the state of the
//! code under test. A violation names its rule and the first place where it shows.

mod approval;
pub(super) mod chain;
pub(super) mod effect;
mod fold;
pub(super) mod lease;
mod promise;

use super::Control;
use super::promise::Promises;
use super::server::Server;
use super::sink::Sink;
use engine::run::Event;
use runner::record::event_of;
use std::fmt;

/// The rules, by what a violation would mean for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// What was acknowledged is in the journal.
    Durable,
    /// The chain verifies and has no gap.
    Chain,
    /// The events alone give the stored views.
    Fold,
    /// One lease at a time, ended by its own holder.
    Lease,
    /// One effect for one piece of work, and none missing.
    Effect,
    /// Nothing that needs an approval without one of its own.
    Approval,
    /// No effect before its record.
    Intent,
    /// Everything acknowledged ends once faults stop.
    Liveness,
    /// The code under test gave up where it should not.
    Progress,
}

/// A rule that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub rule: Rule,
    /// What was seen, in one line.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.detail)
    }
}

/// A violation of `rule`.
pub(super) fn broken(rule: Rule, detail: impl Into<String>) -> Violation {
    Violation { rule, detail: detail.into() }
}

/// Everything that must hold after a recovery.
pub(super) fn judge(
    server: &Server,
    control: Control,
    promises: &Promises,
    sink: &Sink,
) -> Result<(), Violation> {
    let records = server.recall().records()?;
    chain::judge(&records)?;
    chain::verified(control, &records)?;
    for (sequence, leaf) in &promises.durable {
        chain::present(&records, *sequence, Some(*leaf))?;
    }
    let events: Vec<Event> = records.iter().filter_map(event_of).collect();
    promise::judge(promises, &events)?;
    lease::judge(&events)?;
    effect::judge(sink)?;
    approval::judge(promises, &events)?;
    fold::judge(server.recall().reader(), &records)
}
