//! No file has more than 500 production lines.
//!
//! An inline test module at the end and files that are only tests do not count.
//! The length of functions is clippy's (`clippy.toml`).

use super::Finding;
use crate::tree::File;

/// Production lines of one file; past this it is more than one thing.
const LINES: usize = 500;

/// Reports files that have grown too long.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let too_long =
        |file: &&File| file.is_rust() && !file.is_test_only() && file.production_lines() > LINES;
    files
        .iter()
        .filter(too_long)
        .map(|file| {
            let lines = file.production_lines();
            let message = format!("{lines} production lines, {LINES} at most");
            Finding::new(&file.path, LINES + 1, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{LINES, check};
    use crate::tidy::expect;

    #[test]
    fn production_lines_are_limited_and_tests_are_not() {
        let full = "x\n".repeat(LINES);
        let tested = format!("{full}#[cfg(test)]\nmod tests {{\n{full}}}\n");
        expect(check, &[("src/a.rs", &full), ("src/b.rs", &tested)], 0);
        expect(check, &[("tests/a.rs", &format!("{full}x\n"))], 0);
        expect(check, &[("src/a.rs", &format!("{full}x\n"))], 1);
    }
}
