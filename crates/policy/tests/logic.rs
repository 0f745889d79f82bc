//! Three-valued logic in tables: what is true, false and unknown, and what becomes of each.
//!
//! `true`, `false` and `unknown` are told apart by two rules with the same condition: an allow matches
//! only when true, a denial also when unknown.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

mod fixture;

use fixture::{Asked, call, check, get, policy, read};
use policy::Verdict::{Allow, Deny, RequireReview};
use policy::{Profile, Truth};
use serde_json::{Value, json};
use std::time::Duration;

/// What a condition is for a call.
fn truth(condition: &str, asked: &Asked) -> Truth {
    let rule = |action: &str| {
        format!("- {{ name: x, match: {{ tool: \"*\", {condition} }}, action: {action} }}\n")
    };
    let matches = |action: &str| {
        let decision = asked.decided(&policy(&rule(action)));
        decision.reasons.iter().any(|reason| &*reason.rule == "x")
    };
    match (matches("allow"), matches("deny")) {
        (true, true) => Truth::True,
        (false, true) => Truth::Unknown,
        (false, false) => Truth::False,
        (true, false) => panic!("{condition} allows and does not deny {asked:?}"),
    }
}

fn expect(condition: &str, asked: &Asked, expected: Truth) {
    assert_eq!(truth(condition, asked), expected, "{condition} {asked:?}");
    let text = format!("- {{ name: x, match: {{ tool: \"*\", {condition} }}, action: allow }}\n");
    let explained = asked.explained(&policy(&text));
    let own = explained.candidates.iter().find(|rule| &*rule.rule == "x").unwrap();
    let outcomes = own.conditions.iter().map(|condition| condition.outcome);
    assert_eq!(outcomes.min().unwrap_or(Truth::True), expected, "{condition} {asked:?}");
}

#[test]
fn arguments() {
    let with = |name: &str, value: Value| call("deploy.apply", json!({ name: value }));
    use Truth::{False, True, Unknown};
    for (condition, name, value, expected) in [
        ("env: prod", "env", json!("prod"), True),
        ("env: prod", "env", json!("prod "), False),
        ("env: prod", "env", json!("PROD"), False),
        ("env: prod", "env", json!(7), Unknown),
        ("env: prod", "env", json!(["prod"]), Unknown),
        ("env: prod", "env", json!(null), Unknown),
        ("env: prod", "other", json!("prod"), Unknown),
        ("env: caf\u{e9}", "env", json!("cafe\u{301}"), False),
        ("env: [staging, prod]", "env", json!("prod"), True),
        ("env: [staging, prod]", "env", json!("dev"), False),
        ("any: [staging, 7]", "any", json!(7), True),
        ("any: [staging, 7]", "any", json!("dev"), Unknown),
        ("any: 7", "any", json!(7), True),
        ("any: 7", "any", json!(-7), False),
        ("any: 7", "any", json!(7.0), Unknown),
        ("any: 7", "any", json!("7"), Unknown),
        ("any: 7", "any", json!(u64::MAX), False),
        ("any: true", "any", json!(true), True),
        ("any: true", "any", json!(false), False),
        ("any: true", "any", json!("true"), Unknown),
        ("any: \"true\"", "any", json!(true), Unknown),
        ("any: { glob: \"re*\" }", "any", json!("release/1"), True),
        ("any: { glob: \"re*\" }", "any", json!("Release"), False),
        ("any: { glob: \"re*\" }", "any", json!(1), Unknown),
        ("any: { glob: \"x*\" }", "any", json!("x".repeat(4096)), True),
        ("any: { glob: \"x*\" }", "any", json!("x".repeat(4097)), Unknown),
        ("any: { glob: \"y*\" }", "any", json!("x".repeat(4097)), Unknown),
        ("any.key: 1", "any", json!({ "key": 1 }), True),
        ("any.key: 1", "any", json!("text"), Unknown),
        ("any.1: b", "any", json!(["a", "b"]), True),
        ("any.2: b", "any", json!(["a", "b"]), Unknown),
        ("\"a\\\\.b\": 1", "a.b", json!(1), True),
    ] {
        expect(&format!("args: {{ {condition} }}"), &with(name, value), expected);
    }
}

#[test]
fn quantities() {
    use Truth::{False, True, Unknown};
    for (condition, value, expected) in [
        ("<= 10KiB", json!(10_240), True),
        ("<= 10KiB", json!(10_241), False),
        ("<= 10KiB", json!("10KiB"), True),
        ("<= 10KiB", json!("10KB"), True),
        ("<= 10KiB", json!("11KB"), False),
        ("<= 10KiB", json!("10kb"), Unknown),
        ("<= 10KiB", json!("30s"), Unknown),
        ("<= 10KiB", json!(""), Unknown),
        ("<= 10KiB", json!(-1), Unknown),
        ("<= 10KiB", json!(1.5), Unknown),
        ("<= 10KiB", json!(5.0), Unknown),
        ("<= 10KiB", json!("1.5KiB"), Unknown),
        ("<= 10KiB", json!(true), Unknown),
        ("<= 10KiB", json!((1_u64 << 53) - 1), False),
        ("<= 10KiB", json!(1_u64 << 53), Unknown),
        ("<= 10KiB", json!("8388608GiB"), Unknown),
        ("<= 10KiB", json!("99999999999999999999"), Unknown),
        ("< 5", json!(4), True),
        ("< 5", json!(5), False),
        ("> 5", json!(5), False),
        (">5", json!(6), True),
        (">= 5", json!(5), True),
        ("<= 30s", json!("30s"), True),
        ("<= 30s", json!("30001ms"), False),
        ("<= 30s", json!("1m"), False),
        ("<= 30s", json!(5), Unknown),
        ("<= 30s", json!("5"), Unknown),
        ("<= 30s", json!("5KiB"), Unknown),
        ("> 1d", json!("25h"), True),
    ] {
        let asked = call("deploy.apply", json!({ "any": value }));
        expect(&format!("args: {{ any: \"{condition}\" }}"), &asked, expected);
    }
}

#[test]
fn paths() {
    use Truth::{False, True, Unknown};
    let path = |value: Value| call("fs.read", json!({ "path": value }));
    for (asked, expected) in [
        (path(json!("docs/a")), True),
        (path(json!("src/a")), False),
        (path(json!("docs/../docs/a")), Unknown),
        (path(json!("../docs/a")), Unknown),
        (path(json!("/docs/a")), Unknown),
        (path(json!("docs/a\0")), Unknown),
        (path(json!("")), Unknown),
        (path(json!(7)), Unknown),
        (path(json!(format!("docs/{}", "a".repeat(4096)))), Unknown),
        (call("fs.read", json!({})), Unknown),
        (call("fs.read", json!(null)), Unknown),
        (call("clock.now", json!({})), Unknown),
        // The schema's default is what will run.
        (call("search.grep", json!({ "pattern": "x" })), False),
        // A list without items is a known nothing, unlike a list that is not there.
        (call("exec.run", json!({ "mounts": [] })), False),
        (call("exec.run", json!({})), Unknown),
        (call("exec.run", json!({ "mounts": [{ "source": "docs/a" }] })), True),
        (call("exec.run", json!({ "mounts": [{}] })), Unknown),
    ] {
        expect("path_glob: \"docs/**\"", &asked, expected);
    }
    let mounts = |count: usize| {
        call("exec.run", json!({ "mounts": vec![json!({ "source": "docs/a" }); count] }))
    };
    expect("path_glob: \"docs/**\"", &mounts(1024), True);
    expect("path_glob: \"docs/**\"", &mounts(1025), Unknown);
    expect("path_glob: \"**\"", &call("search.grep", json!({})), True);
}

#[test]
fn hosts() {
    use Truth::{False, True, Unknown};
    for (url, expected) in [
        ("https://docs.rs/x", True),
        ("https://a.b.python.org", True),
        ("https://python.org", False),
        ("https://notpython.org", False),
        ("http://python.org.evil.test/", False),
        ("http://127.0.0.1/", True),
        ("http://0x7f000001/", True),
        ("http://127.0.0.2/", False),
        ("http://docs.rs@evil.test/", Unknown),
        ("ftp://docs.rs/", Unknown),
        ("not a url", Unknown),
    ] {
        expect("host: [docs.rs, \"*.python.org\", 127.0.0.1]", &get(url), expected);
    }
    expect("host: \"*\"", &get("http://[::1]/"), True);
    expect("host: \"*\"", &get("http://"), Unknown);
}

#[test]
fn labels_are_always_known() {
    use Truth::{False, True};
    let mut asked = read("x");
    asked.mode = Some("debug".to_owned());
    for (condition, expected) in [
        ("role: agent", True),
        ("role: [admin, agent]", True),
        ("role: admin", False),
        ("caller_tag: core_plugin", True),
        ("caller_tag: core", False),
        ("mode: debug", True),
        ("mode: [strict, explore]", False),
        ("state: tests_written", False),
        ("principal: planner-1", True),
        ("principal: \"planner-*\"", True),
        ("principal: [\"x*\", \"*-1\"]", True),
        ("principal: planner", False),
    ] {
        expect(condition, &asked, expected);
    }
    asked.mode = None;
    expect("mode: [strict, explore, debug]", &asked, False);
    asked.principal = "p".repeat(4097);
    expect("principal: \"p*\"", &asked, Truth::Unknown);
    asked.principal = "cafe\u{301}".to_owned();
    expect("principal: caf\u{e9}", &asked, True);
}

#[test]
fn false_beats_unknown() {
    let unknown = call("fs.read", json!({}));
    expect("path_glob: x, role: agent", &unknown, Truth::Unknown);
    expect("path_glob: x, role: admin", &unknown, Truth::False);
    expect("path_glob: [], role: agent", &unknown, Truth::False);
}

/// An unknown `except` blocks an allow and does not excuse a denial or a review.
#[test]
fn unknown_excepts() {
    let rules = |action: &str| {
        policy(&format!(
            "- {{ name: x, match: {{ tool: deploy.apply }}, action: {action}, \
             except: [{{ args: {{ env: prod }} }}] }}\n"
        ))
    };
    let cases = [
        (json!({ "env": "dev" }), [true, true, true]),
        (json!({ "env": "prod" }), [false, false, false]),
        (json!({}), [false, true, true]),
    ];
    for (args, expected) in cases {
        let asked = call("deploy.apply", args);
        let held = ["allow", "deny", "require_review"]
            .map(|action| !asked.decided(&rules(action)).reasons.is_empty());
        assert_eq!(held, expected, "{asked:?}");
    }
}

/// With several paths an allow needs all, a denial any; the same for what is left out of each.
#[test]
fn several_paths() {
    let rules = |action: &str, except: &str| {
        policy(&format!(
            "- {{ name: x, match: {{ tool: fs.copy, path_glob: \"docs/**\" }}, action: {action}{except} }}\n"
        ))
    };
    let copy = |from: &str, to: &str| call("fs.copy", json!({ "from": from, "to": to }));
    let excepted = ", except: [{ path_glob: \"*.md\" }]";
    for (asked, allow, deny, allow_except, deny_except) in [
        (copy("docs/a", "docs/b"), true, true, true, true),
        (copy("docs/a", "src/b"), false, true, false, true),
        (copy("src/a", "src/b"), false, false, false, false),
        (copy("docs/a", "../b"), false, true, false, true),
        (copy("docs/a.md", "docs/b"), true, true, false, true),
        (copy("docs/a.md", "docs/b.md"), true, true, false, false),
    ] {
        let held = |action: &str, except: &str| {
            let decision = asked.decided(&rules(action, except));
            decision.reasons.iter().any(|reason| &*reason.rule == "x")
        };
        assert_eq!(held("allow", ""), allow, "{asked:?}");
        assert_eq!(held("deny", ""), deny, "{asked:?}");
        assert_eq!(held("allow", excepted), allow_except, "{asked:?}");
        assert_eq!(held("deny", excepted), deny_except, "{asked:?}");
    }
}

#[test]
fn built_in_rules_guard_their_places() {
    let policy = policy("- { name: all, match: { tool: \"*\" }, action: allow }\n");
    let write = |path: &str| call("fs.write", json!({ "path": path }));
    let mount = |source: &str| call("exec.run", json!({ "mounts": [{ "source": source }] }));
    for (asked, rule) in [
        (write(".palisade/policy.yaml"), "builtin:policy-files"),
        (write(".palisade"), "builtin:policy-files"),
        (write("sub/.palisade/x"), "builtin:policy-files"),
        (mount("/home/u/project/.palisade"), "builtin:policy-files"),
        (read(".palisade/policy.yaml"), "builtin:state-folder"),
        (read(".palisade/keys/node.ed25519"), "builtin:state-folder"),
        (read("sub/.palisade"), "builtin:state-folder"),
        (read(".palisade/palisade.db"), "builtin:state-databases"),
        (read(".palisade/palisade.db-wal"), "builtin:state-databases"),
        (read(".palisade/deep/x.db-shm"), "builtin:state-databases"),
        (read("palisade.db"), "builtin:state-databases"),
        (read("a/.ssh/config"), "builtin:keys"),
        (read(".ssh"), "builtin:keys"),
        (read("id_ed25519"), "builtin:keys"),
        (read("certs/server.pem"), "builtin:keys"),
        (mount("/home/u/.ssh"), "builtin:keys"),
        (mount("/home/u/.aws/credentials"), "builtin:keys"),
        (mount("/home/u/.gnupg/"), "builtin:keys"),
        (mount("/home/u/../v/.ssh"), "builtin:keys"),
        (read("x/../y"), "builtin:keys"),
        (call("fs.read", json!({ "path": 7 })), "builtin:keys"),
    ] {
        let decision = asked.decided(&policy);
        assert_eq!(decision.verdict, Deny, "{asked:?}");
        assert!(
            decision.reasons.iter().any(|reason| &*reason.rule == rule),
            "{asked:?} {decision:?}"
        );
    }
    for (asked, rule) in [
        (write("palisade.yaml"), "builtin:bootstrap-files"),
        (write("etc/palisade-web.service"), "builtin:bootstrap-files"),
        (write("/usr/local/bin/palisade"), "builtin:product-binaries"),
        (write("target/release/palisade"), "builtin:product-binaries"),
    ] {
        check(&policy, &asked, RequireReview, &[rule]);
    }
    for asked in [
        read("docs/palisade/policy.yaml"),
        read("palisade.yaml"),
        write("docs/a.md"),
        write("palisade/x"),
        read("keys.md"),
        mount("/home/u/repo"),
        mount("."),
        call("exec.run", json!({ "mounts": [] })),
        call("exec.run", json!({})),
        call("clock.now", json!({})),
    ] {
        check(&policy, &asked, Allow, &["all"]);
    }
}

#[test]
fn constraints_of_every_matching_rule_tighten() {
    let policy = policy(
        "- { name: a, match: { tool: fs.read }, action: allow, constraints: { profile: standard, timeout: 30s } }\n\
         - { name: b, match: { role: agent }, action: allow, constraints: { profile: strict, timeout: 1m, max_file_size: 100KiB } }\n\
         - { name: c, match: { role: admin }, action: allow, constraints: { timeout: 1ms } }\n\
         - { name: r, match: { path_glob: \"r/**\", tool: \"fs.*\" }, action: require_review, constraints: { max_file_size: 10 } }\n\
         - { name: d, match: { path_glob: \"d/**\", tool: \"fs.*\" }, action: deny }\n",
    );
    let constraints = read("x").decided(&policy).constraints;
    assert_eq!(constraints.profile, Some(Profile::Strict));
    assert_eq!(constraints.timeout, Some(Duration::from_secs(30)));
    assert_eq!(constraints.max_file_size, Some(100 * 1024));
    let reviewed = read("r/x").decided(&policy);
    assert_eq!((reviewed.verdict, reviewed.constraints.max_file_size), (RequireReview, Some(10)));
    assert!(read("d/x").decided(&policy).constraints.is_empty());
}
