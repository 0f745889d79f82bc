//! `cargo xtask soak [--cycles N]`: the simulator's long crash campaign.
//!
//! The campaign itself, its seeds and its control builds live in `crates/testkit`; this only
//! starts it in a release build, where it is many times faster than under the tests.

use crate::stage::{Failure, cargo, check};
use std::path::Path;

/// Crash cycles when none are asked for: an hour or so on two cores.
const CYCLES: &str = "1000000";

/// Starts the campaign and waits for it.
///
/// # Errors
/// Arguments other than `--cycles N`, or a failed campaign (it prints the seed).
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let cycles = cycles(arguments)?;
    check(&mut cargo(
        root,
        &["run", "--release", "-p", "testkit", "--bin", "simulate", "--", "--cycles", cycles],
    ))
}

fn cycles<'a>(arguments: &[&'a str]) -> Result<&'a str, Failure> {
    match arguments {
        [] => Ok(CYCLES),
        ["--cycles", count] if count.parse::<u64>().is_ok_and(|count| count > 0) => Ok(count),
        _ => Err("soak takes `--cycles N` with N of at least 1, and nothing else".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::cycles;

    fn check(arguments: &[&str], expect: Option<&str>) {
        assert_eq!(cycles(arguments).ok(), expect, "{arguments:?}");
    }

    #[test]
    fn only_a_positive_count_of_cycles_is_taken() {
        check(&[], Some(super::CYCLES));
        check(&["--cycles", "20000"], Some("20000"));
        check(&["--cycles", "0"], None);
        check(&["--cycles", "many"], None);
        check(&["--cycles"], None);
        check(&["20000"], None);
    }
}
