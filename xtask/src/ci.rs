//! `cargo xtask ci`: everything a change must pass, cheapest first, stopping at the first failure.
//!
//! It adds no rule of its own: rules live in `tidy/`, lints in `Cargo.toml`, tests in the crates.

use crate::stage::{Failure, Stages, cargo, check, has_cargo_command};
use crate::{test, tidy};
use std::path::Path;

/// Runs all stages and prints how long each took.
///
/// # Errors
/// The first stage that fails.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let mut stages = Stages::default();
    let outcome = run_stages(root, &mut stages);
    stages.summary(if outcome.is_ok() { "ci: everything passed" } else { "ci: stopped" });
    outcome
}

fn run_stages(root: &Path, stages: &mut Stages) -> Result<(), Failure> {
    stages.run("format", || check(&mut cargo(root, &["fmt", "--all", "--check"])))?;
    stages.run("clippy", || {
        check(&mut cargo(root, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    })?;
    stages.run("tidy", || tidy::run(root))?;
    stages.run("cargo deny", || deny(root))?;
    stages.run("documentation", || {
        check(cargo(root, &["doc", "--no-deps", "--workspace"]).env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    stages.run("test", || test::run(root))
}

/// Advisories need a network and a tool; licences and sources are checked by `tidy` regardless.
fn deny(root: &Path) -> Result<(), Failure> {
    if has_cargo_command(root, "deny") {
        return check(&mut cargo(root, &["deny", "check"]));
    }
    println!("    SKIPPED: cargo-deny is not installed, so no advisory was looked up.");
    println!(
        "    Licences and sources were checked by tidy. To have both: cargo install cargo-deny"
    );
    Ok(())
}
