//! How thorough the tests of a rule file are: what they exercise, and which changes they would miss.
//! Rules without tests are the control: everything survives.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

mod fixture;

use fixture::{file, load};
use policy::document::Source;
use policy::{Catalogue, Mutation, MutationError};

const RULES: &str = "- { name: small, match: { tool: deploy.apply, args: { count: \"<= 4\", env: [staging, test] } }, action: allow, except: [ { args: { dry: true }, because: no } ] }\n\
                     - { name: docs, match: { tool: fs.read, path_glob: \"docs/**\" }, action: allow }\n";

fn test(name: &str, call: &str, expect: &str) -> String {
    format!("- {{ name: {name}, call: {{ {call} }}, expect: {{ {expect} }} }}\n")
}

fn apply(count: u64, env: &str, dry: bool, decision: &str) -> String {
    let call = format!("tool: deploy.apply, args: {{ count: {count}, env: {env}, dry: {dry} }}");
    test(&format!("apply {count} {env} {dry}"), &call, &format!("decision: {decision}"))
}

fn read(path: &str, decision: &str) -> String {
    let call = format!("tool: fs.read, args: {{ path: {path} }}");
    test(&format!("read {path}"), &call, &format!("decision: {decision}"))
}

fn mutate(tests: &[String]) -> Result<Mutation, MutationError> {
    let text = file(RULES) + "tests:\n" + &tests.concat();
    let source = Source { name: "policy.yaml".to_owned(), text };
    Mutation::of(&source, &Catalogue::new(fixture::tools()).unwrap(), |_, _| Ok(()))
}

fn survivors(tests: &[String]) -> Vec<String> {
    let found = mutate(tests).unwrap();
    found.survivors.iter().map(|one| format!("{}: {}", one.rule, one.change)).collect()
}

#[test]
fn coverage_counts_rules_exceptions_and_both_sides_of_a_condition() {
    let tests = [
        apply(4, "test", false, "allow"),
        apply(4, "test", true, "deny"),
        apply(5, "test", false, "deny"),
    ];
    let policy = load(&(file(RULES) + "tests:\n" + &tests.concat())).unwrap().policy;
    let coverage = policy.coverage();
    let small = &coverage.rules[0];
    assert_eq!(
        (small.rule.as_ref(), small.contributed, small.excused.as_slice()),
        ("small", 1, &[1][..])
    );
    let arguments: Vec<_> =
        small.arguments.iter().map(|one| (one.argument.as_str(), one.met, one.not_met)).collect();
    assert_eq!(arguments, [("count", 2, 1), ("env", 3, 0)]);
    assert_eq!(coverage.rules[1].contributed, 0);
    assert_eq!((coverage.covered, coverage.parts), (5, 7));
}

#[test]
fn without_tests_nothing_is_covered_and_everything_survives() {
    let policy = load(&file(RULES)).unwrap().policy;
    assert_eq!(policy.coverage().covered, 0);
    let text = file(RULES);
    let source = Source { name: "policy.yaml".to_owned(), text };
    let catalogue = Catalogue::new(fixture::tools()).unwrap();
    let found = Mutation::of(&source, &catalogue, |_, _| Ok(())).unwrap();
    assert!(found.tried > 10 && found.survivors.len() == found.tried, "{found:?}");
}

#[test]
fn tests_at_the_borders_leave_nothing_alive() {
    let all = [
        apply(4, "test", false, "allow"),
        apply(4, "staging", false, "allow"),
        apply(5, "test", false, "deny"),
        apply(4, "prod", false, "deny"),
        apply(4, "test", true, "deny"),
        read("docs/a/b", "allow"),
        read("src/a", "deny"),
        read("a", "deny"),
        test("write", "tool: fs.write, args: { path: docs/a }", "decision: deny"),
        test(
            "other",
            "tool: deploy.plan, args: { env: test, count: 1, dry: false }",
            "decision: deny",
        ),
    ];
    let left = survivors(&all);
    assert_eq!(left, ["small: tool is forgotten", "small: tool `deploy.apply` becomes `deploy.*`"]);
}

#[test]
fn each_missing_test_leaves_its_change_alive() {
    for (missing, expected) in [
        (0, "small: args.env without `test`"),
        (2, "small: args.count `<= 4` becomes `<= 8`"),
        (3, "small: args.env is forgotten"),
        (4, "small: except item 1 is gone"),
        (5, "docs: the rule is gone"),
    ] {
        let mut tests = vec![
            apply(4, "test", false, "allow"),
            apply(4, "staging", false, "allow"),
            apply(5, "test", false, "deny"),
            apply(4, "prod", false, "deny"),
            apply(4, "test", true, "deny"),
            read("docs/a/b", "allow"),
        ];
        assert!(!survivors(&tests).contains(&expected.to_owned()), "{expected}");
        tests.remove(missing);
        assert!(survivors(&tests).contains(&expected.to_owned()), "{expected}");
    }
}

#[test]
fn a_survivor_says_where_it_is() {
    let found = mutate(&[apply(4, "test", false, "allow")]).unwrap();
    let count = found.survivors.iter().find(|one| one.change.starts_with("args.count")).unwrap();
    assert_eq!(count.span.line, 3);
}

#[test]
fn a_test_that_fails_already_could_notice_nothing() {
    let refused = mutate(&[apply(9, "test", false, "allow")]).unwrap_err().to_string();
    assert_eq!(refused, "test `apply 9 test false` fails before anything is changed");
    let source = Source { name: "policy.yaml".to_owned(), text: "rules: 3".to_owned() };
    let catalogue = Catalogue::new(fixture::tools()).unwrap();
    let refused = Mutation::of(&source, &catalogue, |_, _| Ok(())).unwrap_err().to_string();
    assert_eq!(refused, "the policy has 2 errors");
}
