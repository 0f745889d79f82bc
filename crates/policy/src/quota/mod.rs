//! The ledger of limits: what was reserved, by whom and when, and what still fits.
//!
//! A fold of facts: the same reservations and settlements in the same order give the same ledger, so
//! it is rebuilt from the journal after a restart. Time comes in with every question, in microseconds,
//! and does not run backwards here, unless the clock was wrong: then it is corrected, as a fact like
//! any other. A refused reservation changes nothing; nothing is ever counted across tenants. The
//! counters are in `counter.rs`, the facts in `fact.rs`.
//!
//! A window slides in 64 steps, rounded up, and is exact in what it permits: no window holds more
//! than the limit. What it gives back it may give back late, by one step at most.

mod counter;
mod fact;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::decision::{Charge, ChargeKind, Exceed, Per, Verdict};
use counter::Counter;

pub use fact::{Account, Ending, Fact, FactError, Reservation, Settlement};

/// Counters kept at once: one for each limit and each run, principal or tenant it counts for.
const COUNTERS_MAX: usize = 16_384;

/// Reservations open at once: calls that were let through and have not ended.
const OPEN_MAX: usize = 16_384;

/// Limits that one call is held to.
const CHARGES_MAX: usize = 256;

/// Longest name of a tenant, principal or run, in bytes.
const NAME_BYTES_MAX: usize = 4_096;

/// The furthest that reservations may lie ahead of the clock, in microseconds. Up to there the clock
/// is waited for; beyond it was wrong when they were made, and the ledger is corrected.
const LEAD_MAX: u64 = 10 * 60 * 1_000_000;

/// Every counter and every open reservation. At most 16 384 of either; beyond that it refuses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    counters: BTreeMap<Key, Counter>,
    open: BTreeMap<u64, Reservation>,
    /// The number of the next reservation.
    next: u64,
    /// The time of the last reservation, in microseconds: none is in the future of it.
    latest: u64,
}

/// What is counted together. The maximum is no part of it, so that a policy that changes it goes on
/// counting; another window or another rule begins anew.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    tenant: Arc<str>,
    scope: Scope,
    rule: Arc<str>,
    limit: u16,
    kind: ChargeKind,
    /// In microseconds.
    window: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    Run(Arc<str>),
    Principal(Arc<str>),
    Tenant,
}

/// Why nothing was reserved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// These limits would be exceeded.
    #[error("{}", over.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Limits {
        /// Every one of them, in the order of the charges; at least one.
        over: Vec<Over>,
    },
    /// There is no room to count the call: denied.
    #[error("the ledger of limits is full, a call that cannot be counted is not let through")]
    Full,
}

/// A limit a call would exceed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "limit {} of `{}`: {charge}, {used} used and {} asked for",
    charge.limit.saturating_add(1), charge.rule, asked(*amount)
)]
pub struct Over {
    /// The charge that does not fit.
    pub charge: Charge,
    /// What is used already.
    pub used: u64,
    /// What the call asks for, of every charge on this counter together.
    pub amount: u64,
    /// When it would fit if nothing else came, in microseconds; nothing where time alone does not help.
    pub fits_at: Option<u64>,
}

fn asked(amount: u64) -> String {
    if amount == Charge::UNKNOWN { "an unknown amount".to_owned() } else { amount.to_string() }
}

impl Exceeded {
    /// What becomes of the call: a review only where every exceeded limit asks for one.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Exceeded::Limits { over }
                if over.iter().all(|over| over.charge.on_exceed == Exceed::RequireReview) =>
            {
                Verdict::RequireReview
            }
            Exceeded::Limits { .. } | Exceeded::Full => Verdict::Deny,
        }
    }
}

/// What a reservation is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// Every limit.
    ToAll,
    /// Those that deny; the others have been approved.
    ToDenials,
}

impl Ledger {
    /// Reserves every charge of an allowed call, or none of them.
    ///
    /// # Errors
    /// [`Exceeded`], and nothing is reserved.
    pub fn reserve(
        &mut self,
        account: &Account,
        charges: &[Charge],
        now: u64,
    ) -> Result<Reservation, Exceeded> {
        self.reserve_held(account, charges, now, Held::ToAll)
    }

    /// As [`Ledger::reserve`] for a call that was approved: limits that ask for a review count it
    /// and no longer hold it up.
    ///
    /// # Errors
    /// [`Exceeded`], and nothing is reserved.
    pub fn reserve_approved(
        &mut self,
        account: &Account,
        charges: &[Charge],
        now: u64,
    ) -> Result<Reservation, Exceeded> {
        self.reserve_held(account, charges, now, Held::ToDenials)
    }

    fn reserve_held(
        &mut self,
        account: &Account,
        charges: &[Charge],
        now: u64,
        held: Held,
    ) -> Result<Reservation, Exceeded> {
        let at = self.time(now);
        if charges.len() > CHARGES_MAX
            || self.open.len() >= OPEN_MAX
            || self.next == u64::MAX
            || account.names().iter().any(|name| name.len() > NAME_BYTES_MAX)
        {
            return Err(Exceeded::Full);
        }
        let mut wanted: BTreeMap<Key, u64> = BTreeMap::new();
        for charge in charges {
            let amount = wanted.entry(key(account, charge)).or_default();
            *amount = amount.saturating_add(charge.amount);
        }
        let mut over = Vec::new();
        let mut used = Vec::with_capacity(charges.len());
        for charge in charges {
            let key = key(account, charge);
            let amount = wanted.get(&key).copied().unwrap_or(charge.amount);
            let counter = self.counters.get(&key);
            let before = counter.map_or(0, |counter| counter.used(at));
            let fits = before.checked_add(amount).is_some_and(|total| total <= charge.max);
            let excused = held == Held::ToDenials && charge.on_exceed == Exceed::RequireReview;
            if !fits && !excused {
                let room = charge.max.checked_sub(amount);
                let fits_at =
                    room.zip(counter).and_then(|(room, counter)| counter.falls_to(room, at));
                over.push(Over { charge: charge.clone(), used: before, amount, fits_at });
            }
            used.push(before);
        }
        if !over.is_empty() {
            return Err(Exceeded::Limits { over });
        }
        self.room(&wanted.into_keys().collect(), at)?;
        let reservation = Reservation {
            number: self.next,
            account: account.clone(),
            charges: charges.to_vec(),
            used,
            at,
        };
        self.enter(reservation.clone());
        Ok(reservation)
    }

    /// Goes back to the clock where reservations lie further than ten minutes ahead of it: those of
    /// the future count as made now, so that no window holds more than its limit from now on, and all
    /// of them slide again. To be asked before a call is held to its limits, and put on record: what
    /// it gives is a reservation of nothing, whose time is that of the correction.
    #[must_use]
    pub fn correct(&mut self, now: u64) -> Option<Reservation> {
        if self.time(now) >= self.latest || self.next == u64::MAX {
            return None;
        }
        let nothing = Reservation::nothing(self.next, now);
        self.enter(nothing.clone());
        self.open.remove(&nothing.number)
    }

    /// Ends the call of a reservation that ran, or may have run: counts and sums stay, what was held
    /// while it ran is given back.
    ///
    /// # Errors
    /// [`FactError::NotOpen`] where there is no such reservation; nothing has changed.
    pub fn settle(&mut self, number: u64, now: u64) -> Result<Settlement, FactError> {
        self.end(Settlement { number, ending: Ending::Charged, at: self.time(now) })
    }

    /// Ends a reservation whose call never began: everything is given back, but what a window counts
    /// that the ledger was corrected for meanwhile.
    ///
    /// # Errors
    /// As [`Ledger::settle`].
    pub fn release(&mut self, number: u64, now: u64) -> Result<Settlement, FactError> {
        self.end(Settlement { number, ending: Ending::Released, at: self.time(now) })
    }

    fn end(&mut self, settlement: Settlement) -> Result<Settlement, FactError> {
        self.close(&settlement)?;
        Ok(settlement)
    }

    /// Adds a recorded fact. Reservations come in the order of their numbers; one that is earlier than
    /// the one before is where the ledger was corrected. None is held to its limits again. Where in
    /// between a reservation ends makes no difference to what is counted afterwards.
    ///
    /// # Errors
    /// [`FactError`] where the fact does not follow from those before it; nothing has changed.
    pub fn fold(&mut self, fact: &Fact) -> Result<(), FactError> {
        match fact {
            Fact::Reserved(reservation) => {
                if reservation.number < self.next {
                    return Err(FactError::Order { number: reservation.number, next: self.next });
                }
                let (charges, open) = (reservation.charges.len(), self.open.len());
                if charges > CHARGES_MAX || open >= OPEN_MAX || reservation.number == u64::MAX {
                    return Err(FactError::Full);
                }
                let account = &reservation.account;
                let keys = reservation.charges.iter().map(|charge| key(account, charge)).collect();
                self.room(&keys, reservation.at).map_err(|_| FactError::Full)?;
                self.enter(reservation.clone());
                Ok(())
            }
            Fact::Settled(settlement) => self.close(settlement),
            Fact::RunEnded { tenant, run } => {
                self.forget(tenant, run);
                Ok(())
            }
        }
    }

    /// Forgets the counters of a run that has ended. Its reservations that are still open go on
    /// counting for its principal and its tenant.
    pub fn forget(&mut self, tenant: &str, run: &str) {
        self.counters.retain(|key, _| {
            let of_run = matches!(&key.scope, Scope::Run(name) if **name == *run);
            !(of_run && *key.tenant == *tenant)
        });
    }

    /// What is used of the limit of `charge`, without the charge itself.
    #[must_use]
    pub fn used(&self, account: &Account, charge: &Charge, now: u64) -> u64 {
        let counter = self.counters.get(&key(account, charge));
        counter.map_or(0, |counter| counter.used(self.time(now)))
    }

    /// The reservations whose calls have not ended, oldest first.
    pub fn open(&self) -> impl Iterator<Item = &Reservation> {
        self.open.values()
    }

    /// The time that counts where the clock says `now`.
    fn time(&self, now: u64) -> u64 {
        match self.latest.saturating_sub(now) > LEAD_MAX {
            true => now,
            false => now.max(self.latest),
        }
    }

    /// What lies after `now` counts as of `now`. In a window it can no longer be told from what else counts
    /// there, so it is not given back.
    fn anchor(&mut self, now: u64) {
        self.counters.values_mut().for_each(|counter| counter.anchor(now));
        for open in self.open.values_mut().filter(|open| open.at > now) {
            open.charges.retain(|charge| charge.window.is_none());
        }
    }

    /// Whether there is room for these counters, once those that count nothing any more are dropped.
    fn room(&self, keys: &BTreeSet<Key>, at: u64) -> Result<(), Exceeded> {
        if self.counters.len().saturating_add(keys.len()) <= COUNTERS_MAX {
            return Ok(());
        }
        let busy = self.counters.iter().filter(|(_, counter)| !counter.is_idle(at));
        let others = busy.filter(|(key, _)| !keys.contains(key)).count();
        if others.saturating_add(keys.len()) <= COUNTERS_MAX { Ok(()) } else { Err(Exceeded::Full) }
    }

    /// Adds a reservation for which there is room, at its time.
    fn enter(&mut self, reservation: Reservation) {
        let at = reservation.at;
        if at < self.latest {
            self.anchor(at);
        }
        self.latest = at;
        self.next = reservation.number.saturating_add(1);
        for charge in &reservation.charges {
            let key = key(&reservation.account, charge);
            if self.counters.len() >= COUNTERS_MAX && !self.counters.contains_key(&key) {
                self.counters.retain(|_, counter| !counter.is_idle(at));
            }
            let window = key.window;
            let counter = self.counters.entry(key).or_insert_with(|| Counter::new(window));
            match charge.kind {
                ChargeKind::Count | ChargeKind::Sum => counter.add(charge.amount, at),
                ChargeKind::Concurrent => counter.hold(charge.amount),
            }
        }
        self.open.insert(reservation.number, reservation);
    }

    fn close(&mut self, settlement: &Settlement) -> Result<(), FactError> {
        let Some(reservation) = self.open.remove(&settlement.number) else {
            return Err(FactError::NotOpen { number: settlement.number });
        };
        for charge in &reservation.charges {
            let key = key(&reservation.account, charge);
            let Some(counter) = self.counters.get_mut(&key) else { continue };
            match (charge.kind, settlement.ending) {
                (ChargeKind::Concurrent, _) => counter.let_go(charge.amount),
                (_, Ending::Released) => counter.take_back(charge.amount, reservation.at),
                (_, Ending::Charged) => {}
            }
            if counter.is_empty() {
                self.counters.remove(&key);
            }
        }
        Ok(())
    }
}

fn key(account: &Account, charge: &Charge) -> Key {
    let window =
        |window: std::time::Duration| u64::try_from(window.as_micros()).unwrap_or(u64::MAX);
    Key {
        tenant: account.tenant.clone(),
        scope: match charge.per {
            Per::Run => Scope::Run(account.run.clone()),
            Per::Principal => Scope::Principal(account.principal.clone()),
            Per::Tenant => Scope::Tenant,
        },
        rule: charge.rule.clone(),
        limit: charge.limit,
        kind: charge.kind,
        window: charge.window.map(window),
    }
}
