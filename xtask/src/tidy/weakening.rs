//! Only the escape suite can take down a wall of the sandbox.
//!
//! `--cfg weaken` is set by that suite's build script, for its own copy of the sandbox's source,
//! and by nothing else: no manifest, no configuration, no other script. That the shipped program
//! holds none of it is a test of the command line.

use super::Finding;
use crate::tree::{File, numbered};

/// The one package that compiles another's source, and the script that sets the condition.
const SUITE: &str = "crates/escape/Cargo.toml";
const SCRIPT: &str = "crates/escape/build.rs";

/// Ways to set the condition: a build script's answer, a compiler's argument, a feature.
const SETTING: [&str; 3] =
    [concat!("rustc-cfg=", "weaken"), concat!("--cfg ", "weaken"), concat!("weaken ", "=")];

/// Reports whoever else sets the condition or compiles another crate's source.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    files
        .iter()
        .filter(|file| file.path != SCRIPT && decides(&file.path))
        .flat_map(in_file)
        .collect()
}

/// Whether cargo or a script acts on this file.
fn decides(path: &str) -> bool {
    path.ends_with(".toml") || path.ends_with("build.rs") || path.starts_with(".ci/")
}

fn in_file(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let acting = |line: &str| !line.trim_start().starts_with(['#', '/']);
    for (line, text) in numbered(&file.text).filter(|(_, text)| acting(text)) {
        if SETTING.iter().any(|setting| text.contains(setting)) {
            let message = "only the escape suite may weaken a sandbox";
            findings.push(Finding::new(&file.path, line, message));
        }
        if text.starts_with("path = \"..") && file.path != SUITE {
            let message = "the source of another crate is compiled by the escape suite alone";
            findings.push(Finding::new(&file.path, line, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::expect;

    #[test]
    fn only_the_escape_suite_weakens() {
        let script = "fn main() { println!(\"cargo::rustc-cfg=weaken\"); }";
        let source = "[lib]\npath = \"../sandbox/src/lib.rs\"\n";
        expect(
            check,
            &[("crates/escape/build.rs", script), ("crates/escape/Cargo.toml", source)],
            0,
        );
        expect(check, &[("Cargo.toml", "check-cfg = [\"cfg(weaken)\"]\n# --cfg weaken\n")], 0);
        expect(check, &[("crates/sandbox/src/wall.rs", "//! `--cfg weaken`\n")], 0);
        expect(check, &[("crates/cli/build.rs", script)], 1);
        expect(check, &[(".cargo/config.toml", "rustflags = [\"--cfg weaken\"]\n")], 1);
        expect(check, &[("crates/sandbox/Cargo.toml", "[features]\nweaken = []\n")], 1);
        expect(check, &[("crates/cli/Cargo.toml", source)], 1);
        expect(check, &[(".ci/run", "export RUSTFLAGS=\"--cfg weaken\"\n")], 1);
    }
}
