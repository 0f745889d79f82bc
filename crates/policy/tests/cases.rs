//! The 26 normative cases of the rule language, one test each, by number.
//!
//! Whether a ticket is valid is not decided in this crate: cases 9, 21 and 23 show what comes of one
//! that is not. Every test that expects a denial has a control that is not denied.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed test should stop loudly"
)]

mod fixture;

use fixture::{call, check, file, load, policy, read, warnings};
use policy::Verdict::{Allow, Deny, RequireReview};
use policy::{Basis, Extended, ExtensionFault, Layer, Policy, Verdict};
use serde_json::json;

const ALLOW: &str = "- { name: a, match: { tool: fs.read }, action: allow }\n";
const REVIEW: &str =
    "- { name: r, match: { tool: fs.read }, action: require_review, reason: look }\n";
const REVIEW_EXCEPT: &str = "- { name: r, match: { tool: fs.read }, action: require_review, \
     except: [{ path_glob: \"docs/**\" }, { path_glob: \"*.md\" }] }\n";

/// With a ticket or without, and with this answer of an extension: the verdict, the rules that gave
/// it, and how often the extension was asked.
fn authorized(
    policy: &Policy,
    call: &fixture::Asked,
    ticket: bool,
    answer: Extended,
) -> (Verdict, Vec<String>, usize) {
    let (decision, asked) = call.authorized(policy, ticket, answer);
    (decision.verdict, decision.reasons.iter().map(|found| found.rule.to_string()).collect(), asked)
}

fn by(rules: &[&str]) -> Vec<String> {
    rules.iter().map(|rule| (*rule).to_owned()).collect()
}

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
fn case_05_extension_denies_after_an_earlier_allow() {
    let policy = policy(ALLOW);
    let objection = Extended::Deny(Some("not today".into()));
    let (decision, asked) = read("x").authorized(&policy, false, objection);
    assert_eq!((decision.verdict, decision.basis, asked), (Deny, Basis::Extension, 1));
    assert_eq!(decision.to_string(), "denied by `extension` (not today)");
    assert_eq!(authorized(&policy, &read("x"), false, Extended::Pass), (Allow, by(&["a"]), 1));
}

#[test]
fn case_06_review_excused_and_nothing_allows() {
    check(&policy(REVIEW_EXCEPT), &read("docs/a"), Deny, &[]);
    let allowed = policy(&format!("{REVIEW_EXCEPT}{ALLOW}"));
    check(&allowed, &read("docs/a"), Allow, &["a"]);
}

#[test]
fn case_07_valid_ticket_and_built_in_denial() {
    let policy = policy(ALLOW);
    let keys = read("a/.ssh/id_rsa");
    let denied = (Deny, by(&["builtin:keys"]), 0);
    assert_eq!(authorized(&policy, &keys, true, Extended::Allow(None)), denied);
    assert_eq!(authorized(&policy, &read("x"), true, Extended::Pass).0, Allow);
}

/// Neither rules nor the extension are consulted, also where they would deny; a built-in rule that
/// asks for a review still gets one.
#[test]
fn case_08_valid_ticket_and_no_built_in_objection() {
    let deny = policy("- { name: d, match: { tool: \"*\" }, action: deny }\n");
    let (decision, asked) = read("x").authorized(&deny, true, Extended::Deny(None));
    assert_eq!((decision.verdict, decision.basis, asked), (Allow, Basis::Ticket, 0));
    assert_eq!(decision.reasons[0].layer, Layer::Ticket);
    assert_eq!(authorized(&deny, &read("x"), false, Extended::Pass), (Deny, by(&["d"]), 0));
    let bootstrap = call("fs.write", json!({ "path": "palisade.yaml" }));
    let reviewed = (RequireReview, by(&["builtin:bootstrap-files"]), 0);
    assert_eq!(authorized(&deny, &bootstrap, true, Extended::Deny(None)), reviewed);
}

#[test]
fn case_09_expired_ticket() {
    let expired = false;
    let policy = policy(&format!("{ALLOW}{REVIEW}"));
    let reviewed = (RequireReview, by(&["r"]), 1);
    assert_eq!(authorized(&policy, &read("x"), expired, Extended::Pass), reviewed);
    assert_eq!(authorized(&policy, &read("x"), true, Extended::Pass), (Allow, by(&["ticket"]), 0));
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
fn case_11_extension_never_runs_after_a_denial() {
    let deny =
        policy(&format!("{ALLOW}- {{ name: d, match: {{ tool: fs.read }}, action: deny }}\n"));
    let denied = (Deny, by(&["d"]), 0);
    assert_eq!(authorized(&deny, &read("x"), false, Extended::Allow(None)), denied);
    let keys = authorized(&policy(ALLOW), &read("a.pem"), false, Extended::Allow(None));
    assert_eq!(keys, (Deny, by(&["builtin:keys"]), 0));
    assert_eq!(authorized(&policy(ALLOW), &read("x"), false, Extended::Pass).2, 1);
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

#[test]
fn case_17_allow_in_rules_and_extension() {
    let allowed = authorized(&policy(ALLOW), &read("x"), false, Extended::Allow(None));
    assert_eq!(allowed, (Allow, by(&["a", "extension"]), 1));
    // The extension alone is enough, as any layer is, but not for a host that no rule names.
    let empty = policy("- { name: a, match: { role: admin }, action: allow }\n");
    let allowed = authorized(&empty, &read("x"), false, Extended::Allow(None));
    assert_eq!(allowed, (Allow, by(&["extension"]), 1));
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
    let policy = Policy::empty(&fixture::catalogue());
    check(&policy, &read("a/.ssh/id_rsa"), Deny, &["builtin:keys"]);
}

#[test]
fn case_20_extension_crashes() {
    for fault in [
        ExtensionFault::Crashed,
        ExtensionFault::TimedOut,
        ExtensionFault::Unavailable,
        ExtensionFault::TooLarge,
        ExtensionFault::Malformed,
    ] {
        // It is asked once: its one restart is its host's, before it answers here.
        let (decision, asked) =
            read("x").authorized(&policy(ALLOW), false, Extended::Failed(fault));
        assert_eq!((decision.verdict, decision.basis, asked), (Deny, Basis::Extension, 1));
        assert!(decision.to_string().contains(&fault.to_string()), "{decision}");
    }
}

#[test]
fn case_21_ticket_is_used_up() {
    let policy = policy(REVIEW);
    let uses: Vec<Verdict> =
        (0..10).map(|call| authorized(&policy, &read("x"), call == 0, Extended::Pass).0).collect();
    assert_eq!(uses[0], Allow);
    assert!(uses[1..].iter().all(|verdict| *verdict == RequireReview), "{uses:?}");
}

/// Neither a call nor a policy has a time, and the ticket was looked at before: what is said about it
/// holds to the end, and the same question has the same answer.
#[test]
fn case_22_ticket_expires_during_evaluation() {
    let policy = policy(REVIEW);
    for ticket in [true, false] {
        let first = read("x").authorized(&policy, ticket, Extended::Pass);
        assert!((0..100).all(|_| read("x").authorized(&policy, ticket, Extended::Pass) == first));
        assert_eq!(first.0.verdict, if ticket { Allow } else { RequireReview });
    }
}

#[test]
fn case_23_ticket_of_another_sandbox() {
    let bound_elsewhere = false;
    let policy = policy("- { name: d, match: { tool: fs.read }, action: deny }\n");
    let denied = (Deny, by(&["d"]), 0);
    assert_eq!(authorized(&policy, &read("x"), bound_elsewhere, Extended::Pass), denied);
    assert_eq!(authorized(&policy, &read("x"), true, Extended::Pass).0, Allow);
}

#[test]
fn case_24_unknown_tool() {
    let policy = policy("- { name: a, match: { tool: \"*\" }, action: allow }\n");
    for tool in ["fs.raed", "", "*", "FS.READ", "fs.read "] {
        let unknown = call(tool, json!({ "path": "x" }));
        check(&policy, &unknown, Deny, &[]);
        assert_eq!(unknown.decided(&policy).basis, Basis::UnknownTool);
        for ticket in [true, false] {
            let denied = (Deny, Vec::new(), 0);
            assert_eq!(authorized(&policy, &unknown, ticket, Extended::Allow(None)), denied);
        }
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
