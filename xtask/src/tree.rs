//! The files of the repository as the rules see them: path and text, tracked or about to be.
//!
//! What git ignores does not exist here. Rules get values and never touch the disk themselves.

use crate::lexis::{self, Views};
use crate::stage::Failure;
use std::path::Path;
use std::process::Command;

/// One file of the repository.
pub(crate) struct File {
    /// Path from the repository's root, with `/` between its parts.
    pub(crate) path: String,
    /// Contents; empty for a file that is not UTF-8.
    pub(crate) text: String,
    /// Code and comments apart; empty unless this is Rust.
    pub(crate) views: Views,
}

impl File {
    /// A file from its path and text.
    pub(crate) fn new(path: &str, text: &str) -> File {
        let views = if path.ends_with(".rs") { lexis::split(text) } else { Views::default() };
        File { path: path.to_owned(), text: text.to_owned(), views }
    }

    /// Whether this is Rust source.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether this is Rust that only tests, benchmarks or fuzzing compile.
    pub(crate) fn is_test_only(&self) -> bool {
        self.path.split('/').any(|part| matches!(part, "tests" | "benches" | "fuzz" | "oracle"))
    }

    /// Code lines before the file's test module, comments and literals blanked.
    pub(crate) fn production_code(&self) -> impl Iterator<Item = (usize, &str)> {
        numbered(&self.views.code).take(self.production_lines())
    }

    /// How many lines stand before the file's test module; all of them when there is none.
    pub(crate) fn production_lines(&self) -> usize {
        let lines: Vec<&str> = self.views.code.lines().collect();
        let starts = |pair: &&[&str]| {
            matches!(pair, [gate, next] if gate.starts_with("#[cfg(test)]")
                && (gate.contains("mod ") || next.starts_with("mod ") || next.starts_with("#[")))
        };
        match lines.windows(2).enumerate().find(|(_, pair)| starts(pair)) {
            Some((before, _)) => before,
            None => lines.len(),
        }
    }
}

/// Lines with their numbers, from 1.
pub(crate) fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

/// Reads every file git tracks or would track.
///
/// # Errors
/// `git` is missing or this is not a repository, or a listed file cannot be read.
pub(crate) fn load(root: &Path) -> Result<Vec<File>, Failure> {
    let listed = Command::new("git")
        .args(["ls-files", "-co", "--exclude-standard", "-z"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cannot start `git`: {error}"))?;
    if !listed.status.success() {
        return Err(format!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr)).into());
    }
    let names = String::from_utf8_lossy(&listed.stdout);
    let mut files = Vec::new();
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        let full = root.join(name);
        // Tracked but removed, or a link to a folder: nothing to read, hence nothing to check.
        if !full.is_file() {
            continue;
        }
        let bytes =
            std::fs::read(&full).map_err(|error| format!("cannot read `{name}`: {error}"))?;
        files.push(File::new(name, &String::from_utf8(bytes).unwrap_or_default()));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::File;

    fn check(text: &str, expect: usize) {
        assert_eq!(File::new("a.rs", text).production_lines(), expect, "{text:?}");
    }

    #[test]
    fn production_ends_where_the_test_module_begins() {
        check("a\nb\n", 2);
        check("a\n#[cfg(test)]\nmod tests {\n}\n", 1);
        check("a\n#[cfg(test)]\n#[allow(x)]\nmod tests {}\n", 1);
        check("#[cfg(test)]\nuse x;\nb\n", 3);
        check("a\n// #[cfg(test)]\nmod tests;\n", 3);
    }
}
