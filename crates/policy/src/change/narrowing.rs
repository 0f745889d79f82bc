//! Whether a change can be shown to allow nothing more, from the rules alone.
//!
//! A yes is certain for every call: nothing was added that lets calls through, and nothing was taken away or altered
//! that holds them. A no is only a doubt. What calls would be decided otherwise is `witness`'s, and a search.

use std::collections::HashMap;

use crate::decision::Action;
use crate::pattern::PathPattern;
use crate::policy::Policy;
use crate::rule::{Argument, Condition, Counted, Except, Limit, Rule, Tools};

/// Whether every rule of `after` that allows or asks for a review is in `before` as it is, and every rule of `before`
/// that denies or asks for a review is in `after`.
#[must_use]
pub fn only_narrows(before: &Policy, after: &Policy) -> bool {
    let lets = |rule: &&Rule| rule.action != Action::Deny;
    let holds = |rule: &&Rule| rule.action != Action::Allow;
    after.rules.iter().filter(lets).all(among(before))
        && before.rules.iter().filter(holds).all(among(after))
}

fn among<'p>(policy: &'p Policy) -> impl Fn(&Rule) -> bool + 'p {
    let known: HashMap<&str, &Rule> = policy.rules.iter().map(|rule| (&*rule.name, rule)).collect();
    move |rule| known.get(&*rule.name).is_some_and(|known| same_rule(known, rule))
}

/// Whether two rules decide every call alike; where they are written does not matter.
fn same_rule(one: &Rule, other: &Rule) -> bool {
    let Rule { layer, condition, except, action, constraints, limits, approve, .. } = one;
    let excepts = |(one, other): (&Except, &Except)| same(&one.condition, &other.condition);
    *layer == other.layer
        && *action == other.action
        && *constraints == other.constraints
        && limits.len() == other.limits.len()
        && limits.iter().zip(&other.limits).all(same_limit)
        && *approve == other.approve
        && except.len() == other.except.len()
        && except.iter().zip(&other.except).all(excepts)
        && same(condition, &other.condition)
}

fn same_limit((one, other): (&Limit, &Limit)) -> bool {
    let counted = match (&one.counted, &other.counted) {
        (Counted::Calls, Counted::Calls) | (Counted::Concurrent, Counted::Concurrent) => true,
        (Counted::Sum(one), Counted::Sum(other)) => one.argument.key == other.argument.key,
        _ => false,
    };
    let Limit { counted: _, max, per, window, on_exceed } = one;
    counted
        && *max == other.max
        && *per == other.per
        && *window == other.window
        && *on_exceed == other.on_exceed
}

fn same(one: &Condition, other: &Condition) -> bool {
    // Every field but the places, so that a new one has to be thought about here.
    let Condition {
        tools,
        caller_tags,
        roles,
        modes,
        states,
        principals,
        paths,
        paths_span: _,
        hosts_span: _,
        hosts,
        arguments,
    } = one;
    let texts = |paths: &Option<Vec<PathPattern>>| -> Option<Vec<String>> {
        paths.as_ref().map(|paths| paths.iter().map(|path| path.text.clone()).collect())
    };
    let alike = |(one, other): (&Argument, &Argument)| {
        one.key == other.key && one.accepted == other.accepted
    };
    same_tools(tools, &other.tools)
        && *caller_tags == other.caller_tags
        && *roles == other.roles
        && *modes == other.modes
        && *states == other.states
        && *principals == other.principals
        && texts(paths) == texts(&other.paths)
        && *hosts == other.hosts
        && arguments.len() == other.arguments.len()
        && arguments.iter().zip(&other.arguments).all(alike)
}

fn same_tools(one: &Tools, other: &Tools) -> bool {
    match (one, other) {
        (Tools::Any, Tools::Any) => true,
        (Tools::Named(one), Tools::Named(other)) => {
            one.iter().map(|(name, _)| name).eq(other.iter().map(|(name, _)| name))
        }
        (Tools::WithPaths(one), Tools::WithPaths(other)) => one == other,
        (Tools::BuiltIn(one), Tools::BuiltIn(other)) => one == other,
        _ => false,
    }
}
