//! Limits, approvals, tickets and redaction in a rule file: what loads, and what a decision asks for.
//!
//! Counting itself is in `quota.rs`. Each table of refusals has rows that load.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

mod fixture;

use std::time::Duration;

use fixture::{call, errors, file, load, policy, read, warnings};
use policy::Verdict::{Allow, Deny, RequireReview};
use policy::{Approver, Basis, Charge, ChargeKind, Exceed, Extended, Per, Redact};
use serde_json::{Value, json};

/// A rule on line 3, whose last field stands at column 56.
fn rule(field: &str) -> String {
    format!("- {{ name: a, match: {{ tool: http.get }}, action: allow, {field} }}\n")
}

fn refused(field: &str, expected: &str) {
    assert_eq!(errors(&file(&rule(field))), [expected.to_owned()], "{field}");
}

fn loads(field: &str) {
    assert!(load(&file(&rule(field))).is_ok(), "{field}: {:?}", errors(&file(&rule(field))));
}

fn limit(item: &str, expected: &str) {
    refused(&format!("limits: [{{ {item} }}]"), &format!("3:{expected}"));
}

#[test]
fn a_limit_that_says_too_little_or_too_much_is_refused() {
    limit("per: run", "65: rule 1 `a`: limit 1: nothing is counted");
    limit("count: 3", "65: rule 1 `a`: limit 1: missing required field \"per\"");
    limit(
        "count: 3, concurrent: 4, per: run",
        "77: rule 1 `a`: limit 1: `count` and `concurrent` are two limits",
    );
    limit(
        "count: 3, max: 4, per: run",
        "77: rule 1 `a`: limit 1: `max` belongs to `sum`, `count` is its own maximum",
    );
    limit("count: 0, per: run", "74: rule 1 `a`: limit 1: the maximum must be at least 1");
    limit("count: -1, per: run", "74: rule 1 `a`: limit 1: the maximum must be at least 1");
    limit("count: 9007199254740992, per: run", "74: rule 1 `a`: limit 1: the maximum is too large");
    limit(
        "count: many, per: run",
        "74: rule 1 `a`: limit 1: count must be a whole number, found a text",
    );
    limit("count: 3, per: agent", "82: rule 1 `a`: limit 1: per: `agent` is not one of its values");
    limit(
        "count: 3, per: run, on_exceed: ask",
        "98: rule 1 `a`: limit 1: on_exceed: `ask` is not one of its values",
    );
    limit(
        "count: 3, per: run, window: 30",
        "95: rule 1 `a`: limit 1: window must be a text, found a whole number",
    );
    limit(
        "count: 3, per: run, window: 999ms",
        "95: rule 1 `a`: limit 1: window must be from 1s to 366d",
    );
    limit(
        "count: 3, per: run, window: 367d",
        "95: rule 1 `a`: limit 1: window must be from 1s to 366d",
    );
    limit(
        "count: 3, per: run, window: 1w",
        "95: rule 1 `a`: limit 1: window: unknown unit `w` in `1w`",
    );
    limit(
        "count: 3, per: tenant",
        "65: rule 1 `a`: limit 1: only a limit per run can do without a window",
    );
    limit(
        "concurrent: 3, per: run, window: 1h",
        "92: rule 1 `a`: limit 1: calls that run at the same time have no window",
    );
    assert_eq!(
        errors(&file(&rule("limits: [{ cuont: 3, per: run }]"))),
        [
            "3:65: rule 1 `a`: limit 1: nothing is counted",
            "3:67: rule 1 `a`: limit 1: unknown key `cuont`",
        ]
    );
    for good in [
        "count: 3, per: run",
        "count: 9007199254740991, per: principal, window: 366d",
        "concurrent: 1, per: tenant, on_exceed: require_review",
        "sum: args.body.size, max: 1GiB, per: tenant, window: 1s, on_exceed: deny",
        "sum: args.timeout, max: 1h, per: run",
        "sum: args.body.size, max: 5, per: run",
    ] {
        loads(&format!("limits: [{{ {good} }}]"));
    }
}

#[test]
fn a_sum_is_held_against_the_schema() {
    limit(
        "sum: body.size, max: 1, per: run",
        "72: rule 1 `a`: limit 1: sum: `body.size` is no argument",
    );
    limit(
        "sum: args.body..size, max: 1, per: run",
        "72: rule 1 `a`: limit 1: sum: a name between the dots is empty",
    );
    limit(
        "sum: args.body.size, per: run",
        "65: rule 1 `a`: limit 1: missing required field \"max\"",
    );
    limit(
        "sum: args.body.size, max: 1gib, per: run",
        "93: rule 1 `a`: limit 1: max: unknown unit `gib` in `1gib`",
    );
    limit(
        "sum: args.body.size, max: 0KiB, per: run",
        "93: rule 1 `a`: limit 1: the maximum must be at least 1",
    );
    limit(
        "sum: args.sise, max: 1, per: run",
        "72: rule 1 `a`: limit 1: args: tool `http.get` has no argument `sise`",
    );
    let of = |tool: &str, limit: &str| {
        file(&format!(
            "- {{ name: a, match: {{ tool: {tool} }}, action: allow, limits: [{{ {limit}, per: run }}] }}\n"
        ))
    };
    assert_eq!(
        errors(&of("deploy.apply", "sum: args.count, max: 10s")),
        ["3:76: rule 1 `a`: limit 1: args: `count` can never be held against `<= 10s`"]
    );
    assert_eq!(
        errors(&of("deploy.apply", "sum: args.dry, max: 10")),
        ["3:76: rule 1 `a`: limit 1: args: `dry` can never be held against `<= 10`"]
    );
    assert_eq!(
        warnings(&of("[deploy.apply, \"fs.*\"]", "sum: args.count, max: 10")),
        [
            "3:86: rule 1 `a`: limit 1: unknown in every call of `fs.copy`, `fs.read`, `fs.write`, so each of them is over the limit"
        ]
    );
}

#[test]
fn limits_and_approvals_stand_where_they_mean_something() {
    let denial = "- { name: a, match: { tool: http.get }, action: deny, limits: [{ count: 1, per: run }] }\n";
    assert_eq!(errors(&file(denial)), ["3:55: rule 1 `a`: a denial has nothing to limit"]);
    refused("limits: []", "3:64: rule 1 `a`: limits must have between 1 and 16 items");
    let many = "{ count: 1, per: run }, ".repeat(17);
    refused(
        &format!("limits: [{many}]"),
        "3:64: rule 1 `a`: limits must have between 1 and 16 items",
    );
    refused(
        "approve: { count: 1 }",
        "3:65: rule 1 `a`: approve: nothing of this rule asks for a review",
    );
    loads("limits: [{ count: 1, per: run, on_exceed: require_review }], approve: { count: 2 }");
    refused(
        "constraints: { require_ticket: yes }",
        "3:87: rule 1 `a`: constraints: require_ticket must be `true` or `false`, found a text",
    );
    refused(
        "constraints: { redact: everything }",
        "3:79: rule 1 `a`: constraints: redact: `everything` cannot be redacted",
    );
    loads("constraints: { require_ticket: true, redact: both }");
}

#[test]
fn approvals_are_checked() {
    let review = |approve: &str| {
        file(&format!(
            "- {{ name: a, match: {{ tool: http.get }}, action: require_review, approve: {{ {approve} }} }}\n"
        ))
    };
    for (approve, expected) in [
        ("count: 0", "3:83: rule 1 `a`: approve: count must be from 1 to 16"),
        ("count: 17", "3:83: rule 1 `a`: approve: count must be from 1 to 16"),
        ("count: -1", "3:83: rule 1 `a`: approve: count must be from 1 to 16"),
        ("expires: 0s", "3:85: rule 1 `a`: approve: expires must be from 1s to 30d"),
        ("expires: 31d", "3:85: rule 1 `a`: approve: expires must be from 1s to 30d"),
        ("expires: 15", "3:85: rule 1 `a`: approve: expires must be a text, found a whole number"),
        ("from: []", "3:82: rule 1 `a`: approve: from must not be an empty list"),
        ("from: sre", "3:82: rule 1 `a`: approve: from: `sre` names nobody"),
        ("from: \"role:\"", "3:82: rule 1 `a`: approve: from: `role:` names nobody"),
        ("from: \"role:sr*\"", "3:82: rule 1 `a`: approve: from: `role:sr*` names nobody"),
        ("from: \"Role:sre\"", "3:82: rule 1 `a`: approve: from: `Role:sre` names nobody"),
        ("form: \"role:sre\"", "3:76: rule 1 `a`: approve: unknown key `form`"),
        (
            "from: [\"principal:a\", \"principal:a\"], count: 2",
            "3:74: rule 1 `a`: approve: 2 approvals are asked for and only 1 principals can give one",
        ),
    ] {
        assert_eq!(errors(&review(approve)), [expected.to_owned()], "{approve}");
    }
    for good in [
        "from: \"role:sre\", count: 2, expires: 15m",
        "from: [\"principal:a\", \"principal:b\"], count: 2",
        "from: [\"principal:a*\"], count: 16",
        "expires: 30d",
    ] {
        assert!(load(&review(good)).is_ok(), "{good}");
    }
}

fn get(args: Value) -> fixture::Asked {
    call("http.get", args)
}

const LIMITED: &str = "- { name: a, match: { tool: http.get }, action: allow, limits: [\
     { count: 100, per: run, window: 1h }, \
     { sum: args.body.size, max: 1GiB, per: tenant, window: 24h, on_exceed: require_review }, \
     { concurrent: 4, per: principal }] }\n";

#[test]
fn a_decision_names_every_charge() {
    let decision = get(json!({ "url": "http://a.test", "body": { "size": "2KiB" } }))
        .decided(&policy(LIMITED));
    assert_eq!(decision.verdict, Allow);
    let charge = |limit, kind, amount, max, per, window: u64, on_exceed| Charge {
        rule: "a".into(),
        limit,
        kind,
        amount,
        max,
        per,
        window: Some(Duration::from_secs(window)).filter(|_| window > 0),
        on_exceed,
        approve: (on_exceed == Exceed::RequireReview).then(policy::Approve::default),
    };
    let expected = [
        charge(0, ChargeKind::Count, 1, 100, Per::Run, 3_600, Exceed::Deny),
        charge(1, ChargeKind::Sum, 2_048, 1 << 30, Per::Tenant, 86_400, Exceed::RequireReview),
        charge(2, ChargeKind::Concurrent, 1, 4, Per::Principal, 0, Exceed::Deny),
    ];
    assert_eq!(decision.charges, expected);
    let texts: Vec<String> = decision.charges.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "at most 100 calls per run in 3600s",
            "at most 1073741824 in sum per tenant in 86400s",
            "at most 4 calls at a time per principal",
        ]
    );
    let denied =
        policy(&format!("{LIMITED}- {{ name: d, match: {{ tool: http.get }}, action: deny }}\n"));
    assert!(get(json!({})).decided(&denied).charges.is_empty());
}

/// What cannot be read is more than any limit, so it can neither be free nor hide.
#[test]
fn an_amount_that_cannot_be_read_is_over_the_limit() {
    let amount = |limit: &str, args: Value| {
        let rules = rule(&format!("limits: [{{ {limit}, per: run }}]"));
        get(args).decided(&policy(&rules)).charges[0].amount
    };
    let size = |value: Value| {
        amount("sum: args.body.size, max: 1GiB", json!({ "body": { "size": value } }))
    };
    for (value, expected) in [
        (json!(7), 7),
        (json!(0), 0),
        (json!("7"), 7),
        (json!("1KiB"), 1_024),
        (json!((1_u64 << 53) - 1), (1 << 53) - 1),
        (json!(1_u64 << 53), Charge::UNKNOWN),
        (json!(-1), Charge::UNKNOWN),
        (json!(1.5), Charge::UNKNOWN),
        (json!("1kib"), Charge::UNKNOWN),
        (json!("30s"), Charge::UNKNOWN),
        (json!(null), Charge::UNKNOWN),
        (json!([7]), Charge::UNKNOWN),
    ] {
        assert_eq!(size(value.clone()), expected, "{value}");
    }
    assert_eq!(amount("sum: args.body.size, max: 1", json!({})), Charge::UNKNOWN);
    let time = |value: Value| amount("sum: args.timeout, max: 1h", json!({ "timeout": value }));
    assert_eq!(time(json!("30s")), 30_000_000);
    assert_eq!(time(json!(30)), Charge::UNKNOWN);
    assert_eq!(time(json!("30KiB")), Charge::UNKNOWN);
}

#[test]
fn limits_of_every_matching_rule_hold() {
    let policy = policy(
        "- { name: a, match: { tool: fs.read }, action: allow, limits: [{ count: 1, per: run }] }\n\
         - { name: b, match: { role: agent }, action: allow }\n\
         - { name: c, match: { role: admin }, action: allow, limits: [{ count: 2, per: run }] }\n\
         - { name: r, match: { path_glob: \"r/**\", tool: \"fs.*\" }, action: require_review, limits: [{ count: 3, per: run }] }\n",
    );
    let charged = |path: &str| {
        let decision = read(path).decided(&policy);
        let rules: Vec<String> =
            decision.charges.iter().map(|charge| charge.rule.to_string()).collect();
        (decision.verdict, rules.join(" "))
    };
    assert_eq!(charged("x"), (Allow, "a".to_owned()));
    assert_eq!(charged("r/x"), (RequireReview, "r a".to_owned()));
    assert_eq!(charged("a.pem"), (Deny, String::new()));
}

#[test]
fn a_review_says_who_may_approve() {
    let policy = policy(
        "- { name: r, match: { tool: fs.read }, action: require_review, approve: { from: \"role:sre\", count: 2, expires: 15m } }\n\
         - { name: s, match: { tool: fs.read, path_glob: \"s/**\" }, action: require_review, approve: { from: [\"role:sec\", \"principal:ops-*\"], expires: 5m } }\n\
         - { name: a, match: { tool: fs.read }, action: allow }\n\
         - { name: p, match: { tool: clock.now }, action: require_review }\n",
    );
    let approve = |asked: &fixture::Asked| asked.decided(&policy).approve.unwrap();
    let (sre, sec) = (Approver::Role("sre".into()), Approver::Role("sec".into()));
    let plain = approve(&read("x"));
    assert_eq!((plain.from, plain.count, plain.expires.as_secs()), (vec![sre.clone()], 2, 900));
    let both = approve(&read("s/x"));
    let either = Approver::AnyOf(vec![sec, Approver::Principal("ops-*".into())]);
    assert_eq!((both.from, both.count, both.expires.as_secs()), (vec![sre, either], 2, 300));
    assert_eq!(approve(&call("clock.now", json!({}))), policy::Approve::default());
    // Where no review is required, none is asked for.
    assert_eq!(read("a.pem").decided(&policy).approve, None);
}

#[test]
fn a_required_ticket_cannot_be_done_without() {
    let ticketed = policy(
        "- { name: t, match: { tool: fs.read }, action: allow, constraints: { require_ticket: true } }\n\
         - { name: a, match: { role: agent }, action: allow }\n",
    );
    let decision = read("x").decided(&ticketed);
    assert!(decision.verdict == Allow && decision.constraints.require_ticket);
    let (denied, asked) = read("x").authorized(&ticketed, false, Extended::Allow(None));
    assert_eq!((denied.verdict, denied.basis, asked), (Deny, Basis::Ticket, 0));
    assert_eq!(denied.to_string(), "no ticket, which is required by `t`");
    assert_eq!(read("x").authorized(&ticketed, true, Extended::Pass).0.verdict, Allow);
    let free = call("clock.now", json!({})).authorized(&ticketed, false, Extended::Pass);
    assert_eq!(free.0.verdict, Allow);
}

#[test]
fn what_is_redacted_adds_up() {
    let policy = policy(
        "- { name: a, match: { tool: fs.read }, action: allow, constraints: { redact: output } }\n\
         - { name: b, match: { role: agent }, action: allow, constraints: { redact: none } }\n\
         - { name: c, match: { principal: \"planner-*\", path_glob: \"c/**\", tool: fs.read }, action: allow, constraints: { redact: input } }\n",
    );
    assert_eq!(read("x").decided(&policy).constraints.redact, Redact::Output);
    assert_eq!(read("c/x").decided(&policy).constraints.redact, Redact::Both);
    assert_eq!(call("clock.now", json!({})).decided(&policy).constraints.redact, Redact::None);
}

#[test]
fn what_is_not_asked_for_is_not_in_a_record() {
    let plain =
        read("x").decided(&policy("- { name: a, match: { tool: fs.read }, action: allow }\n"));
    let value = serde_json::to_value(&plain).unwrap();
    assert_eq!(value["constraints"], json!({}));
    assert!(value.get("charges").is_none() && value.get("approve").is_none());
    let full = get(json!({})).decided(&policy(LIMITED));
    for decision in [plain, full] {
        let text = serde_json::to_string(&decision).unwrap();
        assert_eq!(serde_json::from_str::<policy::Decision>(&text).unwrap(), decision);
    }
}

#[test]
fn limits_that_cannot_matter_are_warned_about() {
    let limited = |limits: &str| warnings(&file(&rule(&format!("limits: [{limits}]"))));
    assert_eq!(
        limited("{ count: 5, per: run }, { count: 3, per: run }"),
        ["3:11: rule 1 `a`: limit 1 has no effect, limit 2 is tighter"]
    );
    assert_eq!(
        limited("{ count: 3, per: run }, { count: 3, per: run }"),
        ["3:11: rule 1 `a`: limit 2 has no effect, limit 1 is tighter"]
    );
    for fine in [
        "{ count: 5, per: run }, { count: 3, per: run, window: 1h }",
        "{ count: 5, per: run }, { count: 3, per: run, on_exceed: require_review }",
        "{ count: 5, per: run }, { concurrent: 3, per: run }",
        "{ sum: args.timeout, max: 5m, per: run }, { sum: args.body.size, max: 3, per: run }",
    ] {
        assert_eq!(limited(fine), Vec::<String>::new(), "{fine}");
    }
    // A rule that only adds a limit has an effect.
    let narrower = "- { name: b, match: { tool: http.get, role: agent }, action: allow, limits: [{ count: 1, per: run }] }\n";
    let text = file(&format!("{}{narrower}", rule("reason: x")));
    assert_eq!(warnings(&text), Vec::<String>::new());
}
