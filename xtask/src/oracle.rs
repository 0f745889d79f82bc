//! `cargo xtask oracle`: our policy engine held against another one.
//!
//! It is a workspace of its own (`oracle/`) and not part of `ci`: building the other engine takes longer than all
//! the rest. In `ci` the judge is the reference of `crates/policy/tests`.

use crate::stage::{Failure, cargo, check};
use std::path::Path;

/// Runs the comparison, or the benchmark.
///
/// # Errors
/// Unknown arguments, what does not build, or a decision that differs.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let words: &[&str] = match arguments {
        [] => &["test", "--release"],
        ["bench"] => &["run", "--release"],
        ["bench", "--json"] => &["run", "--release", "--", "--json"],
        _ => return Err("oracle takes nothing, `bench` or `bench --json`".into()),
    };
    check(cargo(&root.join("oracle"), words).env("CARGO_TARGET_DIR", root.join("target/oracle")))
}
