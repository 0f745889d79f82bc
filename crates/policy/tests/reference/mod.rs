//! The rule language as a person would carry it out: one rule, one field, one value at a time, then
//! the order of evaluation around it.
//!
//! Naive on purpose, and at most sixty lines of code from the first function to the end, which
//! `oracle.rs` counts; what a single condition makes of a call is in `condition.rs`. It shares no
//! code with the engine.

mod condition;
pub(crate) mod draw;
mod leaf;
pub(crate) mod world;
pub(crate) mod written;

use std::collections::BTreeSet;

use policy::Verdict::{self, Allow, Deny, RequireReview};

use crate::fixture::Asked;
use condition::holds;
use world::{Rule, guard};

/// What comes of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    /// The rules that gave it, by place.
    pub(crate) by: BTreeSet<usize>,
    /// The rules whose limits the call is charged for.
    pub(crate) charged: BTreeSet<usize>,
    pub(crate) approve: Option<Approve>,
    /// Whether the extension was asked.
    pub(crate) asked: bool,
}

/// How many must approve, within how many seconds, having all of which roles.
pub(crate) type Approve = (u16, u64, BTreeSet<&'static str>);

/// Decides a call; `unknown` says which kinds of rules count where unknown.
pub(crate) fn authorize(
    rules: &[Rule],
    call: &Asked,
    (ticket, extension): (bool, Option<Verdict>),
    unknown: fn(Verdict) -> bool,
) -> Outcome {
    let guard = guard(call);
    if ticket {
        let verdict = guard.unwrap_or(Allow);
        return outcome(verdict, approvals(verdict, [].iter()), false);
    }
    let counting: Vec<(usize, &Rule)> =
        rules.iter().enumerate().filter(|(_, rule)| counts(rule, call, unknown)).collect();
    let places = |which: &dyn Fn(&Rule) -> bool| -> BTreeSet<usize> {
        counting.iter().filter(|(_, rule)| which(rule)).map(|(place, _)| *place).collect()
    };
    let denying = places(&|rule| rule.action == Deny);
    if guard == Some(Deny) || !denying.is_empty() {
        return Outcome { by: denying, ..outcome(Deny, None, false) };
    }
    let ticketed = places(&|rule| rule.ticket);
    if !ticketed.is_empty() {
        return Outcome { by: ticketed, ..outcome(Deny, None, false) };
    }
    let actions = counting.iter().map(|(_, rule)| rule.action);
    let verdict = actions.chain(guard).chain(extension).max().unwrap_or(Deny);
    if verdict == Deny {
        return outcome(Deny, None, true);
    }
    let reviewing = counting.iter().filter(|(_, rule)| rule.action == RequireReview);
    let defaults = [guard, extension].into_iter().filter(|by| *by == Some(RequireReview));
    let asking = reviewing.map(|(_, rule)| rule.approve).chain(defaults.map(|_| None));
    let asking: Vec<Option<(u16, u64, &'static str)>> = asking.collect();
    Outcome {
        by: places(&|rule| rule.action == verdict),
        charged: places(&|rule| rule.limited),
        ..outcome(verdict, approvals(verdict, asking.iter()), true)
    }
}

/// Whether a rule contributes its action.
fn counts(rule: &Rule, call: &Asked, unknown: fn(Verdict) -> bool) -> bool {
    let allow = rule.action == Allow;
    let excuses = |item| holds(item, call, !allow).unwrap_or(!unknown(rule.action));
    let matches = holds(&rule.condition, call, allow).unwrap_or(unknown(rule.action));
    matches && !rule.except.iter().any(excuses)
}

/// The strictest of all that is asked for; one other principal within a day where nothing is.
fn approvals<'a>(
    verdict: Verdict,
    asking: impl Iterator<Item = &'a Option<(u16, u64, &'static str)>> + Clone,
) -> Option<Approve> {
    let each = asking.map(|asked| asked.unwrap_or((1, 86_400, "")));
    let count = each.clone().map(|(count, ..)| count).max().unwrap_or(1);
    let within = each.clone().map(|(_, within, _)| within).min().unwrap_or(86_400);
    let roles = each.map(|(.., role)| role).filter(|role| !role.is_empty()).collect();
    (verdict == RequireReview).then_some((count, within, roles))
}

fn outcome(verdict: Verdict, approve: Option<Approve>, asked: bool) -> Outcome {
    Outcome { verdict, by: BTreeSet::new(), charged: BTreeSet::new(), approve, asked }
}
