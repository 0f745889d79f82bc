//! Every `allow` and `expect` of a lint says why, where it stands.
//!
//! Whether the reason is a good one is the reviewer's to judge.

use super::Finding;
use crate::tree::File;

/// Reports lint attributes without a `reason`.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    files.iter().flat_map(in_file).collect()
}

fn in_file(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (start, attribute) in attributes(&file.views.code) {
        if silences_lint(attribute) && !attribute.contains("reason") {
            let before = file.views.code.get(..start).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let message = "a lint is silenced without `reason = \"…\"`";
            findings.push(Finding::new(&file.path, line, message));
        }
    }
    findings
}

/// Every attribute with the place where it begins, brackets included.
pub(super) fn attributes(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.match_indices('#').filter_map(|(start, _)| {
        let rest = code.get(start..)?;
        let open = rest.find('[').filter(|open| matches!(rest.get(1..*open), Some("" | "!")))?;
        let mut depth = 0_usize;
        for (at, c) in rest.char_indices().skip_while(|(at, _)| *at < open) {
            match c {
                '[' => depth += 1,
                ']' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some((start, rest.get(..=at)?));
            }
        }
        None
    })
}

/// Whether an attribute holds `allow(` or `expect(`, also inside `cfg_attr`.
pub(super) fn silences_lint(attribute: &str) -> bool {
    ["allow(", "expect("].iter().any(|word| {
        attribute.match_indices(word).any(|(at, _)| {
            let before = attribute.get(..at).and_then(|text| text.chars().next_back());
            before.is_some_and(|c| matches!(c, '[' | ' ' | ',' | '(' | '\n'))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::expect;

    #[test]
    fn a_silenced_lint_says_why() {
        expect(check, &[("a.rs", "#[allow(dead_code, reason = \"kept for x\")]\nfn a() {}")], 0);
        expect(check, &[("a.rs", "let x = y.expect(\"z\"); allow(\"rule\");")], 0);
        expect(check, &[("a.rs", "#[should_panic(expected = \"x\")]\nfn a() {}")], 0);
        expect(check, &[("a.rs", "#[allow(dead_code)]\nfn a() {}")], 1);
        expect(check, &[("a.rs", "#![allow(\n    clippy::panic,\n    clippy::todo\n)]")], 1);
        expect(check, &[("a.rs", "#[expect(unused)]\nfn a() {}")], 1);
        expect(check, &[("a.rs", "#[cfg_attr(test, allow(dead_code))]\nfn a() {}")], 1);
        expect(check, &[("a.rs", "// #[allow(dead_code)]\n")], 0);
    }
}
