//! What a ledger is a fold of: reservations, their endings, and the end of a run.
//!
//! Plain values that a journal can keep and give back. Making them is the ledger's.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::decision::Charge;

/// Whose call it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The tenant; part of every counter.
    pub tenant: Arc<str>,
    /// The principal.
    pub principal: Arc<str>,
    /// The run.
    pub run: Arc<str>,
}

impl Account {
    pub(super) fn names(&self) -> [&str; 3] {
        [&self.tenant, &self.principal, &self.run]
    }
}

/// Everything one call reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Its number, larger than that of any before.
    pub number: u64,
    /// Whose call it is.
    pub account: Account,
    /// What is reserved.
    pub charges: Vec<Charge>,
    /// What was used before, for each charge.
    pub used: Vec<u64>,
    /// When, in microseconds.
    pub at: u64,
}

impl Reservation {
    /// A reservation of nothing by nobody: what remains of a correction of the ledger.
    #[must_use]
    pub fn nothing(number: u64, at: u64) -> Reservation {
        let account = Account { tenant: "".into(), principal: "".into(), run: "".into() };
        Reservation { number, account, charges: Vec::new(), used: Vec::new(), at }
    }
}

/// How a reservation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// Its number.
    pub number: u64,
    /// How.
    pub ending: Ending,
    /// When, in microseconds.
    pub at: u64,
}

/// What becomes of what was reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The call ran, or nobody knows: it counts.
    Charged,
    /// The call never began: it does not count.
    Released,
}

/// One step of the fold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A call was let through.
    Reserved(Reservation),
    /// Its call ended.
    Settled(Settlement),
    /// A run ended, and with it its own counters.
    RunEnded {
        /// The tenant of the run.
        tenant: Arc<str>,
        /// The run.
        run: Arc<str>,
    },
}

/// Why a fact does not follow from those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FactError {
    /// There is no open reservation of this number: it never was, or it has ended.
    #[error("reservation {number} is not open")]
    NotOpen {
        /// The number.
        number: u64,
    },
    /// A reservation of this number has been before.
    #[error("reservation {number} comes after {next} was the next")]
    Order {
        /// The number.
        number: u64,
        /// The least it could be.
        next: u64,
    },
    /// More than the ledger could have let through.
    #[error("the ledger has no room for what it is said to have let through")]
    Full,
}
