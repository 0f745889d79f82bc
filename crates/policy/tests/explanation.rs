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
use policy::quota::{Account, Ledger};
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
        "read-docs: except 1 docs/private/a (unreleased) not not path_glob docs/private/** (\"false\")"
    );
    let missing = nearest(&call("fs.read", json!({})));
    assert_eq!(
        missing[0],
        "read-docs: path_glob nothing not docs/** or *.md (\"unknown\"), except 1 nothing (unreleased) not not path_glob docs/private/** (\"false\")"
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

const HELD: &str = "- { name: a, match: { tool: deploy.apply }, action: allow, \
       limits: [{ count: 3, per: run, window: 1h }, { sum: args.count, max: 10, per: tenant, window: 1d, on_exceed: require_review }], \
       constraints: { profile: strict, redact: output } }\n\
     - { name: r, match: { tool: deploy.apply, args: { env: prod } }, action: require_review, approve: { from: \"role:sre\", count: 2, expires: 15m } }\n";

/// Without a ledger it says what the call takes; with one, what is left of it.
#[test]
fn limits_say_what_is_used() {
    let policy = policy(HELD);
    let asked = call("deploy.apply", json!({ "env": "dev", "count": 4 }));
    let explained = asked.explained(&policy);
    assert_eq!(
        serde_json::to_value(&explained.limits).unwrap(),
        json!([
            { "rule": "a", "limit": 1, "wanted": "at most 3 calls per run in 3600s", "amount": 1,
              "used": null, "fits": null, "on_exceed": "deny" },
            { "rule": "a", "limit": 2, "wanted": "at most 10 in sum per tenant in 86400s", "amount": 4,
              "used": null, "fits": null, "on_exceed": "require_review" },
        ])
    );
    let account = Account { tenant: "t".into(), principal: "p".into(), run: "r".into() };
    let mut ledger = Ledger::default();
    for _ in 0..2 {
        ledger.reserve(&account, &explained.decision.charges, 0).unwrap();
    }
    let weighed = explained.weighed(&ledger, &account, 0);
    let state: Vec<_> = weighed.limits.iter().map(|limit| (limit.used, limit.fits)).collect();
    assert_eq!(state, [(Some(2), Some(true)), (Some(8), Some(false))]);
    // More than the limit, or nobody knows how much: over it without any ledger.
    for args in [json!({ "env": "dev", "count": 11 }), json!({ "env": "dev" })] {
        let limits = call("deploy.apply", args).explained(&policy).limits;
        assert_eq!((limits[0].fits, limits[1].fits), (None, Some(false)));
    }
}

#[test]
fn each_rule_says_what_it_would_hold_a_call_to() {
    let explained =
        call("deploy.apply", json!({ "env": "prod", "count": 1 })).explained(&policy(HELD));
    let rule = |name: &str| {
        let found = explained.candidates.iter().find(|rule| &*rule.rule == name).unwrap();
        serde_json::to_value(found).unwrap()
    };
    let allowing = rule("a");
    assert_eq!(allowing["constraints"], json!({ "profile": "strict", "redact": "output" }));
    assert_eq!(allowing["limits"][0], "at most 3 calls per run in 3600s");
    assert!(allowing.get("approve").is_none());
    let reviewing = rule("r");
    assert_eq!(reviewing["approve"]["count"], 2);
    assert_eq!(reviewing["approve"]["from"], json!([{ "role": "sre" }]));
    assert!(reviewing.get("limits").is_none() && reviewing.get("constraints").is_none());
}

#[test]
fn every_layer_says_what_it_makes_of_the_call() {
    let rules = "- { name: a, match: { tool: fs.read }, action: allow }\n\
         - { name: t, match: { tool: clock.now }, action: allow, constraints: { require_ticket: true } }\n\
         - { name: d, match: { tool: fs.write, path_glob: \"docs/**\" }, action: deny }\n";
    let policy = policy(rules);
    let layers = |asked: &fixture::Asked| {
        let layers = asked.explained(&policy).layers;
        let verdicts = layers.iter().map(|layer| match layer.verdict {
            Some(verdict) => serde_json::to_value(verdict).unwrap().as_str().unwrap().to_owned(),
            None => "-".to_owned(),
        });
        let asked = layers.last().is_some_and(|last| last.note.starts_with("would be asked"));
        (verdicts.collect::<Vec<_>>().join(" "), asked)
    };
    let write = |path: &str| call("fs.write", json!({ "path": path }));
    for (asked, expected, extension) in [
        (read("x"), "- allow allow -", true),
        (read("a.pem"), "deny deny allow -", false),
        (write("palisade.yaml"), "require_review require_review - -", true),
        (write("docs/a"), "- allow deny -", false),
        (write("src/a"), "- allow - -", true),
        (call("clock.now", json!({})), "- allow allow -", false),
        (call("nothing", json!({})), "", false),
    ] {
        assert_eq!(layers(&asked), (expected.to_owned(), extension), "{asked:?}");
    }
    let ticketed = call("clock.now", json!({})).explained(&policy).layers;
    assert_eq!(ticketed[1].note, "a valid ticket is required");
}
