//! Cancelling a run in each situation.
//!
//! Queued, running, waiting, already stopping, and taken up again afterwards.

use crate::world::{SECOND, World, steps};
use engine::expression::Status;
use engine::run::{Command, Ended, LEASE_GRACE_US, RunState, Scope};

#[test]
fn a_queued_run_ends_at_once() {
    let (mut world, run) = World::of(&steps("a:\nb: a\nfinally\nz:"));
    let expected = [
        "run.cancel_requested",
        "step.cancelled a",
        "step.cancelled b",
        "step.cancelled z",
        "run.finished",
    ];
    assert_eq!(world.kinds(&World::cancel(run)), expected);
    assert_eq!(world.state_of(run), RunState::Cancelled);
    let failure = world.run(run).summary().failure.unwrap();
    assert_eq!(&*failure, "cancelled by `user:ada`: not needed");
    assert_eq!(world.next(), None);
}

#[test]
fn running_steps_are_told_and_finally_still_runs() {
    let (mut world, run) = World::of(&steps("a:\nb: a\nx:\nfinally\nz:"));
    world.ask(&world.start(run, "a")).unwrap();
    world.ask(&world.start(run, "x")).unwrap();
    assert_eq!(world.state.cancelling().count(), 0);
    let expected = ["run.cancel_requested", "step.cancelled b"];
    assert_eq!(world.kinds(&World::cancel(run)), expected);
    assert_eq!(world.state.cancelling().count(), 2);
    world.ask(&world.finish(run, "a", Ended::Cancelled)).unwrap();
    assert_eq!(world.state.cancelling().count(), 1);
    // What ended well before it was told to stop did end well.
    world.ask(&world.finish(run, "x", Ended::Succeeded)).unwrap();
    assert_eq!(world.picture(run), "a=cancelled b=cancelled x=succeeded z=ready");
    assert_eq!(world.run(run).status(world.place(run, "z")), Status::Cancelled);
    world.ask(&world.start(run, "z")).unwrap();
    assert_eq!(world.state.cancelling().count(), 0, "finally is not stopped");
    world.ask(&world.finish(run, "z", Ended::Succeeded)).unwrap();
    assert_eq!(world.state_of(run), RunState::Cancelled);
}

#[test]
fn a_failure_while_stopping_is_not_tried_again() {
    let (mut world, run) = World::of(&steps("a:; retry: { max_attempts: 5 }"));
    world.ask(&world.start(run, "a")).unwrap();
    world.ask(&World::cancel(run)).unwrap();
    let report = world.finish(run, "a", Ended::Failed);
    assert_eq!(world.kinds(&report), ["step.finished a", "run.finished"]);
    assert_eq!(world.state_of(run), RunState::Cancelled);
}

#[test]
fn waiting_steps_are_cancelled() {
    let lines = "a:; retry: { max_attempts: 2, backoff: { base: 1h, jitter: false } }
                 b:; idempotent: false";
    let (mut world, run) = World::of(&steps(lines));
    world.pass(run, "a", Ended::Failed);
    world.ask(&world.start(run, "b")).unwrap();
    world.ask(&Command::Recover { epoch: 1 }).unwrap();
    assert_eq!(world.picture(run), "a=retrying b=unknown");
    world.ask(&World::cancel(run)).unwrap();
    assert_eq!(world.picture(run), "a=cancelled b=cancelled");
    assert_eq!((world.state_of(run), world.state.next_deadline()), (RunState::Cancelled, None));
}

#[test]
fn a_stop_that_is_not_confirmed_ends_with_the_lease() {
    for idempotent in [true, false] {
        let (mut world, run) = World::of(&steps(&format!("a:; idempotent: {idempotent}")));
        world.ask(&world.start(run, "a")).unwrap();
        world.ask(&World::cancel(run)).unwrap();
        world.wait(10 * SECOND + LEASE_GRACE_US);
        assert!(world.state.expired(world.now).is_some());
        let expire = world.expire(run, "a");
        assert_eq!(world.kinds(&expire), ["step.finished a", "run.finished"]);
        assert_eq!(world.state_of(run), RunState::Cancelled);
        let line = world.run(run).view().steps[0].line.clone().unwrap();
        assert_eq!(line, "cancelled: lease lost: its lease ran out without a report");
    }
}

#[test]
fn a_restart_while_stopping_does_not_begin_again() {
    let (mut world, run) = World::of(&steps("a:\nfinally\nz:"));
    world.ask(&world.start(run, "a")).unwrap();
    world.ask(&World::cancel(run)).unwrap();
    world.ask(&Command::Recover { epoch: 1 }).unwrap();
    assert_eq!(world.picture(run), "a=cancelled z=ready");
    world.drain("", Ended::Succeeded);
    assert_eq!(world.state_of(run), RunState::Cancelled);
}

#[test]
fn a_cancelled_run_can_be_taken_up_again_from_a_step() {
    let (mut world, run) = World::of(&steps("a:\nb: a\nc: b"));
    world.pass(run, "a", Ended::Succeeded);
    world.ask(&World::cancel(run)).unwrap();
    world.ask(&world.retry(run, "b", Scope::Step)).unwrap();
    assert_eq!(world.picture(run), "a=succeeded b=ready c=pending");
    assert!(world.run(run).cancellation().is_none());
    assert_eq!(world.drain("", Ended::Succeeded), ["b", "c"]);
    assert_eq!(world.state_of(run), RunState::Succeeded);
}

#[test]
fn helping_a_last_step_does_not_undo_the_cancellation() {
    let lines = "a:\nfinally\nz:; idempotent: false";
    let (mut world, run) = World::of(&steps(lines));
    world.ask(&world.start(run, "a")).unwrap();
    world.ask(&World::cancel(run)).unwrap();
    world.ask(&world.finish(run, "a", Ended::Cancelled)).unwrap();
    world.ask(&world.start(run, "z")).unwrap();
    world.ask(&Command::Recover { epoch: 1 }).unwrap();
    assert_eq!(world.picture(run), "a=cancelled z=unknown");
    world.ask(&world.retry(run, "z", Scope::Step)).unwrap();
    assert!(world.run(run).cancellation().is_some());
    assert_eq!(world.drain("", Ended::Succeeded), ["z"]);
    assert_eq!(world.state_of(run), RunState::Cancelled);
}
