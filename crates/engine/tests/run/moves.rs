//! Random moves of everybody who talks to the engine: submitters, the dispatcher, executors that
//! report well, badly, late or never, owners that restart, persons.
//!
//! Numbers become commands against the world as it is, so that a failing sequence shrinks. Some
//! are legal and some are not; what must hold is in `property`.

use crate::world::{SECOND, World, approval_id, approved, completion, denial, grant, run_id};
use engine::run::{
    ApprovalId, Claim, Command, Ended, Fence, Phase, Plan, Refusal, Reviewer, Ruling, RunId, Scope,
    Verdict, Wait, Work,
};
use engine::workflow::StepIndex;
use serde_json::{Map, Value};
use std::sync::Arc;

/// One thing that somebody does: what, and two choices in it.
pub type Move = (u8, u16, u16);

const ENDS: [Ended; 6] = [
    Ended::Succeeded,
    Ended::Succeeded,
    Ended::Succeeded,
    Ended::Failed,
    Ended::TimedOut,
    Ended::Cancelled,
];

fn pick<T: Copy>(items: &[T], by: u16) -> Option<T> {
    items.get(usize::from(by) % items.len().max(1)).copied()
}

/// The command of a move; none where the world has nothing for it.
pub fn command(world: &mut World, plans: &[Arc<Plan>], made: Move) -> Option<Command> {
    let (kind, first, second) = made;
    let runs: Vec<RunId> = world.state.runs().map(|run| run.id()).collect();
    let run = pick(&runs, first);
    let step = run.map(|run| {
        let size = world.run(run).plan().size() as u32;
        StepIndex(u32::from(second) % size)
    });
    match kind % 23 {
        0 | 1 => Some(submit(world, plans, first, second)),
        2..=6 => {
            let next = world.state.next(world.now)?;
            work(world, next, first)
        }
        7..=11 => {
            let leases: Vec<Claim> = world.state.leases().collect();
            Some(finish(pick(&leases, first)?, pick(&ENDS, second)?, u64::from(second) << 48))
        }
        12 => {
            let fence = Fence::new(u32::from(second % 3), u32::from(first % 8));
            let claim = Claim { run: run?, step: step?, fence };
            Some(finish(claim, Ended::Succeeded, 0))
        }
        13 => {
            world.wait(u64::from(first % 128) * SECOND);
            let leases: Vec<Claim> = world.state.leases().collect();
            let claim = world.state.expired(world.now).or_else(|| pick(&leases, second))?;
            Some(Command::Expire { run: claim.run, step: claim.step, fence: claim.fence })
        }
        14 => (first % 4 == 0).then(|| World::cancel(run.unwrap_or(RunId::NIL))),
        15 => {
            let epoch = (world.state.epoch() + 1).saturating_sub(u32::from(second % 8 == 0));
            (first % 4 == 0).then_some(Command::Recover { epoch })
        }
        16 | 17 => {
            let scope = if kind < 128 { Scope::Step } else { Scope::From };
            let steps = match (second % 4, step?) {
                // Another beside it, which may not be legal or not even exist.
                (0, step) => vec![step, StepIndex(step.0 ^ 1)],
                (_, step) => vec![step],
            };
            Some(Command::Retry { run: run?, steps, scope, by: "p".into() })
        }
        18 => {
            let (run, step) = pick(&unknown_steps(world), first)?;
            let verdict = match second % 2 {
                0 => Verdict::Failed,
                _ => Verdict::Succeeded { outputs: Map::new() },
            };
            Some(Command::Resolve { run, step, verdict, by: "p".into() })
        }
        19 | 20 => answer(world, first, second),
        21 => {
            world.wait(u64::from(first % 128) * SECOND);
            let (run, step, approval) =
                world.state.lapsed(world.now).or_else(|| any_review(world, second))?;
            Some(Command::Lapse { run, step, approval })
        }
        _ => Some(start(run?, step?)),
    }
}

/// Any open request.
fn any_review(world: &World, by: u16) -> Option<(RunId, StepIndex, ApprovalId)> {
    let open: Vec<_> =
        world.state.reviews().map(|(run, step, review)| (run, step, review.request.id)).collect();
    pick(&open, by)
}

/// An answer to a request, open or not, by somebody who may give one or not.
fn answer(world: &World, first: u16, second: u16) -> Option<Command> {
    let (run, step, mut approval) = any_review(world, first)?;
    if second.is_multiple_of(16) {
        approval = approval_id(u32::from(first % 64));
    }
    if second % 16 == 1 {
        return Some(Command::Outdate { run, step, approval, why: "changed".into() });
    }
    let id = ["user:bob", "user:eve", "user:zoe", "user:ada"][usize::from(second / 16) % 4];
    let by = Reviewer { id: id.into(), roles: Vec::new() };
    let ruling = if (second / 64).is_multiple_of(8) { Ruling::Deny } else { Ruling::Approve };
    Some(Command::Answer { run, step, approval, ruling, by, reason: "".into() })
}

fn submit(world: &mut World, plans: &[Arc<Plan>], first: u16, second: u16) -> Command {
    let plan = &plans[usize::from(first) % plans.len()];
    let key = (second.is_multiple_of(4)).then(|| format!("key-{}", second / 64));
    world.runs += 1;
    Command::Submit { run: run_id(world.runs), submission: World::submission(plan, key.as_deref()) }
}

/// What the dispatcher makes of what is next: mostly a start.
fn work(world: &mut World, next: Work, choice: u16) -> Option<Command> {
    Some(match (next, choice % 16) {
        (Work::Conclude { run }, 0..4) => {
            Command::Conclude { run, outputs: Err("no value".into()) }
        }
        (Work::Conclude { run }, _) => Command::Conclude { run, outputs: Ok(Value::Null) },
        (Work::Step { run, step, .. }, 0) => Command::Skip { run, step },
        (Work::Step { run, step, .. }, 1) => Command::Refuse { run, step, refusal: denial() },
        (Work::Step { run, step, .. }, 2) => {
            let refusal = Refusal::Invalid { message: "template".into() };
            Command::Refuse { run, step, refusal }
        }
        (Work::Step { run, step, .. }, 3..6) => {
            let name = Arc::clone(&world.run(run).plan().node(step)?.name);
            world.suspend(run, &name, choice / 16 % 4)
        }
        (Work::Step { run, step, .. }, _) => begin(world, run, step),
    })
}

/// A start that uses the step's approval up where it has one.
pub fn begin(world: &World, run: RunId, step: StepIndex) -> Command {
    let review = world.run(run).step(step).and_then(|step| step.review());
    let grant = review.map_or_else(grant, |review| approved(review.request.id));
    Command::Start { run, step, grant, timeout_us: None }
}

pub fn start(run: RunId, step: StepIndex) -> Command {
    Command::Start { run, step, grant: grant(), timeout_us: None }
}

pub fn finish(claim: Claim, ended: Ended, entropy: u64) -> Command {
    let Claim { run, step, fence } = claim;
    Command::Finish { run, step, fence, result: Arc::new(completion(ended)), entropy }
}

/// Steps that wait for a person.
pub fn unknown_steps(world: &World) -> Vec<(RunId, StepIndex)> {
    let steps = world.state.runs().flat_map(|run| {
        let doubtful = |phase: &Phase| *phase == Phase::Waiting(Wait::Unknown);
        let steps = run.steps().filter(move |(_, _, step)| doubtful(step.phase()));
        steps.map(move |(place, ..)| (run.id(), place))
    });
    steps.collect()
}
