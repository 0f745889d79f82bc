//! What holds for every graph and every sequence of commands, legal or not.
//!
//! 1. Folding the events, also after a trip through JSON, gives the live state.
//! 2. The checker accepts the history: needs first, one end per fence, slots, attempts.
//! 3. A rejected command changes nothing.
//! 4. When faults stop, every run ends.
//! 5. `explain` and `decide` agree on what holds a step.
//! 6. A step that asked for an approval begins with it or with none at all, and an approval is used once.
//!
//! The checker's own eyesight is tested on histories that are spoiled on purpose.

use crate::checker::Checker;
use crate::dag::{Dag, dag};
use crate::moves::{Move, begin, command, finish, unknown_steps};
use crate::world::{SECOND, World};
use engine::run::{
    Command, Ended, Event, Fact, Fence, Plan, Rejection, RunState, Scope, State, Verdict, Work,
    decide,
};
use engine::workflow::StepIndex;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A history of these moves.
fn play(plans: &[Arc<Plan>], slots: u32, moves: &[Move]) -> World {
    let mut world = World::new(slots);
    for plan in plans {
        world.state.know(Arc::clone(plan));
    }
    for &made in moves {
        world.wait(u64::from(made.1 % 3) * SECOND);
        let Some(command) = command(&mut world, plans, made) else { continue };
        let before =
            decide(&world.state, &command, world.now).is_err().then(|| world.state.clone());
        let answer = world.ask(&command);
        if let Some(before) = before {
            assert!(answer.is_err() && world.state == before, "{command:?}");
        }
    }
    world
}

/// What `explain` says of every open step is what starting it is refused with.
fn explained_as_decided(world: &World) {
    for run in world.state.runs() {
        for waiting in world.state.explain(&run.id(), world.now).unwrap().steps {
            let step = run.plan().find(&waiting.step).unwrap();
            let answer = decide(&world.state, &begin(world, run.id(), step), world.now);
            assert_eq!(answer.err(), waiting.hold.map(Rejection::NotReady), "{}", waiting.line);
        }
    }
}

/// Lets everything come to its end: steps succeed, persons answer, time passes.
fn calm(world: &mut World) {
    let most = 100 + 30 * world.history.len();
    for _ in 0..most {
        if world.state.runs().all(|run| run.state().is_final()) {
            return;
        }
        let claim = world.state.leases().next();
        let command = match (world.state.next(world.now), claim, unknown_steps(world).first()) {
            (Some(Work::Step { run, step, .. }), ..) => match world.state.lapsed(world.now) {
                Some((run, step, approval)) => Command::Lapse { run, step, approval },
                None => begin(world, run, step),
            },
            (Some(Work::Conclude { run }), ..) => {
                Command::Conclude { run, outputs: Ok(Value::Null) }
            }
            (None, Some(claim), _) => finish(claim, Ended::Succeeded, 0),
            (None, None, Some(&(run, step))) => {
                Command::Resolve { run, step, verdict: Verdict::Failed, by: "p".into() }
            }
            (None, None, None) if world.state.lapsed(world.now).is_some() => {
                let (run, step, approval) = world.state.lapsed(world.now).unwrap();
                Command::Lapse { run, step, approval }
            }
            (None, None, None) => {
                world.now = world.state.next_deadline().expect("nothing left to wait for");
                continue;
            }
        };
        world.ask(&command).unwrap();
    }
    panic!("runs do not end");
}

/// The state that a history folds to.
fn folded(plans: &[Arc<Plan>], slots: u32, history: &[Event]) -> State {
    let mut state = State::new(slots);
    for plan in plans {
        state.know(Arc::clone(plan));
    }
    for event in history {
        state.apply(event).unwrap();
    }
    state
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_is_sound(
        dags in proptest::collection::vec(dag(true), 1..=2),
        slots in 1..=3_u32,
        moves in proptest::collection::vec(any::<Move>(), 0..160),
    ) {
        let plans: Vec<_> = dags.iter().map(Dag::plan).collect();
        let mut world = play(&plans, slots, &moves);
        explained_as_decided(&world);
        calm(&mut world);
        prop_assert_eq!(Checker::open(&world.history), BTreeSet::new());
        Checker::judge(slots, &plans, &world.history).map_err(TestCaseError::fail)?;
        prop_assert_eq!(&folded(&plans, slots, &world.history), &world.state);
        let json = serde_json::to_vec(&world.history).unwrap();
        let read: Vec<Event> = serde_json::from_slice(&json).unwrap();
        prop_assert_eq!(&read, &world.history);
        prop_assert_eq!(&folded(&plans, slots, &read), &world.state);
    }

    #[test]
    fn each_step_may_fail(dag in dag(false)) {
        let plan = dag.plan();
        for (place, failing) in plan.steps() {
            let (mut world, run) = World::of(&plan);
            world.drain(&failing.name, Ended::Failed);
            let lost = dependants(&plan, place);
            for (other, node, step) in world.run(run).steps() {
                let expected = if other == place {
                    "failed"
                } else if lost.contains(&other) {
                    "skipped"
                } else {
                    "succeeded"
                };
                prop_assert_eq!(step.outcome().unwrap().name(), expected, "{}", node.name);
            }
            prop_assert_eq!(world.state_of(run), RunState::Failed);
            let command = world.retry(run, &failing.name, Scope::Step);
            world.ask(&command).unwrap();
            world.drain("", Ended::Succeeded);
            prop_assert_eq!(world.state_of(run), RunState::Succeeded);
            Checker::judge(2, std::slice::from_ref(&plan), &world.history).map_err(TestCaseError::fail)?;
        }
    }

    #[test]
    fn each_step_may_be_repeated(dag in dag(false)) {
        let plan = dag.plan();
        for (_, repeated) in plan.steps() {
            let (mut world, run) = World::of(&plan);
            while let Some((run, step)) = world.next() {
                let name = Arc::clone(&plan.node(step).unwrap().name);
                let command = world.start(run, &name);
                world.ask(&command).unwrap();
                let report = world.finish(run, &name, Ended::Succeeded);
                if name == repeated.name && world.run(run).step_named(&name).unwrap().attempt() == 1 {
                    let epoch = world.state.epoch() + 1;
                    world.ask(&Command::Recover { epoch }).unwrap();
                    prop_assert_eq!(world.kinds(&report), [format!("step.stale_result {name}")]);
                    continue;
                }
                world.ask(&report).unwrap();
                let before = world.state.clone();
                prop_assert_eq!(world.kinds(&report), [format!("step.stale_result {name}")]);
                prop_assert_eq!(&world.state, &before);
            }
            prop_assert_eq!(world.state_of(run), RunState::Succeeded);
            for (_, node, step) in world.run(run).steps() {
                let attempts = 1 + u32::from(node.name == repeated.name);
                prop_assert_eq!(step.attempt(), attempts);
            }
            Checker::judge(2, std::slice::from_ref(&plan), &world.history).map_err(TestCaseError::fail)?;
        }
    }
}

/// Steps of the same list that a chain of needs leads to, by another way than the engine's.
fn dependants(plan: &Plan, from: StepIndex) -> BTreeSet<StepIndex> {
    let mut lost = BTreeSet::from([from]);
    loop {
        let more =
            plan.steps().filter(|(_, node)| node.needs.iter().any(|need| lost.contains(need)));
        let grown: BTreeSet<_> = lost.iter().copied().chain(more.map(|(place, _)| place)).collect();
        if grown.len() == lost.len() {
            lost.remove(&from);
            return lost;
        }
        lost = grown;
    }
}

#[test]
fn the_moves_reach_every_kind_of_event() {
    let mut runner = TestRunner::deterministic();
    let graphs = proptest::collection::vec(dag(true), 2);
    let moves = proptest::collection::vec(any::<Move>(), 160);
    let mut kinds = BTreeSet::new();
    for _ in 0..100 {
        let plans: Vec<_> =
            graphs.new_tree(&mut runner).unwrap().current().iter().map(Dag::plan).collect();
        let world = play(&plans, 2, &moves.new_tree(&mut runner).unwrap().current());
        kinds.extend(world.history.iter().map(Event::kind));
    }
    assert_eq!(kinds.len(), 24, "{kinds:?}");
}

/// A sound history to be spoiled: two steps in a row, a repeat, a late report.
fn sound() -> (Arc<Plan>, Vec<Event>) {
    let plan = crate::world::steps("a:\nb: a\nc:\nfinally\nz:");
    let (mut world, run) = World::of(&plan);
    world.ask(&world.start(run, "a")).unwrap();
    world.ask(&world.start(run, "c")).unwrap();
    world.ask(&world.finish(run, "c", Ended::Succeeded)).unwrap();
    world.ask(&Command::Recover { epoch: 1 }).unwrap();
    world.drain("", Ended::Succeeded);
    let history = world.history;
    (plan, history)
}

#[test]
fn the_checker_sees_spoiled_histories() {
    let (plan, history) = sound();
    let plans = [plan];
    let judge = |slots, history: &[Event]| Checker::judge(slots, &plans, history);
    assert_eq!(judge(2, &history), Ok(()));
    let at = |kind: &str, step: &str| {
        let wanted = format!("{kind} {step}");
        history.iter().position(|event| crate::world::shown(event) == wanted).unwrap()
    };
    let without = |gone: usize| {
        let mut spoiled = history.clone();
        spoiled.remove(gone);
        spoiled
    };
    let twice = |again: usize| {
        let mut spoiled = history.clone();
        spoiled.insert(again + 1, history[again].clone());
        spoiled
    };
    let mut refenced = history.clone();
    let started = at("step.started", "b");
    if let Fact::StepStarted { fence, .. } = &mut refenced[started].fact {
        *fence = Fence::new(0, 1);
    }
    let rows = [
        ("more leases than slots", judge(1, &history)),
        ("started before its needs", judge(2, &without(at("step.finished", "a")))),
        ("a fence ended twice", judge(2, &without(at("step.started", "c")))),
        ("a fence ended twice", judge(2, &twice(at("step.finished", "a")))),
        ("a fence did not rise", judge(2, &twice(started))),
        ("a fence did not rise", judge(2, &refenced)),
        ("finally started before", judge(2, &without(at("step.finished", "c")))),
        ("a run ended before its steps", judge(2, &without(at("step.finished", "z")))),
        ("event after the end", judge(2, &twice(history.len() - 1))),
    ];
    for (expected, found) in rows {
        let found = found.expect_err(expected);
        assert!(found.starts_with(expected), "{expected}: {found}");
    }
}
