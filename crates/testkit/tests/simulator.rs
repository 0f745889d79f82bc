//! The simulator's claims: nothing acknowledged is lost, controls are caught, seeds replay.
//!
//! A failed seed prints the command that replays it.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

use testkit::simulator::{Control, Kind, Scenario, Soak, caught, soak};

/// Crash cycles of a normal test run.
const CYCLES: u64 = 20_000;

/// Seeds in which a control has to be caught.
const CONTROL_SEEDS: u64 = 300;

fn scenario() -> Scenario {
    Scenario::load().unwrap_or_else(|violation| panic!("{violation}"))
}

#[test]
fn twenty_thousand_crash_cycles_lose_nothing() {
    match soak(&scenario(), 0, CYCLES) {
        Ok(survived) => {
            println!("{survived}");
            eventful(&survived);
        }
        Err(failed) => panic!("{failed}"),
    }
}

/// A world in which nothing goes wrong would pass every check.
fn eventful(survived: &Soak) {
    let expected = [
        "approval.consumed",
        "approval.denied",
        "approval.granted",
        "approval.stale",
        "run.cancel_requested",
        "run.finished",
        "run.recovered",
        "run.retried",
        "run.started",
        "run.submitted",
        "shard.recovered",
        "step.approval_requested",
        "step.cancelled",
        "step.finished",
        "step.outcome_unknown",
        "step.requeued",
        "step.retry_scheduled",
        "step.skipped",
        "step.stale_result",
        "step.started",
    ];
    let missing: Vec<_> = expected.iter().filter(|kind| !survived.kinds.contains(*kind)).collect();
    assert!(missing.is_empty(), "never happened: {missing:?}");
    assert!(survived.acknowledged > 5 * survived.cycles, "hardly anything was acknowledged");
}

#[test]
fn every_control_is_caught() {
    let scenario = scenario();
    let table = [
        (Kind::World, Control::EarlyAcknowledgement),
        (Kind::World, Control::NoFence),
        (Kind::World, Control::SynchronousNormal),
        (Kind::World, Control::LyingDisk),
        (Kind::World, Control::LogAsFound),
        (Kind::Append, Control::EarlyAcknowledgement),
        (Kind::Append, Control::SynchronousNormal),
        (Kind::Append, Control::LyingDisk),
        (Kind::Append, Control::LogAsFound),
    ];
    for (kind, control) in table {
        match caught(&scenario, kind, control, CONTROL_SEEDS) {
            Some(failed) => println!("{failed}"),
            None => panic!("{control} is not caught by {kind:?} in {CONTROL_SEEDS} seeds"),
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let scenario = scenario();
    for kind in Kind::ALL {
        for seed in 0..25 {
            let run = || kind.run(&scenario, seed, Control::None).unwrap_or_else(|f| panic!("{f}"));
            let first = run();
            assert_eq!(first, run(), "{kind:?} {seed}");
            let other = kind.run(&scenario, seed + 1_000, Control::None);
            assert_ne!(other.map(|other| other.trace), Ok(first.trace), "{kind:?} {seed}");
        }
    }
}

/// Replays the seed of `PALISADE_SEED` under the control of `PALISADE_CONTROL`; seed 0 without.
#[test]
fn replay() {
    let scenario = scenario();
    let seed = std::env::var("PALISADE_SEED").map_or(0, |seed| seed.parse().unwrap());
    let control =
        std::env::var("PALISADE_CONTROL").map_or(Control::None, |name| name.parse().unwrap());
    for kind in Kind::ALL {
        match kind.run(&scenario, seed, control) {
            Ok(summary) => println!("{kind:?}: {summary:?}"),
            Err(failed) => panic!("{failed}"),
        }
    }
}
