//! The journal alone: nothing acknowledged is lost, and the controls are caught.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

use testkit::simulator::{Control, append};

#[test]
fn nothing_acknowledged_is_lost() {
    let mut acknowledged = 0;
    for seed in 0..200 {
        match append(seed, 8, Control::None) {
            Ok(summary) => acknowledged += summary.acknowledged,
            Err(violation) => { eprintln!("seed {seed}: {violation}"); }
        }
    }
    println!("{acknowledged} acknowledged");
}
