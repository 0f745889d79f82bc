//! Every dependency says why it is here, and its version stands in one place.
//!
//! In the root `Cargo.toml` each entry of `[workspace.dependencies]` follows a comment of its own;
//! our own crates (entries with `path`) may follow one comment as a group. Members only inherit.

use super::Finding;
use crate::tree::{File, numbered};

/// Reports dependencies without a reason, and versions outside the root manifest.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let manifests = files.iter().filter(|file| file.path.ends_with("Cargo.toml"));
    manifests
        .flat_map(|file| match file.path.as_str() {
            // The fuzz targets and the second judge are workspaces of their own.
            "Cargo.toml" | "fuzz/Cargo.toml" | "oracle/Cargo.toml" => reasons(file),
            _ => inherited(file),
        })
        .collect()
}

fn reasons(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut explained = false;
    for (line, text) in section_lines(&file.text, &|name| name == "workspace.dependencies") {
        let Some((name, value)) = entry(text) else {
            explained = text.starts_with('#');
            continue;
        };
        if !explained {
            let message = format!("`{name}` has no comment above it saying why it is here");
            findings.push(Finding::new(&file.path, line, message));
        }
        explained = explained && value.contains("path =");
    }
    findings
}

fn inherited(file: &File) -> Vec<Finding> {
    let dependencies = |name: &str| name.ends_with("dependencies");
    section_lines(&file.text, &dependencies)
        .filter_map(|(line, text)| entry(text).map(|entry| (line, entry)))
        .filter(|(_, (name, value))| {
            !name.ends_with(".workspace") && !value.contains("workspace = true")
        })
        .map(|(line, (name, _))| {
            let message = format!("`{name}` does not inherit its version from the workspace");
            Finding::new(&file.path, line, message)
        })
        .collect()
}

/// The lines of every section whose name `wanted` accepts.
fn section_lines<'a>(
    text: &'a str,
    wanted: &'a dyn Fn(&str) -> bool,
) -> impl Iterator<Item = (usize, &'a str)> {
    let mut inside = false;
    numbered(text).filter(move |(_, line)| {
        let heading = line.strip_prefix('[').and_then(|line| line.strip_suffix(']'));
        inside = heading.map_or(inside, wanted);
        inside && heading.is_none()
    })
}

/// Name and value of a `name = value` line.
fn entry(line: &str) -> Option<(&str, &str)> {
    if line.starts_with('#') || line.starts_with(' ') {
        return None;
    }
    line.split_once(" = ")
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::expect;

    #[test]
    fn each_dependency_has_its_reason() {
        let good = "[workspace.dependencies]\n# Ours.\na = { path = \"a\" }\nb = { path = \"b\" }\n\
                    \n# Derives.\nserde = \"1\"\n# Values.\nserde_json = \"1\"\n[profile.dev]\nx = 1\n";
        expect(check, &[("Cargo.toml", good)], 0);
        expect(check, &[("Cargo.toml", "[workspace.dependencies]\nserde = \"1\"\n")], 1);
        let second = "[workspace.dependencies]\n# Both.\nserde = \"1\"\nsha2 = \"1\"\n";
        expect(check, &[("Cargo.toml", second)], 1);
    }

    #[test]
    fn members_inherit_versions() {
        let good = "[package]\nname = \"a\"\n[dependencies]\nserde.workspace = true\n\
                    libc = { workspace = true }\n[lints]\nworkspace = true\n";
        expect(check, &[("crates/a/Cargo.toml", good)], 0);
        expect(check, &[("crates/a/Cargo.toml", "[dependencies]\nserde = \"1\"\n")], 1);
        expect(check, &[("crates/a/Cargo.toml", "[dev-dependencies]\nx = { git = \"y\" }\n")], 1);
    }
}
