//! Files, folders and modules are named after what they hold, never after nothing in particular.
//!
//! A banned word counts wherever it stands between `_` or `-`, also in its plural.

use super::Finding;
use crate::tree::{File, numbered};

const BANNED: &[&str] =
    &["util", "helper", "manager", "common", "core", "base", "misc", "imp", "shared", "types"];

/// Reports banned words in the paths of Rust files and in module names.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    files.iter().filter(|file| file.is_rust()).flat_map(in_file).collect()
}

fn in_file(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for part in file.path.trim_end_matches(".rs").split('/') {
        if let Some(word) = banned_word(part) {
            let message = format!("`{part}` says `{word}`, not what it holds");
            findings.push(Finding::new(&file.path, 1, message));
        }
    }
    for (line, text) in numbered(&file.views.code) {
        if let Some(word) = module_name(text).and_then(banned_word) {
            let message = format!("a module named after `{word}`, not after what it holds");
            findings.push(Finding::new(&file.path, line, message));
        }
    }
    findings
}

fn banned_word(name: &str) -> Option<&'static str> {
    let same = |word: &str, banned: &str| word == banned || word.strip_suffix('s') == Some(banned);
    let mut words = name.split(['_', '-']);
    words.find_map(|word| BANNED.iter().copied().find(|banned| same(word, banned)))
}

/// The name a line declares with `mod`.
fn module_name(line: &str) -> Option<&str> {
    let words = line.split_whitespace().skip_while(|word| *word != "mod");
    words.skip(1).map(|word| word.trim_end_matches([';', '{'])).next()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::expect;

    #[test]
    fn names_that_say_nothing_are_reported() {
        expect(check, &[("src/ledger.rs", "mod base32;"), ("src/database.rs", "")], 0);
        expect(check, &[("docs/common.md", "")], 0);
        expect(check, &[("src/path_util.rs", "")], 1);
        expect(check, &[("src/helpers/a.rs", "")], 1);
        expect(check, &[("src/a.rs", "pub(crate) mod core;")], 1);
        expect(check, &[("src/a.rs", "mod types { }")], 1);
        expect(check, &[("src/a.rs", "// mod core;")], 0);
    }
}
