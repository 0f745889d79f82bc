//! Damaged rule files: every one gives a policy or diagnostics, none stops the program.
//!
//! The control is the undamaged file, which must load without a warning.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

mod fixture;

use fixture::load;
use policy::TestResult;
use policy::document::Source;
use proptest::prelude::*;

const WHOLE: &str = "version: 1\nname: t\nrules:\n  - name: a\n    match:\n      tool: [fs.read, \"search.*\"]\n      \
    principal: \"p-*\"\n      path_glob: [\"docs/**\"]\n    action: allow\n    except: [{ path_glob: [x], because: y }]\n    \
    reason: z\n    constraints: { profile: strict, timeout: 30s }\n  - name: b\n    match: { tool: http.get, host: \"*.a.b\", \
    args: { timeout: \"<= 30s\", body.size: [1, { glob: \"x*\" }] } }\n    action: deny\ntests:\n  - { name: t, \
    call: { tool: fs.read, principal: p-1, args: { path: docs/a } }, expect: { decision: allow, rule: a } }\n";

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A damaged file loads or says why not; it never stops the program.
    #[test]
    fn any_damage_gives_a_policy_or_diagnostics(
        at in 0..WHOLE.len(),
        cut in 0..8_usize,
        put in "[-a-z0-9*\\[\\]{}!:,.#&\"'/<>=~ \\n]{0,6}",
    ) {
        let end = (at + cut).min(WHOLE.len());
        let text = format!("{}{put}{}", &WHOLE[..at], &WHOLE[end..]);
        if let Err(found) = load(&text) {
            let source = Source::new("policy.yaml", text);
            prop_assert!(!found.is_empty());
            found.iter().for_each(|found| drop(found.render(&source)));
        }
    }
}

#[test]
fn the_undamaged_file_loads_and_passes_its_test() {
    let loaded = load(WHOLE).unwrap();
    assert_eq!(loaded.warnings, []);
    assert!(loaded.policy.run_tests(|_, _| Ok(())).iter().all(TestResult::passed));
}
