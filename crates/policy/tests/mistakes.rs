//! Mistakes that other policy engines have made, each with the control that shows the test can fail.
//!
//! Those about tickets, approvals, quotas and the journal belong to the crates that have these.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

mod fixture;

use fixture::{call, catalogue, check, errors, file, policy, read, tools};
use policy::Verdict::{Allow, Deny, RequireReview};
use policy::document::Source;
use policy::{Catalogue, Policy};
use serde_json::{Value, json};

const REVIEW: &str = "- { name: r, match: { tool: deploy.apply }, action: require_review }\n";

/// The caller says it has been approved: nothing a call carries can stand in for a rule.
#[test]
fn arguments_cannot_approve_themselves() {
    let policy = policy(REVIEW);
    for approved in [
        json!({ "approved": true }),
        json!({ "approv\u{435}d": true }),
        json!({ "any": { "approved": true } }),
        json!({ "approved": 1 }),
        json!({ "approved": "yes", "decision": "allow", "rule": "r" }),
    ] {
        check(&policy, &call("deploy.apply", approved), RequireReview, &["r"]);
    }
    let mut asked = call("deploy.apply", json!({}));
    asked.roles = vec!["approved".to_owned()];
    asked.tags = vec!["approved".to_owned()];
    check(&policy, &asked, RequireReview, &["r"]);
}

#[test]
fn no_policy_is_not_permission() {
    let empty = Policy::empty(&catalogue());
    for tool in tools() {
        assert_eq!(
            call(&tool.name, json!({ "path": "x" })).decided(&empty).verdict,
            Deny,
            "{}",
            tool.name
        );
    }
    let none = Policy::empty(&Catalogue::new(Vec::new()).unwrap());
    check(&none, &read("x"), Deny, &[]);
    check(
        &policy("- { name: a, match: { tool: fs.read }, action: allow }\n"),
        &read("x"),
        Allow,
        &["a"],
    );
}

/// A rule, tool or built-in rule cannot be replaced by another of its name.
#[test]
fn the_same_name_does_not_override() {
    let rules = "- { name: x, match: { tool: fs.read }, action: deny }\n\
         - { name: x, match: { tool: fs.read }, action: allow }\n";
    assert_eq!(errors(&file(rules)), ["4:11: rule 2 `x`: rule 1 has the same name"]);
    let builtin = "- { name: \"builtin:keys\", match: { tool: fs.read }, action: allow }\n";
    assert_eq!(
        errors(&file(builtin)),
        ["3:11: rule 1 `builtin:keys`: names that start with `builtin:` are taken"]
    );
    policy(&rules.replacen("name: x", "name: y", 1));
}

/// A guard whose condition cannot be evaluated still guards.
#[test]
fn a_missing_or_broken_attribute_is_no_way_around_a_denial() {
    let policy = policy(
        "- { name: all, match: { tool: deploy.apply }, action: allow }\n\
         - { name: d, match: { tool: deploy.apply, args: { env: prod } }, action: deny }\n",
    );
    let apply = |args: Value| call("deploy.apply", args);
    check(&policy, &apply(json!({ "env": "dev" })), Allow, &["all"]);
    for args in [
        json!({}),
        json!({ "env": null }),
        json!({ "env": ["prod"] }),
        json!({ "env": { "a": 1 } }),
        json!("env"),
        json!(null),
    ] {
        check(&policy, &apply(args), Deny, &["d"]);
    }
}

/// A value too large to be matched is not matched as a part of itself.
#[test]
fn a_truncated_value_is_no_way_around_a_denial() {
    let policy = policy(
        "- { name: all, match: { tool: deploy.apply }, action: allow }\n\
         - { name: d, match: { tool: deploy.apply, args: { any: { glob: \"*secret*\" } } }, action: deny }\n",
    );
    let apply = |text: String| call("deploy.apply", json!({ "any": text }));
    check(&policy, &apply("x".repeat(4096)), Allow, &["all"]);
    check(&policy, &apply("x".repeat(4097)), Deny, &["d"]);
    check(&policy, &apply("x".repeat(5000) + "secret"), Deny, &["d"]);
}

/// Programs are argument lists: another spelling of a command line is another list.
#[test]
fn argument_lists_are_matched_item_by_item() {
    let policy = policy(
        "- { name: log, match: { tool: exec.run, args: { program: git, argv.0: git, argv.1: [log, status] } }, action: allow }\n",
    );
    let run =
        |argv: Value| call("exec.run", json!({ "program": "git", "argv": argv, "mounts": [] }));
    check(&policy, &run(json!(["git", "log", "--oneline"])), Allow, &["log"]);
    for argv in [
        json!(["git", "push"]),
        json!(["git", "log; rm -rf /"]),
        json!(["git", " log"]),
        json!(["git"]),
        json!("git log"),
        json!({ "0": "git" }),
    ] {
        check(&policy, &run(argv), Deny, &[]);
    }
}

/// Everything a decision depends on is in its digest, and no two inputs share bytes in it.
#[test]
fn the_digest_covers_file_and_tools() {
    let text = file("- { name: a, match: { tool: fs.read }, action: allow }\n");
    let digest = |text: &str, tools: Vec<policy::Tool>| {
        let catalogue = Catalogue::new(tools).unwrap();
        Policy::load(&Source::new("p", text), &catalogue).unwrap().policy.digest()
    };
    let first = digest(&text, tools());
    let mut turned = tools();
    turned.reverse();
    assert_eq!(first, digest(&text, turned));
    assert_ne!(first, digest(&format!("{text}\n"), tools()));
    let mut changed = tools();
    changed.iter_mut().for_each(|tool| tool.tags.push("x".to_owned()));
    assert_ne!(first, digest(&text, changed));
    let split = |left: &str, right: &str| {
        let mut tools = tools();
        tools.iter_mut().for_each(|tool| tool.tags = vec![left.to_owned(), right.to_owned()]);
        digest(&text, tools)
    };
    assert_ne!(split("a|b", "c"), split("a", "b|c"));
    assert_ne!(first, Policy::empty(&catalogue()).digest());
}
