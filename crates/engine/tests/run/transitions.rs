//! The truth table: each command against a step or run in each state.
//!
//! A row is a state and what each command does in it: `ok`, or the rejection. Rejections leave the
//! state untouched, which is checked for every cell.

use crate::world::{World, completion, denial, run_id, steps};
use engine::run::{
    Command, Digest, Ended, Hold, Rejection, RunId, RunState, Scope, State, Verdict, decide,
};
use serde_json::{Map, Value};
use std::sync::Arc;

/// A world whose step `b` is in this state; `a` has succeeded where it must have.
fn in_state(name: &str) -> (World, RunId) {
    let plan = steps(
        "a:
         b: a; idempotent: false, retry: { max_attempts: 2, backoff: { base: 10s, jitter: false } }",
    );
    let (mut world, run) = World::of(&plan);
    if name == "pending" {
        return (world, run);
    }
    world.pass(run, "a", Ended::Succeeded);
    match name {
        "ready" => {}
        "denied" => drop(world.ask(&world.refuse(run, "b", denial())).unwrap()),
        "skipped" => drop(world.ask(&world.skip(run, "b")).unwrap()),
        "cancelled" => drop(world.ask(&World::cancel(run)).unwrap()),
        _ => drop(world.ask(&world.start(run, "b")).unwrap()),
    }
    match name {
        "retrying" => drop(world.ask(&world.finish(run, "b", Ended::Failed)).unwrap()),
        "unknown" => drop(world.ask(&Command::Recover { epoch: 1 }).unwrap()),
        "cancelling" => drop(world.ask(&World::cancel(run)).unwrap()),
        "succeeded" => drop(world.ask(&world.finish(run, "b", Ended::Succeeded)).unwrap()),
        "timed_out" => drop(world.ask(&world.finish(run, "b", Ended::TimedOut)).unwrap()),
        "failed" => {
            world.ask(&world.finish(run, "b", Ended::Failed)).unwrap();
            world.wait(10_000_000);
            world.pass(run, "b", Ended::Failed);
        }
        _ => {}
    }
    (world, run)
}

fn word(answer: &Result<Vec<engine::run::Event>, Rejection>) -> &'static str {
    match answer {
        Ok(events) if events[0].kind() == "step.stale_result" => "stale",
        Ok(_) => "ok",
        Err(Rejection::NotReady(hold)) => match hold {
            Hold::Needs { .. } => "needs",
            Hold::Others { .. } => "others",
            Hold::Retry { .. } => "later",
            Hold::Slots { .. } => "slots",
            Hold::Approval { .. } => "approval",
            Hold::Unknown => "unknown",
            Hold::Running { .. } => "running",
            Hold::Cancelling { .. } => "stopping",
            Hold::Ended { .. } => "ended",
        },
        Err(Rejection::StaleFence { .. }) => "fence",
        Err(Rejection::NotDue(_)) => "early",
        Err(Rejection::AlreadyFinished(_)) => "over",
        Err(Rejection::AlreadyCancelling(_)) => "twice",
        Err(Rejection::WrongState(_)) => "wrong",
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn every_command_in_every_state_of_a_step() {
    let columns =
        ["start", "skip", "refuse", "finish", "expire", "cancel", "step", "from", "resolve"];
    #[rustfmt::skip]
    let table = [
        //             start      skip       refuse     finish   expire   cancel   step     from     resolve
        ("pending",    ["needs",   "needs",   "needs",   "stale", "fence", "ok",    "wrong", "wrong", "wrong"]),
        ("ready",      ["ok",      "ok",      "ok",      "stale", "fence", "ok",    "wrong", "wrong", "wrong"]),
        ("running",    ["running", "running", "running", "ok",    "early", "ok",    "wrong", "wrong", "wrong"]),
        ("cancelling", ["stopping","stopping","stopping","ok",    "early", "twice", "twice", "twice", "wrong"]),
        ("retrying",   ["later",   "later",   "later",   "stale", "fence", "ok",    "ok",    "ok",    "wrong"]),
        ("unknown",    ["unknown", "unknown", "unknown", "stale", "fence", "ok",    "ok",    "ok",    "ok"]),
        ("succeeded",  ["ended",   "ended",   "ended",   "stale", "fence", "over",  "wrong", "ok",    "wrong"]),
        ("failed",     ["ended",   "ended",   "ended",   "stale", "fence", "over",  "ok",    "ok",    "wrong"]),
        ("timed_out",  ["ended",   "ended",   "ended",   "stale", "fence", "over",  "ok",    "ok",    "wrong"]),
        ("cancelled",  ["ended",   "ended",   "ended",   "stale", "fence", "over",  "ok",    "ok",    "wrong"]),
        ("skipped",    ["ended",   "ended",   "ended",   "stale", "fence", "over",  "ok",    "ok",    "wrong"]),
        ("denied",     ["ended",   "ended",   "ended",   "stale", "fence", "over",  "ok",    "ok",    "wrong"]),
    ];
    for (name, expected) in table {
        for (column, expected) in columns.into_iter().zip(expected) {
            let (mut world, run) = in_state(name);
            let fence = world.run(run).step_named("b").unwrap().trail();
            let fence = fence.and_then(|trail| trail.fence).unwrap_or(engine::run::Fence(9));
            let step = world.place(run, "b");
            let command = match column {
                "start" => world.start(run, "b"),
                "skip" => world.skip(run, "b"),
                "refuse" => world.refuse(run, "b", denial()),
                "finish" => world.report(run, "b", fence, completion(Ended::Succeeded)),
                "expire" => Command::Expire { run, step, fence },
                "cancel" => World::cancel(run),
                "step" => world.retry(run, "b", Scope::Step),
                "from" => world.retry(run, "b", Scope::From),
                _ => world.resolve(run, "b", Verdict::Failed),
            };
            let before = world.state.clone();
            let answer = world.ask(&command);
            assert_eq!(word(&answer), expected, "{column} while {name}");
            if !matches!(word(&answer), "ok") {
                assert_eq!(world.state, before, "{column} while {name}");
            }
        }
    }
}

#[test]
fn a_run_goes_through_its_states() {
    let (mut world, run) = in_state("pending");
    assert_eq!(world.state_of(run), RunState::Queued);
    world.pass(run, "a", Ended::Succeeded);
    assert_eq!(world.state_of(run), RunState::Running);
    let rows = [
        ("running", RunState::Running),
        ("cancelling", RunState::Running),
        ("retrying", RunState::Waiting),
        ("unknown", RunState::Waiting),
        ("succeeded", RunState::Succeeded),
        ("failed", RunState::Failed),
        ("timed_out", RunState::Failed),
        ("cancelled", RunState::Cancelled),
        ("skipped", RunState::Succeeded),
        ("denied", RunState::Failed),
    ];
    for (name, expected) in rows {
        let (world, run) = in_state(name);
        assert_eq!(world.state_of(run), expected, "{name}");
        assert_eq!(world.run(run).conclusion().is_some(), expected.is_final(), "{name}");
    }
}

#[test]
fn what_is_unknown_is_refused() {
    let (mut world, run) = in_state("pending");
    let plan = world.run(run).plan().clone();
    let submission = World::submission(&plan, None);
    let fresh = State::new(1);
    let submit = Command::Submit { run, submission };
    let answer = decide(&fresh, &submit, world.now);
    assert_eq!(answer, Err(Rejection::UnknownWorkflow(plan.digest())));
    assert_eq!(world.ask(&submit), Err(Rejection::AlreadySubmitted { run, same: false }));
    let nobody = run_id(99);
    assert_eq!(world.ask(&World::cancel(nobody)), Err(Rejection::UnknownRun(nobody)));
    let step = engine::workflow::StepIndex(2);
    let skip = Command::Skip { run, step };
    assert_eq!(world.ask(&skip), Err(Rejection::UnknownStep { run, step }));
    let nil = Command::Submit { run: RunId::NIL, submission: World::submission(&plan, None) };
    assert!(matches!(world.ask(&nil), Err(Rejection::AlreadySubmitted { .. })));
}

#[test]
fn one_run_per_principal_and_key() {
    let mut world = World::new(1);
    let (plan, other) = (steps("a:"), steps("a:\nb:"));
    world.state.know(plan.clone());
    world.state.know(other.clone());
    let (first, second) = (run_id(0), run_id(1));
    let submit = |run, plan, key| Command::Submit { run, submission: World::submission(plan, key) };
    world.ask(&submit(first, &plan, Some("k"))).unwrap();
    assert_eq!(world.state.run_of_key("user:ada", "k"), Some(first));
    assert_eq!(world.state.run_of_key("user:bob", "k"), None);
    let taken = |same| Err(Rejection::AlreadySubmitted { run: first, same });
    assert_eq!(world.ask(&submit(second, &plan, Some("k"))), taken(true));
    assert_eq!(world.ask(&submit(second, &other, Some("k"))), taken(false));
    let mut others = World::submission(&plan, Some("k"));
    Arc::make_mut(&mut others).inputs = serde_json::json!({ "n": 1 });
    assert_eq!(world.ask(&Command::Submit { run: second, submission: others }), taken(false));
    assert!(world.ask(&submit(second, &plan, Some("l"))).is_ok());
    // A key is free again where its run is forgotten; from then on a projection answers for it.
    world.drain("", Ended::Succeeded);
    assert!(world.state.forget(&first));
    assert_eq!(world.state.run_of_key("user:ada", "k"), None);
    assert!(world.ask(&submit(run_id(2), &plan, Some("k"))).is_ok());
    world.state.apply(&world.history[0]).unwrap();
    world.state.apply(world.history.iter().rfind(|event| event.run == first).unwrap()).unwrap();
    assert!(world.state.forget(&first));
    assert_eq!(world.state.run_of_key("user:ada", "k"), Some(run_id(2)));
}

#[test]
fn outputs_are_worked_out_before_a_run_succeeds() {
    let plan = steps("a:\nb: a\noutputs: { x: \"${{ run.id }}\" }");
    for (outputs, expected) in [
        (Ok(Value::Object(Map::new())), RunState::Succeeded),
        (Err("no value".into()), RunState::Failed),
    ] {
        let (mut world, run) = World::of(&plan);
        let conclude = Command::Conclude { run, outputs };
        assert!(matches!(world.ask(&conclude), Err(Rejection::WrongState(_))));
        world.drain("", Ended::Succeeded);
        assert_eq!(world.state_of(run), RunState::Running);
        assert_eq!(world.state.next(world.now), Some(engine::run::Work::Conclude { run }));
        assert_eq!(world.kinds(&conclude), ["run.finished"]);
        assert_eq!(world.state_of(run), expected);
        assert_eq!(world.state.next(world.now), None);
        assert_eq!(world.ask(&conclude), Err(Rejection::AlreadyFinished(run)));
    }
    // A run that did not succeed has no outputs and ends with its last step.
    let (mut world, run) = World::of(&plan);
    world.drain("a", Ended::Failed);
    assert_eq!(world.state_of(run), RunState::Failed);
}

#[test]
fn an_ended_run_can_be_forgotten_and_folded_again() {
    let plan = steps("a:\nb: a");
    let (mut world, run) = World::of(&plan);
    assert!(!world.state.forget(&run), "it has not ended");
    world.drain("b", Ended::Failed);
    let view = world.run(run).view();
    assert!(world.state.forget(&run));
    assert!(!world.state.forget(&run));
    assert_eq!(world.state.run(&run), None);
    let cancel = World::cancel(run);
    assert_eq!(world.ask(&cancel), Err(Rejection::UnknownRun(run)));
    let digest = plan.digest();
    assert!(world.state.plan(&digest).is_some(), "somebody else holds the plan");
    world.state.know(plan);
    for event in world.history.clone() {
        world.state.apply(&event).unwrap();
    }
    assert_eq!(world.run(run).view(), view);
    world.ask(&world.retry(run, "b", Scope::Step)).unwrap();
    assert_eq!(world.drain("", Ended::Succeeded), ["b"]);
    assert_eq!(world.state_of(run), RunState::Succeeded);
    assert!(world.state.forget(&run));
    assert_eq!(world.state.plan(&digest), None, "nobody else holds the plan");
}

#[test]
fn events_that_do_not_fit_are_refused() {
    let (world, run) = in_state("failed");
    let mut empty = State::new(1);
    for event in &world.history {
        let before = empty.clone();
        assert!(empty.apply(event).is_err(), "{event:?}");
        assert_eq!(empty, before);
    }
    let mut state = world.state.clone();
    assert!(state.apply(&world.history[0]).is_err(), "submitted twice");
    let mut odd = world.history[2].clone();
    odd.fact = engine::run::Fact::StepCancelled { step: "nobody".into() };
    assert!(state.apply(&odd).is_err());
    assert_eq!(state, world.state);
    assert_ne!(state.plan(&Digest([0; 32])), state.run(&run).map(engine::run::Run::plan));
}
