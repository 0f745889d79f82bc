//! One run, folded from its own records.
//! Nothing is cached: what is shown is folded anew each time it is asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::run::{
    Event, Explanation, Fact, Micros, RunId, RunSummary, RunView, State, Submission,
};
use journal::{LogId, Reader};
use serde_json::Value;

use super::beside::{Beside, MergeTold, Reached};
use super::{History, HistoryError};
use crate::change::Told;
use crate::projection::{self, Document};
use crate::{record, workflow};

/// Records read at a time.
const PAGE: usize = 2_000;

/// A run as recorded: what is needed to go on with it.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The run.
    pub run: RunId,
    /// What it was submitted with.
    pub submission: Arc<Submission>,
    /// The workflow document.
    pub document: Document,
    /// Every state event, in order.
    pub events: Vec<Event>,
    /// Isolation receipts by step and attempt.
    pub receipts: BTreeMap<(String, u32), Value>,
    /// What was asked of the egress proxies, in order.
    pub reached: Vec<Reached>,
    /// What steps changed in their workspaces, in order.
    pub changes: Vec<Told>,
    /// What became of merges of those changes, in order.
    pub merges: Vec<MergeTold>,
    /// Whether a part of it ran without a sandbox.
    pub without_sandbox: bool,
}

/// A run for people: its folded state.
#[derive(Debug)]
pub struct RunHistory {
    /// The run with its steps.
    pub view: RunView,
    /// As recorded.
    pub recorded: Recorded,
    state: State,
}

impl RunHistory {
    /// Why each unfinished step waits.
    #[must_use]
    pub fn explain(&self, now: Micros) -> Option<Explanation> {
        self.state.explain(&self.recorded.run, now)
    }
}

impl History {
    /// A run as recorded.
    ///
    /// # Errors
    /// When there is no such run or its records cannot be read.
    pub fn recorded(&self, run: RunId) -> Result<Recorded, HistoryError> {
        let (mut events, mut beside, mut after) = (Vec::new(), Beside::default(), 0);
        loop {
            let page = self.reader.by_stream(&self.log, &run.0, after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = last.header.sequence;
            for record in &page {
                if let Some(event) = record::event_of(record) {
                    beside.without_sandbox |= record::is_unsafe(record);
                    events.push(event);
                } else {
                    beside.take(record);
                }
            }
        }
        let submission = events
            .iter()
            .find_map(submitted)
            .ok_or_else(|| HistoryError::NoRun(run.to_string()))?;
        let text = self.document(projection::WORKFLOW, submission.workflow)?;
        let text = text.ok_or_else(|| HistoryError::Broken {
            run,
            reason: "its workflow is not recorded".to_owned(),
        })?;
        let name = format!("{}.yaml", submission.name);
        let document = Document { digest: submission.workflow, name, text };
        let Beside { receipts, reached, changes, merges, without_sandbox } = beside;
        Ok(Recorded {
            run,
            submission,
            document,
            events,
            receipts,
            reached,
            changes,
            merges,
            without_sandbox,
        })
    }

    /// A run folded into its present state.
    ///
    /// # Errors
    /// As [`History::recorded`], and when the records do not fold.
    pub fn run(&self, run: RunId) -> Result<RunHistory, HistoryError> {
        let recorded = self.recorded(run)?;
        let broken = |reason: String| HistoryError::Broken { run, reason };
        let plan = workflow::recorded(&recorded.document)
            .ok_or_else(|| broken("its workflow is not accepted by this version".to_owned()))?;
        let mut state = State::new(u32::MAX);
        state.know(Arc::new(plan));
        for event in &recorded.events {
            state.apply(event).map_err(|error| broken(error.to_string()))?;
        }
        let view = state
            .run(&run)
            .map(engine::run::Run::view)
            .ok_or_else(|| broken("it is gone".to_owned()))?;
        Ok(RunHistory { view, recorded, state })
    }

    /// The summary of a run; `None` when there is no such run.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn summary(&self, run: RunId) -> Result<Option<RunSummary>, HistoryError> {
        let row = self.reader.view_get(projection::RUN, &run.0)?;
        Ok(row.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }
}

/// What a run was submitted with, from its first record.
pub(super) fn submission(
    reader: &Reader,
    log: &LogId,
    run: RunId,
) -> Result<Arc<Submission>, HistoryError> {
    let first = reader.by_stream(log, &run.0, 0, 1)?;
    let event = first.first().and_then(record::event_of);
    event.as_ref().and_then(submitted).ok_or_else(|| HistoryError::NoRun(run.to_string()))
}

fn submitted(event: &Event) -> Option<Arc<Submission>> {
    match &event.fact {
        Fact::RunSubmitted(submission) => Some(Arc::clone(submission)),
        _ => None,
    }
}
