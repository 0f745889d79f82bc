//! Leases: fences, late reports, lost hosts.
//!
//! What is reported by the wrong one, too late, or never. Cancelling is in `stop`.

use crate::world::{SECOND, TIMEOUT, World, completion, steps};
use engine::run::{
    Claim, Command, Ended, Fence, LEASE_GRACE_US, LOSSES_MAX, Rejection, RunState, Scope, Verdict,
};
use serde_json::{Map, json};

#[test]
fn fences_carry_the_epoch_and_rise() {
    let (mut world, run) = World::of(&steps("a:\nb:"));
    world.ask(&Command::Recover { epoch: 3 }).unwrap();
    world.ask(&world.start(run, "a")).unwrap();
    world.ask(&world.start(run, "b")).unwrap();
    assert_eq!(world.fence(run, "a"), Fence::new(3, 1));
    assert_eq!(world.fence(run, "b"), Fence::new(3, 2));
    for epoch in [0, 3] {
        let refused = world.ask(&Command::Recover { epoch });
        assert_eq!(refused, Err(Rejection::Epoch { current: 3 }));
    }
}

#[test]
fn an_epoch_whose_fences_are_used_up_grants_no_more() {
    let (mut world, run) = World::of(&steps("a:\nb:"));
    world.ask(&world.start(run, "a")).unwrap();
    let mut last = world.history.last().unwrap().clone();
    world.ask(&world.finish(run, "a", Ended::Succeeded)).unwrap();
    if let engine::run::Fact::StepStarted { step, fence, .. } = &mut last.fact {
        (*step, *fence) = ("b".into(), Fence::new(0, u32::MAX));
    }
    world.state.apply(&last).unwrap();
    world.ask(&world.finish(run, "b", Ended::Succeeded)).unwrap();
    let next = world.submit(&steps("a:\nb:"));
    assert_eq!(world.ask(&world.start(next, "a")), Err(Rejection::Epoch { current: 0 }));
    world.ask(&Command::Recover { epoch: 1 }).unwrap();
    assert!(world.ask(&world.start(next, "a")).is_ok());
}

#[test]
fn a_late_report_is_recorded_and_changes_nothing() {
    let (mut world, run) = World::of(&steps("a:\nb: a"));
    world.ask(&world.start(run, "a")).unwrap();
    let old = world.fence(run, "a");
    world.ask(&Command::Recover { epoch: 1 }).unwrap();
    world.ask(&world.start(run, "a")).unwrap();
    let before = world.state.clone();
    let late = world.report(run, "a", old, completion(Ended::Succeeded));
    let events = world.ask(&late).unwrap();
    let json = serde_json::to_value(&events[0].fact).unwrap();
    let expected = json!({
        "type": "step.stale_result", "step": "a", "fence": "0-1", "current": "1-1",
        "outcome": "succeeded",
    });
    assert_eq!((events.len(), json), (1, expected));
    assert_eq!(world.state, before);
    // The control: the report of the current lease counts, once.
    let report = world.finish(run, "a", Ended::Succeeded);
    assert_eq!(world.kinds(&report), ["step.finished a"]);
    assert_eq!(world.kinds(&report), ["step.stale_result a"]);
}

#[test]
fn the_deadline_is_the_shorter_of_two_limits() {
    for (limit, expected) in
        [(None, TIMEOUT), (Some(SECOND), SECOND), (Some(99 * TIMEOUT), TIMEOUT)]
    {
        let (mut world, run) = World::of(&steps("a:"));
        let mut start = world.start(run, "a");
        if let Command::Start { timeout_us, .. } = &mut start {
            *timeout_us = limit;
        }
        world.ask(&start).unwrap();
        assert_eq!(world.state.next_deadline(), Some(world.now.after(expected + LEASE_GRACE_US)));
    }
}

#[test]
fn a_lease_that_runs_out_is_found_and_expired() {
    let (mut world, run) = World::of(&steps("a:\nb:"));
    world.ask(&world.start(run, "a")).unwrap();
    world.wait(SECOND);
    world.ask(&world.start(run, "b")).unwrap();
    world.wait(TIMEOUT + LEASE_GRACE_US - SECOND - 1);
    assert_eq!(world.state.expired(world.now), None);
    let early = world.ask(&world.expire(run, "a"));
    assert_eq!(early, Err(Rejection::NotDue(world.now.after(1))));
    world.wait(1);
    let (step, fence) = (world.place(run, "a"), world.fence(run, "a"));
    assert_eq!(world.state.expired(world.now), Some(Claim { run, step, fence }));
    assert_eq!(world.kinds(&world.expire(run, "a")), ["step.requeued a"]);
    assert_eq!(world.state.expired(world.now), None, "b has a second left");
    assert_eq!(world.picture(run), "a=ready b=running");
}

#[test]
fn a_lost_lease_is_repeated_where_that_is_safe() {
    let (mut world, run) = World::of(&steps("a:\nb:; idempotent: false\nc: b"));
    world.ask(&world.start(run, "a")).unwrap();
    world.ask(&world.start(run, "b")).unwrap();
    let events = world.kinds(&Command::Recover { epoch: 1 });
    let expected =
        ["shard.recovered", "run.recovered", "step.requeued a", "step.outcome_unknown b"];
    assert_eq!(events, expected);
    assert_eq!(world.state.slots_used(), 0);
    assert_eq!(world.picture(run), "a=ready b=unknown c=pending");
    // Losing the host is not the step's failure: its only attempt is not spent.
    world.pass(run, "a", Ended::Succeeded);
    assert_eq!(world.run(run).step_named("a").unwrap().attempt(), 2);
    assert_eq!(world.state_of(run), RunState::Waiting);
}

#[test]
fn a_step_that_loses_every_host_fails_in_the_end() {
    let (mut world, run) = World::of(&steps("a:; retry: { max_attempts: 9 }\nb: a"));
    for epoch in 1..=LOSSES_MAX {
        world.ask(&world.start(run, "a")).unwrap();
        world.ask(&Command::Recover { epoch }).unwrap();
        assert_eq!(world.picture(run), "a=ready b=pending", "{epoch}");
    }
    world.ask(&world.start(run, "a")).unwrap();
    world.ask(&Command::Recover { epoch: 99 }).unwrap();
    assert_eq!(world.picture(run), "a=failed b=skipped");
    assert_eq!(world.state_of(run), RunState::Failed);
    // A person may begin anew, with as many chances.
    world.ask(&world.retry(run, "a", Scope::Step)).unwrap();
    world.ask(&world.start(run, "a")).unwrap();
    world.ask(&Command::Recover { epoch: 100 }).unwrap();
    assert_eq!(world.picture(run), "a=ready b=pending");
}

#[test]
fn an_unknown_outcome_is_settled_by_a_person() {
    let unknown = || {
        let (mut world, run) = World::of(&steps("a:; idempotent: false\nb: a"));
        world.ask(&world.start(run, "a")).unwrap();
        world.ask(&Command::Recover { epoch: 1 }).unwrap();
        assert_eq!(world.next(), None, "nothing is repeated blindly");
        (world, run)
    };
    let outputs: Map<_, _> = [("id".to_owned(), json!("42"))].into_iter().collect();

    let (mut world, run) = unknown();
    let resolve = world.resolve(run, "a", Verdict::Succeeded { outputs: outputs.clone() });
    assert_eq!(world.kinds(&resolve), ["step.resolved a"]);
    assert_eq!(world.run(run).facts()["a"].outputs, outputs);
    assert_eq!(world.drain("", Ended::Succeeded), ["b"]);
    assert_eq!(world.state_of(run), RunState::Succeeded);

    let (mut world, run) = unknown();
    let resolve = world.resolve(run, "a", Verdict::Failed);
    assert_eq!(world.kinds(&resolve), ["step.resolved a", "step.skipped b", "run.finished"]);

    let (mut world, run) = unknown();
    world.ask(&world.retry(run, "a", Scope::Step)).unwrap();
    assert_eq!(world.drain("", Ended::Succeeded), ["a", "b"]);

    // The report of the lost attempt comes after all: it is kept, and decides nothing.
    let (mut world, run) = unknown();
    let late = world.report(run, "a", Fence::new(0, 1), completion(Ended::Succeeded));
    assert_eq!(world.kinds(&late), ["step.stale_result a"]);
    assert_eq!(world.picture(run), "a=unknown b=pending");
}

#[test]
fn recovery_without_leases_changes_only_the_epoch() {
    let (mut world, run) = World::of(&steps("a:"));
    assert_eq!(world.kinds(&Command::Recover { epoch: 8 }), ["shard.recovered"]);
    assert_eq!(world.state.epoch(), 8);
    assert_eq!(world.state_of(run), RunState::Queued);
}

#[test]
fn retry_times_outlive_the_owner() {
    let lines = "a:; retry: { max_attempts: 2, backoff: { base: 10s, jitter: false } }";
    let (mut world, run) = World::of(&steps(lines));
    world.pass(run, "a", Ended::Failed);
    let due = world.state.next_deadline();
    world.ask(&Command::Recover { epoch: 1 }).unwrap();
    assert_eq!(world.state.next_deadline(), due);
    world.wait(10 * SECOND);
    assert_eq!(world.drain("", Ended::Succeeded), ["a"]);
    assert_eq!(world.state_of(run), RunState::Succeeded);
}
