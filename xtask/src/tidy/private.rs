//! Nothing in the repository names a place on the machine of whoever wrote it.
//!
//! A clone has no such folders, so a mention is at best a riddle and at worst a leak.
//! The words are put together here so that this file does not break its own rule.

use super::Finding;
use crate::tree::{File, numbered};

/// Pieces of the forbidden words: machine folders, and papers that are not in the repository.
const PIECES: &[(&str, &str)] = &[
    ("/wo", "rk/main"),
    ("/wo", "rk/shared"),
    ("../sha", "red/"),
    ("shared/", "seeds"),
    ("shared/", "design"),
    ("shared/", "reference"),
    ("/tmp/", "plan"),
    ("far", "m-"),
    ("issues ", "show"),
    ("duplic", "ates --"),
    ("STYLE", ".md"),
    ("overview", ".md"),
];

/// Reports forbidden words in any file.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let words: Vec<String> = PIECES.iter().map(|(a, b)| format!("{a}{b}")).collect();
    let mut findings = Vec::new();
    for file in files {
        for (line, text) in numbered(&file.text) {
            for word in words.iter().filter(|word| text.contains(*word)) {
                let message = format!("`{word}` means nothing in a clone");
                findings.push(Finding::new(&file.path, line, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{PIECES, check};
    use crate::tidy::expect;

    #[test]
    fn places_of_one_machine_are_reported() {
        expect(check, &[("a.md", "a shared folder at /workspace/main, far away")], 0);
        for (a, b) in PIECES {
            expect(check, &[("a.md", &format!("see {a}{b}"))], 1);
        }
    }
}
