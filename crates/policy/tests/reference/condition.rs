//! What one condition makes of one call: every field, every value, by three-valued logic.
//!
//! Naive on purpose; what a single pattern matches is in `leaf.rs`.

use serde_json::Value;

use super::leaf::{Truth, argument_is, host_is, path_is, star};
use super::world::{Condition, declared};
use crate::fixture::Asked;

/// Every field together; of several paths or hosts `every` one must fit, or one is enough.
pub(super) fn holds(condition: &Condition, call: &Asked, every: bool) -> Truth {
    let has = |asked: &[&str], have: &[String]| {
        Some(asked.is_empty() || have.iter().any(|have| asked.contains(&have.as_str())))
    };
    let named = |names: &[&str], text: &str| {
        Some(names.is_empty() || names.iter().any(|name| star(name, text)))
    };
    let values = |hosts: bool, test: &dyn Fn(Option<&Value>) -> Truth| match declared(call, hosts) {
        found if found.is_empty() => Some(false),
        found if every => all(found.into_iter().map(test)),
        found => any(found.into_iter().map(test)),
    };
    let path = |globs: &Vec<&str>| {
        values(false, &|value| any(globs.iter().map(|glob| path_is(glob, value))))
    };
    let host = |value: Option<&Value>| any(condition.hosts.iter().map(|host| host_is(host, value)));
    let argument = |(key, wanted): &(&str, Vec<&str>)| {
        any(wanted.iter().map(|wanted| argument_is(wanted, call.args.get(key))))
    };
    all([
        named(&condition.tools, &call.tool),
        named(&condition.principals, &call.principal),
        has(&condition.roles, &call.roles),
        has(&condition.tags, &call.tags),
        has(&condition.modes, &call.mode.iter().cloned().collect::<Vec<_>>()),
        condition.paths.as_ref().map_or(Some(true), path),
        if condition.hosts.is_empty() { Some(true) } else { values(true, &host) },
        all(condition.args.iter().map(argument)),
    ])
}

fn all(outcomes: impl IntoIterator<Item = Truth>) -> Truth {
    let found: Vec<Truth> = outcomes.into_iter().collect();
    let worst = [Some(false), None].into_iter().find(|truth| found.contains(truth));
    worst.unwrap_or(Some(true))
}

fn any(outcomes: impl IntoIterator<Item = Truth>) -> Truth {
    all(outcomes.into_iter().map(|one| one.map(|one| !one))).map(|none| !none)
}
