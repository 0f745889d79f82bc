//! The engine against the reference interpreter, over random policies and calls.
//!
//! The two share no code, so where they agree both would have to be wrong in the same way. The control
//! is a reference that takes unknown for false, which must be caught. Explanations are held against
//! decisions on the way.
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
use std::fmt::Write;

use fixture::{Asked, call};
use policy::document::Source;
use policy::{Catalogue, Contributed, Policy, Tool, Verdict};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use reference::decide;
use reference::world::{Condition, HOSTS, Rule, TOOLS, guard};
use serde_json::{Map, Value, json};

/// Random policies, each met by `CALLS` random calls: 24 000 pairs.
const POLICIES: u32 = 600;
const CALLS: usize = 40;

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

fn some(of: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![3 => Just(Vec::new()), 2 => vec(select(of), 1..3)]
}

fn condition() -> impl Strategy<Value = Condition> {
    let tools = prop_oneof![
        3 => Just(Vec::new()),
        2 => select(vec![vec!["*"], vec!["all.*", "fs.*"], vec!["all.do"], vec!["*.do", "http.*"]]),
    ];
    let globs =
        &["docs/**", "docs/*", "*.md", "a.md", "/a.md", "**", "**/c", "src/**/x", "*", "docs/*/c"];
    let paths = prop_oneof![5 => Just(None), 1 => Just(Some(Vec::new())), 6 => vec(select(&globs[..]), 1..3).prop_map(Some)];
    let wanted = &[
        "prod", "7", "true", "glob:pr*", "glob:*x*", "<= 10KiB", "> 5", ">= 2s", "< 1MB", "< 30s",
    ];
    let args = prop_oneof![
        2 => Just(Vec::new()),
        1 => vec((select(&["p", "q"][..]), vec(select(&wanted[..]), 1..4)), 1..2),
    ];
    (
        tools,
        some(&["agent", "admin"]),
        some(&["core", "other"]),
        some(&["strict", "debug"]),
        some(&["planner-*", "planner-1", "*-2", "p*n*1"]),
        paths,
        some(&["docs.rs", "*.python.org", "127.0.0.1", "*"]),
        args,
    )
        .prop_map(|(tools, roles, tags, modes, principals, paths, hosts, args)| Condition {
            tools,
            roles,
            tags,
            modes,
            principals,
            paths,
            hosts,
            args,
        })
}

fn rule() -> impl Strategy<Value = Rule> {
    let action = prop_oneof![
        3 => Just(Verdict::Allow),
        1 => Just(Verdict::Deny),
        1 => Just(Verdict::RequireReview),
    ];
    (action, condition(), vec(condition(), 0..3)).prop_map(|(action, condition, except)| Rule {
        action,
        condition,
        except,
    })
}

fn asked() -> impl Strategy<Value = Asked> {
    let path = select(vec![
        json!("docs/a"),
        json!("docs/b/c"),
        json!("docs/b.md"),
        json!("./docs//b/c/"),
        json!("a.md"),
        json!("src/x"),
        json!("src/y/x"),
        json!("c"),
        json!("."),
        json!(".."),
        json!("docs/../a.md"),
        json!("/etc/a.md"),
        json!("docs/.ssh/k"),
        json!("palisade.yaml"),
        json!(7),
        json!(null),
    ]);
    let url = select(
        HOSTS.map(|(value, _)| json!(value)).into_iter().chain([json!(1)]).collect::<Vec<_>>(),
    );
    let value = select(vec![
        json!("prod"),
        json!("pre"),
        json!("x/x\nx"),
        json!(7),
        json!(7.0),
        json!(-7),
        json!(6),
        json!(u64::MAX),
        json!((1_u64 << 53) - 1),
        json!(1_u64 << 53),
        json!(true),
        json!(false),
        json!(null),
        json!("10KiB"),
        json!("10241"),
        json!("2s"),
        json!("30s"),
        json!("1999ms"),
        json!("1MB"),
        json!("999s"),
        json!([7]),
        json!("1.5s"),
        json!("x".repeat(4097)),
    ]);
    let args = (of(path.clone()), of(vec(path, 0..3)), of(url), of(value.clone()), of(value));
    let roles = select(vec![vec!["agent"], vec!["admin", "x"], vec![]]);
    let tags = select(vec![vec!["core"], vec![]]);
    (
        select(TOOLS.map(|(name, ..)| name).to_vec()),
        select(vec!["planner-1", "planner-2", "other", ""]),
        (roles, tags, of(select(vec!["strict", "explore"]))),
        args,
    )
        .prop_map(|(tool, principal, (roles, tags, mode), (path, to, url, p, q))| {
            let fields =
                [("path", path), ("to", to.map(Value::Array)), ("url", url), ("p", p), ("q", q)];
            let args: Map<_, _> = fields
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                .collect();
            let own = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
            let mut asked = call(tool, Value::Object(args));
            principal.clone_into(&mut asked.principal);
            (asked.roles, asked.tags) = (own(roles), own(tags));
            asked.mode = mode.map(str::to_owned);
            asked
        })
}

/// The condition as a rule file has it.
fn written(condition: &Condition) -> String {
    let list = |values: &[&str]| serde_json::to_string(values).unwrap();
    let mut fields = Vec::new();
    for (name, values) in [
        ("tool", &condition.tools),
        ("role", &condition.roles),
        ("caller_tag", &condition.tags),
        ("mode", &condition.modes),
        ("principal", &condition.principals),
        ("host", &condition.hosts),
    ] {
        if !values.is_empty() {
            fields.push(format!("{name}: {}", list(values)));
        }
    }
    if let Some(paths) = &condition.paths {
        fields.push(format!("path_glob: {}", list(paths)));
    }
    let one = |text: &&str| match text.strip_prefix("glob:") {
        Some(glob) => format!("{{ glob: {} }}", json!(glob)),
        None if *text == "7" || *text == "true" => (*text).to_owned(),
        None => json!(text).to_string(),
    };
    let entries: Vec<String> = condition
        .args
        .iter()
        .map(|(key, wanted)| {
            let wanted: Vec<String> = wanted.iter().map(one).collect();
            format!("{key}: [{}]", wanted.join(", "))
        })
        .collect();
    if !entries.is_empty() {
        fields.push(format!("args: {{ {} }}", entries.join(", ")));
    }
    if fields.is_empty() {
        fields.push("tool: \"*\"".to_owned());
    }
    format!("{{ {} }}", fields.join(", "))
}

fn file(rules: &[Rule]) -> String {
    let mut text = "version: 1\nrules:\n".to_owned();
    for (place, rule) in rules.iter().enumerate() {
        let action = serde_json::to_string(&rule.action).unwrap();
        let except: Vec<String> = rule.except.iter().map(written).collect();
        let condition = written(&rule.condition);
        write!(text, "- {{ name: r{place}, match: {condition}, action: {action}").unwrap();
        if !except.is_empty() {
            write!(text, ", except: [{}]", except.join(", ")).unwrap();
        }
        text.push_str(" }\n");
    }
    text
}

fn compiled(rules: &[Rule]) -> Policy {
    let text = file(rules);
    match Policy::load(&Source::new("p", text.as_str()), &catalogue()) {
        Ok(loaded) => loaded.policy,
        Err(found) => panic!("{text}\n{found:#?}"),
    }
}

/// The rules of the file among the reasons, by place.
fn deciding(reasons: impl Iterator<Item = String>) -> BTreeSet<usize> {
    reasons.filter_map(|rule| rule.strip_prefix('r')?.parse().ok()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: POLICIES, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn engine_and_reference_agree(rules in vec(rule(), 0..7), calls in vec(asked(), CALLS)) {
        let policy = compiled(&rules);
        for asked in &calls {
            let (verdict, by) =
                decide(&rules, asked, guard(asked), |action| action != Verdict::Allow);
            let by: BTreeSet<usize> = by.into_iter().collect();
            let found = asked.decided(&policy);
            let reasons = deciding(found.reasons.iter().map(|reason| reason.rule.to_string()));
            prop_assert_eq!((found.verdict, &reasons), (verdict, &by), "{}\n{:?}", file(&rules), asked);
            let explained = asked.explained(&policy);
            let contributed = explained.candidates.iter().filter(|rule| {
                rule.contribution == Contributed::Action && rule.action.verdict() == verdict
            });
            let contributed = deciding(contributed.map(|rule| rule.rule.to_string()));
            prop_assert_eq!((explained.decision, contributed), (found, by));
        }
    }
}

#[test]
fn a_reference_that_takes_unknown_for_false_is_caught() {
    let mut runner = TestRunner::deterministic();
    let caught = (0..POLICIES).any(|_| {
        let rules = vec(rule(), 1..7).new_tree(&mut runner).unwrap().current();
        let asked = asked().new_tree(&mut runner).unwrap().current();
        let wrong = decide(&rules, &asked, guard(&asked), |_| false);
        wrong.0 != asked.decided(&compiled(&rules)).verdict
    });
    assert!(caught);
}
