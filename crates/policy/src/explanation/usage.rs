//! How far the limits of a call are used, for an explanation.
//!
//! The decision says what a call takes from each limit; the ledger, where there is one at hand, says
//! what is left of it.

use std::sync::Arc;

use serde::Serialize;

use super::Explanation;
use crate::decision::{Charge, Decision, Exceed, Verdict};
use crate::quota::{Account, Ledger};

/// One limit the call is held to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Name of the rule.
    pub rule: Arc<str>,
    /// Place of the limit in its rule, from 1.
    pub limit: u32,
    /// The limit in words.
    pub wanted: String,
    /// What this call takes; nothing where the argument cannot be read, which is over every limit.
    pub amount: Option<u64>,
    /// What is used already; nothing where no ledger was at hand.
    pub used: Option<u64>,
    /// Whether the call fits; nothing where that cannot be told.
    pub fits: Option<bool>,
    /// What becomes of it if it does not.
    pub on_exceed: Exceed,
}

/// The limits of a decision, as far as they can be told without a ledger.
pub(super) fn of(decision: &Decision) -> Vec<Usage> {
    decision.charges.iter().map(|charge| usage(charge, None)).collect()
}

fn usage(charge: &Charge, used: Option<u64>) -> Usage {
    let amount = Some(charge.amount).filter(|amount| *amount != Charge::UNKNOWN);
    let least = used.unwrap_or(0);
    let most = charge.amount.saturating_add(least);
    let over = most > charge.max;
    Usage {
        rule: charge.rule.clone(),
        limit: u32::from(charge.limit) + 1,
        wanted: charge.to_string(),
        amount,
        used,
        fits: if over || used.is_some() { Some(!over) } else { None },
        on_exceed: charge.on_exceed,
    }
}

impl Explanation {
    /// What would come of the call: the decision, or what becomes of it where it does not fit a limit.
    #[must_use]
    pub fn outcome(&self) -> Verdict {
        let over = self.limits.iter().filter(|limit| limit.fits == Some(false));
        over.map(|limit| limit.on_exceed.verdict()).fold(self.decision.verdict, Verdict::max)
    }

    /// The same with what `ledger` holds against each limit at the time `now`, in microseconds.
    #[must_use]
    pub fn weighed(mut self, ledger: &Ledger, account: &Account, now: u64) -> Explanation {
        let charges = self.decision.charges.iter();
        self.limits =
            charges.map(|charge| usage(charge, Some(ledger.used(account, charge, now)))).collect();
        self
    }
}
