//! What an allowed call has to reserve before it runs, one for each limit of a rule that lets it through.
//!
//! A charge says how much and up to where; how much is used already is the ledger's to know
//! (`quota/`). Reading `limits:` is `rule/limit.rs`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Verdict;

use super::approve::Approve;

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeKind {
    /// Calls.
    Count,
    /// The amounts of one argument: bytes, microseconds or a plain number.
    Sum,
    /// Calls that run at the same time.
    Concurrent,
}

/// Whose calls are counted together. Nothing is ever counted across tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Those of one run.
    Run,
    /// Those of one principal.
    Principal,
    /// All of the tenant.
    Tenant,
}

/// What becomes of a call that would go beyond a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exceed {
    /// It waits for a review; approved, it runs and is counted beyond the limit.
    RequireReview,
    /// It is denied.
    Deny,
}

impl Exceed {
    /// The verdict on such a call.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        match self {
            Exceed::RequireReview => Verdict::RequireReview,
            Exceed::Deny => Verdict::Deny,
        }
    }
}

/// One reservation a call needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// Name of the rule.
    pub rule: Arc<str>,
    /// Place of the limit in its rule, from 0.
    pub limit: u16,
    /// What is counted.
    pub kind: ChargeKind,
    /// How much this call takes; [`Charge::UNKNOWN`] where the argument cannot be read.
    pub amount: u64,
    /// The most there may be at once, or in any window.
    pub max: u64,
    /// Whose calls are counted together.
    pub per: Per,
    /// The length of the sliding window; without one all calls of the run count.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub window: Option<Duration>,
    /// What becomes of a call beyond the limit.
    pub on_exceed: Exceed,
    /// Who may approve a call beyond the limit; only where that asks for a review.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub approve: Option<Approve>,
}

impl Charge {
    /// The amount of an argument that is missing, ill-typed or too large: more than any limit.
    pub const UNKNOWN: u64 = u64::MAX;

    /// Whether what this lets through `other` would let through as well.
    pub(crate) fn covers(&self, other: &Charge) -> bool {
        let alike = (self.kind, self.per, self.window) == (other.kind, other.per, other.window);
        let approved = match (&self.approve, &other.approve) {
            (Some(own), Some(theirs)) => own.covers(theirs),
            (None, _) | (Some(_), None) => true,
        };
        alike
            && approved
            && self.max <= other.max
            && self.amount >= other.amount
            && self.on_exceed >= other.on_exceed
    }
}

/// The limit in the words of the rule file: `at most 100 calls per run in 3600s`.
impl fmt::Display for Charge {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let max = self.max;
        match self.kind {
            ChargeKind::Count => write!(out, "at most {max} calls")?,
            ChargeKind::Sum => write!(out, "at most {max} in sum")?,
            ChargeKind::Concurrent => write!(out, "at most {max} calls at a time")?,
        }
        out.write_str(match self.per {
            Per::Run => " per run",
            Per::Principal => " per principal",
            Per::Tenant => " per tenant",
        })?;
        match self.window {
            Some(window) if window.subsec_millis() == 0 => write!(out, " in {}s", window.as_secs()),
            Some(window) => write!(out, " in {}ms", window.as_millis()),
            None => Ok(()),
        }
    }
}
