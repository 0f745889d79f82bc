//! Reads `limits`: each counts one thing, for one kind of account, up to one number.
//!
//! A limit that says less than it seems to is an error: two things counted, a maximum that is nothing,
//! a count that never ends. Whether a tool has the summed argument is `check.rs`'s question.

use std::collections::HashMap;
use std::time::Duration;

use super::{Counted, Limit, Sum};
use crate::decision::{Action, Exceed, Per};
use crate::document::{Diagnostic, Fields, Key, Node, Report, Yaml, suggest};
use crate::rule::{Accepted, Argument, Bound, Operator, QUANTITY_END, bad_unit};
use crate::selector::Selector;
use crate::units::{self, Quantity};

/// Limits of one rule.
const LIMITS_MAX: usize = 16;

/// Shortest and longest window.
const WINDOW: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(366 * 24 * 60 * 60));

const FIELDS: [&str; 7] = ["count", "sum", "concurrent", "max", "per", "window", "on_exceed"];

/// What the name of a summed argument starts with.
const ARGUMENT: &str = "args.";

/// Reads the limits of one rule; one with an error is reported and left out.
pub(crate) fn read(fields: &Fields<'_>, action: Option<Action>, report: &mut Report) -> Vec<Limit> {
    let Some((key, node)) = fields.entry("limits") else { return Vec::new() };
    let label = fields.what();
    if action == Some(Action::Deny) {
        report.add(Diagnostic::error(key.span, format!("{label}: a denial has nothing to limit")));
    }
    let what = format!("{label}: limits");
    let Some(items) = report.take(node.list(&what)) else { return Vec::new() };
    if items.is_empty() || items.len() > LIMITS_MAX {
        let message = format!("{what} must have between 1 and {LIMITS_MAX} items");
        report.add(Diagnostic::error(node.span, message));
        return Vec::new();
    }
    let numbered = items.iter().enumerate();
    numbered
        .filter_map(|(place, item)| limit(item, &format!("{label}: limit {}", place + 1), report))
        .collect()
}

fn limit(node: &Node, what: &str, report: &mut Report) -> Option<Limit> {
    let fields = report.take(Fields::of(node, what))?;
    report.extend(fields.finish(&FIELDS));
    let counted = report.take(counted(&fields));
    let per = report.take(fields.required("per").and_then(|node| per(node, what)));
    let on_exceed = match fields.optional("on_exceed") {
        Some(node) => report.take(on_exceed(node, what)),
        None => Some(Exceed::Deny),
    };
    let window = match fields.optional("window") {
        Some(node) => report.take(window(node, what)).map(Some),
        None => Some(None),
    };
    let ((counted, max), per) = (counted?, per?);
    report.take(lasts(&fields, &counted, per))?;
    Some(Limit { counted, max, per, window: window?, on_exceed: on_exceed? })
}

/// The one thing that is counted, and how much of it there may be.
fn counted(fields: &Fields<'_>) -> Result<(Counted, u64), Diagnostic> {
    let what = fields.what();
    let mut named =
        ["count", "sum", "concurrent"].into_iter().filter_map(|name| fields.entry(name));
    let Some((key, node)) = named.next() else {
        let message = format!("{what}: nothing is counted");
        return Err(Diagnostic::error(fields.span(), message)
            .with_hint("write one of `count: N`, `concurrent: N` or `sum: args.NAME` with `max`"));
    };
    if let Some((second, _)) = named.next() {
        let message = format!("{what}: `{}` and `{}` are two limits", key.name, second.name);
        return Err(Diagnostic::error(second.span, message).with_hint("write one item for each"));
    }
    if key.name == "sum" {
        return sum(node, fields);
    }
    if let Some((max, _)) = fields.entry("max") {
        let message = format!("{what}: `max` belongs to `sum`, `{}` is its own maximum", key.name);
        return Err(Diagnostic::error(max.span, message));
    }
    let counted = if key.name == "count" { Counted::Calls } else { Counted::Concurrent };
    let calls = node.int(&format!("{what}: {}", key.name))?;
    Ok((counted, at_least_one(calls, node, what)?))
}

fn sum(node: &Node, fields: &Fields<'_>) -> Result<(Counted, u64), Diagnostic> {
    let what = format!("{}: sum", fields.what());
    let text = node.text(&what)?;
    let Some(key) = text.strip_prefix(ARGUMENT) else {
        return Err(Diagnostic::error(node.span, format!("{what}: `{text}` is no argument"))
            .with_hint("write it as `args.NAME`"));
    };
    let selector = Selector::condition(key)
        .map_err(|error| Diagnostic::error(node.span, format!("{what}: {error}")))?;
    let max = fields.required("max")?;
    let quantity = maximum(max, fields.what())?;
    let times = matches!(quantity, Quantity::Micros(_));
    let bound = Bound { operator: Operator::AtMost, quantity };
    let accepted = vec![Accepted::Bound(bound)];
    let argument = Argument { key: key.to_owned(), selector, span: node.span, accepted };
    let (Quantity::Bytes(amount) | Quantity::Micros(amount)) = quantity;
    Ok((Counted::Sum(Sum { argument, filled: HashMap::new(), times }), amount))
}

/// A size, a time or a plain number that is not nothing.
fn maximum(node: &Node, what: &str) -> Result<Quantity, Diagnostic> {
    let quantity = match node.value {
        Yaml::Int(number) => Quantity::Bytes(at_least_one(number, node, what)?),
        _ => {
            let what = format!("{what}: max");
            let text = node.text(&what)?;
            units::quantity(text).map_err(|error| bad_unit(node, &what, &error))?
        }
    };
    let (Quantity::Bytes(amount) | Quantity::Micros(amount)) = quantity;
    in_range(amount, node, what)?;
    Ok(quantity)
}

fn at_least_one(number: i64, node: &Node, what: &str) -> Result<u64, Diagnostic> {
    in_range(u64::try_from(number).unwrap_or(0), node, what)
}

fn in_range(amount: u64, node: &Node, what: &str) -> Result<u64, Diagnostic> {
    if amount == 0 {
        return Err(Diagnostic::error(
            node.span,
            format!("{what}: the maximum must be at least 1"),
        )
        .with_hint("a rule with `action: deny` lets nothing through"));
    }
    if amount >= QUANTITY_END {
        return Err(Diagnostic::error(node.span, format!("{what}: the maximum is too large"))
            .with_hint("it must be below 2^53"));
    }
    Ok(amount)
}

fn per(node: &Node, what: &str) -> Result<Per, Diagnostic> {
    let names = [("run", Per::Run), ("principal", Per::Principal), ("tenant", Per::Tenant)];
    choice(node, &format!("{what}: per"), &names)
}

fn on_exceed(node: &Node, what: &str) -> Result<Exceed, Diagnostic> {
    let names = [("deny", Exceed::Deny), ("require_review", Exceed::RequireReview)];
    choice(node, &format!("{what}: on_exceed"), &names)
}

/// One of a few words.
fn choice<T: Copy>(node: &Node, what: &str, names: &[(&str, T)]) -> Result<T, Diagnostic> {
    let text = node.text(what)?;
    if let Some((_, value)) = names.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let known: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    let found = Diagnostic::error(node.span, format!("{what}: `{text}` is not one of its values"));
    Err(match suggest(text, &known) {
        Some(name) => found.with_hint(format!("did you mean `{name}`?")),
        None => found.with_hint(format!("its values are {}", known.join(", "))),
    })
}

fn window(node: &Node, what: &str) -> Result<Duration, Diagnostic> {
    let what = format!("{what}: window");
    let window =
        units::duration(node.text(&what)?).map_err(|error| bad_unit(node, &what, &error))?;
    if window < WINDOW.0 || window > WINDOW.1 {
        return Err(Diagnostic::error(node.span, format!("{what} must be from 1s to 366d")));
    }
    Ok(window)
}

/// Calls at a time have no window; anything else needs an end, be it that of the run.
fn lasts(fields: &Fields<'_>, counted: &Counted, per: Per) -> Result<(), Diagnostic> {
    let (what, window) = (fields.what(), fields.entry("window"));
    match (counted, window) {
        (Counted::Concurrent, Some((Key { span, .. }, _))) => {
            let message = format!("{what}: calls that run at the same time have no window");
            Err(Diagnostic::error(*span, message))
        }
        (Counted::Calls | Counted::Sum(_), None) if per != Per::Run => {
            let message = format!("{what}: only a limit per run can do without a window");
            Err(Diagnostic::error(fields.span(), message).with_hint("add `window: 24h`"))
        }
        _ => Ok(()),
    }
}
