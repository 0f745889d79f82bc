//! The rule language as a person would carry it out: one rule, one field, one value at a time.
//!
//! Naive on purpose, and at most sixty lines from here to the end; what a single pattern matches is in
//! `leaf.rs`. It shares no code with the engine.

mod leaf;
pub(crate) mod world;

use policy::Verdict;
use serde_json::Value;

use crate::fixture::Asked;
use leaf::{Truth, argument_is, host_is, path_is, star};
use world::{Condition, Rule, declared};

/// The verdict and the rules that gave it; `unknown` says which kinds of rules count where unknown.
pub(crate) fn decide(
    rules: &[Rule],
    call: &Asked,
    guard: Option<Verdict>,
    unknown: fn(Verdict) -> bool,
) -> (Verdict, Vec<usize>) {
    let counts = |rule: &Rule| {
        let allow = rule.action == Verdict::Allow;
        let excuses = |item| holds(item, call, !allow).unwrap_or(!unknown(rule.action));
        let matches = holds(&rule.condition, call, allow).unwrap_or(unknown(rule.action));
        matches && !rule.except.iter().any(excuses)
    };
    let counting = || rules.iter().enumerate().filter(|(_, rule)| counts(rule));
    let strongest = counting().map(|(_, rule)| rule.action).chain(guard).max();
    let verdict = strongest.unwrap_or(Verdict::Deny);
    (verdict, counting().filter(|(_, rule)| rule.action == verdict).map(|(at, _)| at).collect())
}

/// Every field together; of several paths or hosts `every` one must fit, or one is enough.
fn holds(condition: &Condition, call: &Asked, every: bool) -> Truth {
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
