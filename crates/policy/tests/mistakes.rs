//! Mistakes that other policy engines have made, each with the control that shows the test can fail.
//!
//! Those about nonces, the keeping of approvals and the journal belong to the crates that have these.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

mod fixture;

use fixture::{call, catalogue, check, errors, file, policy, read, tools};
use policy::Verdict::{Allow, Deny, RequireReview};
use policy::document::Source;
use policy::quota::{Account, Exceeded, Ledger};
use policy::{Approve, Approver, Catalogue, Decision, Policy};
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

const LIMITED: &str = "- { name: a, match: { tool: fs.read }, action: allow, limits: [{ count: 3, per: PER, window: 1h }] }\n";

fn limited(per: &str) -> Policy {
    policy(&LIMITED.replace("PER", per))
}

fn account(tenant: &str) -> Account {
    Account { tenant: tenant.into(), principal: "planner-1".into(), run: "run-1".into() }
}

/// How many of ten calls a tenant gets through.
fn let_through(ledger: &mut Ledger, tenant: &str, decision: &Decision) -> usize {
    let reserved =
        (0..10).filter(|_| ledger.reserve(&account(tenant), &decision.charges, 0).is_ok());
    reserved.count()
}

/// One tenant cannot use up what another is given, however alike their principals and runs are named.
#[test]
fn the_key_of_a_limit_has_the_tenant_in_it() {
    for per in ["run", "principal", "tenant"] {
        let decision = read("x").decided(&limited(per));
        let mut ledger = Ledger::default();
        assert_eq!(let_through(&mut ledger, "one", &decision), 3, "{per}");
        assert_eq!(let_through(&mut ledger, "other", &decision), 3, "{per}");
        // The control: the same tenant again has nothing left.
        assert_eq!(let_through(&mut ledger, "one", &decision), 0, "{per}");
    }
}

#[test]
fn a_denied_call_consumes_nothing() {
    let rules = format!(
        "{}- {{ name: d, match: {{ tool: fs.read, path_glob: \"secret/**\" }}, action: deny }}\n",
        LIMITED.replace("PER", "tenant")
    );
    let policy = policy(&rules);
    let (allowed, denied) = (read("x").decided(&policy), read("secret/x").decided(&policy));
    assert_eq!((denied.verdict, denied.charges.len()), (Deny, 0));
    let mut ledger = Ledger::default();
    assert_eq!(let_through(&mut ledger, "t", &allowed), 3);
    // Nor does one that the limit itself refused, over and over.
    let used = ledger.used(&account("t"), &allowed.charges[0], 0);
    assert_eq!((used, let_through(&mut ledger, "t", &allowed)), (3, 0));
    assert_eq!(ledger.used(&account("t"), &allowed.charges[0], 0), 3);
}

/// A budget is held before the effect, not counted after it: calls that run at the same time cannot
/// all see what is left.
#[test]
fn a_budget_is_reserved_before_the_call_runs() {
    let decision = read("x").decided(&limited("run"));
    let mut ledger = Ledger::default();
    let running: Vec<_> =
        (0..3).map(|_| ledger.reserve(&account("t"), &decision.charges, 0).unwrap()).collect();
    let fourth = ledger.reserve(&account("t"), &decision.charges, 0);
    assert!(matches!(fourth, Err(Exceeded::Limits { .. })));
    // One that never began gives its place back; one whose end nobody knows does not.
    ledger.release(running[0].number, 1).unwrap();
    assert_eq!(let_through(&mut ledger, "t", &decision), 1);
}

/// Nobody asked is nobody who approved.
#[test]
fn no_approvers_is_not_approval() {
    let approve = |text: &str| {
        let rule =
            REVIEW.replace("require_review }", &format!("require_review, approve: {text} }}"));
        (file(&rule), rule)
    };
    for text in ["{ count: 0 }", "{ count: -1 }", "{ from: [] }", "{ expires: 0s }", "[]"] {
        assert_eq!(errors(&approve(text).0).len(), 1, "{text}");
    }
    let plain = call("deploy.apply", json!({})).decided(&policy(REVIEW));
    assert!(plain.approve.is_some_and(|approve| approve.count == 1));
    let asked = call("deploy.apply", json!({})).decided(&policy(&approve("{}").1));
    assert_eq!(asked.approve, Some(Approve::default()));
    let nobody = Approve { from: vec![Approver::AnyOf(Vec::new())], ..Approve::default() };
    assert!(!nobody.accepts("anyone", &["sre".to_owned()]));
    assert!(Approve::default().accepts("anyone", &[]));
}

/// What cannot be measured is not nothing.
#[test]
fn an_argument_left_out_is_no_way_around_a_sum() {
    let policy = policy(
        "- { name: a, match: { tool: deploy.apply }, action: allow, limits: [{ sum: args.count, max: 10, per: run }] }\n",
    );
    let fits = |args: Value| {
        let decision = call("deploy.apply", args).decided(&policy);
        Ledger::default().reserve(&account("t"), &decision.charges, 0).is_ok()
    };
    assert!(fits(json!({ "count": 10 })));
    for args in
        [json!({}), json!({ "count": 11 }), json!({ "count": null }), json!({ "count": -1 })]
    {
        assert!(!fits(args.clone()), "{args}");
    }
}
