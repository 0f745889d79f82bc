//! What the random policies and calls are made of, and what the reference knows by hand.
//!
//! Hosts come with their canonical form, so that no URL parser is needed to check one.

use policy::{Effect, Verdict};
use serde_json::Value;

use crate::fixture::Asked;

#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) action: Verdict,
    pub(crate) condition: Condition,
    pub(crate) except: Vec<Condition>,
    /// Whether it requires a ticket.
    pub(crate) ticket: bool,
    /// Whether it has a limit.
    pub(crate) limited: bool,
    /// How many approvals it asks for, within how many seconds, from which role.
    pub(crate) approve: Option<(u16, u64, &'static str)>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Condition {
    pub(crate) tools: Vec<&'static str>,
    pub(crate) roles: Vec<&'static str>,
    pub(crate) tags: Vec<&'static str>,
    pub(crate) modes: Vec<&'static str>,
    pub(crate) principals: Vec<&'static str>,
    pub(crate) paths: Option<Vec<&'static str>>,
    pub(crate) hosts: Vec<&'static str>,
    pub(crate) args: Vec<(&'static str, Vec<&'static str>)>,
}

/// What each host argument of the tests is, by hand.
pub(crate) fn canonical(text: &str) -> Option<&'static str> {
    HOSTS.iter().find(|(value, _)| *value == text).and_then(|(_, host)| *host)
}

pub(crate) const HOSTS: [(&str, Option<&str>); 7] = [
    ("https://docs.rs/x", Some("docs.rs")),
    ("HTTP://A.Python.ORG.:80/", Some("a.python.org")),
    ("python.org", Some("python.org")),
    ("http://0x7f.1/", Some("127.0.0.1")),
    ("ftp://docs.rs/", None),
    ("http://me@docs.rs/", None),
    ("http://notpython.org/", Some("notpython.org")),
];

pub(crate) const TOOLS: [(&str, Effect, &[&str], &[&str]); 5] = [
    ("fs.read", Effect::Read, &["path"], &[]),
    ("fs.copy", Effect::Write, &["path", "to[]"], &[]),
    ("http.get", Effect::Net, &[], &["url"]),
    ("all.do", Effect::Read, &["path"], &["url"]),
    ("none.do", Effect::Read, &[], &[]),
];

/// The path or host values of a call: one for each argument, each item of a list, one that is missing
/// where the tool declares none.
pub(crate) fn declared(call: &Asked, hosts: bool) -> Vec<Option<&Value>> {
    let (_, _, paths, urls) = TOOLS.iter().find(|(name, ..)| *name == call.tool).unwrap();
    let names = if hosts { urls } else { paths };
    let mut found = Vec::new();
    for name in *names {
        match (name.strip_suffix("[]"), call.args.get(name.trim_end_matches("[]"))) {
            (Some(_), Some(Value::Array(items))) => found.extend(items.iter().map(Some)),
            (_, value) => found.push(value),
        }
    }
    if names.is_empty() { vec![None] } else { found }
}

/// What built-in rules make of the paths used here.
pub(crate) fn guard(call: &Asked) -> Option<Verdict> {
    let (_, effect, paths, _) = TOOLS.iter().find(|(name, ..)| *name == call.tool).unwrap();
    let mut found: Vec<&Value> = declared(call, false).into_iter().flatten().collect();
    found.retain(|_| !paths.is_empty());
    let denied = |value: &&Value| match value.as_str() {
        None => true,
        Some(text) => text.contains("..") || text.contains(".ssh"),
    };
    if found.iter().any(denied) {
        return Some(Verdict::Deny);
    }
    let written =
        |value: &&Value| value.as_str().is_some_and(|text| text.contains("palisade.yaml"));
    (*effect == Effect::Write && found.iter().any(written)).then_some(Verdict::RequireReview)
}
