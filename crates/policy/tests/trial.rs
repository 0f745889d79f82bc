//! The tests a rule file carries: how they run, and which do not load.
//!
//! Schema validation is the caller's, so a made-up validator stands in for it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

mod fixture;

use fixture::{errors, file, load};

#[test]
fn tests_of_the_file_run() {
    let text = file(
        "- { name: read-docs, match: { tool: fs.read, path_glob: \"docs/**\" }, action: allow }\n",
    ) + "tests:\n\
           - { name: passes, call: { tool: fs.read, principal: p, role: agent, args: { path: docs/a } }, expect: { decision: allow, rule: read-docs } }\n\
           - { name: wrong verdict, call: { tool: fs.read, args: { path: x } }, expect: { decision: allow } }\n\
           - { name: wrong rule, call: { tool: fs.read, args: { path: a.pem } }, expect: { decision: deny, rule: read-docs } }\n\
           - { name: unknown tool, call: { tool: x }, expect: { decision: deny } }\n\
           - { name: strict, strict: true, call: { tool: fs.read, args: { path: docs/a, b: 1 } }, expect: { decision: allow } }\n";
    let policy = load(&text).unwrap().policy;
    let results = policy.run_tests(|tool, args| match args.get("b") {
        Some(_) => Err(format!("{} has no b", tool.name)),
        None => Ok(()),
    });
    let failures: Vec<_> =
        results.iter().map(|result| (result.name.as_str(), result.failure.as_deref())).collect();
    assert_eq!(
        failures,
        [
            ("passes", None),
            (
                "wrong verdict",
                Some("expected allow, decided deny: no rule explicitly allowed this")
            ),
            (
                "wrong rule",
                Some(
                    "`read-docs` did not contribute: denied by `builtin:keys` (keys are never handed to a call)"
                )
            ),
            ("unknown tool", None),
            ("strict", Some("the arguments do not fit the schema: fs.read has no b")),
        ]
    );
    assert!(results[0].passed() && !results[1].passed());
}

/// Paths are resolved before rules are asked, in a test as in a call; one that leaves the project reaches no rule.
#[test]
fn a_test_has_its_paths_in_the_form_of_a_call() {
    let check = |path: &str, decision: &str, expected: Option<&str>| {
        for strict in [true, false] {
            let text = file(
                "- { name: all, match: { tool: \"fs.*\" }, action: allow }\n\
                 - { name: x, match: { tool: fs.read, path_glob: /x }, action: deny }\n",
            ) + &format!(
                "tests: [{{ name: t, strict: {strict}, call: {{ tool: fs.read, args: {{ path: {path} }} }}, \
                 expect: {{ decision: {decision} }} }}]\n"
            );
            let policy = load(&text).unwrap().policy;
            let result = &policy.run_tests(|_, _| Ok(()))[0];
            let failure = result.failure.as_deref();
            assert_eq!(failure.is_some(), expected.is_some(), "{path}: {failure:?}");
            assert!(
                failure.unwrap_or_default().contains(expected.unwrap_or_default()),
                "{failure:?}"
            );
            let reaches = result.rules.is_empty();
            assert_eq!(policy.test_calls().count(), usize::from(!reaches), "{path}");
        }
    };
    check("docs/a", "allow", None);
    check("docs/../x", "deny, rule: x", None);
    check("docs/..//./x", "deny, rule: x", None);
    check("docs/../x", "allow", Some("decided deny: denied by `x`"));
    let outside = Some("refused at validation: path `/etc/passwd` leaves the project root");
    check("/etc/passwd", "allow", outside);
    check("/etc/passwd", "deny", None);
    check("/etc/passwd", "deny, rule: x", outside);
    check("docs/../../x", "allow", Some("`docs/../../x` leaves the project root"));
}

#[test]
fn tests_of_the_file_are_checked() {
    for (case, expected) in [
        (
            "{ name: a, call: { tool: fs.read }, expect: { decision: maybe } }",
            "3:59: test 1: expect: invalid decision \"maybe\", must be allow, deny or require_review",
        ),
        (
            "{ name: a, call: { tol: fs.read }, expect: { decision: deny } }",
            "3:22: test 1: call: unknown key `tol`",
        ),
        (
            "{ name: a, call: { tool: fs.read }, expect: { decision: deny, rule: zz } }",
            "3:71: test 1: expect: unknown rule `zz`",
        ),
        (
            "{ name: a, call: { tool: fs.read, mode: nonsense }, expect: { decision: deny } }",
            "3:43: test 1: call: mode: unknown mode `nonsense`",
        ),
        (
            "{ name: a, call: { tool: fs.read, args: 3 }, expect: { decision: deny } }",
            "3:43: test 1: call: args must be a map, found a whole number",
        ),
    ] {
        let found = errors(&format!("version: 1\ntests:\n- {case}\n"));
        assert!(found.contains(&expected.to_owned()), "{case}: {found:?}");
    }
}
