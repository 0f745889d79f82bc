//! Whole steps — claim, decide, record, run nothing, record, complete — at full durability.
//!
//! The executor does nothing and everything else is real: the dispatcher, the gate with a policy, the journal on
//! disk. The cost of a claim is
//! measured without the disk, with few and with many steps queued.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use engine::policy::document::Source;
use engine::policy::{Catalogue, Policy};
use engine::run::{Event, Micros, RunId};
use engine::workflow::Workflow;
use journal::LogId;
use serde_json::Value;

use super::{BenchError, Measured, baseline, metric, note, sample};
use crate::executor::{Job, Report};
use crate::gate::{self, Gate, Principal, Principals};
use crate::layout::Layout;
use crate::node::{Adopt, Node, Options, Submission};
use crate::owner::{self, Asking, Doing, Effect, Moment, Owner, Submit, Turn};
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
    let (single, bare) = singles(&folder.join("single"))?;
    let (short, long) = (claims(1_000)?, claims(1_000_000)?);
    let metrics = vec![
        metric("steps_per_s_24", few.per_second, "1/s"),
        metric("flushes_per_step", few.flushes, "count"),
        metric("steps_per_s_256", many.per_second, "1/s"),
        metric("flushes_per_step_256", many.flushes, "count"),
        metric("run_noop_p50_ms", single.percentile(0.5) / 1000.0, "ms"),
        metric("run_noop_p99_ms", single.percentile(0.99) / 1000.0, "ms"),
        metric("run_noop_over_fdatasync", single.percentile(0.5) / bare.percentile(0.5), "ratio"),
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
                "{SINGLES} runs of one step, one after the other, from submission to the durable end as a watcher sees it, in turn with write and fdatasync of 4 KiB; a run needs two flushes in sequence"
            ),
        ),
        note(
            "claim",
            format!(
                "ending a step and taking up the next, with decision and records but without the disk, while 10^3 and 10^6 runs of one step are queued; mean of {CLAIMS} a sample, median of up to {CLAIM_BATCHES}"
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

/// One-step runs and bare flushes, in turn, so that both see the same disk.
fn singles(folder: &Path) -> Result<(sample::Sample, sample::Sample), BenchError> {
    const TURNS: usize = 8;
    let node = node(folder, 4)?;
    let workflow = steps(1)?;
    let (mut ours, mut bare) = (sample::Sample::default(), sample::Sample::default());
    for _ in 0..TURNS {
        ours.merge(sample::Sample::of(4, SINGLES / TURNS, || finish(&node, &workflow, 1))?);
        bare.merge(baseline::fdatasync(folder, SINGLES / TURNS)?);
    }
    node.stop().map_err(|error| BenchError::new("the node", error))?;
    Ok((ours, bare))
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
            agent: None,
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
    let (policy, source) = policy()?;
    let options = Options {
        layout: Layout::of(folder).map_err(|error| failed(&error))?,
        principal: Principal::recorded("user:bench"),
        principals: Principals::default(),
        policy: (Arc::new(policy), Some(source)),
        policy_file: None,
        extension: None,
        home: None,
        program: None,
        configuration: Vec::new(),
        slots,
        redaction: crate::secrecy::Redaction::default(),
        journal_most: None,
        landlock_floor: 1,
        doing: Doing::Nothing,
        adopt: Adopt::Nothing,
        watcher: None,
    };
    Node::start(options).map_err(|error| failed(&error))
}

fn catalogue() -> Result<Catalogue, BenchError> {
    gate::catalogue().map_err(|error| BenchError::new("the tool registry", error))
}

fn policy() -> Result<(Policy, Source), BenchError> {
    let source = Source { name: "bench.yaml".to_owned(), text: POLICY.to_owned() };
    let loaded = Policy::load(&source, &catalogue()?).map_err(|findings| {
        BenchError::new(
            "the policy",
            findings.first().map_or_else(String::new, ToString::to_string),
        )
    })?;
    Ok((loaded.policy, source))
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

/// Median time, in µs, of ending one step and taking up the next while `queued` runs of one step wait: engine, gate
/// and records, all but the disk.
fn claims(queued: usize) -> Result<f64, BenchError> {
    let failed = |error: &dyn std::fmt::Display| BenchError::new("claiming", error);
    let workflow = steps(1)?;
    let principal = Principal::recorded("user:bench");
    let gate = Gate::new(PathBuf::from("/"), None, Arc::new(policy()?.0), catalogue()?);
    let mut owner = Owner::new(Arc::new(gate.map_err(|error| failed(&error))?), 1, Doing::Nothing);
    let mut turn = turn();
    owner.recover(1, &mut turn).map_err(|error| failed(&error))?;
    let mut running = begun(turn);
    for number in 1..=queued {
        let submit = Submit {
            run: RunId((number as u128).to_be_bytes()),
            workflow: Arc::clone(&workflow),
            name: "bench.yaml".to_owned(),
            first_seen: false,
            inputs: Value::Null,
            principal: principal.clone(),
            started_by: None,
            key: None,
            holder: None,
        };
        let mut turn = self::turn();
        owner.ask(Asking::Submit(Box::new(submit)), &mut turn).map_err(|error| failed(&error))?;
        running = begun(turn).or(running);
    }
    let mut batches = Vec::new();
    for _ in 0..CLAIM_BATCHES.min(queued / CLAIMS / 2) {
        let (result, took) = sample::time(|| {
            for _ in 0..CLAIMS {
                let job = running.take().ok_or_else(|| failed(&"nothing is next"))?;
                let mut turn = self::turn();
                owner.report(vec![Report::nothing_done(&job)], &mut turn);
                running = begun(turn);
            }
            Ok::<(), BenchError>(())
        });
        result?;
        #[expect(clippy::cast_precision_loss, reason = "a small constant")]
        batches.push(took.as_secs_f64() * 1e6 / CLAIMS as f64);
    }
    Ok(sample::percentile(&mut batches, 0.5))
}

fn turn() -> Turn {
    Turn::new(Moment { now: Micros(1), entropy: 0 })
}

/// The attempt a turn begins, if it begins one.
fn begun(turn: Turn) -> Option<Job> {
    let (_, effects) = turn.split(&LogId::default());
    effects.into_iter().find_map(|effect| match effect {
        Effect::Begin(job) => Some(*job),
        Effect::Stop(_) | Effect::Tell(_) | Effect::Stand(_) => None,
    })
}
