//! What policy answers: a verdict, every reason for it, and the constraints it comes with.
//!
//! | a matching rule denies | one asks for review | one allows | verdict |
//! |---|---|---|---|
//! | yes | any | any | deny: a denial cannot be outvoted |
//! | no | yes | any | require review, with the reasons of every rule that asks |
//! | no | no | yes | allow |
//! | no | no | no | deny: no rule explicitly allowed this |
//!
//! The table is applied in `program/mod.rs`, and what goes around it (tickets, the extension) in
//! `authorize.rs`. Asking for and keeping approvals is not here, nor is counting.

mod approve;
mod charge;
mod constraint;

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::rule::Rule;

pub use approve::{Approve, Approver};
pub use charge::{Charge, ChargeKind, Exceed, Per};
pub use constraint::{Constraints, Profile, Redact};

/// What may happen with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may run, under the decision's constraints.
    Allow,
    /// It may run once another principal has approved it.
    RequireReview,
    /// It must not run.
    Deny,
}

/// What a rule contributes when it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Allows.
    Allow,
    /// Asks for a review.
    RequireReview,
    /// Denies.
    Deny,
}

impl Action {
    /// The verdict where this is the strongest contribution.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        match self {
            Action::Allow => Verdict::Allow,
            Action::RequireReview => Verdict::RequireReview,
            Action::Deny => Verdict::Deny,
        }
    }
}

/// Where a rule comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Compiled in; no configuration removes it.
    BuiltIn,
    /// A ticket that was presented.
    Ticket,
    /// The rule file.
    Rules,
    /// The extension, asked last.
    Extension,
}

impl fmt::Display for Layer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Layer::BuiltIn => "built-in rules",
            Layer::Ticket => "ticket",
            Layer::Rules => "rules",
            Layer::Extension => "extension",
        })
    }
}

/// Why the verdict is what it is, in the kinds a program tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The rules in `reasons` decided.
    Rules,
    /// No rule explicitly allowed this.
    NoRule,
    /// No tool of this name is registered.
    UnknownTool,
    /// A valid ticket allowed it, or one is required and none was presented.
    Ticket,
    /// The extension decided.
    Extension,
}

/// One rule that decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    /// Name of the rule.
    pub rule: Arc<str>,
    /// Where it comes from.
    pub layer: Layer,
    /// What it contributed.
    pub action: Action,
    /// Its reason, where its author gave one.
    pub reason: Option<Arc<str>>,
}

/// The answer to one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What may happen.
    pub verdict: Verdict,
    /// What kind of reason there is.
    pub basis: Basis,
    /// Every rule that contributed the verdict: all denials, or all reviews, or all allows,
    /// built-in rules first, then in the order of the file. Empty where no rule decided.
    pub reasons: Vec<Contribution>,
    /// The tightest of every matching allow and review rule; empty on a denial.
    pub constraints: Constraints,
    /// What has to be reserved before the call may run, for every limit of every matching allow and
    /// review rule; empty on a denial.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub charges: Vec<Charge>,
    /// What has to be approved before the call may run: there exactly where a review is required.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub approve: Option<Approve>,
}

/// The decision on one host that a program asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// As asked for; empty where it was no text.
    pub host: String,
    /// What was decided.
    pub decision: Decision,
}

impl Decision {
    /// Both decisions at once: the stricter verdict with its reasons, of two alike the reasons of
    /// both, and what either asks for. A denial asks for nothing.
    pub(crate) fn and(self, other: Decision) -> Decision {
        let (mut first, second) = match other.verdict.cmp(&self.verdict) {
            Ordering::Greater => (other, self),
            Ordering::Less | Ordering::Equal => (self, other),
        };
        if first.verdict == second.verdict {
            for reason in second.reasons {
                if !first.reasons.contains(&reason) {
                    first.reasons.push(reason);
                }
            }
        }
        if first.verdict != Verdict::Deny {
            first.constraints = first.constraints.tightened(second.constraints);
            second.charges.into_iter().for_each(|charge| first.charge(charge));
            first.approve = match (first.approve, second.approve) {
                (Some(first), Some(second)) => Some(first.tightened(second)),
                (first, second) => first.or(second),
            };
        }
        first
    }

    /// Takes over what a rule that lets the call through asks for.
    pub(crate) fn demand(&mut self, rule: &Rule, call: &Call<'_>) {
        self.constraints = self.constraints.tightened(rule.constraints);
        for charge in rule.charges(call) {
            self.charge(charge);
        }
        if rule.action == Action::RequireReview {
            let asked = rule.approve.clone().unwrap_or_default();
            self.approve = Some(match self.approve.take() {
                Some(approve) => approve.tightened(asked),
                None => asked,
            });
        }
    }

    /// Whether a call is held to everything here that `other` holds it to, as tightly or tighter. The
    /// name of the rule that has a limit, and its place there, make no difference.
    pub(crate) fn asks_all_of(&self, other: &Decision) -> bool {
        let constrained = other.constraints.tightened(self.constraints) == self.constraints;
        let limited = |theirs: &Charge| self.charges.iter().any(|own| own.covers(theirs));
        let approved = match (&self.approve, &other.approve) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(theirs)) => own.covers(theirs),
        };
        constrained && approved && other.charges.iter().all(limited)
    }

    /// A limit counts a call once, however many hosts the call asks for.
    fn charge(&mut self, charge: Charge) {
        if !self.charges.contains(&charge) {
            self.charges.push(charge);
        }
    }

    pub(crate) fn without_rule(basis: Basis) -> Decision {
        Decision {
            verdict: Verdict::Deny,
            basis,
            reasons: Vec::new(),
            constraints: Constraints::default(),
            charges: Vec::new(),
            approve: None,
        }
    }
}

/// A fragment for people: the reasons, or the sentence of the default.
impl fmt::Display for Decision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lead = match (self.verdict, self.basis) {
            (_, Basis::NoRule) => return out.write_str("no rule explicitly allowed this"),
            (_, Basis::UnknownTool) => return out.write_str("no such tool is registered"),
            (Verdict::Deny, Basis::Ticket) => "no ticket, which is required by",
            (Verdict::Allow, _) => "allowed by",
            (Verdict::RequireReview, _) => "review required by",
            (Verdict::Deny, _) => "denied by",
        };
        out.write_str(lead)?;
        for (position, contribution) in self.reasons.iter().enumerate() {
            out.write_str(if position == 0 { " " } else { "; " })?;
            write!(out, "`{}`", contribution.rule)?;
            if let Some(reason) = &contribution.reason {
                write!(out, " ({reason})")?;
            }
        }
        Ok(())
    }
}
