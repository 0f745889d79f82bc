//! `cargo xtask soak`: what only many repetitions can show.
//!
//! Two parts: thousands of sandboxes in a row that must leave nothing, and the simulator's long
//! crash campaign. Both live with their controls in `crates/sandbox/tests` and `crates/testkit`;
//! this only starts them in a release build, where they are many times faster.

use crate::stage::{Failure, cargo, check};
use std::path::Path;

/// Crash cycles when none are asked for: an hour or so on two cores.
const CYCLES: &str = "1000000";

/// Sandboxes in a row when no number is asked for: a minute or two.
const SANDBOXES: &str = "10000";

/// Starts what is asked for, or both parts, and waits for it.
///
/// # Errors
/// Arguments other than `--cycles N` or `--sandboxes N`, or a part that failed (the campaign
/// prints its seed).
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let parts = parts(arguments)?;
    if let Some(count) = parts.sandboxes {
        let only = ["test", "--release", "-p", "sandbox", "--test", "leaks", "--"];
        let mut command = cargo(root, &only);
        check(command.args(["hundreds_in_a_row", "--nocapture"]).env("PALISADE_SANDBOXES", count))?;
    }
    if let Some(cycles) = parts.cycles {
        let simulate = ["run", "--release", "-p", "testkit", "--bin", "simulate", "--"];
        check(cargo(root, &simulate).args(["--cycles", cycles]))?;
    }
    Ok(())
}

/// How much of each part is wanted.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    sandboxes: Option<&'a str>,
    cycles: Option<&'a str>,
}

fn parts<'a>(arguments: &[&'a str]) -> Result<Parts<'a>, Failure> {
    let is_count = |count: &str| count.parse::<u64>().is_ok_and(|count| count > 0);
    match arguments {
        [] => Ok(Parts { sandboxes: Some(SANDBOXES), cycles: Some(CYCLES) }),
        ["--cycles", count] if is_count(count) => {
            Ok(Parts { sandboxes: None, cycles: Some(count) })
        }
        ["--sandboxes", count] if is_count(count) => {
            Ok(Parts { sandboxes: Some(count), cycles: None })
        }
        _ => Err("soak takes `--cycles N` or `--sandboxes N` with N of at least 1".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{CYCLES, Parts, SANDBOXES, parts};

    fn check(arguments: &[&str], sandboxes: Option<&str>, cycles: Option<&str>) {
        assert_eq!(parts(arguments).ok(), Some(Parts { sandboxes, cycles }), "{arguments:?}");
    }

    #[test]
    fn only_positive_counts_are_taken() {
        check(&[], Some(SANDBOXES), Some(CYCLES));
        check(&["--cycles", "20000"], None, Some("20000"));
        check(&["--sandboxes", "500"], Some("500"), None);
        for wrong in [&["--cycles", "0"][..], &["--cycles", "many"], &["--cycles"], &["20000"]] {
            assert!(parts(wrong).is_err(), "{wrong:?}");
        }
    }
}
