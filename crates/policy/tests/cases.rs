//! The normative cases of the rule language, one test each, by number.
//!
//! Cases 5, 7 to 9, 11, 17, 20, 21 and 23 are about tickets and the extension layer, which this version
//! does not have. Every test that expects a denial has a control that is not denied.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should stop loudly")]

mod fixture;

use fixture::{call, check, file, load, policy, read, warnings};
use policy::Basis;
use policy::Verdict::{Allow, Deny, RequireReview};
use serde_json::json;

const ALLOW: &str = "- { name: a, match: { tool: fs.read }, action: allow }\n";
const REVIEW: &str =
    "- { name: r, match: { tool: fs.read }, action: require_review, reason: look }\n";
const REVIEW_EXCEPT: &str = "- { name: r, match: { tool: fs.read }, action: require_review, \
     except: [{ path_glob: \"docs/**\" }, { path_glob: \"*.md\" }] }\n";

#[test]
fn case_01_no_rule_matches() {
    let policy = policy("- { name: a, match: { tool: fs.read, role: admin }, action: allow }\n");
    check(&policy, &read("x"), Deny, &[]);
    assert_eq!(read("x").decided(&policy).basis, Basis::NoRule);
    let mut admin = read("x");
    admin.roles = vec!["admin".to_owned()];
    check(&policy, &admin, Allow, &["a"]);
}

#[test]
fn case_02_only_pass_contributions() {
    let policy = policy(
        "- { name: a, match: { path_glob: a }, action: allow }\n\
         - { name: d, match: { tool: fs.read, path_glob: d }, action: deny }\n\
         - { name: e, match: { tool: fs.read }, action: allow, except: [{ path_glob: x }] }\n",
    );
    check(&policy, &read("x"), Deny, &[]);
    check(&policy, &read("a"), Allow, &["a", "e"]);
}

#[test]
fn case_03_allow_and_deny() {
    let deny = "- { name: d, match: { tool: fs.read }, action: deny }\n";
    for rules in [format!("{ALLOW}{deny}"), format!("{deny}{ALLOW}")] {
        check(&policy(&rules), &read("x"), Deny, &["d"]);
    }
    check(&policy(ALLOW), &read("x"), Allow, &["a"]);
}

#[test]
fn case_04_allow_and_review() {
    for rules in [format!("{ALLOW}{REVIEW}"), format!("{REVIEW}{ALLOW}")] {
        check(&policy(&rules), &read("x"), RequireReview, &["r"]);
    }
}

#[test]
fn case_06_review_excused_and_nothing_allows() {
    check(&policy(REVIEW_EXCEPT), &read("docs/a"), Deny, &[]);
    let allowed = policy(&format!("{REVIEW_EXCEPT}{ALLOW}"));
    check(&allowed, &read("docs/a"), Allow, &["a"]);
}

#[test]
fn case_10_several_reviews_give_every_reason() {
    let policy = policy(&format!(
        "{REVIEW}- {{ name: s, match: {{ role: agent }}, action: require_review, reason: agents }}\n{ALLOW}"
    ));
    check(&policy, &read("x"), RequireReview, &["r", "s"]);
    let reasons = read("x").decided(&policy).reasons;
    let reasons: Vec<_> = reasons.iter().map(|found| found.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("look"), Some("agents")]);
}

#[test]
fn case_12_tool_matches_and_path_does_not() {
    let rules = "- { name: d, match: { tool: fs.read, path_glob: \"src/**\" }, action: deny }\n";
    let policy = policy(&format!("{ALLOW}{rules}"));
    check(&policy, &read("docs/a"), Allow, &["a"]);
    check(&policy, &read("src/a"), Deny, &["d"]);
}

#[test]
fn case_13_review_whose_except_does_not_match() {
    let rules = "- { name: r, match: { tool: fs.read }, action: require_review, \
         except: [{ path_glob: \"docs/**\" }] }\n";
    check(&policy(rules), &read("src/a"), RequireReview, &["r"]);
    check(&policy(rules), &read("docs/a"), Deny, &[]);
}

#[test]
fn case_14_one_of_several_excepts_matches() {
    let policy = policy(&format!("{REVIEW_EXCEPT}{ALLOW}"));
    check(&policy, &read("src/a.md"), Allow, &["a"]);
    check(&policy, &read("docs/a.rs"), Allow, &["a"]);
}

#[test]
fn case_15_none_of_several_excepts_matches() {
    check(&policy(REVIEW_EXCEPT), &read("src/a.rs"), RequireReview, &["r"]);
}

#[test]
fn case_16_several_allows() {
    let policy =
        policy(&format!("{ALLOW}- {{ name: b, match: {{ role: agent }}, action: allow }}\n"));
    check(&policy, &read("x"), Allow, &["a", "b"]);
}

/// Built-in rules cannot be taken away, so a tool none of them is about stands in for "none".
#[test]
fn case_18_without_built_in_rules_there_is_still_an_answer() {
    let policy = policy("- { name: a, match: { tool: clock.now }, action: allow }\n");
    let clock = call("clock.now", json!({}));
    check(&policy, &clock, Allow, &["a"]);
    assert!(clock.explained(&policy).candidates.iter().all(|rule| &*rule.rule == "a"));
    check(&policy, &call("deploy.apply", json!({})), Deny, &[]);
}

#[test]
fn case_19_empty_file() {
    for text in
        ["", "# nothing\n", "version: 1\n", "version: 1\nrules: []\n", "version: 1\nrules:\n"]
    {
        let policy = load(text).expect(text).policy;
        check(&policy, &read("x"), Deny, &[]);
        check(&policy, &read("a/.ssh/id_rsa"), Deny, &["builtin:keys"]);
    }
    let policy = policy::Policy::empty(&fixture::catalogue());
    check(&policy, &read("a/.ssh/id_rsa"), Deny, &["builtin:keys"]);
}

/// No condition of this version depends on time, so one snapshot decides trivially: the same call
/// under the same policy is decided the same, and a call cannot carry a time of its own.
#[test]
fn case_22_one_snapshot_decides() {
    let policy = policy(ALLOW);
    let first = read("x").decided(&policy);
    assert!((0..100).all(|_| read("x").decided(&policy) == first));
}

#[test]
fn case_24_unknown_tool() {
    let policy = policy("- { name: a, match: { tool: \"*\" }, action: allow }\n");
    for tool in ["fs.raed", "", "*", "FS.READ", "fs.read "] {
        let unknown = call(tool, json!({ "path": "x" }));
        check(&policy, &unknown, Deny, &[]);
        assert_eq!(unknown.decided(&policy).basis, Basis::UnknownTool);
    }
    check(&policy, &read("x"), Allow, &["a"]);
}

#[test]
fn case_25_empty_path_glob() {
    let rules = "- { name: a, match: { tool: fs.read, path_glob: [] }, action: allow }\n\
         - { name: d, match: { tool: fs.read, path_glob: [] }, action: deny }\n\
         - { name: b, match: { tool: fs.read }, action: allow, except: [{ path_glob: [] }] }\n";
    let found = warnings(&file(rules));
    let empty = |line: &&String| line.contains("an empty path_glob matches nothing");
    assert_eq!(found.iter().filter(empty).count(), 3, "{found:?}");
    // Nothing is nothing even for a path that is missing.
    for asked in [read("x"), read("."), call("fs.read", json!({}))] {
        let decision = asked.decided(&policy(rules));
        assert_eq!(decision.reasons.last().map(|found| &*found.rule), Some("b"), "{asked:?}");
    }
}

#[test]
fn case_26_match_equals_except() {
    let rules = "- { name: a, match: { tool: fs.read, path_glob: [\"docs/**\", \"*.md\"] }, \
         action: allow, except: [{ path_glob: x }, { path_glob: [\"*.md\", \"docs/**\"], tool: fs.read }] }\n";
    let found = warnings(&file(rules));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("3:11: rule 1 `a`: rule will never trigger"), "{found:?}");
    check(&policy(rules), &read("docs/a"), Deny, &[]);
}
