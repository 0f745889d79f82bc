//! `unsafe` stands where the raw system calls are, and nowhere else.
//!
//! The compiler denies it everywhere by default; this keeps the exceptions where they belong.
//! That each block says why it is sound is clippy's (`undocumented_unsafe_blocks`).

use super::{Finding, allowances};
use crate::tree::{File, numbered};

/// Where unsafe code may stand: the launcher's system calls, and the simulated disk's C interface.
const PLACES: &[&str] = &["crates/sandbox/src/sys", "crates/testkit/src/disk"];

/// Reports unsafe code, and permission for it, outside those places and tests.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    files.iter().filter(|file| !may_hold(file)).flat_map(in_file).collect()
}

/// A test may, where it says why: the allowance it needs cannot stand without a reason.
fn may_hold(file: &File) -> bool {
    file.is_test_only() || PLACES.iter().any(|place| within(&file.path, place))
}

/// Whether `path` is the module `place`: its file or anything in its folder.
fn within(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

fn in_file(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in numbered(&file.views.code) {
        let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        if words.any(|word| word == "unsafe") {
            findings.push(Finding::new(&file.path, line, "`unsafe` outside its places"));
        }
    }
    for (start, attribute) in allowances::attributes(&file.views.code) {
        if attribute.contains("unsafe_code") && allowances::silences_lint(attribute) {
            let before = file.views.code.get(..start).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            findings.push(Finding::new(
                &file.path,
                line,
                "`unsafe_code` allowed outside its places",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::expect;

    #[test]
    fn unsafe_code_stays_in_its_places() {
        let text = "fn f() { unsafe { g() } }";
        expect(check, &[("crates/sandbox/src/sys/clone.rs", text)], 0);
        expect(check, &[("crates/sandbox/src/sys.rs", text)], 0);
        expect(check, &[("crates/testkit/src/disk/file.rs", text)], 0);
        expect(check, &[("crates/sandbox/tests/escape.rs", text)], 0);
        expect(check, &[("crates/cli/src/main.rs", "// unsafe\nlet s = \"unsafe\";")], 0);
        expect(check, &[("crates/runner/src/lib.rs", text)], 1);
        expect(check, &[("crates/sandbox/src/system.rs", text)], 1);
        expect(check, &[("crates/cli/src/main.rs", "#![allow(unsafe_code, reason = \"x\")]")], 1);
    }
}
