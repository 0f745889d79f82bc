//! `cargo xtask tidy`: the rules of the code base, each a pure function with its own test.
//!
//! A rule gets files (or packages) as values and returns what breaks it, with the place.
//! What the compiler or clippy can check is not repeated here; see `Cargo.toml` and `clippy.toml`.

mod allowances;
mod architecture;
mod coverage;
mod decisions;
mod edges;
mod headers;
mod leftovers;
mod length;
mod licences;
mod links;
mod listings;
mod manifests;
mod names;
mod private;
mod promises;
mod purity;
mod reference;
mod unsafety;
mod weakening;

use crate::graph;
use crate::stage::Failure;
use crate::tree::{self, File};
use std::fmt;
use std::path::Path;

/// One broken rule at one place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

type Rule = fn(&[File]) -> Vec<Finding>;

/// The rules over files, in the order of their reports.
const RULES: &[(&str, Rule)] = &[
    ("headers", headers::check),
    ("length", length::check),
    ("names", names::check),
    ("leftovers", leftovers::check),
    ("listings", listings::check),
    ("allowances", allowances::check),
    ("unsafety", unsafety::check),
    ("weakening", weakening::check),
    ("purity", purity::check),
    ("manifests", manifests::check),
    ("architecture", architecture::check),
    ("decisions", decisions::check),
    ("links", links::check),
    ("private", private::check),
    ("promises", promises::check),
    ("coverage", coverage::check),
];

/// Runs every rule over the repository and prints every finding.
///
/// # Errors
/// The files or packages cannot be read, or any rule is broken.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let files = tree::load(root)?;
    let packages = graph::load(root)?;
    let mut reports: Vec<(&str, Vec<Finding>)> =
        RULES.iter().map(|(name, rule)| (*name, rule(&files))).collect();
    reports.push(("edges", edges::check(&packages)));
    reports.push(("licences", licences::check(&packages)));

    let mut broken = 0;
    for (name, findings) in &reports {
        for finding in findings {
            println!("    {name}: {finding}");
        }
        broken += findings.len();
    }
    if broken > 0 {
        return Err(format!("tidy found {broken} broken rules").into());
    }
    println!("    {} rules hold over {} files", reports.len(), files.len());
    Ok(())
}

/// Asserts how many findings a rule has over some files; the one check of every rule's tests.
#[cfg(test)]
fn expect(rule: Rule, files: &[(&str, &str)], findings: usize) {
    let files: Vec<File> = files.iter().map(|(path, text)| File::new(path, text)).collect();
    let found = rule(&files);
    assert_eq!(found.len(), findings, "{found:#?}");
}
