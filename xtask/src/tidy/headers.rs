//! Every Rust file opens with `//!` lines that say what it is and what it is not.
//!
//! The length is checked, the meaning is the reviewer's.

use super::Finding;
use crate::tree::File;
use std::ops::RangeInclusive;

/// Lines of a header: one cannot say what a file is not, sixteen are a document.
const LINES: RangeInclusive<usize> = 2..=15;

/// Reports files without a header, or with one too short or too long.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    files.iter().filter(|file| file.is_rust()).filter_map(finding).collect()
}

fn finding(file: &File) -> Option<Finding> {
    let lines = file.text.lines().take_while(|line| line.starts_with("//!")).count();
    let message = match lines {
        0 => "the file does not open with `//!`".to_owned(),
        lines if LINES.contains(&lines) => return None,
        lines => format!("the `//!` header has {lines} lines, not {LINES:?}"),
    };
    Some(Finding::new(&file.path, 1, message))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::expect;

    #[test]
    fn a_header_has_two_to_fifteen_lines() {
        expect(check, &[("a.rs", "//! What.\n//! Not what.\nfn a() {}\n")], 0);
        expect(check, &[("a.md", "no header needed")], 0);
        expect(check, &[("a.rs", "fn a() {}\n")], 1);
        expect(check, &[("a.rs", "//! What.\nfn a() {}\n")], 1);
        expect(check, &[("a.rs", &"//! line\n".repeat(16))], 1);
    }
}
