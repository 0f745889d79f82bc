//! The engine against the reference interpreter, over random policies and calls, and over every small
//! policy there is.
//!
//! The two share no code, so where they agree both would have to be wrong in the same way. The control
//! is a reference that takes unknown for false, which must be caught. Explanations are held against
//! decisions on the way. A difference prints the smallest rules that still show it and the number
//! that makes them again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

mod fixture;
mod reference;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use fixture::{Asked, call};
use policy::document::Source;
use policy::{
    Approver, Catalogue, Contributed, Decision, Extended, ExtensionFault, Layer, Policy, Tool,
    Verdict,
};
use reference::draw::{Draw, Values};
use reference::world::{Condition, Rule, TOOLS};
use reference::written::file;
use reference::{Outcome, authorize};
use serde_json::json;

/// Pairs of a policy and a call, unless the environment names another number (10^8 by hand).
const PAIRS: u64 = 1_000_000;
const PAIRS_VARIABLE: &str = "PALISADE_ORACLE_PAIRS";

/// Calls that meet one policy, which costs more to load than to ask.
const CALLS: u64 = 500;

/// Of so many calls one is explained as well.
const EXPLAINED: u64 = 25;

/// What else decides: whether a ticket is presented, and what the extension says.
type Around = (bool, Option<Verdict>);

fn catalogue() -> Catalogue {
    let tools = TOOLS.iter().map(|(name, effect, paths, hosts)| Tool {
        name: (*name).to_owned(),
        effect: *effect,
        tags: Vec::new(),
        schema: json!({ "type": "object" }),
        paths: paths.iter().map(|name| (*name).to_owned()).collect(),
        hosts: hosts.iter().map(|name| (*name).to_owned()).collect(),
    });
    Catalogue::new(tools.collect()).unwrap()
}

fn compiled(rules: &[Rule], catalogue: &Catalogue) -> Policy {
    let text = file(rules);
    match Policy::load(&Source::new("p", text.as_str()), catalogue) {
        Ok(loaded) => loaded.policy,
        Err(found) => panic!("{text}\n{found:#?}"),
    }
}

/// The place of a rule of the file.
fn place(rule: &str) -> Option<usize> {
    rule.strip_prefix('r')?.parse().ok()
}

fn found(policy: &Policy, call: &Asked, (ticket, extension): Around) -> Outcome {
    let answer = match extension {
        None => Extended::Pass,
        Some(Verdict::Allow) => Extended::Allow(None),
        Some(Verdict::RequireReview) => Extended::RequireReview(None),
        Some(Verdict::Deny) => Extended::Failed(ExtensionFault::Malformed),
    };
    let (decision, asked) = call.authorized(policy, ticket, answer);
    Outcome { asked: asked > 0, ..outcome(&decision) }
}

fn outcome(decision: &Decision) -> Outcome {
    let rules = decision.reasons.iter().filter(|reason| reason.layer == Layer::Rules);
    Outcome {
        verdict: decision.verdict,
        by: rules.filter_map(|reason| place(&reason.rule)).collect(),
        charged: decision.charges.iter().filter_map(|charge| place(&charge.rule)).collect(),
        approve: decision.approve.as_ref().map(|approve| {
            let role = |approver: &Approver| match approver {
                Approver::Role(role) if **role == *"sre" => "sre",
                Approver::Role(role) if **role == *"lead" => "lead",
                other => panic!("{other:?}"),
            };
            (approve.count, approve.expires.as_secs(), approve.from.iter().map(role).collect())
        }),
        asked: false,
    }
}

fn expected(rules: &[Rule], call: &Asked, around: Around) -> Outcome {
    authorize(rules, call, around, |action| action != Verdict::Allow)
}

/// A decision that differs, with as few rules as show it.
fn difference(
    rules: &[Rule],
    call: &Asked,
    around: Around,
    catalogue: &Catalogue,
) -> Option<String> {
    let differ = |rules: &[Rule]| {
        let (found, expected) =
            (found(&compiled(rules, catalogue), call, around), expected(rules, call, around));
        (found != expected).then(|| format!("engine {found:?}\nreference {expected:?}"))
    };
    differ(rules)?;
    let mut least = rules.to_vec();
    let mut at = 0;
    while at < least.len() {
        let mut fewer = least.clone();
        fewer.remove(at);
        if differ(&fewer).is_some() { least = fewer } else { at += 1 }
    }
    Some(format!("{}{call:?}\n{around:?}\n{}", file(&least), differ(&least).unwrap_or_default()))
}

/// The policy of one number against all of its calls.
fn meet(number: u64, values: &Values, catalogue: &Catalogue) {
    let mut draw = Draw::new(number);
    let rules = draw.rules();
    let policy = compiled(&rules, catalogue);
    for round in 0..CALLS {
        let call = values.call(&mut draw);
        let says = [None, Some(Verdict::Allow), Some(Verdict::RequireReview), Some(Verdict::Deny)];
        let around = (draw.yes(20), *draw.pick(&says));
        if found(&policy, &call, around) != expected(&rules, &call, around) {
            panic!("policy {number}\n{:?}", difference(&rules, &call, around, catalogue));
        }
        if round % EXPLAINED == 0 {
            explains(&policy, &call);
        }
    }
}

/// An explanation names the rules that decided, and nothing else as contributing to that.
fn explains(policy: &Policy, call: &Asked) {
    let (decision, explained) = (call.decided(policy), call.explained(policy));
    let contributed = explained.candidates.iter().filter(|rule| {
        rule.contribution == Contributed::Action && rule.action.verdict() == decision.verdict
    });
    let named = |rule: &str| place(rule);
    let contributed: BTreeSet<usize> = contributed.filter_map(|rule| named(&rule.rule)).collect();
    assert_eq!(contributed, outcome(&decision).by, "{call:?}");
    assert_eq!(explained.limits.len(), decision.charges.len());
    assert_eq!(explained.decision, decision);
}

#[test]
fn engine_and_reference_agree() {
    let named = std::env::var(PAIRS_VARIABLE).ok();
    let pairs = named.map_or(PAIRS, |pairs| pairs.parse().expect("a number of pairs"));
    let (next, catalogue, values) = (AtomicU64::new(0), catalogue(), Values::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number * CALLS >= pairs {
                        return;
                    }
                    meet(number, &values, &catalogue);
                }
            });
        }
    });
}

#[test]
fn a_reference_that_takes_unknown_for_false_is_caught() {
    let (catalogue, values) = (catalogue(), Values::new());
    let caught = (0..100).any(|number| {
        let mut draw = Draw::new(number);
        let rules = draw.rules();
        let policy = compiled(&rules, &catalogue);
        (0..20).any(|_| {
            let call = values.call(&mut draw);
            let around = (false, None);
            authorize(&rules, &call, around, |_| false) != found(&policy, &call, around)
        })
    });
    assert!(caught);
}

/// Every kind of rule there is, as far as the order of evaluation can tell them apart: what it does,
/// whether its match is true, false or unknown, and the same of an exception.
fn kinds() -> Vec<Rule> {
    let condition =
        |key: &'static str| Condition { args: vec![(key, vec!["prod"])], ..Condition::default() };
    let mut kinds = Vec::new();
    for action in [Verdict::Allow, Verdict::RequireReview, Verdict::Deny] {
        for key in ["true", "false", "unknown"] {
            for except in [None, Some("true"), Some("false"), Some("unknown")] {
                kinds.push(Rule {
                    action,
                    condition: condition(key),
                    except: except.map(condition).into_iter().collect(),
                    ticket: false,
                    limited: false,
                    approve: None,
                });
            }
        }
    }
    kinds
}

/// Every policy of up to two rules of every kind, in either order, under every built-in verdict, with
/// and without a ticket, with every answer of an extension.
#[test]
fn engine_and_reference_agree_on_every_small_policy() {
    let (catalogue, kinds) = (catalogue(), kinds());
    let calls = ["a.md", "palisade.yaml", "a/.ssh/k"].map(|path| {
        call("fs.copy", json!({ "path": path, "to": [], "true": "prod", "false": "dev" }))
    });
    let mut policies: Vec<Vec<Rule>> = vec![Vec::new()];
    policies.extend(kinds.iter().map(|one| vec![one.clone()]));
    for one in &kinds {
        policies.extend(kinds.iter().map(|other| vec![one.clone(), other.clone()]));
    }
    assert_eq!(policies.len(), 1 + 36 + 36 * 36);
    for rules in &policies {
        let policy = compiled(rules, &catalogue);
        for call in &calls {
            for ticket in [true, false] {
                for says in
                    [None, Some(Verdict::Allow), Some(Verdict::RequireReview), Some(Verdict::Deny)]
                {
                    let around = (ticket, says);
                    let pair = (found(&policy, call, around), expected(rules, call, around));
                    assert_eq!(pair.0, pair.1, "{}{call:?} {around:?}", file(rules));
                }
            }
        }
    }
}

/// The interpreter stays small enough to be read in one go.
#[test]
fn the_reference_has_at_most_sixty_lines() {
    let text = include_str!("reference/mod.rs");
    let from = text.find("pub(crate) fn authorize").unwrap();
    let code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    let lines = text[from..].lines().filter(code).count();
    assert!(lines <= 60, "{lines} lines");
}
