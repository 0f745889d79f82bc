//! What a program may reach: hosts asked for by a call, decided one rule at a time.
//!
//! The tool here is one that runs programs and declares `hosts[]`; URLs of tools that fetch are in
//! `logic.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

mod fixture;

use fixture::{Asked, call};
use policy::document::Source;
use policy::{Catalogue, Effect, Extended, Policy, Tool, Truth, Verdict};
use serde_json::json;

fn policy(rules: &str) -> Policy {
    let tool = Tool {
        name: "exec.run".to_owned(),
        effect: Effect::Exec,
        tags: Vec::new(),
        schema: json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "program": { "type": "string" },
                "driver": { "type": "string", "default": "local" },
                "hosts": { "type": "array", "default": [], "items": { "type": "string" } },
            },
        }),
        paths: Vec::new(),
        hosts: vec!["hosts[]".to_owned()],
    };
    let catalogue = Catalogue::new(vec![tool]).unwrap();
    let source = Source::new("policy.yaml", fixture::file(rules).as_str());
    Policy::load(&source, &catalogue).unwrap_or_else(|found| panic!("{found:#?}")).policy
}

fn asks(hosts: &[&str]) -> Asked {
    call("exec.run", json!({ "program": "curl", "hosts": hosts }))
}

fn verdict(rules: &str, hosts: &[&str]) -> Verdict {
    asks(hosts).decided(&policy(rules)).verdict
}

const PLAIN: &str = "- { name: plain, match: { tool: exec.run }, action: allow }\n";

#[test]
fn an_allow_that_names_no_host_reaches_none() {
    assert_eq!(verdict(PLAIN, &[]), Verdict::Allow);
    assert_eq!(verdict(PLAIN, &["example.org"]), Verdict::Deny);
    let all = "- { name: all, match: { tool: \"*\" }, action: allow }\n";
    assert_eq!(verdict(all, &["example.org"]), Verdict::Deny);
    let named = "- { name: net, match: { tool: exec.run, host: example.org }, action: allow }\n";
    assert_eq!(verdict(named, &["example.org"]), Verdict::Allow);
    assert_eq!(verdict(named, &[]), Verdict::Deny);
}

/// A call is one call however many hosts it asks for, and what any host brings with it holds.
#[test]
fn what_hosts_ask_for_comes_together() {
    let rules = "- { name: a, match: { tool: exec.run, host: [\"*.org\", \"*.net\"] }, action: allow, \
           limits: [{ count: 5, per: run }], constraints: { timeout: 1s } }\n\
         - { name: n, match: { tool: exec.run, host: \"*.net\" }, action: require_review, \
           limits: [{ count: 2, per: run }], approve: { count: 2 }, constraints: { redact: both } }\n\
         - { name: d, match: { tool: exec.run, host: d.org }, action: deny }\n";
    let policy = policy(rules);
    let asked = |hosts: &[&str]| {
        let decision = asks(hosts).decided(&policy);
        let rules: Vec<&str> = decision.charges.iter().map(|charge| &*charge.rule).collect();
        (decision.verdict, rules.join(" "), decision.constraints, decision.approve)
    };
    let (verdict, charged, constraints, approve) = asked(&["a.org", "b.org"]);
    assert_eq!((verdict, charged.as_str()), (Verdict::Allow, "a"));
    assert!(constraints.redact.is_none() && approve.is_none());
    let (verdict, charged, constraints, approve) = asked(&["a.org", "b.net", "c.net"]);
    assert_eq!((verdict, charged.as_str()), (Verdict::RequireReview, "n a"));
    assert!(!constraints.redact.is_none() && constraints.timeout.is_some());
    assert_eq!(approve.map(|approve| approve.count), Some(2));
    let denied = asked(&["a.org", "d.org"]);
    assert_eq!((denied.0, denied.1.as_str(), denied.2.is_empty()), (Verdict::Deny, "", true));
}

/// An extension can make up for a missing rule, but only a rule opens a host.
#[test]
fn an_extension_opens_no_host() {
    let policy = policy("- { name: a, match: { tool: exec.run, host: a.org }, action: allow }\n");
    for (hosts, expected, times) in [
        (&["a.org"][..], Verdict::Allow, 1),
        (&["b.org"], Verdict::Deny, 0),
        (&["a.org", "b.org"], Verdict::Deny, 0),
        (&[], Verdict::Allow, 1),
    ] {
        let (decision, asked) = asks(hosts).authorized(&policy, false, Extended::Allow(None));
        assert_eq!((decision.verdict, asked), (expected, times), "{hosts:?}");
    }
}

#[test]
fn a_rule_decides_every_host_asked_for() {
    let allow = |host: &str| {
        format!("- {{ name: net, match: {{ tool: exec.run, host: {host} }}, action: allow }}\n")
    };
    for (host, asked, allowed) in [
        ("example.org", &["example.org:8443"][..], true),
        ("example.org", &["EXAMPLE.org."], true),
        ("example.org", &["sub.example.org"], false),
        ("example.org", &["example.org", "example.net"], false),
        ("[example.org, example.net]", &["example.org", "example.net"], true),
        ("\"*.example.org\"", &["a.example.org"], true),
        ("\"*.example.org\"", &["*.example.org"], true),
        ("\"*.example.org\"", &["*.a.example.org:443"], true),
        ("\"*.example.org\"", &["example.org"], false),
        ("\"*.a.example.org\"", &["*.example.org"], false),
        ("a.example.org", &["*.example.org"], false),
        ("\"*\"", &["*.example.org"], true),
        ("\"*\"", &["1.1.1.1"], true),
        ("\"*\"", &["10.0.0.1"], false),
        ("\"*\"", &["127.0.0.1:8080"], false),
        ("\"*\"", &["169.254.169.254"], false),
        ("\"*\"", &["0.0.0.0/0"], false),
        ("127.0.0.1", &["127.0.0.1:8080"], true),
        ("127.0.0.0/8", &["127.0.0.1:8080"], true),
        ("127.0.0.1", &["127.0.0.0/8"], false),
        ("10.0.0.0/8", &["10.1.0.0/16"], true),
        ("10.1.0.0/16", &["10.0.0.0/8"], false),
        ("\"::1\"", &["[::1]:80"], true),
        ("10.0.0.0/8", &["[::ffff:10.0.0.1]"], true),
        ("\"*\"", &["*"], false),
        ("\"*\"", &["https://example.org/"], false),
        ("\"*\"", &[""], false),
    ] {
        let expected = if allowed { Verdict::Allow } else { Verdict::Deny };
        assert_eq!(verdict(&allow(host), asked), expected, "{host} {asked:?}");
    }
}

#[test]
fn a_denial_of_one_host_stops_a_wildcard_around_it() {
    let rules = |denied: &str| {
        format!(
            "- {{ name: net, match: {{ tool: exec.run, host: [\"*\", 10.0.0.0/8] }}, action: allow }}\n\
             - {{ name: no, match: {{ tool: exec.run, host: \"{denied}\" }}, action: deny }}\n"
        )
    };
    for (denied, asked, expected) in [
        ("evil.example.org", "evil.example.org", Verdict::Deny),
        ("evil.example.org", "*.example.org", Verdict::Deny),
        ("*.evil.example.org", "*.example.org", Verdict::Deny),
        ("evil.example.org", "*.example.net", Verdict::Allow),
        ("evil.example.org", "good.example.org", Verdict::Allow),
        ("10.0.0.1", "10.0.0.0/16", Verdict::Deny),
        ("10.0.0.0/16", "10.0.0.0/8", Verdict::Deny),
        ("10.1.0.0/16", "10.2.0.0/16", Verdict::Allow),
        ("*", "10.2.0.0/16", Verdict::Deny),
    ] {
        assert_eq!(verdict(&rules(denied), &[asked]), expected, "{denied} {asked}");
    }
    // A denial that is not about hosts needs none to hold.
    let denied = format!("{PLAIN}- {{ name: no, match: {{ tool: exec.run }}, action: deny }}\n");
    assert_eq!(verdict(&denied, &[]), Verdict::Deny);
}

#[test]
fn driver_and_image_are_arguments_like_any_other() {
    let rules =
        "- { name: local, match: { tool: exec.run, args: { driver: local } }, action: allow }\n";
    let policy = policy(rules);
    let on = |driver: &str| call("exec.run", json!({ "program": "ls", "driver": driver }));
    assert_eq!(on("local").decided(&policy).verdict, Verdict::Allow);
    assert_eq!(on("container").decided(&policy).verdict, Verdict::Deny);
}

#[test]
fn the_explanation_says_that_a_rule_names_no_host() {
    let explained = asks(&["example.org"]).explained(&policy(PLAIN));
    let failed = &explained.nearest[0].failed[0];
    assert_eq!((failed.field.as_str(), failed.outcome), ("host", Truth::False));
    assert_eq!(
        (failed.wanted.as_str(), failed.found.as_str()),
        ("no host, as it names none", "example.org")
    );
}

#[test]
fn each_host_is_decided_by_itself() {
    let rules = "- { name: a, match: { tool: exec.run, host: a.test }, action: allow, constraints: { timeout: 9s } }\n\
                 - { name: b, match: { tool: exec.run, host: b.test }, action: allow, constraints: { timeout: 5s } }\n\
                 - { name: c, match: { tool: exec.run, host: c.test }, action: require_review }\n";
    let policy = policy(rules);
    let call = asks(&["a.test", "b.test:81"]);
    let decision = call.decided(&policy);
    assert_eq!(decision.verdict, Verdict::Allow);
    assert_eq!(decision.constraints.timeout, Some(std::time::Duration::from_secs(5)));
    let by: Vec<(String, String)> = policy
        .reach(&call.borrowed())
        .into_iter()
        .map(|reach| (reach.host, reach.decision.reasons[0].rule.to_string()))
        .collect();
    let expected = [("a.test", "a"), ("b.test:81", "b")];
    assert_eq!(by, expected.map(|(host, rule)| (host.to_owned(), rule.to_owned())));
    assert_eq!(asks(&["a.test", "c.test"]).decided(&policy).verdict, Verdict::RequireReview);
    let denied = asks(&["a.test", "d.test", "c.test"]).explained(&policy);
    assert_eq!((denied.decision.verdict, denied.hosts.len()), (Verdict::Deny, 3));
    assert_eq!(denied.nearest[0].failed[0].found, "d.test");
    assert_eq!(policy.reach(&asks(&[]).borrowed()), []);
}
