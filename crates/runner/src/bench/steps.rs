//! Whole steps — claim, decide, record, run nothing, record, complete — at full durability.
//!
//! The executor does nothing and everything else is real: the dispatcher, the gate with a policy, the journal on
//! disk. The cost of a claim is measured on the engine alone, with few and with many steps queued.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use engine::policy::Policy;
use engine::policy::document::Source;
use engine::run::{
    Command, Completion, Ended, Event, Grant, Micros, Plan, RunId, State, Submission as Submitted,
    Work, decide,
};
use engine::workflow::Workflow;
use serde_json::Value;

use super::{BenchError, Measured, metric, note, sample};
use crate::gate::{self, Principal};
use crate::layout::Layout;
use crate::node::{Adopt, Node, Options, Submission};
use crate::owner::{self, Doing};
use crate::workflow;

/// Steps of one run.
const STEPS: usize = 1_000;
/// Runs measured at each number of slots.
const RUNS: usize = 20;
/// One-step runs, one after the other.
const SINGLES: usize = 200;
/// Claims timed together: one is too short for the clock.
const CLAIMS: usize = 50;
/// Batches of claims at each queue length.
const CLAIM_BATCHES: usize = 40;

const POLICY: &str = "version: 1\nname: bench\nrules:\n  - { name: all, match: { tool: exec.run }, action: allow }\n";

pub(super) fn measure(folder: &Path) -> Measured {
    let few = throughput(&folder.join("24"), 24)?;
    let many = throughput(&folder.join("256"), 256)?;
    let single = singles(&folder.join("single"))?;
    let (short, long) = (claims(1_000)?, claims(1_000_000)?);
    let metrics = vec![
        metric("steps_per_s_24", few.per_second, "1/s"),
        metric("flushes_per_step", few.flushes, "count"),
        metric("steps_per_s_256", many.per_second, "1/s"),
        metric("flushes_per_step_256", many.flushes, "count"),
        metric("run_noop_p50_ms", single.percentile(0.5) / 1000.0, "ms"),
        metric("run_noop_p99_ms", single.percentile(0.99) / 1000.0, "ms"),
        metric("claim_1e3_p50_us", short, "us"),
        metric("claim_1e6_p50_us", long, "us"),
        metric("claim_cost_1e6_over_1e3", long / short, "ratio"),
    ];
    let notes = vec![
        note(
            "steps",
            format!(
                "{RUNS} runs of {STEPS} independent steps at 24 and at 256 slots; each step is decided by policy, its start durable before it begins and its end durable before it counts"
            ),
        ),
        note(
            "run",
            format!(
                "{SINGLES} runs of one step, one after the other, from submission to the durable end as a watcher sees it"
            ),
        ),
        note(
            "claim",
            format!(
                "next, start and finish on the engine's state with 10^3 and 10^6 one-step runs queued, mean of {CLAIMS} a sample, median of {CLAIM_BATCHES}"
            ),
        ),
    ];
    Ok(("steps", notes, metrics))
}

struct Throughput {
    per_second: f64,
    flushes: f64,
}

fn throughput(folder: &Path, slots: u32) -> Result<Throughput, BenchError> {
    let node = node(folder, slots)?;
    let workflow = steps(STEPS)?;
    // The first run warms the process up and is not counted.
    finish(&node, &workflow, 1)?;
    let before = node.journal_stats().commits;
    let (result, took) = sample::time(|| finish(&node, &workflow, RUNS));
    result?;
    let flushes = node.journal_stats().commits - before;
    node.stop().map_err(|error| BenchError::new("the node", error))?;
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let (total, flushes) = ((STEPS * RUNS) as f64, flushes as f64);
    Ok(Throughput { per_second: total / took.as_secs_f64(), flushes: flushes / total })
}

fn singles(folder: &Path) -> Result<sample::Sample, BenchError> {
    let node = node(folder, 4)?;
    let workflow = steps(1)?;
    let sample = sample::Sample::of(10, SINGLES, || finish(&node, &workflow, 1));
    node.stop().map_err(|error| BenchError::new("the node", error))?;
    sample
}

/// Submits `runs` runs and waits until all of them have ended durably.
fn finish(node: &Node, workflow: &Arc<Workflow>, runs: usize) -> Result<(), BenchError> {
    const PATIENCE: Duration = Duration::from_secs(120);
    let (watcher, events) = channel();
    for _ in 0..runs {
        let submission = Submission {
            workflow: Arc::clone(workflow),
            name: "bench.yaml".to_owned(),
            inputs: Value::Null,
            key: None,
        };
        node.submit(submission, Some(watcher.clone()))
            .map_err(|error| BenchError::new("submitting", error))?;
    }
    let mut left = runs;
    while left > 0 {
        let event: Event =
            events.recv_timeout(PATIENCE).map_err(|error| BenchError::new("a run", error))?;
        left -= usize::from(owner::ends_run(&event));
    }
    Ok(())
}

fn node(folder: &Path, slots: u32) -> Result<Node, BenchError> {
    let failed = |error: &dyn std::fmt::Display| BenchError::new("a node", error);
    std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    let catalogue = gate::catalogue().map_err(|error| failed(&error))?;
    let source = Source { name: "bench.yaml".to_owned(), text: POLICY.to_owned() };
    let policy = Policy::load(&source, &catalogue)
        .map_err(|findings| {
            failed(&findings.first().map_or_else(String::new, ToString::to_string))
        })?
        .policy;
    let options = Options {
        layout: Layout::of(folder).map_err(|error| failed(&error))?,
        principal: Principal::recorded("user:bench"),
        policy: (Arc::new(policy), Some(source)),
        home: None,
        slots,
        doing: Doing::Nothing,
        adopt: Adopt::Nothing,
        watcher: None,
    };
    Node::start(options).map_err(|error| failed(&error))
}

fn steps(count: usize) -> Result<Arc<Workflow>, BenchError> {
    let mut text = "version: 1\nname: bench\nsteps:\n".to_owned();
    for number in 0..count {
        let _ = writeln!(text, "  - {{ name: step-{number}, run: [\"true\"] }}");
    }
    let source = Source { name: "bench.yaml".to_owned(), text };
    let loaded = workflow::load(&source).map_err(|findings| {
        BenchError::new(
            "the workflow",
            findings.first().map_or_else(String::new, ToString::to_string),
        )
    })?;
    Ok(Arc::new(loaded.workflow))
}

/// Median time, in µs, of taking up and finishing one step while `queued` runs of one step wait.
fn claims(queued: usize) -> Result<f64, BenchError> {
    let workflow = steps(1)?;
    let plan = Arc::new(Plan::new(workflow));
    let submission = Arc::new(Submitted {
        workflow: plan.digest(),
        name: Arc::clone(plan.name()),
        source: plan.digest(),
        inputs: Value::Null,
        principal: Arc::from("user:bench"),
        key: None,
        repeats: None,
    });
    let mut state = State::new(1);
    state.know(plan);
    apply(&mut state, &Command::Recover { epoch: 1 })?;
    for number in 1..=queued {
        let run = RunId((number as u128).to_be_bytes());
        apply(&mut state, &Command::Submit { run, submission: Arc::clone(&submission) })?;
    }
    let grant = Arc::new(Grant {
        tool: "exec.run".into(),
        call: engine::run::Digest([0; 32]),
        decision: Value::Null,
        key: "bench".into(),
    });
    let done = Arc::new(Completion::new(Ended::Succeeded));
    let mut batches = Vec::new();
    let rounds = CLAIM_BATCHES.min(queued / CLAIMS / 2);
    for _ in 0..rounds {
        let (result, took) =
            sample::time(|| (0..CLAIMS).try_for_each(|_| claim(&mut state, &grant, &done)));
        result?;
        #[expect(clippy::cast_precision_loss, reason = "a small constant")]
        batches.push(took.as_secs_f64() * 1e6 / CLAIMS as f64);
    }
    Ok(sample::percentile(&mut batches, 0.5))
}

fn claim(state: &mut State, grant: &Arc<Grant>, done: &Arc<Completion>) -> Result<(), BenchError> {
    let Some(Work::Step { run, step, .. }) = state.next(Micros(1)) else {
        return Err(BenchError::new("claiming", "nothing is next"));
    };
    apply(state, &Command::Start { run, step, grant: Arc::clone(grant), timeout_us: None })?;
    let fence = state.leases().next().map(|claim| claim.fence);
    let Some(fence) = fence else { return Err(BenchError::new("claiming", "no lease")) };
    apply(state, &Command::Finish { run, step, fence, result: Arc::clone(done), entropy: 0 })?;
    state.forget(&run);
    Ok(())
}

fn apply(state: &mut State, command: &Command) -> Result<(), BenchError> {
    let failed = |error: &dyn std::fmt::Display| BenchError::new("the engine", error);
    for event in decide(state, command, Micros(1)).map_err(|error| failed(&error))? {
        state.apply(&event).map_err(|error| failed(&error))?;
    }
    Ok(())
}
