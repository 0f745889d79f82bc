//! Long queues: order, and what finding the next step costs.
//!
//! Cost is processor time of this thread against that of looking at every run, so that neither
//! the machine nor its load matters. What a queued run weighs is measured in `run_memory`, which
//! needs a process of its own; how many nanoseconds a claim takes is a matter of benchmarks.

use crate::world::{World, run_id, steps};
use engine::run::{
    Claim, Command, Ended, Event, Fact, Micros, Plan, RunState, State, Work, decide,
};
use std::sync::Arc;

fn queued(plan: &Arc<Plan>, runs: u32) -> State {
    let mut state = State::new(8);
    state.know(Arc::clone(plan));
    for number in 0..runs {
        let fact = Fact::RunSubmitted(World::submission(plan, None));
        state.apply(&Event { run: run_id(number), at: Micros(1), fact }).unwrap();
    }
    state
}

/// Claims, ends and forgets the next run; gives it.
fn claim(state: &mut State) -> engine::run::RunId {
    let Some(Work::Step { run, step, .. }) = state.next(Micros(2)) else { panic!() };
    let mut go = |command: Command| {
        let events = decide(state, &command, Micros(2)).unwrap();
        events.iter().for_each(|event| state.apply(event).unwrap());
        state.leases().next()
    };
    let Claim { fence, .. } = go(crate::moves::start(run, step)).unwrap();
    go(crate::moves::finish(Claim { run, step, fence }, Ended::Succeeded, 0));
    assert!(state.forget(&run));
    run
}

/// Clock ticks of the processor that this thread has used; proc(5), fields 14 and 15.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    after_name.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum()
}

#[test]
fn a_claim_is_found_without_a_scan() {
    const RUNS: u32 = 50_000;
    const CLAIMS: u32 = 2_000;
    const SCANS: u32 = CLAIMS / 10;
    let mut state = queued(&steps("a:"), RUNS);
    let start = ticks();
    for _ in 0..CLAIMS {
        claim(&mut state);
    }
    let claims = ticks() - start;
    let start = ticks();
    for _ in 0..SCANS {
        let waiting = state.runs().filter(|run| run.state() == RunState::Queued);
        assert_eq!(std::hint::black_box(waiting.count()) as u32, RUNS - CLAIMS);
    }
    let scans = ticks() - start;
    assert!(claims < scans, "{CLAIMS} claims took {claims} ticks, {SCANS} scans {scans}");
}

#[test]
fn first_come_first_served_in_long_queues() {
    let plan = steps("a:");
    for runs in [10, 1_000, 20_000] {
        let mut state = queued(&plan, runs);
        for number in 0..10 {
            assert_eq!(claim(&mut state), run_id(number));
        }
        assert_eq!(state.runs().count() as u32, runs - 10);
        state.audit().unwrap();
    }
}
