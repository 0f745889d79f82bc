//! Our engine against Cedar, over random rules and calls: the verdict and the rules that gave it.
//!
//! The control is a translation that takes unknown for false, as Cedar by itself would; it must be caught.
//! `PALISADE_ORACLE_POLICIES` asks for more policies than a normal run has.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test should stop loudly")]

use oracle::{Accepted, Action, Asked, Cedar, Condition, Ours, Prepared, Rule, Unknown};
use policy::{Effect, Tool};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

/// Policies of a normal run, each met by `CALLS` calls: 10 000 pairs.
const POLICIES: usize = 250;
const CALLS: usize = 40;

fn catalogue() -> Vec<Tool> {
    let tool = |name: &str, paths: &[&str]| Tool {
        name: name.to_owned(),
        effect: Effect::Read,
        tags: Vec::new(),
        schema: json!({ "type": "object" }),
        paths: paths.iter().map(|name| (*name).to_owned()).collect(),
        hosts: Vec::new(),
    };
    vec![tool("fs.read", &["path"]), tool("fs.list", &["path"]), tool("none.do", &[])]
}

fn some(of: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
    prop_oneof![3 => Just(Vec::new()), 2 => subsequence(of, 1..=2).prop_map(owned)]
}

fn arguments() -> impl Strategy<Value = Vec<(String, Vec<Accepted>)>> {
    let text = |text: &str| Accepted::Text(text.to_owned());
    let glob = |glob: &str| Accepted::Glob(glob.to_owned());
    let kind = vec![text("prod"), text("a*b"), glob("pr*"), glob("*o*d"), glob("*")];
    let kind = (Just("kind"), vec(select(kind), 1..3));
    let (at_most, above) = (Accepted::AtMost, Accepted::Above);
    let size =
        vec![Accepted::Int(7), Accepted::Int(-7), at_most(7), at_most(0), above(6), above(7)];
    let size = (Just("size"), vec(select(size), 1..3));
    let dry = (Just("dry"), vec(any::<bool>().prop_map(Accepted::Bool), 1..2));
    (of(kind), of(size), prop::option::weighted(0.2, dry)).prop_map(|(kind, size, dry)| {
        let named = [kind, size, dry].into_iter().flatten();
        named.map(|(key, accepted)| (key.to_owned(), accepted)).collect()
    })
}

fn condition() -> impl Strategy<Value = Condition> {
    let tools = some(&["fs.read", "fs.*", "*", "none.do", "*.do"]);
    let paths = some(&["docs/**", "**", "*.md", "a.md", "/a.md", "docs/b/c", "c", "/docs/b/**"]);
    (
        tools,
        some(&["planner-*", "planner-1", "*-2", "p*n*1"]),
        some(&["agent", "admin"]),
        some(&["core", "other"]),
        some(&["strict", "debug"]),
        paths,
        prop_oneof![Just(Vec::new()), arguments()],
    )
        .prop_map(|(mut tools, principals, roles, tags, modes, paths, arguments)| {
            if tools.is_empty() {
                tools.push("*".to_owned());
            }
            Condition { tools, principals, roles, tags, modes, paths, arguments }
        })
}

fn rule() -> impl Strategy<Value = Rule> {
    let action = prop_oneof![2 => Just(Action::Allow), 1 => Just(Action::Deny)];
    (action, condition(), vec(condition(), 0..3)).prop_map(|(action, condition, except)| Rule {
        action,
        condition,
        except,
    })
}

fn asked() -> impl Strategy<Value = Asked> {
    let path = select(vec!["docs/a", "docs/b/c", "docs/b.md", "a.md", "x/a.md", "c", "src/c", "."]);
    let kind = select(vec!["prod", "pre", "a*b", "axb", ""]);
    let size = select(vec![json!(7), json!(6), json!(-7), json!(0), json!((1_i64 << 53) + 1)]);
    let owned =
        |texts: Vec<&str>| -> Vec<String> { texts.into_iter().map(str::to_owned).collect() };
    (
        (
            select(vec!["fs.read", "fs.list", "none.do"]),
            select(vec!["planner-1", "planner-2", "other"]),
        ),
        select(vec![vec!["agent"], vec!["admin", "x"], vec![]]),
        select(vec![vec!["core"], vec![]]),
        of(select(vec!["strict", "explore"])),
        (of(path), of(kind), of(size), of(any::<bool>())),
    )
        .prop_map(move |((tool, principal), roles, tags, mode, (path, kind, size, dry))| {
            let path = path.filter(|_| tool != "none.do").map(Value::from);
            let fields = [
                ("path", path),
                ("kind", kind.map(Value::from)),
                ("size", size),
                ("dry", dry.map(Value::from)),
            ];
            let fields =
                fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
            Asked {
                tool: tool.to_owned(),
                principal: principal.to_owned(),
                roles: owned(roles),
                tags: owned(tags),
                mode: mode.map(str::to_owned),
                arguments: Value::Object(fields.collect::<Map<_, _>>()),
            }
        })
}

/// How many of the pairs were allowed by both, denied by both, and decided differently.
fn compare(policies: usize, unknown: Unknown) -> (usize, usize, Vec<String>) {
    let mut runner = TestRunner::deterministic();
    let (mut allowed, mut denied, mut different, mut refused) = (0, 0, Vec::new(), 0);
    for _ in 0..policies {
        let rules = vec(rule(), 1..7).new_tree(&mut runner).unwrap().current();
        // A path asked of a tool that has none does not load, and Cedar has no such check.
        let Ok(ours) = Ours::load(&rules, catalogue()) else {
            refused += 1;
            continue;
        };
        let cedar =
            Cedar::load(&rules, unknown).unwrap_or_else(|error| panic!("{error}: {rules:?}"));
        for _ in 0..CALLS {
            let asked = asked().new_tree(&mut runner).unwrap().current();
            let mine = ours.decide(&asked);
            match cedar.decide(&Prepared::new(&asked).unwrap()) {
                Ok(theirs) if theirs == mine && mine.allowed => allowed += 1,
                Ok(theirs) if theirs == mine => denied += 1,
                theirs => different.push(format!("{mine:?} {theirs:?}\n{rules:#?}\n{asked:?}")),
            }
        }
    }
    assert!(refused * 2 < policies, "{refused} of {policies} rule files do not load");
    (allowed, denied, different)
}

#[test]
fn ours_and_cedar_agree() {
    let asked = std::env::var("PALISADE_ORACLE_POLICIES").ok().and_then(|count| count.parse().ok());
    let policies = asked.unwrap_or(POLICIES);
    let (allowed, denied, different) = compare(policies, Unknown::Kept);
    if let Some(first) = different.first() {
        panic!("{} of {} pairs differ, the first:\n{first}", different.len(), policies * CALLS);
    }
    println!("{} pairs agree, {allowed} of them allowed", allowed + denied);
    assert!(allowed * 20 > denied && denied * 20 > allowed, "{allowed} allowed, {denied} denied");
}

#[test]
fn taking_unknown_for_false_is_noticed() {
    let (_, _, different) = compare(40, Unknown::False);
    assert!(!different.is_empty());
}
