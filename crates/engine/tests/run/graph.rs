//! What the end of a step means for the steps around it.
//!
//! Skipping, tolerance, conditions, `finally`, retries, order, explanations: one small graph per
//! sentence. What holds for every graph is in `property`.

use crate::world::{SECOND, World, completion, denial, steps};
use engine::expression::Status;
use engine::run::{Command, Completion, Ended, Hold, Refusal, RunState, Scope, Work};

/// Runs the steps with `odd` ending so, and gives the picture and the run's state.
fn outcome(lines: &str, odd: &str, ended: Ended) -> (String, RunState, Option<String>) {
    let (mut world, run) = World::of(&steps(lines));
    world.drain(odd, ended);
    let failure = world.run(run).summary().failure.map(String::from);
    (world.picture(run), world.state_of(run), failure)
}

#[test]
fn a_failure_skips_what_depends_on_it_and_nothing_else() {
    let chain = "a:\nb: a\nc: b\nd: c\nx:\ny: x";
    let (picture, state, failure) = outcome(chain, "b", Ended::Failed);
    assert_eq!(picture, "a=succeeded b=failed c=skipped d=skipped x=succeeded y=succeeded");
    assert_eq!(state, RunState::Failed);
    assert_eq!(failure.as_deref(), Some("step `b` failed: exit code 1"));
}

#[test]
fn the_reason_of_a_skip_is_where_it_began() {
    let (mut world, run) = World::of(&steps("a:\nb: a\nc: b"));
    world.pass(run, "a", Ended::TimedOut);
    let line = |step: usize| world.run(run).view().steps[step].line.clone().unwrap();
    assert_eq!(line(1), "skipped: dependency timed_out: a");
    assert_eq!(line(2), "skipped: dependency timed_out: a");
    assert_eq!(line(0), "timed_out: stopped after 60s");
}

#[test]
fn a_tolerated_failure_stops_nothing() {
    let lines = "a:; allow_failure: true\nb: a";
    let rows = [
        (Ended::Failed, "a=failed b=succeeded", RunState::Succeeded),
        (Ended::TimedOut, "a=timed_out b=succeeded", RunState::Succeeded),
        (Ended::Cancelled, "a=cancelled b=skipped", RunState::Cancelled),
    ];
    for (ended, picture, state) in rows {
        let (found, run, _) = outcome(lines, "a", ended);
        assert_eq!((found.as_str(), run), (picture, state));
    }
    let (mut world, run) = World::of(&steps(lines));
    world.ask(&world.refuse(run, "a", denial())).unwrap();
    assert_eq!(world.picture(run), "a=denied b=skipped");
    assert_eq!(world.state_of(run), RunState::Failed);
}

#[test]
fn a_condition_that_asks_is_reached_whatever_happened() {
    let lines = "a:\nb: a; if: \"${{ failure() }}\"\nc: a; if: \"${{ run.id != '' }}\"\nd: b";
    let (mut world, run) = World::of(&steps(&lines.replace('\'', "\\\"")));
    world.pass(run, "a", Ended::Failed);
    assert_eq!(world.picture(run), "a=failed b=ready c=skipped d=pending");
    assert_eq!(world.run(run).status(world.place(run, "b")), Status::Failure);
    let facts = world.run(run).facts();
    assert_eq!(facts["a"].exit_code, Some(1));
    assert_eq!(facts.len(), 2, "only steps that ended");
    world.pass(run, "b", Ended::Succeeded);
    world.pass(run, "d", Ended::Succeeded);
    assert_eq!(world.state_of(run), RunState::Failed);
}

#[test]
fn status_counts_what_a_step_waits_for() {
    let lines = "a:\nb: a; if: \"${{ always() }}\"\nc: b; if: \"${{ always() }}\"\nx:
                 finally\nz:; if: \"${{ always() }}\"";
    let (mut world, run) = World::of(&steps(lines));
    let status = |world: &World, step| world.run(run).status(world.place(run, step));
    world.pass(run, "x", Ended::Failed);
    world.ask(&world.skip(run, "a")).unwrap();
    assert_eq!(status(&world, "b"), Status::Success, "skipped by its condition is no failure");
    world.ask(&world.refuse(run, "b", denial())).unwrap();
    assert_eq!(status(&world, "c"), Status::Failure);
    world.pass(run, "c", Ended::Succeeded);
    assert_eq!(status(&world, "z"), Status::Failure);

    let (mut world, run) = World::of(&steps("a:\nfinally\ny:\nz:"));
    world.pass(run, "a", Ended::Succeeded);
    world.pass(run, "y", Ended::Failed);
    let z = world.place(run, "z");
    assert_eq!(world.run(run).status(z), Status::Success, "it does not wait for y");
}

#[test]
fn a_false_condition_skips_dependants_and_is_no_failure() {
    let (mut world, run) = World::of(&steps("a:\nb: a\nc:"));
    assert_eq!(
        world.kinds(&world.skip(run, "a")),
        ["run.started", "step.skipped a", "step.skipped b"]
    );
    assert_eq!(world.kinds(&world.skip(run, "c")), ["step.skipped c", "run.finished"]);
    assert_eq!(world.state_of(run), RunState::Succeeded);
    let lines: Vec<_> = world.run(run).view().steps.into_iter().map(|step| step.line).collect();
    let expected = ["skipped: condition is false", "skipped: dependency skipped: a"];
    assert_eq!([lines[0].as_deref(), lines[1].as_deref()], expected.map(Some));
}

#[test]
fn finally_comes_last_whatever_happened() {
    let lines = "a:\nb: a\nx:\nfinally\ny:\nz: y";
    for (odd, ended) in [("", Ended::Succeeded), ("a", Ended::Failed), ("x", Ended::Cancelled)] {
        let (mut world, run) = World::of(&steps(lines));
        let order = world.drain(odd, ended);
        assert_eq!(order[order.len() - 2..], ["y".to_owned(), "z".to_owned()], "{odd}");
        assert!(world.state_of(run).is_final());
    }
    // A failure inside `finally` propagates there and fails the run.
    let (picture, state, _) = outcome(lines, "y", Ended::Failed);
    assert_eq!(picture, "a=succeeded b=succeeded x=succeeded y=failed z=skipped");
    assert_eq!(state, RunState::Failed);
}

#[test]
fn a_step_that_cannot_be_resolved_fails_unstarted() {
    let (mut world, run) = World::of(&steps("a:; retry: { max_attempts: 3 }\nb: a"));
    let refusal = Refusal::Invalid { message: "`run[0]` is empty".into() };
    let command = world.refuse(run, "a", refusal);
    let expected = ["run.started", "step.invalid a", "step.skipped b", "run.finished"];
    assert_eq!(world.kinds(&command), expected);
    let failure = world.run(run).summary().failure.unwrap();
    assert_eq!(&*failure, "step `a` failed: `run[0]` is empty");
}

#[test]
fn a_failed_attempt_is_tried_again_later() {
    let lines = "a:; retry: { max_attempts: 3, backoff: { base: 10s, factor: 3, jitter: false } }";
    let (mut world, run) = World::of(&steps(lines));
    for (attempt, wait) in [(1, 10 * SECOND), (2, 30 * SECOND)] {
        assert_eq!(world.next_name().as_deref(), Some("a"), "{attempt}");
        world.ask(&world.start(run, "a")).unwrap();
        let events = world.kinds(&world.finish(run, "a", Ended::Failed));
        assert_eq!(events, ["step.finished a", "step.retry_scheduled a"]);
        assert_eq!(world.state.next_deadline(), Some(world.now.after(wait)));
        world.wait(wait - 1);
        assert_eq!(world.next(), None);
        world.wait(1);
    }
    assert_eq!(
        world.state.next(world.now),
        Some(Work::Step { run, step: world.place(run, "a"), attempt: 3 })
    );
    world.ask(&world.start(run, "a")).unwrap();
    assert_eq!(
        world.kinds(&world.finish(run, "a", Ended::Failed)),
        ["step.finished a", "run.finished"]
    );
}

#[test]
fn what_is_tried_again() {
    let killed = Completion {
        retryable: true,
        ..Completion::failed(engine::run::Failure::Signal, "killed")
    };
    let for_good = Completion { retryable: false, ..completion(Ended::Failed) };
    let rows = [
        ("idempotent: true", completion(Ended::Failed), true),
        ("idempotent: true", completion(Ended::TimedOut), true),
        ("idempotent: true", killed.clone(), true),
        ("idempotent: true", for_good, false),
        ("idempotent: true", completion(Ended::Cancelled), false),
        ("idempotent: true", completion(Ended::Succeeded), false),
        ("idempotent: false", completion(Ended::Failed), true),
        ("idempotent: false", completion(Ended::TimedOut), false),
        ("idempotent: false", killed, false),
    ];
    for (extra, result, expected) in rows {
        let lines = format!("a:; retry: {{ max_attempts: 2 }}, {extra}");
        let (mut world, run) = World::of(&steps(&lines));
        world.ask(&world.start(run, "a")).unwrap();
        let report = world.report(run, "a", world.fence(run, "a"), result.clone());
        let again = world.kinds(&report).contains(&"step.retry_scheduled a".to_owned());
        assert_eq!(again, expected, "{extra} {result:?}");
    }
    // Without a retry rule there is one attempt.
    let (mut world, run) = World::of(&steps("a:"));
    world.pass(run, "a", Ended::Failed);
    assert_eq!(world.state_of(run), RunState::Failed);
}

#[test]
fn first_come_first_served() {
    let plan = steps("a:\nb:");
    let mut world = World::new(3);
    let (first, second) = (world.submit(&plan), world.submit(&plan));
    let mut order = Vec::new();
    while let Some((run, step)) = world.next() {
        let name = world.run(run).plan().node(step).unwrap().name.to_string();
        world.ask(&world.start(run, &name)).unwrap();
        order.push((run, name));
    }
    let expected =
        [(first, "a"), (first, "b"), (second, "a")].map(|(run, name)| (run, name.to_owned()));
    assert_eq!(order, expected);
    assert_eq!(world.state.slots_used(), 3);
    let explained = world.state.explain(&second, world.now).unwrap();
    assert_eq!(explained.steps[1].hold, Some(Hold::Slots { used: 3, limit: 3 }));
    let refused = world.ask(&world.start(second, "b"));
    assert_eq!(refused, Err(engine::run::Rejection::NotReady(Hold::Slots { used: 3, limit: 3 })));
    world.ask(&world.finish(first, "b", Ended::Succeeded)).unwrap();
    assert_eq!(world.next_name().as_deref(), Some("b"));
}

#[test]
fn explain_says_what_holds_each_step() {
    let lines = "a:; retry: { max_attempts: 2, backoff: { base: 10s, jitter: false } }
                 b: a
                 c:; idempotent: false
                 d:
                 e:
                 finally
                 z:";
    let (mut world, run) = World::of(&steps(lines));
    world.pass(run, "a", Ended::Failed);
    world.ask(&world.start(run, "c")).unwrap();
    world.ask(&Command::Recover { epoch: 4 }).unwrap();
    world.ask(&world.start(run, "d")).unwrap();
    let explained = world.state.explain(&run, world.now).unwrap();
    let lines: Vec<_> =
        explained.steps.iter().map(|step| format!("{}: {}", step.step, step.line)).collect();
    let expected = [
        "a: waits for the time of attempt 2",
        "b: needs a",
        "c: outcome unknown, to be settled by a person",
        "d: running",
        "e: ready: waits for its turn",
        "z: waits for 5 other steps to end",
    ];
    assert_eq!(lines, expected);
    assert_eq!(explained.steps[0].last.as_deref(), Some("failed: exit code 1"));
    assert_eq!(
        explained.steps[2].last.as_deref(),
        Some("lease lost: the owner ended while it ran")
    );
    assert_eq!(world.state.explain(&crate::world::run_id(9), world.now), None);
}

#[test]
fn retrying_one_step_sets_back_what_was_skipped_because_of_it() {
    let lines = "a:\nb: a\nc: b\nx:\nd: b x\ne: c; if: \"${{ failure() }}\"\nfinally\nz:";
    let (mut world, run) = World::of(&steps(lines));
    assert_eq!(world.drain("b", Ended::Failed), ["a", "b", "x", "e", "z"]);
    let retried = world.ask(&world.retry(run, "b", Scope::Step)).unwrap();
    let reset = serde_json::to_value(&retried[0].fact).unwrap()["reset"].clone();
    let mut names: Vec<_> =
        reset.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["b", "c", "d", "z"]);
    assert_eq!(world.state_of(run), RunState::Running);
    assert_eq!(world.drain("", Ended::Succeeded), ["b", "c", "d", "z"]);
    assert_eq!(world.state_of(run), RunState::Succeeded);
    assert_eq!(world.run(run).step_named("b").unwrap().attempt(), 2);
}

#[test]
fn retrying_does_not_pass_over_another_failure() {
    let (mut world, run) = World::of(&steps("a:\nb:\nc: a b"));
    world.pass(run, "a", Ended::Failed);
    world.pass(run, "b", Ended::Failed);
    let refused = world.ask(&world.retry(run, "c", Scope::Step));
    assert!(matches!(refused, Err(engine::run::Rejection::WrongState(_))));
    world.ask(&world.retry(run, "a", Scope::Step)).unwrap();
    assert_eq!(world.picture(run), "a=ready b=failed c=skipped");
    world.pass(run, "a", Ended::Succeeded);
    assert_eq!(world.state_of(run), RunState::Failed);
    world.ask(&world.retry(run, "b", Scope::Step)).unwrap();
    world.drain("", Ended::Succeeded);
    assert_eq!(world.picture(run), "a=succeeded b=succeeded c=succeeded");
}

#[test]
fn retrying_from_a_step_does_everything_after_it_again() {
    let (mut world, run) = World::of(&steps("a:\nb: a\nc: b\nx:\nfinally\nz:"));
    world.drain("", Ended::Succeeded);
    world.ask(&world.retry(run, "b", Scope::From)).unwrap();
    assert_eq!(world.picture(run), "a=succeeded b=ready c=pending x=succeeded z=pending");
    assert_eq!(world.drain("", Ended::Succeeded), ["b", "c", "z"]);
}

#[test]
fn a_waiting_retry_can_be_had_at_once() {
    let lines = "a:; retry: { max_attempts: 2, backoff: { base: 1h, jitter: false } }";
    let (mut world, run) = World::of(&steps(lines));
    world.pass(run, "a", Ended::Failed);
    assert_eq!(world.next(), None);
    world.ask(&world.retry(run, "a", Scope::Step)).unwrap();
    assert_eq!(world.drain("", Ended::Succeeded), ["a"]);
}

#[test]
fn retrying_what_a_waiting_step_needs_sets_the_waiting_step_back() {
    let retry = "retry: { max_attempts: 2, backoff: { base: 10s, jitter: false } }";
    let (mut world, run) = World::of(&steps(&format!("a:; allow_failure: true\nb: a; {retry}")));
    world.pass(run, "a", Ended::Failed);
    world.pass(run, "b", Ended::Failed);
    assert_eq!(world.picture(run), "a=failed b=retrying");
    world.ask(&world.retry(run, "a", Scope::Step)).unwrap();
    assert_eq!(world.picture(run), "a=ready b=pending");
    world.wait(10 * SECOND);
    assert_eq!(world.drain("", Ended::Succeeded), ["a", "b"]);
}

#[test]
fn a_due_retry_keeps_its_place_in_the_order() {
    let plan = steps("a:; retry: { max_attempts: 2, backoff: { base: 10s, jitter: false } }\nb: a");
    let mut world = World::new(1);
    let (first, second) = (world.submit(&plan), world.submit(&plan));
    world.pass(first, "a", Ended::Failed);
    assert_eq!(world.next().unwrap().0, second, "nobody waits for what is not due");
    world.wait(10 * SECOND);
    assert_eq!(world.next().unwrap().0, first, "the older run goes first");
    world.pass(second, "a", Ended::Failed);
    world.pass(first, "a", Ended::Succeeded);
    world.wait(10 * SECOND);
    assert_eq!((world.next().unwrap().0, world.next_name().as_deref()), (first, Some("b")));
}

#[test]
fn an_earlier_attempt_does_not_speak_for_a_denied_step() {
    let (mut world, run) = World::of(&steps("a:; retry: { max_attempts: 2 }\nfinally\nz:"));
    world.pass(run, "a", Ended::Failed);
    world.ask(&world.retry(run, "a", Scope::Step)).unwrap();
    world.pass(run, "a", Ended::Failed);
    world.wait(3600 * SECOND);
    world.ask(&world.refuse(run, "a", denial())).unwrap();
    assert_eq!(world.picture(run), "a=denied z=ready");
    assert_eq!(world.run(run).facts()["a"].exit_code, None);
    let view = world.run(run).view();
    assert_eq!(&*view.steps[0].stopped_by.as_ref().unwrap().name, "no-network");
    assert_eq!(view.steps[0].line.as_deref(), Some("denied: stopped by `no-network`"));
}

#[test]
fn the_failure_of_a_run_is_the_first_one() {
    let (mut world, run) = World::of(&steps("a:\nb:\nfinally\ny:\nz:"));
    world.pass(run, "b", Ended::TimedOut);
    world.pass(run, "a", Ended::Succeeded);
    world.pass(run, "y", Ended::Succeeded);
    world.pass(run, "z", Ended::Failed);
    let failure = world.run(run).summary().failure.unwrap();
    assert_eq!(&*failure, "step `b` timed_out: stopped after 60s");
    let (mut world, run) = World::of(&steps("a:\nb:"));
    world.pass(run, "b", Ended::Failed);
    world.pass(run, "a", Ended::TimedOut);
    assert_eq!(&*world.run(run).summary().failure.unwrap(), "step `b` failed: exit code 1");
}

#[test]
fn a_due_retry_behind_busy_slots_is_no_deadline() {
    let plan = steps("a:; retry: { max_attempts: 2, backoff: { base: 10s, jitter: false } }");
    let mut world = World::new(1);
    let (first, second) = (world.submit(&plan), world.submit(&plan));
    world.pass(first, "a", Ended::Failed);
    world.ask(&world.start(second, "a")).unwrap();
    world.wait(10 * SECOND);
    // Nothing can be done at the retry's time, so a loop that waited for it would spin.
    assert!(world.state.next_deadline().unwrap() > world.now);
    world.ask(&world.finish(second, "a", Ended::Succeeded)).unwrap();
    assert_eq!(
        world.state.next_deadline(),
        Some(world.now),
        "the control: with a slot free it counts"
    );
}

#[test]
fn several_failures_are_retried_together_or_not_at_all() {
    let (mut world, run) = World::of(&steps("a:\nb:\nc: a\nd:"));
    world.pass(run, "a", Ended::Failed);
    world.pass(run, "b", Ended::Failed);
    world.pass(run, "d", Ended::Succeeded);
    let all = |names: &[&str]| {
        let steps = names.iter().map(|name| world.place(run, name)).collect();
        Command::Retry { run, steps, scope: Scope::Step, by: "user:ada".into() }
    };
    let (one_good, none, both) = (all(&["a", "d"]), all(&[]), all(&["a", "b"]));
    let before = world.picture(run);
    for refused in [one_good, none] {
        assert!(matches!(world.ask(&refused), Err(engine::run::Rejection::WrongState(_))));
        assert_eq!(world.picture(run), before);
    }
    world.ask(&both).unwrap();
    assert_eq!(world.drain("", Ended::Succeeded), ["a", "b", "c"]);
    assert_eq!(world.state_of(run), RunState::Succeeded);
}
