//! A workflow document of any text: it loads or is refused with a finding that can be shown.
//! Nothing is run.
#![no_main]

use engine::policy::document::Source;
use engine::workflow::Workflow;
use libfuzzer_sys::fuzz_target;

/// Longer documents are only slower, not different.
const TEXT_MAX: usize = 8 * 1024;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.len() > TEXT_MAX {
        return;
    }
    let source = Source { name: "workflow.yaml".to_owned(), text: text.to_owned() };
    match Workflow::load(&source, &["fs.read", "exec.run", "search.grep"]) {
        Ok(loaded) => loaded.warnings.iter().for_each(|warning| drop(warning.render(&source))),
        Err(findings) => {
            assert!(!findings.is_empty(), "refused without a reason");
            findings.iter().for_each(|finding| drop(finding.render(&source)));
        }
    }
});
