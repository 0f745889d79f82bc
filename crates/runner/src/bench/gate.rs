//! The whole gate: direct calls of `fs.read` at full durability, against one `fdatasync` of the same disk.
//!
//! Everything is real: argument schema, path, policy, the records on disk before and after, the file read, the result
//! held against its schema. Calls and bare flushes take turns, so that both see the same disk.

use std::path::Path;
use std::sync::Arc;

use engine::policy::Policy;
use engine::policy::document::Source;
use serde_json::json;

use super::{BenchError, Measured, baseline, metric, note, sample};
use crate::call::{Call, Direct};
use crate::gate::{self, Asked, Gate, Principal, Principals};
use crate::layout::Layout;
use crate::node::{Adopt, Node, Options};
use crate::owner::Doing;
use crate::secrecy::Redaction;

/// Calls measured, one after the other.
const CALLS: usize = 400;
/// Turns of calls and bare flushes.
const TURNS: usize = 8;
/// Longest wait for one call.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

const POLICY: &str = "version: 1\nname: bench\nrules:\n  - { name: read, match: { tool: \"fs.*\", path_glob: [\"docs/**\"] }, action: allow }\n";

pub(super) fn measure(folder: &Path) -> Measured {
    let failed = |error: &dyn std::fmt::Display| BenchError::new("the project", error);
    let project = folder.join("gate");
    std::fs::create_dir_all(project.join("docs")).map_err(|error| failed(&error))?;
    std::fs::write(project.join("docs/page.md"), "text\n".repeat(100))
        .map_err(|error| failed(&error))?;
    let layout = Layout::of(&project).map_err(|error| failed(&error))?;
    let principal = Principal::recorded("user:bench");
    let decided = decisions(&layout, &principal)?;
    let node = node(layout, principal.clone())?;
    let (mut calls, mut bare) = (sample::Sample::default(), sample::Sample::default());
    let before = node.journal_stats().commits;
    for _ in 0..TURNS {
        calls.merge(sample::Sample::of(2, CALLS / TURNS, || one(&node, &principal))?);
        bare.merge(baseline::fdatasync(folder, CALLS / TURNS)?);
    }
    let flushes = node.journal_stats().commits - before;
    node.stop().map_err(|error| BenchError::new("the node", error))?;
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let flushes = flushes as f64 / (CALLS + 2 * TURNS) as f64;
    let (ours, theirs) = (calls.percentile(0.5) / 1000.0, bare.percentile(0.5) / 1000.0);
    let metrics = vec![
        metric("fs_read_p50_ms", ours, "ms"),
        metric("fs_read_p99_ms", calls.percentile(0.99) / 1000.0, "ms"),
        metric("fdatasync_p50_ms", theirs, "ms"),
        metric("fs_read_over_one_fdatasync_p50_ms", ours - theirs, "ms"),
        metric("flushes_per_call", flushes, "count"),
        metric("gate_checks_p50_us", decided.percentile(0.5), "us"),
    ];
    let notes = vec![
        note(
            "call",
            format!(
                "{CALLS} direct calls of `fs.read`, one after the other, from the request to the durable outcome, in turn with write and fdatasync of 4 KiB; decision and outcome are two flushes in sequence"
            ),
        ),
        note(
            "gate_checks",
            "schema, path and policy of the same call, without records and without reading",
        ),
    ];
    Ok(("gate", notes, metrics))
}

fn one(node: &Node, principal: &Principal) -> Result<(), BenchError> {
    let args = [("path".to_owned(), json!("docs/page.md"))].into_iter().collect();
    let call = Call { tool: crate::tool::FS_READ.to_owned(), args };
    let mut direct = Direct::place(node.desk(), principal, &call)
        .map_err(|error| BenchError::new("the call", error))?;
    direct.wait(PATIENCE, &|| false);
    let told = direct.told(node.desk()).map_err(|error| BenchError::new("the call", error))?;
    match told.outputs.is_empty() {
        true => Err(BenchError::new("the call", told.line.unwrap_or_default())),
        false => Ok(()),
    }
}

/// The checks alone.
fn decisions(layout: &Layout, principal: &Principal) -> Result<sample::Sample, BenchError> {
    let catalogue =
        gate::catalogue().map_err(|error| BenchError::new("the tool registry", error))?;
    let gate = Gate::new(layout.project().to_path_buf(), None, policy()?.0, catalogue)
        .map_err(|error| BenchError::new("the gate", error))?;
    sample::Sample::of(10, 1000, || {
        let arguments = json!({ "path": "docs/page.md" });
        let asked = Asked { tool: crate::tool::FS_READ.to_owned(), arguments };
        match gate.admit(principal, asked) {
            Ok(_) => Ok(()),
            Err(refused) => Err(BenchError::new("the gate", format!("{refused:?}"))),
        }
    })
}

fn policy() -> Result<(Arc<Policy>, Source), BenchError> {
    let catalogue =
        gate::catalogue().map_err(|error| BenchError::new("the tool registry", error))?;
    let source = Source { name: "bench.yaml".to_owned(), text: POLICY.to_owned() };
    let loaded = Policy::load(&source, &catalogue).map_err(|findings| {
        let first = findings.first().map_or_else(String::new, ToString::to_string);
        BenchError::new("the policy", first)
    })?;
    Ok((Arc::new(loaded.policy), source))
}

fn node(layout: Layout, principal: Principal) -> Result<Node, BenchError> {
    let (policy, source) = policy()?;
    let options = Options {
        layout,
        principal,
        principals: Principals::default(),
        policy: (policy, Some(source)),
        policy_file: None,
        extension: None,
        home: None,
        program: None,
        configuration: Vec::new(),
        slots: 4,
        redaction: Redaction::default(),
        journal_most: None,
        landlock_floor: 1,
        doing: Doing::Really,
        adopt: Adopt::Nothing,
        watcher: None,
    };
    Node::start(options).map_err(|error| BenchError::new("a node", error))
}
