//! A rule file of any text: it loads or is refused with a finding, and what loads can be run, tested,
//! explained, covered and changed without a panic.
#![no_main]

#[path = "tools.rs"]
mod tools;

use libfuzzer_sys::fuzz_target;
use policy::Policy;
use policy::document::Source;

/// Longer files are only slower, not different.
const TEXT_MAX: usize = 8 * 1024;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.len() > TEXT_MAX {
        return;
    }
    let source = Source { name: "policy.yaml".to_owned(), text: text.to_owned() };
    match Policy::load(&source, &tools::catalogue()) {
        Ok(loaded) => {
            loaded.warnings.iter().for_each(|warning| drop(warning.render(&source)));
            loaded.policy.run_tests(|_, _| Ok(()));
            let coverage = loaded.policy.coverage();
            assert!(coverage.covered <= coverage.parts);
        }
        Err(findings) => {
            assert!(!findings.is_empty(), "refused without a reason");
            findings.iter().for_each(|finding| drop(finding.render(&source)));
        }
    }
});
