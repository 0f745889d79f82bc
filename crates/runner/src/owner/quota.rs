//! The ledger of limits beside the engine's state: a fold of the same events, kept by the same turn.
//!
//! A reservation is part of the record that starts an attempt, so both are durable or neither is. It ends with the
//! event that ends the attempt, whatever came of it: an attempt that may have run counts. When a new owner takes over
//! no attempt of the one before can go on, so none of theirs is held any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::policy::quota::{self, Account, Exceeded, Ledger, Reservation};
use engine::policy::{Charge, Per};
use engine::run::{Event, Fact, Fence, Guard, Micros, RunId, StoppedBy};
use serde_json::{Value, json};

use crate::projection::{Charged, Correction};

/// What is reserved, and by which attempt.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    ledger: Ledger,
    /// Reservations of attempts that run.
    open: BTreeMap<Fence, u64>,
}

/// Whether limits that ask for a review hold a call up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reviewed {
    /// Nobody approved it.
    No,
    /// They were part of what was approved.
    Yes,
}

impl Quotas {
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Reserves what a call of `account` takes; nothing where it takes nothing.
    pub(super) fn reserve(
        &mut self,
        account: &Account,
        charges: &[Charge],
        (now, reviewed): (Micros, Reviewed),
    ) -> Result<Option<Reservation>, Exceeded> {
        if charges.is_empty() {
            return Ok(None);
        }
        let now = micros(now);
        match reviewed {
            Reviewed::No => self.ledger.reserve(account, charges, now),
            Reviewed::Yes => self.ledger.reserve_approved(account, charges, now),
        }
        .map(Some)
    }

    /// Goes back to a clock that was corrected, as the ledger says; what it gives is to be recorded.
    pub(super) fn correct(&mut self, now: Micros) -> Option<Correction> {
        let nothing = self.ledger.correct(micros(now))?;
        Some(Correction { number: nothing.number, at: nothing.at })
    }

    /// Gives back what a call took that did not begin.
    pub(super) fn release(&mut self, reservation: Option<&Reservation>, now: Micros) {
        if let Some(reservation) = reservation {
            // It was made a moment ago, so it is open.
            drop(self.ledger.release(reservation.number, micros(now)));
        }
    }

    /// Follows an event that was just decided.
    pub(super) fn observe(&mut self, event: &Event) {
        match &event.fact {
            Fact::StepStarted { fence, grant, .. } => {
                if let Some(reservation) = &grant.reservation {
                    self.open.insert(*fence, reservation.number);
                }
            }
            Fact::StepFinished { fence, .. }
            | Fact::StepRequeued { fence, .. }
            | Fact::StepOutcomeUnknown { fence, .. } => self.settle(*fence, event.at),
            Fact::ShardRecovered { .. } => {
                for fence in self.open.keys().copied().collect::<Vec<_>>() {
                    self.settle(fence, event.at);
                }
            }
            Fact::RunFinished { .. } => {
                self.ledger.forget(TENANT, &event.run.to_string());
            }
            _ => {}
        }
    }

    fn settle(&mut self, fence: Fence, at: Micros) {
        if let Some(number) = self.open.remove(&fence) {
            // What is noted as open is open.
            drop(self.ledger.settle(number, micros(at)));
        }
    }

    /// Takes in what was recorded, in the order of the record, which is that of the numbers. What has ended, or was
    /// an earlier owner's, holds nothing, so never more is held at once than there was. Runs that have ended and are
    /// not gone on with keep no counters of their own.
    ///
    /// # Errors
    /// The first row that does not follow from those before: then nobody knows what is left.
    pub(super) fn recall(
        &mut self,
        mut rows: Vec<Charged>,
        live: &BTreeSet<RunId>,
    ) -> Result<(), String> {
        rows.sort_by_key(|row| row.reservation.number);
        let newest = rows.iter().map(|row| row.fence.epoch()).max().unwrap_or(0);
        for Charged { run, fence, mut reservation, ended } in rows {
            if !live.contains(&run) {
                reservation.charges.retain(|charge| charge.per != Per::Run);
            }
            let number = reservation.number;
            let fact = quota::Fact::Reserved(reservation);
            self.ledger.fold(&fact).map_err(|error| error.to_string())?;
            if ended.is_none() && fence.epoch() == newest {
                self.open.insert(fence, number);
            } else {
                // What was just folded is open.
                drop(self.ledger.settle(number, ended.map_or(0, micros)));
            }
        }
        Ok(())
    }
}

/// The ledger that recorded charges give, for whoever only reads.
///
/// # Errors
/// As for an owner that takes them in.
pub(crate) fn ledger(rows: Vec<Charged>, live: &BTreeSet<RunId>) -> Result<Ledger, String> {
    let mut quotas = Quotas::default();
    quotas.recall(rows, live)?;
    Ok(quotas.ledger)
}

/// The one tenant of this build.
const TENANT: &str = "default";

/// Whose call it is.
pub(crate) fn account(run: RunId, principal: &str) -> Account {
    Account { tenant: Arc::from(TENANT), principal: principal.into(), run: run.to_string().into() }
}

pub(crate) fn micros(at: Micros) -> u64 {
    u64::try_from(at.0).unwrap_or(0)
}

/// A call that limits stop: which, how much is used, and when it would fit.
pub(super) fn stopped(exceeded: &Exceeded, now: Micros) -> StoppedBy {
    let name = match exceeded {
        Exceeded::Limits { over } => over.first().map_or("limits", |over| &over.charge.rule),
        Exceeded::Full => "limits",
    };
    let detail = lines(exceeded, now).join("; ");
    StoppedBy { kind: Guard::Limit, name: name.into(), detail: detail.into() }
}

/// A line for each limit that a call would exceed.
pub(super) fn lines(exceeded: &Exceeded, now: Micros) -> Vec<String> {
    let Exceeded::Limits { over } = exceeded else { return vec![exceeded.to_string()] };
    let line = |over: &quota::Over| match over.fits_at {
        Some(at) => {
            let seconds = at.saturating_sub(micros(now)).div_ceil(1_000_000);
            format!("{over}; it fits again in {seconds} s")
        }
        None => over.to_string(),
    };
    over.iter().map(line).collect()
}

/// The decision in short, with the limits that stop it.
pub(super) fn noted(mut decision: Value, exceeded: &Exceeded) -> Value {
    if let (Some(map), Exceeded::Limits { over }) = (decision.as_object_mut(), exceeded) {
        let all = over.iter().map(|over| {
            json!({
                "rule": over.charge.rule,
                "limit": over.charge.limit,
                "used": over.used,
                "max": over.charge.max,
                "fits_at": over.fits_at,
            })
        });
        map.insert("limits".to_owned(), all.collect());
    }
    decision
}
