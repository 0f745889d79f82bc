//! Reads `constraints`: what a call that is let through must keep to.
//!
//! Carrying it out is the caller's part, and so is refusing what cannot be carried out.

use super::bad_unit;
use crate::decision::{Constraints, Profile, Redact};
use crate::document::{Diagnostic, Fields, Node, Report, Yaml, suggest};
use crate::units;

const FIELDS: [&str; 6] =
    ["profile", "timeout", "max_file_size", "max_transfer", "require_ticket", "redact"];

const REDACT: [(&str, Redact); 4] = [
    ("none", Redact::None),
    ("input", Redact::Input),
    ("output", Redact::Output),
    ("both", Redact::Both),
];

/// Reads the constraints of one rule.
pub(super) fn read(node: &Node, label: &str, report: &mut Report) -> Constraints {
    let what = format!("{label}: constraints");
    let Some(fields) = report.take(Fields::of(node, what.as_str())) else {
        return Constraints::default();
    };
    report.extend(fields.finish(&FIELDS));
    let take = |name: &str| fields.optional(name).map(|node| (node, format!("{what}: {name}")));
    let profile = take("profile").map(|(node, what)| profile(node, &what));
    let timeout = take("timeout").map(|(node, what)| {
        if let Yaml::Int(number) = node.value {
            let message = format!("{what}: `{number}` has no unit of time");
            return Err(Diagnostic::error(node.span, message)
                .with_hint("write a time such as `30s`; the units are ms, s, m, h and d"));
        }
        let text = node.text(&what)?;
        units::duration(text).map_err(|error| bad_unit(node, &what, &error))
    });
    let file = take("max_file_size").map(|(node, what)| size(node, &what));
    let transfer = take("max_transfer").map(|(node, what)| size(node, &what));
    let ticket = take("require_ticket").map(|(node, what)| node.bool(&what));
    let redact = take("redact").map(|(node, what)| redact(node, &what));
    Constraints {
        profile: profile.and_then(|profile| report.take(profile)),
        timeout: timeout.and_then(|timeout| report.take(timeout)),
        max_file_size: file.and_then(|size| report.take(size)),
        max_transfer: transfer.and_then(|size| report.take(size)),
        require_ticket: ticket.and_then(|ticket| report.take(ticket)).unwrap_or_default(),
        redact: redact.and_then(|redact| report.take(redact)).unwrap_or_default(),
    }
}

fn size(node: &Node, what: &str) -> Result<u64, Diagnostic> {
    match node.value {
        Yaml::Int(bytes) => u64::try_from(bytes)
            .map_err(|_| Diagnostic::error(node.span, format!("{what}: `{bytes}` is negative"))),
        _ => units::size(node.text(what)?).map_err(|error| bad_unit(node, what, &error)),
    }
}

fn profile(node: &Node, what: &str) -> Result<Profile, Diagnostic> {
    let text = node.text(what)?;
    let names = Profile::ALL.map(Profile::name);
    Profile::named(text).ok_or_else(|| {
        let message = format!("{what}: unknown profile `{text}`");
        let found = Diagnostic::error(node.span, message);
        match suggest(text, &names) {
            Some(name) => found.with_hint(format!("did you mean `{name}`?")),
            None => found.with_hint("profiles are standard-net, standard and strict"),
        }
    })
}

fn redact(node: &Node, what: &str) -> Result<Redact, Diagnostic> {
    let text = node.text(what)?;
    let named = REDACT.iter().find(|(name, _)| *name == text);
    named.map(|(_, redact)| *redact).ok_or_else(|| {
        Diagnostic::error(node.span, format!("{what}: `{text}` cannot be redacted"))
            .with_hint("it is one of none, input, output and both")
    })
}
