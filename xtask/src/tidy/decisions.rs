//! Decision records are numbered without gaps and tell context, decision and consequences.
//!
//! One choice, one page: `docs/decisions/NNNN-title.md`.

use super::Finding;
use crate::tree::File;

const FOLDER: &str = "docs/decisions/";
const PARTS: &[&str] = &["## Context", "## Decision", "## Consequences"];

/// Lines of one record: one page.
const LINES: usize = 80;

/// Reports misnumbered, incomplete and overlong records.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let records = files.iter().filter_map(|file| {
        file.path.strip_prefix(FOLDER).filter(|name| *name != "README.md").map(|name| (name, file))
    });
    let mut findings = Vec::new();
    for (expected, (name, file)) in (1..).zip(records) {
        if !name.starts_with(&format!("{expected:04}-")) {
            let message = format!("record number {expected:04} expected here");
            findings.push(Finding::new(&file.path, 1, message));
        }
        for part in PARTS.iter().filter(|part| !file.text.lines().any(|line| line == **part)) {
            findings.push(Finding::new(&file.path, 1, format!("no `{part}`")));
        }
        let lines = file.text.lines().count();
        if lines > LINES {
            let message = format!("{lines} lines, {LINES} at most");
            findings.push(Finding::new(&file.path, LINES + 1, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::expect;

    #[test]
    fn records_are_numbered_and_complete() {
        let whole = "# 1\n## Context\na\n## Decision\nb\n## Consequences\nc\n";
        let one = "docs/decisions/0001-a.md";
        expect(check, &[(one, whole), ("docs/decisions/0002-b.md", whole)], 0);
        expect(check, &[(one, whole), ("docs/decisions/0003-b.md", whole)], 1);
        expect(check, &[(one, "# 1\n## Context\na\n## Decision\nb\n")], 1);
        expect(check, &[(one, &format!("{whole}{}", "x\n".repeat(80)))], 1);
    }
}
