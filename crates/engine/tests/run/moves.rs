//! Random moves of everybody who talks to the engine: submitters, the dispatcher, executors that
//! report well, badly, late or never, owners that restart, persons.
//!
//! Numbers become commands against the world as it is, so that a failing sequence shrinks. Some
//! are legal and some are not; what must hold is in `property`.

use crate::world::{SECOND, World, completion, denial, grant, run_id};
use engine::run::{
    Claim, Command, Ended, Fence, Phase, Plan, Refusal, RunId, Scope, Verdict, Wait, Work,
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
    match kind % 20 {
        0 | 1 => Some(submit(world, plans, first, second)),
        2..=6 => work(world.state.next(world.now)?, first),
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
            Some(Command::Retry { run: run?, step: step?, scope, by: "p".into() })
        }
        18 => {
            let (run, step) = pick(&unknown_steps(world), first)?;
            let verdict = match second % 2 {
                0 => Verdict::Failed,
                _ => Verdict::Succeeded { outputs: Map::new() },
            };
            Some(Command::Resolve { run, step, verdict, by: "p".into() })
        }
        _ => Some(start(run?, step?)),
    }
}

fn submit(world: &mut World, plans: &[Arc<Plan>], first: u16, second: u16) -> Command {
    let plan = &plans[usize::from(first) % plans.len()];
    let key = (second.is_multiple_of(4)).then(|| format!("key-{}", second / 64));
    world.runs += 1;
    Command::Submit { run: run_id(world.runs), submission: World::submission(plan, key.as_deref()) }
}

/// What the dispatcher makes of what is next: mostly a start.
fn work(next: Work, choice: u16) -> Option<Command> {
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
        (Work::Step { run, step, .. }, _) => start(run, step),
    })
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
