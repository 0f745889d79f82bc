//! The views: tables derived from the journal's records, written in the same commit and recreated by
//! `journal rebuild` from the records alone.
//!
//! | view | key | value |
//! | --- | --- | --- |
//! | `run` | run id | the run's summary, JSON |
//! | `open_run` | run id of a run that has not ended | empty |
//! | `run_key` | principal, 0, idempotency key | run id |
//! | `workflow` | digest of a workflow document | its text |
//! | `policy` | digest of a policy | its text |
//! | `unsafe_run` | run id of a run without a sandbox | empty |

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::run::{Event, Fact, RunId, RunState, State};
use journal::{Change, Record};
use serde::{Deserialize, Serialize};

use crate::record;
use crate::workflow;

/// Summaries of runs.
pub const RUN: &str = "run";
/// Runs that have not ended.
pub const OPEN_RUN: &str = "open_run";
/// Idempotency keys of submissions.
pub const RUN_KEY: &str = "run_key";
/// Texts of workflow documents.
pub const WORKFLOW: &str = "workflow";
/// Texts of policies.
pub const POLICY: &str = "policy";
/// Runs of which a part ran without a sandbox.
pub const UNSAFE_RUN: &str = "unsafe_run";
/// Every view, as the journal is told when it is opened.
pub const VIEWS: &[&str] = &[RUN, OPEN_RUN, RUN_KEY, WORKFLOW, POLICY, UNSAFE_RUN];

/// Event type of a workflow document met for the first time.
pub const WORKFLOW_KIND: &str = "workflow.registered";
/// Event type of a policy put in force.
pub const POLICY_KIND: &str = "policy.loaded";

/// Payload of [`WORKFLOW_KIND`] and [`POLICY_KIND`]: a document as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Identity: for a workflow the SHA-256 of the text, for a policy its digest.
    pub digest: engine::run::Digest,
    /// File name, for people.
    pub name: String,
    /// The exact text.
    pub text: String,
}

/// Rows that follow from an event just applied to `state`.
#[must_use]
pub fn after(state: &State, event: &Event) -> Vec<Change> {
    let Some(run) = state.run(&event.run) else { return Vec::new() };
    let key = || event.run.0.to_vec();
    let mut changes = Vec::new();
    match &event.fact {
        Fact::RunSubmitted(submission) => {
            changes.push(Change { view: OPEN_RUN, key: key(), value: Some(Vec::new()) });
            if let Some(given) = &submission.key {
                let row = key_row(&submission.principal, given);
                changes.push(Change { view: RUN_KEY, key: row, value: Some(key()) });
            }
        }
        Fact::RunRetried { .. } => {
            changes.push(Change { view: OPEN_RUN, key: key(), value: Some(Vec::new()) })
        }
        Fact::RunFinished { .. } => {
            changes.push(Change { view: OPEN_RUN, key: key(), value: None })
        }
        Fact::RunStarted | Fact::RunRecovered { .. } | Fact::RunCancelRequested { .. } => {}
        // Whether a run waits follows from its steps: these are the events by which it begins or ceases to.
        Fact::StepOutcomeUnknown { .. }
        | Fact::StepResolved { .. }
        | Fact::StepRetryScheduled { .. }
        | Fact::StepRequeued { .. } => {}
        Fact::StepStarted { attempt, .. } if *attempt > 1 => {}
        Fact::StepFinished { .. } if run.state() == RunState::Waiting => {}
        // Steps are read from the run's own records; the summary tells of the run only when it changes as a whole.
        _ => return changes,
    }
    let summary = serde_json::to_vec(&run.summary()).unwrap_or_default();
    changes.push(Change { view: RUN, key: key(), value: Some(summary) });
    changes
}

/// Row key of an idempotency key.
#[must_use]
pub fn key_row(principal: &str, key: &str) -> Vec<u8> {
    [principal.as_bytes(), &[0], key.as_bytes()].concat()
}

/// The row that says of a run that nothing held its programs.
pub(crate) fn unsafe_row(run: RunId) -> Change {
    Change { view: UNSAFE_RUN, key: run.0.to_vec(), value: Some(Vec::new()) }
}

/// The row of a document.
pub(crate) fn document_row(view: &'static str, document: &Document) -> Change {
    Change {
        view,
        key: document.digest.0.to_vec(),
        value: Some(document.text.clone().into_bytes()),
    }
}

/// Folds records into rows, one by one, as `journal rebuild` wants it. Keeps every run in memory, about 1 KiB each,
/// because an ended run may be retried by a later record.
#[derive(Debug)]
pub struct Fold {
    state: State,
    texts: BTreeMap<engine::run::Digest, Document>,
}

impl Default for Fold {
    fn default() -> Self {
        Self { state: State::new(0), texts: BTreeMap::new() }
    }
}

impl Fold {
    /// The rows that follow from the next record.
    pub fn take(&mut self, record: &Record) -> Vec<Change> {
        let kind: &str = &record.header.kind;
        if kind == WORKFLOW_KIND || kind == POLICY_KIND {
            return self.document(kind, record).into_iter().collect();
        }
        let Some(event) = record::event_of(record) else { return Vec::new() };
        let marked = record::is_unsafe(record) && event.run != RunId::NIL;
        if let Fact::RunSubmitted(submission) = &event.fact
            && self.state.plan(&submission.workflow).is_none()
            && let Some(text) = self.texts.get(&submission.workflow)
            && let Some(plan) = workflow::recorded(text)
        {
            self.state.know(Arc::new(plan));
        }
        // An event that does not apply says nothing about the rows; `audit verify` is what judges the records.
        if self.state.apply(&event).is_err() {
            return Vec::new();
        }
        let mut rows = after(&self.state, &event);
        rows.extend(marked.then(|| unsafe_row(event.run)));
        rows
    }

    fn document(&mut self, kind: &str, record: &Record) -> Option<Change> {
        let document: Document = serde_json::from_slice(&record.payload).ok()?;
        let view = if kind == POLICY_KIND { POLICY } else { WORKFLOW };
        let row = document_row(view, &document);
        if kind == WORKFLOW_KIND {
            self.texts.insert(document.digest, document);
        }
        Some(row)
    }
}
