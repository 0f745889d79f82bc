//! What a queued run weighs.
//!
//! Measured as the resident memory of this process, so this is the only test in it. Linux only, as
//! the product is.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test should stop loudly")]

use engine::policy::document::Source;
use engine::run::{Digest, Event, Fact, Micros, Plan, RunId, State, Submission};
use engine::workflow::Workflow;
use std::sync::Arc;

/// Bytes per queued run of one step, beyond the shared plan.
const BYTES_PER_RUN_MAX: u64 = 1024;
const RUNS: u64 = 100_000;

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn a_queued_run_takes_little_memory() {
    let text = "version: 1\nname: w\nsteps: [{ name: a, run: [\"true\"] }]\n".to_owned();
    let source = Source { name: "w.yaml".to_owned(), text };
    let Ok(loaded) = Workflow::load(&source, &[]) else { panic!("the document does not load") };
    let plan = Arc::new(Plan::new(Arc::new(loaded.workflow)));
    let mut state = State::new(8);
    state.know(Arc::clone(&plan));
    let before = resident_bytes();
    for number in 1..=RUNS {
        let submission = Arc::new(Submission {
            workflow: plan.digest(),
            name: Arc::clone(plan.name()),
            source: Digest([1; 32]),
            inputs: serde_json::json!({}),
            started_by: None,
            principal: "user:ada".into(),
            key: None,
            repeats: None,
        });
        let run = RunId(u128::from(number).to_be_bytes());
        state.apply(&Event { run, at: Micros(1), fact: Fact::RunSubmitted(submission) }).unwrap();
    }
    let bytes = (resident_bytes() - before) / RUNS;
    assert_eq!(state.runs().count() as u64, RUNS);
    assert!((100..=BYTES_PER_RUN_MAX).contains(&bytes), "{bytes} bytes for a queued run");
}
