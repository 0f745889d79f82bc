//! Steps that wait for approvals: what is legal when, and what ends a request.
//! Who may answer is tested beside `may_answer`; every history is judged in `property`.

use crate::world::{EXPIRES, SECOND, World, approval_id, approved, denial, grant, steps};
use engine::run::{
    Command, Ended, Hold, Rejection, Ruling, RunId, RunState, Scope, StepState, Unfit,
};

/// A run of two steps, the first of which waits for `count` approvals.
fn waiting(count: u16) -> (World, RunId) {
    let (mut world, run) = World::of(&steps("a:; retry: { max_attempts: 2 }\nb: a"));
    let command = world.suspend(run, "a", count);
    assert_eq!(world.kinds(&command), ["run.started", "step.approval_requested a"]);
    (world, run)
}

fn start(world: &World, run: RunId) -> Command {
    let grant = approved(world.approval(run, "a"));
    Command::Start { run, step: world.place(run, "a"), grant, timeout_us: None }
}

#[test]
fn a_step_begins_with_every_approval_and_uses_them_up() {
    let (mut world, run) = waiting(2);
    assert_eq!(world.state_of(run), RunState::Waiting);
    assert_eq!(world.next(), None);
    let approval = world.approval(run, "a");
    let hold = |given| Hold::Approval {
        approval,
        given,
        needed: 2,
        expires: engine::run::Micros(1_000_000_000).after(EXPIRES),
    };
    assert_eq!(world.ask(&start(&world, run)), Err(Rejection::NotReady(hold(0))));
    let bob = world.answer(run, "a", Ruling::Approve, "user:bob");
    assert_eq!(world.kinds(&bob), ["approval.granted a"]);
    assert_eq!(world.ask(&bob), Err(Rejection::Unfit(Unfit::Twice)));
    assert_eq!(world.ask(&start(&world, run)), Err(Rejection::NotReady(hold(1))));
    let own = world.answer(run, "a", Ruling::Approve, "user:ada");
    assert_eq!(world.ask(&own), Err(Rejection::Unfit(Unfit::Requester)));
    let eve = world.answer(run, "a", Ruling::Approve, "user:eve");
    world.ask(&eve).unwrap();
    assert_eq!((world.state_of(run), world.next_name().as_deref()), (RunState::Running, Some("a")));
    let begin = start(&world, run);
    assert_eq!(world.kinds(&begin), ["approval.consumed a", "step.started a"]);
    assert_eq!(world.ask(&eve), Err(Rejection::NoRequest(approval)));
    assert_eq!(world.run(run).step_named("a").unwrap().review(), None);
}

#[test]
fn only_the_grant_that_was_approved_uses_the_approval() {
    let (mut world, run) = waiting(1);
    world.ask(&world.answer(run, "a", Ruling::Approve, "user:bob")).unwrap();
    let place = world.place(run, "a");
    let with = |grant| Command::Start { run, step: place, grant, timeout_us: None };
    let mut other = (*approved(world.approval(run, "a"))).clone();
    other.call = engine::run::Digest([9; 32]);
    for grant in [grant(), approved(approval_id(99)), other.into()] {
        let before = world.state.clone();
        assert!(world.ask(&with(grant)).is_err());
        assert_eq!(world.state, before);
    }
    world.ask(&start(&world, run)).unwrap();
    // A grant with an approval is no start where none was asked for.
    world.ask(&world.finish(run, "a", Ended::Succeeded)).unwrap();
    let b = world.place(run, "b");
    let stray = Command::Start { run, step: b, grant: approved(approval_id(0)), timeout_us: None };
    assert_eq!(world.ask(&stray), Err(Rejection::NoRequest(approval_id(0))));
}

#[test]
fn a_request_that_nobody_could_answer_is_none() {
    let (mut world, run) = World::of(&steps("a:"));
    let none = world.suspend(run, "a", 0);
    assert!(matches!(world.ask(&none), Err(Rejection::WrongState(_))));
    let late = world.suspend(run, "a", 1);
    world.wait(EXPIRES);
    assert!(matches!(world.ask(&late), Err(Rejection::WrongState(_))));
    assert_eq!(world.picture(run), "a=ready");
}

#[test]
fn a_request_ends_at_its_expiry_and_not_before() {
    let (mut world, run) = waiting(1);
    let lapse = |world: &World| {
        let (approval, step) = (world.approval(run, "a"), world.place(run, "a"));
        Command::Lapse { run, step, approval }
    };
    let due = world.now.after(EXPIRES);
    assert_eq!(world.state.next_deadline(), Some(due));
    world.wait(EXPIRES - SECOND);
    assert_eq!(world.state.lapsed(world.now), None);
    assert_eq!(world.ask(&lapse(&world)), Err(Rejection::NotDue(due)));
    world.ask(&world.answer(run, "a", Ruling::Approve, "user:bob")).unwrap();
    world.wait(SECOND);
    // It was given, and is worth nothing any more.
    assert!(matches!(world.ask(&start(&world, run)), Err(Rejection::NotReady(_))));
    assert!(world.state.lapsed(world.now).is_some());
    let expected = ["approval.expired a", "step.denied a", "step.skipped b", "run.finished"];
    assert_eq!(world.kinds(&lapse(&world)), expected);
}

#[test]
fn what_ends_or_repeats_a_step_voids_its_request() {
    type Row = (fn(&mut World, RunId) -> Command, &'static [&'static str]);
    let rows: [Row; 5] = [
        (
            |_, run| World::cancel(run),
            &["run.cancel_requested", "approval.stale a", "step.cancelled a"],
        ),
        (|world, run| world.retry(run, "a", Scope::Step), &["approval.stale a", "run.retried a"]),
        (
            |world, run| world.answer(run, "a", Ruling::Deny, "user:bob"),
            &["approval.denied a", "step.denied a", "step.skipped b"],
        ),
        (
            |world, run| {
                world.ask(&world.answer(run, "a", Ruling::Approve, "user:bob")).unwrap();
                world.refuse(run, "a", denial())
            },
            &["approval.stale a", "step.denied a", "step.skipped b"],
        ),
        (
            |world, run| {
                let (approval, step) = (world.approval(run, "a"), world.place(run, "a"));
                Command::Outdate { run, step, approval, why: "changed".into() }
            },
            &["approval.stale a"],
        ),
    ];
    for (act, expected) in rows {
        let (mut world, run) = waiting(1);
        let command = act(&mut world, run);
        let kinds = world.kinds(&command);
        assert_eq!(kinds[..expected.len()], *expected, "{kinds:?}");
        assert_eq!(world.state.reviews().count(), 0);
    }
}

#[test]
fn a_restart_leaves_a_request_open() {
    let (mut world, run) = waiting(1);
    let approval = world.approval(run, "a");
    world.ask(&Command::Recover { epoch: 3 }).unwrap();
    assert_eq!(world.approval(run, "a"), approval);
    let view = world.run(run).view();
    assert_eq!(view.steps[0].state, StepState::AwaitingApproval);
    assert!(view.steps[0].line.as_ref().unwrap().contains(&approval.to_string()));
    let explained = world.state.explain(&run, world.now).unwrap();
    assert_eq!(explained.steps[0].line, format!("waits for approval {approval} (0 of 1)"));
}
