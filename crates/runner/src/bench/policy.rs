//! Deciding calls under policies of 1 000 and 10 000 rules, and a whole read through the gate.
//! The journal plays no part here: `steps` measures decisions together with their records.

use std::fmt::Write as _;
use std::sync::Arc;

use engine::policy::document::Source;
use engine::policy::{Catalogue, Effect, Policy, Tool};
use serde_json::{Value, json};

use super::{BenchError, Measured, metric, note, sample};
use crate::gate::{Asked, Gate, Principal};
use crate::{executor::fast, gate, tool};

/// Tools of the measured catalogue.
const TOOLS: usize = 50;
/// Rules of the measured policy.
const RULES: usize = 1_000;
/// Decisions timed together for the mean: one is short for the clock.
const BATCH: usize = 100;
/// Batches, and as many decisions timed one by one.
const BATCHES: usize = 2_000;
/// Whole reads.
const READS: usize = 2_000;

/// How many rules are about how many of the tools.
#[derive(Clone, Copy)]
struct Shape {
    rules: usize,
    tools: usize,
}

/// What a policy of one shape costs.
struct Cost {
    mean: sample::Sample,
    single: sample::Sample,
    load_ms: f64,
}

pub(super) fn measure() -> Measured {
    let usual = decisions(Shape { rules: RULES, tools: TOOLS })?;
    let large = decisions(Shape { rules: RULES * 10, tools: TOOLS })?;
    let narrow = decisions(Shape { rules: RULES, tools: 1 })?;
    let read = read_through_gate()?;
    let mean = |cost: &Cost| cost.mean.percentile(0.5) / per_batch();
    let late = |cost: &Cost| cost.single.percentile(0.99);
    let metrics = vec![
        metric("policy_decision_p50_us", mean(&usual), "us"),
        metric("policy_decision_p99_us", late(&usual), "us"),
        metric("policy_decision_10000_rules_p50_us", mean(&large), "us"),
        metric("policy_decision_10000_rules_p99_us", late(&large), "us"),
        metric("policy_decision_one_tool_p50_us", mean(&narrow), "us"),
        metric("policy_decision_one_tool_p99_us", late(&narrow), "us"),
        metric("policy_load_1000_rules_ms", usual.load_ms, "ms"),
        metric("policy_load_10000_rules_ms", large.load_ms, "ms"),
        metric("gate_read_p50_us", read.percentile(0.5), "us"),
    ];
    let notes = vec![
        note(
            "decision",
            format!(
                "{RULES} or {} rules over {TOOLS} tools, or {RULES} over one, with path globs and argument conditions, arguments read from JSON; p50 of the mean of {BATCH} calls in {BATCHES} samples, p99 of {BATCHES} calls timed one by one",
                RULES * 10
            ),
        ),
        note(
            "gate read",
            format!(
                "{READS} times limit, validate, decide and `fs.read` of one small file; the record is not part of it"
            ),
        ),
    ];
    Ok(("policy", notes, metrics))
}

fn per_batch() -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a small constant")]
    let batch = BATCH as f64;
    batch
}

fn decisions(shape: Shape) -> Result<Cost, BenchError> {
    let failed = |error: &dyn std::fmt::Display| BenchError::new("deciding", error);
    let tools = (0..TOOLS).map(measured_tool).collect();
    let catalogue = Catalogue::new(tools).map_err(|error| failed(&error))?;
    let source = Source { name: "bench.yaml".to_owned(), text: rule_file(shape) };
    let (loaded, took) = sample::time(|| Policy::load(&source, &catalogue));
    let policy = loaded
        .map_err(|findings| {
            failed(&findings.first().map_or_else(String::new, ToString::to_string))
        })?
        .policy;
    let principal = Principal::recorded("user:bench");
    let calls: Vec<(String, Value)> = (0..BATCH).map(|number| call(shape, number)).collect();
    let decide = |(name, arguments): &(String, Value)| {
        std::hint::black_box(policy.decide(&gate::call(&principal, name, arguments)));
    };
    let mean = sample::Sample::of(100, BATCHES, || {
        calls.iter().for_each(decide);
        Ok::<(), BenchError>(())
    })?;
    let mut turn = calls.iter().cycle();
    let single = sample::Sample::of(100, BATCHES, || {
        turn.next().into_iter().for_each(decide);
        Ok::<(), BenchError>(())
    })?;
    Ok(Cost { mean, single, load_ms: took.as_secs_f64() * 1e3 })
}

fn measured_tool(number: usize) -> Tool {
    Tool {
        name: format!("tool{number}.act"),
        effect: Effect::Write,
        tags: Vec::new(),
        schema: json!({
            "type": "object",
            "properties": { "path": { "type": "string" }, "size": { "type": "integer" }, "kind": { "type": "string" } },
        }),
        paths: vec!["path".to_owned()],
        hosts: Vec::new(),
    }
}

fn rule_file(shape: Shape) -> String {
    let mut text = "version: 1\nname: bench\nrules:\n".to_owned();
    for number in 0..shape.rules {
        let _ = writeln!(
            text,
            "  - {{ name: rule-{number}, match: {{ tool: tool{}.act, path_glob: [\"area{number}/**\"], args: {{ size: \"<= {} KiB\", kind: [a, b] }} }}, action: allow, except: [ {{ path_glob: [\"area{number}/private/**\"] }} ] }}",
            number % shape.tools,
            number + 1,
        );
    }
    text.replace(" KiB", "KiB")
}

fn call(shape: Shape, number: usize) -> (String, Value) {
    let rule = number * 7919 % shape.rules;
    let path = format!("area{rule}/folder/file{number}.txt");
    (format!("tool{}.act", rule % shape.tools), json!({ "path": path, "size": 512, "kind": "b" }))
}

/// A read-only call from admission to result, in a folder of its own.
fn read_through_gate() -> Result<sample::Sample, BenchError> {
    let failed = |error: &dyn std::fmt::Display| BenchError::new("reading through the gate", error);
    let folder = std::env::temp_dir().join(format!("palisade-bench-read-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| failed(&error))?;
    std::fs::write(folder.join("file.txt"), "x".repeat(1024)).map_err(|error| failed(&error))?;
    let source = Source {
        name: "bench.yaml".to_owned(),
        text: "version: 1\nname: bench\nrules:\n  - { name: read, match: { tool: fs.read, path_glob: [\"*.txt\"] }, action: allow }\n".to_owned(),
    };
    let catalogue = gate::catalogue().map_err(|error| failed(&error))?;
    let policy = Policy::load(&source, &catalogue)
        .map_err(|findings| {
            failed(&findings.first().map_or_else(String::new, ToString::to_string))
        })?
        .policy;
    let gate = Gate::new(folder.clone(), None, Arc::new(policy), catalogue)
        .map_err(|error| failed(&error))?;
    let principal = Principal::recorded("user:bench");
    let sample = sample::Sample::of(100, READS, || {
        let asked =
            Asked { tool: tool::FS_READ.to_owned(), arguments: json!({ "path": "file.txt" }) };
        let admitted =
            gate.admit(&principal, asked).map_err(|refused| failed(&format!("{refused:?}")))?;
        let until = fast::Until::default();
        let allowed = fast::Allowed { file: &mut |_| None, largest: None, until: &until };
        fast::call(&folder, &admitted.tool, &admitted.arguments, allowed)
            .map(drop)
            .map_err(|error| failed(&error))
    });
    drop(std::fs::remove_dir_all(&folder));
    sample
}
