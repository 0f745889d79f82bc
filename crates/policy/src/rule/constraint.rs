//! Reads `constraints`: what a call that is let through must keep to.
//!
//! Only what this version carries out can be written; carrying it out is the caller's part.

use crate::decision::{Constraints, Profile};
use crate::document::{Diagnostic, Fields, Node, Report, Yaml, suggest};
use crate::units;

const FIELDS: [&str; 4] = ["profile", "timeout", "max_file_size", "max_transfer"];

/// Keys of the rule language that this version does not carry out, and what they would need.
const UNSUPPORTED: [(&str, &str); 2] =
    [("require_ticket", "tickets are"), ("redact", "redaction is")];

/// Reads the constraints of one rule.
pub(super) fn read(node: &Node, label: &str, report: &mut Report) -> Constraints {
    let what = format!("{label}: constraints");
    let Some(fields) = report.take(Fields::of(node, what.as_str())) else {
        return Constraints::default();
    };
    let known: Vec<&str> = FIELDS.into_iter().chain(UNSUPPORTED.map(|(key, _)| key)).collect();
    report.extend(fields.finish(&known));
    for (key, feature) in UNSUPPORTED {
        if let Some((key, _)) = fields.entry(key) {
            let message =
                format!("{what}: `{}`: {feature} not supported by this version", key.name);
            report.add(Diagnostic::error(key.span, message));
        }
    }
    let take = |name: &str| fields.optional(name).map(|node| (node, format!("{what}: {name}")));
    let profile = take("profile").map(|(node, what)| profile(node, &what));
    let timeout = take("timeout").map(|(node, what)| {
        let text = node.text(&what)?;
        units::duration(text).map_err(|error| bad_unit(node, &what, &error))
    });
    let file = take("max_file_size").map(|(node, what)| size(node, &what));
    let transfer = take("max_transfer").map(|(node, what)| size(node, &what));
    Constraints {
        profile: profile.and_then(|profile| report.take(profile)),
        timeout: timeout.and_then(|timeout| report.take(timeout)),
        max_file_size: file.and_then(|size| report.take(size)),
        max_transfer: transfer.and_then(|size| report.take(size)),
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

fn bad_unit(node: &Node, what: &str, error: &units::UnitError) -> Diagnostic {
    Diagnostic::error(node.span, format!("{what}: {error}")).with_hint(error.hint())
}
