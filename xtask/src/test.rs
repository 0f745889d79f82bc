//! `cargo xtask test`: sets up what the tests need and runs all of them.
//!
//! A clean machine with Rust is enough: parts that are missing are installed where that is
//! possible. As root it runs the sandbox's tests and a whole workflow a second time as an
//! ordinary user (`ordinary.rs`), because a sandbox behaves differently for each.

mod ordinary;
mod parts;

use crate::stage::{Failure, Stages, cargo, check, check_on_stdout, has_cargo_command};
use std::path::Path;

/// Runs set-up and all tests.
///
/// # Errors
/// A part is missing in CI, something does not build, or a test fails.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let mut stages = Stages::default();
    let outcome = run_stages(root, &mut stages);
    stages.summary(if outcome.is_ok() { "test: everything passed" } else { "test: stopped" });
    outcome
}

fn run_stages(root: &Path, stages: &mut Stages) -> Result<(), Failure> {
    stages.run("parts", parts::provide)?;
    stages.run("build", || check(&mut cargo(root, &["build", "--workspace", "--all-targets"])))?;
    if ordinary::is_root() {
        stages.run("sandbox and one workflow, as an ordinary user", || ordinary::run(root))?;
    } else {
        println!("\nNot root: every test below runs as this user; the run as root is left to CI.");
    }
    stages.run("tests", || tests(root))
}

/// Unit and integration tests, then the examples in the documentation.
fn tests(root: &Path) -> Result<(), Failure> {
    if !has_cargo_command(root, "nextest") {
        return check(&mut cargo(root, &["test", "--workspace"]));
    }
    check(&mut cargo(root, &["test", "--workspace", "--doc"]))?;
    check_on_stdout(&mut cargo(root, &["nextest", "run", "--workspace"]))
}
