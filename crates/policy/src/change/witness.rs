//! Calls made from the conditions of rules: inside each, and just outside it.
//!
//! For every rule of either policy and every tool it is about, one call that meets its match, then the
//! same call with one field at a time changed to every other value that any condition of the rule
//! names, to a value beside them, and to nothing. At most 100 000 calls.

use serde_json::{Map, Value, json};

use super::sample::{self, BESIDE};
use crate::call::OwnedCall;
use crate::catalogue::Entry;
use crate::decision::Layer;
use crate::policy::Policy;
use crate::rule::{Condition, Rule};
use crate::selector::Selector;

/// Most calls made.
const CALLS_MAX: usize = 100_000;

/// Calls on which two policies are likely to differ where they differ at all.
#[must_use]
pub fn witnesses(before: &Policy, after: &Policy) -> Vec<OwnedCall> {
    let mut calls = Vec::new();
    for policy in [before, after] {
        for rule in policy.rules.iter().filter(|rule| rule.layer == Layer::Rules) {
            for entry in policy.catalogue.entries() {
                if rule.condition.tools.include(entry) && calls.len() < CALLS_MAX {
                    around(rule, entry, &mut calls);
                }
            }
        }
    }
    calls.truncate(CALLS_MAX);
    calls
}

/// The call that meets the match of a rule, and its neighbours.
fn around(rule: &Rule, entry: &Entry, calls: &mut Vec<OwnedCall>) {
    let mut base = OwnedCall {
        tool: entry.tool.name.clone(),
        principal: BESIDE.to_owned(),
        roles: Vec::new(),
        tags: Vec::new(),
        mode: None,
        state: None,
        args: Value::Object(Map::new()),
    };
    for change in changes(&rule.condition, entry) {
        if let Some(first) = change.first() {
            first.apply(&mut base);
        }
    }
    let conditions =
        std::iter::once(&rule.condition).chain(rule.except.iter().map(|item| &item.condition));
    calls.push(base.clone());
    for change in conditions.flat_map(|condition| changes(condition, entry)).flatten() {
        let mut call = base.clone();
        change.apply(&mut call);
        calls.push(call);
    }
}

/// One field of a call set to a value, or taken away.
enum Change<'a> {
    Principal(String),
    Roles(Vec<String>),
    Tags(Vec<String>),
    Mode(Option<String>),
    State(Option<String>),
    Argument(&'a Selector, Value),
}

impl Change<'_> {
    fn apply(&self, call: &mut OwnedCall) {
        match self {
            Change::Principal(name) => call.principal.clone_from(name),
            Change::Roles(roles) => call.roles.clone_from(roles),
            Change::Tags(tags) => call.tags.clone_from(tags),
            Change::Mode(mode) => call.mode.clone_from(mode),
            Change::State(state) => call.state.clone_from(state),
            Change::Argument(selector, value) => selector.place(&mut call.args, value.clone()),
        }
    }
}

/// For each field that a condition asks about, the values worth trying; the first meets it.
fn changes<'a>(condition: &'a Condition, entry: &'a Entry) -> Vec<Vec<Change<'a>>> {
    let mut fields: Vec<Vec<Change<'a>>> = Vec::new();
    let several = |names: &[String], change: fn(Vec<String>) -> Change<'a>| {
        let each = names.iter().map(|name| change(vec![name.clone()]));
        each.chain([change(Vec::new())]).collect::<Vec<_>>()
    };
    let single = |names: &[String], change: fn(Option<String>) -> Change<'a>| {
        let each = names.iter().map(|name| change(Some(name.clone())));
        each.chain([change(None)]).collect::<Vec<_>>()
    };
    if !condition.principals.is_empty() {
        let named = condition.principals.iter().map(|pattern| pattern.text().replace('*', "x"));
        fields.push(named.chain([BESIDE.to_owned()]).map(Change::Principal).collect());
    }
    for (names, change) in [
        (&condition.roles, Change::Roles as fn(Vec<String>) -> Change<'a>),
        (&condition.caller_tags, Change::Tags),
    ] {
        if !names.is_empty() {
            fields.push(several(names, change));
        }
    }
    for (names, change) in [
        (&condition.modes, Change::Mode as fn(Option<String>) -> Change<'a>),
        (&condition.states, Change::State),
    ] {
        if !names.is_empty() {
            fields.push(single(names, change));
        }
    }
    let placed = |selectors: &'a [Selector], values: &[String]| -> Vec<Change<'a>> {
        let each = |selector: &'a Selector| {
            values.iter().map(move |value| Change::Argument(selector, json!(value)))
        };
        selectors.iter().flat_map(each).collect()
    };
    if let Some(paths) = &condition.paths {
        let inside = paths.iter().map(|path| sample::glob(path.text.trim_start_matches('/')));
        let values: Vec<String> =
            inside.chain([format!("{BESIDE}/x"), BESIDE.to_owned(), ".".to_owned()]).collect();
        fields.push(placed(&entry.paths, &values));
    }
    if !condition.hosts.is_empty() {
        let named = condition.hosts.iter().map(sample::host);
        let values: Vec<String> = named.chain([format!("{BESIDE}.example")]).collect();
        fields.push(placed(&entry.hosts, &values));
    }
    for argument in &condition.arguments {
        let values = argument.accepted.iter().flat_map(sample::accepted).chain([json!(BESIDE)]);
        fields.push(values.map(|value| Change::Argument(&argument.selector, value)).collect());
    }
    fields
}
