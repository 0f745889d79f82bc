//! How thorough a policy's own tests are, as a person asks for it: `policy test --coverage --mutate`.
//! The counts themselves are held in the policy crate.

use crate::support::Project;

const RULES: &str = "version: 1
rules:
  - name: read-docs
    match: { tool: fs.read, path_glob: \"docs/**\" }
    action: allow
    except: [ { path_glob: \"docs/private/**\" } ]
tests:
  - { name: reads, call: { tool: fs.read, args: { path: docs/a/b } }, expect: { decision: allow } }
";

const COMPLETE: &str = "  - { name: private, call: { tool: fs.read, args: { path: docs/private/a/b } }, expect: { decision: deny } }
  - { name: below, call: { tool: fs.read, args: { path: docs/public/x } }, expect: { decision: allow } }
  - { name: outside, call: { tool: fs.read, args: { path: src/a } }, expect: { decision: deny } }
  - { name: lists, call: { tool: fs.list, args: { path: docs/a } }, expect: { decision: deny } }
  - { name: greps, call: { tool: search.grep, args: { path: docs/a, pattern: x } }, expect: { decision: deny } }
";

#[test]
fn coverage_says_what_no_test_exercises() {
    let project = Project::new();
    project.file(".palisade/policy.yaml", RULES);
    let shown = project.palisade(&["policy", "test", "--coverage"]).exits(0).stdout;
    assert!(shown.contains("read-docs: except item 1") && shown.contains("none"), "{shown}");
    assert!(shown.contains("1 of 2 parts exercised"), "{shown}");
}

#[test]
fn a_change_that_no_test_notices_fails() {
    let project = Project::new();
    project.file(".palisade/policy.yaml", RULES);
    let shown = project.palisade(&["policy", "test", "--mutate"]).exits(1).stdout;
    assert!(shown.contains("`read-docs`: except item 1 is gone"), "{shown}");
    assert!(shown.contains("policy.yaml:4: `read-docs`: path_glob is forgotten"), "{shown}");
    project.file(".palisade/policy.yaml", RULES.to_owned() + COMPLETE);
    let shown = project.palisade(&["policy", "test", "--mutate"]).exits(0).stdout;
    assert!(shown.contains(" 0 missed by the tests"), "{shown}");
}

#[test]
fn nothing_is_changed_while_a_test_fails() {
    let project = Project::new();
    project.file(".palisade/policy.yaml", RULES.replace("decision: allow", "decision: deny"));
    let shown = project.palisade(&["policy", "test", "--mutate"]).exits(1).stdout;
    assert!(shown.contains("0 passed, 1 failed") && !shown.contains("changes tried"), "{shown}");
}

/// The rule language takes 8 MiB, and so does the command.
#[test]
fn a_policy_may_be_as_long_as_the_language_allows() {
    let project = Project::new();
    let comment = "# a long comment of a policy that many people work on\n".repeat(40_000);
    project.file(".palisade/policy.yaml", RULES.to_owned() + &comment);
    project.palisade(&["policy", "check"]).exits(0);
}
