//! `cargo xtask test`: sets up what the tests need and runs all of them.
//!
//! A clean machine with Rust is enough: parts that are missing are installed where that is
//! possible. As root it runs the sandbox's tests and a whole workflow a second time as an
//! ordinary user (`ordinary.rs`), because a sandbox behaves differently for each.

mod canaries;
mod ordinary;
mod parts;

use crate::stage::{Failure, Stages, cargo, check, check_on_stdout, has_cargo_command};
use canaries::Scratch;
use std::path::Path;
use std::process::Command;

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
    let scratch = Scratch::create()?;
    stages.run("tests", || tests(root, &scratch))?;
    stages.run("no secret of theirs is left on disk", || scratch.search(root))
}

/// Unit and integration tests, then the examples in the documentation.
fn tests(root: &Path, scratch: &Scratch) -> Result<(), Failure> {
    let within = |arguments: &[&str], run: fn(&mut Command) -> Result<(), Failure>| {
        run(scratch.within(&mut cargo(root, arguments)))
    };
    if !has_cargo_command(root, "nextest") {
        return within(&["test", "--workspace"], check);
    }
    within(&["test", "--workspace", "--doc"], check)?;
    within(&["nextest", "run", "--workspace"], check_on_stdout)
}
