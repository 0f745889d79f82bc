//! Reads `approve`: by whom, how often and how soon a call under review must be approved.
//!
//! An entry says what it is, `role:sre` or `principal:ops-*`, so that no name can pass for a role.

use std::time::Duration;

use super::{Rule, bad_unit, condition};
use crate::decision::{Approve, Approver};
use crate::document::{Diagnostic, Fields, Node, Report};
use crate::identifier;
use crate::pattern::NamePattern;
use crate::units;

/// Approvals one call may need.
const COUNT_MAX: u16 = 16;

/// Longest time an approval is waited for.
const EXPIRES: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(30 * 24 * 60 * 60));

/// Reads the demand of one rule.
pub(super) fn read(node: &Node, label: &str, report: &mut Report) -> Option<Approve> {
    let what = format!("{label}: approve");
    let fields = report.take(Fields::of(node, what.as_str()))?;
    report.extend(fields.finish(&["from", "count", "expires"]));
    let default = Approve::default();
    let from = match fields.optional("from") {
        Some(node) => report.take(from(node, &format!("{what}: from"))),
        None => Some(Vec::new()),
    };
    let count = match fields.optional("count") {
        Some(node) => report.take(count(node, &format!("{what}: count"))),
        None => Some(default.count),
    };
    let expires = match fields.optional("expires") {
        Some(node) => report.take(expires(node, &format!("{what}: expires"))),
        None => Some(default.expires),
    };
    let (from, count) = (from?, count?);
    report.take(enough(&from, count, node, &what))?;
    let from = match from.len() {
        0 | 1 => from,
        _ => vec![Approver::AnyOf(from)],
    };
    Some(Approve { from, count, expires: expires? })
}

/// A demand nobody could ever be asked to meet is a mistake.
pub(super) fn needless(rule: &Rule, node: &Node) -> Result<(), Diagnostic> {
    if rule.can_review() {
        return Ok(());
    }
    let message = format!("{}: approve: nothing of this rule asks for a review", rule.label);
    Err(Diagnostic::error(node.span, message)
        .with_hint("write `action: require_review`, or `on_exceed: require_review` in a limit"))
}

fn from(node: &Node, what: &str) -> Result<Vec<Approver>, Diagnostic> {
    let entries = condition::texts(node, what)?;
    entries
        .into_iter()
        .map(|(text, span)| {
            approver(text).ok_or_else(|| {
                Diagnostic::error(span, format!("{what}: `{text}` names nobody"))
                    .with_hint("write `role:NAME` or `principal:NAME`, in which `*` is any text")
            })
        })
        .collect()
}

fn approver(text: &str) -> Option<Approver> {
    if let Some(role) = text.strip_prefix("role:") {
        let valid = identifier::is_valid(role) && !role.contains('*');
        return valid.then(|| Approver::Role(identifier::normal(role).into()));
    }
    let name = text.strip_prefix("principal:").filter(|name| identifier::is_valid(name))?;
    NamePattern::parse(name).ok().map(|name| Approver::Principal(name.text().into()))
}

fn count(node: &Node, what: &str) -> Result<u16, Diagnostic> {
    let count = u16::try_from(node.int(what)?).ok();
    count.filter(|count| (1..=COUNT_MAX).contains(count)).ok_or_else(|| {
        Diagnostic::error(node.span, format!("{what} must be from 1 to {COUNT_MAX}"))
            .with_hint("a call that nobody need approve is not under review")
    })
}

fn expires(node: &Node, what: &str) -> Result<Duration, Diagnostic> {
    let expires =
        units::duration(node.text(what)?).map_err(|error| bad_unit(node, what, &error))?;
    if expires < EXPIRES.0 || expires > EXPIRES.1 {
        return Err(Diagnostic::error(node.span, format!("{what} must be from 1s to 30d")));
    }
    Ok(expires)
}

/// Where every approver is named, there must be as many of them as approvals.
fn enough(from: &[Approver], count: u16, node: &Node, what: &str) -> Result<(), Diagnostic> {
    let mut named: Vec<&str> = Vec::new();
    for approver in from {
        match approver {
            Approver::Principal(name) if !name.contains('*') => named.push(name),
            Approver::Principal(_) | Approver::Role(_) | Approver::AnyOf(_) => return Ok(()),
        }
    }
    named.sort_unstable();
    named.dedup();
    if named.is_empty() || named.len() >= usize::from(count) {
        return Ok(());
    }
    let message = format!(
        "{what}: {count} approvals are asked for and only {} principals can give one",
        named.len()
    );
    Err(Diagnostic::error(node.span, message))
}
