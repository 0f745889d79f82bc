//! Warnings about rules that are valid but cannot matter.
//!
//! A rule whose exception is as wide as itself, one that another already covers, an allow that a
//! denial always beats. Decided by comparing conditions, so a warning is never wrong and some are
//! missing.

use crate::check::Scope;
use crate::decision::{Action, Layer};
use crate::document::{Diagnostic, Report};
use crate::rule::{Condition, Rule};

/// Rules compared with each other; every pair of them is, so later rules of a longer file are not.
const COMPARED_MAX: usize = 2_000;

/// Adds a warning for each rule that cannot matter.
pub(crate) fn lint(rules: &[Rule], scopes: &[Scope], report: &mut Report) {
    for (rule, scope) in rules.iter().zip(scopes) {
        let items = rule.except.iter().zip(&scope.excepts);
        let mut covering = items.filter(|(item, tools)| {
            tools.includes(&scope.tools) && item.condition.covers(&rule.condition)
        });
        if covering.next().is_some() {
            let message =
                format!("{}: rule will never trigger, an except item covers its match", rule.label);
            report.add(Diagnostic::warning(rule.span, message));
        }
    }
    rules.iter().for_each(|rule| limits(rule, report));
    rules.iter().for_each(|rule| session(rule, report));
    pairs(rules, scopes, report);
}

/// No caller has a session, so nothing about one is ever met: an allow allows nothing, and a guard guards nothing.
fn session(rule: &Rule, report: &mut Report) {
    let asks = |condition: &Condition| !(condition.modes.is_empty() && condition.states.is_empty());
    let mut warn = |what: &str| {
        let message =
            format!("{}: {what}, as no caller has a session with a mode or a state", rule.label);
        report.add(Diagnostic::warning(rule.span, message));
    };
    if asks(&rule.condition) {
        warn("rule will never trigger");
    }
    for (place, item) in rule.except.iter().enumerate() {
        if asks(&item.condition) {
            warn(&format!("except item {} will never hold", place + 1));
        }
    }
}

/// Two limits that count the same: the looser is never the one that stops a call.
fn limits(rule: &Rule, report: &mut Report) {
    for (place, limit) in rule.limits.iter().enumerate() {
        let tighter = rule.limits.iter().enumerate().find(|(other, candidate)| {
            *other != place
                && candidate.counts_like(limit)
                && (candidate.max, *other) < (limit.max, place)
                && candidate.on_exceed >= limit.on_exceed
        });
        if let Some((tighter, _)) = tighter {
            let (place, tighter) = (place + 1, tighter + 1);
            let message =
                format!("{}: limit {place} has no effect, limit {tighter} is tighter", rule.label);
            report.add(Diagnostic::warning(rule.span, message));
        }
    }
}

/// Compares every rule with every other; the bits of fields and tools settle most pairs.
fn pairs(rules: &[Rule], scopes: &[Scope], report: &mut Report) {
    let all: Vec<(&Rule, &Scope, u8)> = rules
        .iter()
        .zip(scopes)
        .take(COMPARED_MAX)
        .map(|(rule, scope)| (rule, scope, rule.condition.fields()))
        .collect();
    for (place, (rule, scope, fields)) in all.iter().enumerate() {
        if scope.tools.is_empty() || rule.layer == Layer::BuiltIn {
            continue;
        }
        let wider = all.iter().enumerate().find(|(other, (candidate, tools, theirs))| {
            *other != place
                && theirs & !fields == 0
                && candidate.except.is_empty()
                && matters(candidate, rule)
                && tools.tools.includes(&scope.tools)
                && candidate.condition.covers(&rule.condition)
                && (*other < place
                    || candidate.action != rule.action
                    || !mutual((rule, scope), (candidate, tools)))
        });
        if let Some((_, (wider, ..))) = wider {
            let message = match (wider.action, rule.action) {
                (Action::Deny, Action::Allow) => {
                    format!("{}: can never allow, {} denies all of it", rule.label, wider.label)
                }
                _ => format!("{}: has no effect, {} covers all of it", rule.label, wider.label),
            };
            report.add(Diagnostic::warning(rule.span, message));
        }
    }
}

/// Whether a wider rule would take all effect from a narrower one.
fn matters(wider: &Rule, narrower: &Rule) -> bool {
    match (wider.action, narrower.action) {
        (Action::Deny, Action::Allow) => true,
        // An allow that names no host lets no program reach one, so it never replaces one that does.
        (Action::Allow, Action::Allow)
            if wider.condition.hosts.is_empty() && !narrower.condition.hosts.is_empty() =>
        {
            false
        }
        (Action::Allow, Action::Allow) => narrower.asks_nothing(),
        // Whoever is stopped is told every reason, so one that only the narrower gives is an effect.
        (Action::Deny, Action::Deny) | (Action::RequireReview, Action::RequireReview) => {
            let told = narrower.reason.is_none() || narrower.reason == wider.reason;
            narrower.asks_nothing() && told
        }
        _ => false,
    }
}

/// Of two rules that cover each other only the later is reported.
fn mutual((rule, scope): (&Rule, &Scope), (other, theirs): (&Rule, &Scope)) -> bool {
    rule.except.is_empty()
        && matters(rule, other)
        && scope.tools.includes(&theirs.tools)
        && rule.condition.covers(&other.condition)
}
