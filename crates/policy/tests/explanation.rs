//! Explanations: what they show, and that they are the decision's own story.
//!
//! That they agree with decisions everywhere is held in `oracle.rs`; here are the words.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

mod fixture;

use fixture::{call, policy, read};
use policy::Contributed::{Action, Excepted, Pass};
use serde_json::json;

const RULES: &str = "- { name: read-docs, match: { tool: fs.read, role: agent, path_glob: [\"docs/**\", \"*.md\"] }, action: allow, \
       except: [{ path_glob: \"docs/private/**\", because: unreleased }] }\n\
     - { name: far, match: { tool: fs.read, role: admin, path_glob: \"x\", principal: y }, action: allow }\n\
     - { name: calls, match: { tool: \"http.*\" }, action: allow }\n\
     - { name: sized, match: { tool: fs.read, mode: debug }, action: deny }\n";

#[test]
fn every_condition_with_its_outcome() {
    let explained = read("docs/private/a").explained(&policy(RULES));
    let rule = explained.candidates.iter().find(|rule| &*rule.rule == "read-docs").unwrap();
    assert_eq!(
        serde_json::to_value(rule).unwrap(),
        json!({
            "rule": "read-docs", "layer": "rules", "action": "allow", "contribution": "excepted",
            "conditions": [
                { "field": "role", "wanted": "agent", "found": "agent", "outcome": "true" },
                { "field": "path_glob", "wanted": "docs/** or *.md", "found": "docs/private/a", "outcome": "true" },
            ],
            "except": [{ "item": 1, "because": "unreleased", "excuses": true, "conditions": [
                { "field": "path_glob", "wanted": "docs/private/**", "found": "docs/private/a", "outcome": "true" },
            ] }],
        })
    );
    let contributions: Vec<_> = explained
        .candidates
        .iter()
        .filter(|rule| !rule.rule.starts_with("builtin:"))
        .map(|rule| (&*rule.rule, rule.contribution))
        .collect();
    assert_eq!(contributions, [("sized", Pass), ("read-docs", Excepted), ("far", Pass)]);
    let allowed = read("docs/a").explained(&policy(RULES));
    assert!(allowed.candidates.iter().any(|rule| rule.contribution == Action));
    assert!(allowed.nearest.is_empty());
}

#[test]
fn a_denial_names_the_nearest_allow_rules() {
    let policy = policy(RULES);
    let nearest = |asked: &fixture::Asked| {
        let lines = asked.explained(&policy).nearest.into_iter().map(|miss| {
            let failed = miss.failed.iter().map(|condition| {
                let outcome = serde_json::to_string(&condition.outcome).unwrap();
                format!(
                    "{} {} not {} ({outcome})",
                    condition.field, condition.found, condition.wanted
                )
            });
            format!("{}: {}", miss.rule, failed.collect::<Vec<_>>().join(", "))
        });
        lines.collect::<Vec<_>>()
    };
    assert_eq!(
        nearest(&read("src/a")),
        [
            "read-docs: path_glob src/a not docs/** or *.md (\"false\")",
            "far: role agent not admin (\"false\"), principal planner-1 not y (\"false\"), path_glob src/a not x (\"false\")",
            "calls: tool fs.read not http.* (\"false\")",
        ]
    );
    assert_eq!(
        nearest(&read("docs/private/a"))[0],
        "read-docs: except 1 unreleased not not path_glob docs/private/** (\"false\")"
    );
    let missing = nearest(&call("fs.read", json!({})));
    assert_eq!(
        missing[0],
        "read-docs: path_glob nothing not docs/** or *.md (\"unknown\"), except 1 unreleased not not path_glob docs/private/** (\"false\")"
    );
    assert_eq!(
        nearest(&call("fs.raed", json!({})))[0],
        "read-docs: tool fs.raed not fs.read (\"false\")"
    );
}

#[test]
fn values_are_cut_and_containers_only_named() {
    let policy = policy(
        "- { name: a, match: { tool: deploy.apply, args: { any: x, env: y } }, action: allow }\n",
    );
    let asked = call("deploy.apply", json!({ "any": { "deep": [1] }, "env": "e".repeat(1000) }));
    let explained = asked.explained(&policy);
    let found: Vec<_> = explained.candidates[0]
        .conditions
        .iter()
        .map(|condition| condition.found.as_str())
        .collect();
    assert_eq!(found, ["a map", &format!("{}…", "e".repeat(200))]);
}

#[test]
fn a_decision_reads_as_a_sentence() {
    let policy = policy(
        "- { name: a, match: { tool: fs.read }, action: allow }\n\
         - { name: d, match: { tool: fs.write }, action: deny, reason: frozen }\n\
         - { name: r, match: { tool: deploy.apply }, action: require_review }\n",
    );
    for (asked, expected) in [
        (read("x"), "allowed by `a`"),
        (read("a.pem"), "denied by `builtin:keys` (keys are never handed to a call)"),
        (call("fs.write", json!({ "path": "x" })), "denied by `d` (frozen)"),
        (call("deploy.apply", json!({})), "review required by `r`"),
        (call("clock.now", json!({})), "no rule explicitly allowed this"),
        (call("nothing", json!({})), "no such tool is registered"),
    ] {
        assert_eq!(asked.decided(&policy).to_string(), expected);
    }
}
