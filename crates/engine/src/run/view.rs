//! Runs and steps as rows: for projections, lists, pages and `--json`.
//!
//! Copies of what the state says at one event, serialisable both ways, without logic of their own.
//! The same fold gives the same rows, so a projection can be rebuilt byte for byte.

use super::approval::Review;
use super::completion::{Completion, Grant, Outcome, StoppedBy};
use super::digest::Digest;
use super::event::SkipReason;
use super::fence::Fence;
use super::id::RunId;
use super::plan::{Node, Stage};
use super::progress::{Cancellation, Note, Phase, Run, RunState, Step, Wait};
use super::time::Micros;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// One run in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run.
    pub id: RunId,
    /// Name of its workflow.
    pub workflow: Arc<str>,
    /// Identity of the workflow document.
    pub digest: Digest,
    /// Identity of its text, as the runner recorded it.
    pub source: Digest,
    /// In one word.
    pub state: RunState,
    /// When it was submitted.
    pub submitted: Micros,
    /// When its first step was taken up.
    pub started: Option<Micros>,
    /// When it ended.
    pub finished: Option<Micros>,
    /// Who submitted it.
    pub principal: Arc<str>,
    /// Its steps by how they ended.
    pub counts: StepCounts,
    /// One line saying why it did not end well.
    pub failure: Option<Box<str>>,
    /// Its idempotency key.
    pub key: Option<Box<str>>,
}

/// Steps of a run by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCounts {
    /// All steps.
    pub total: u32,
    /// Steps that have not ended.
    pub open: u32,
    /// Steps that hold a lease.
    pub running: u32,
    /// Succeeded.
    pub succeeded: u32,
    /// Failed or timed out.
    pub failed: u32,
    /// Denied by the policy.
    pub denied: u32,
    /// Skipped.
    pub skipped: u32,
    /// Cancelled.
    pub cancelled: u32,
}

/// A run with all its steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunView {
    /// The row of the list.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// Inputs.
    pub inputs: Value,
    /// Outputs of the workflow, once it succeeded.
    pub outputs: Value,
    /// That somebody asked it to stop.
    pub cancel: Option<Cancellation>,
    /// The run it repeats.
    pub repeats: Option<RunId>,
    /// Steps in the order of the document.
    pub steps: Vec<StepView>,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepView {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it belongs to `finally`.
    pub finally: bool,
    /// Its state.
    pub state: StepState,
    /// Attempts begun.
    pub attempt: u32,
    /// The last lease.
    pub fence: Option<Fence>,
    /// When the last attempt began.
    pub started: Option<Micros>,
    /// When it ended.
    pub finished: Option<Micros>,
    /// When the next attempt is due.
    pub due: Option<Micros>,
    /// One line: how it ended, or why it is not taken up.
    pub line: Option<String>,
    /// What stopped it: rule, isolation layer or limit.
    pub stopped_by: Option<StoppedBy>,
    /// Why it was skipped.
    pub skipped: Option<SkipReason>,
    /// What the last attempt was allowed.
    pub grant: Option<Arc<Grant>>,
    /// What the last attempt reported.
    pub result: Option<Arc<Completion>>,
    /// The open request for an approval, with what was answered so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
}

/// The state of a step in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// It waits for other steps.
    Pending,
    /// It waits for its turn.
    Ready,
    /// An attempt holds a lease.
    Running,
    /// It waits for the time of its next attempt.
    Retrying,
    /// Its outcome is unknown; it waits for a person.
    Unknown,
    /// It waits for other principals to approve it.
    AwaitingApproval,
    /// It succeeded.
    Succeeded,
    /// It failed.
    Failed,
    /// It was stopped at its time limit.
    TimedOut,
    /// It was cancelled.
    Cancelled,
    /// It was not taken up.
    Skipped,
    /// The policy refused it.
    Denied,
}

impl StepState {
    /// Whether a step leaves this state by itself, without other steps and without a person.
    pub const fn moves(self) -> bool {
        match self {
            Self::Ready | Self::Running | Self::Retrying => true,
            Self::Pending
            | Self::Unknown
            | Self::AwaitingApproval
            | Self::Succeeded
            | Self::Failed
            | Self::TimedOut
            | Self::Cancelled
            | Self::Skipped
            | Self::Denied => false,
        }
    }

    /// The word in views.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Unknown => "unknown",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Succeeded => Outcome::Succeeded.name(),
            Self::Failed => Outcome::Failed.name(),
            Self::TimedOut => Outcome::TimedOut.name(),
            Self::Cancelled => Outcome::Cancelled.name(),
            Self::Skipped => Outcome::Skipped.name(),
            Self::Denied => Outcome::Denied.name(),
        }
    }
}

impl From<&Phase> for StepState {
    fn from(phase: &Phase) -> Self {
        match phase {
            Phase::Pending => Self::Pending,
            Phase::Ready => Self::Ready,
            Phase::Running(_) => Self::Running,
            Phase::Waiting(Wait::Retry { .. }) => Self::Retrying,
            Phase::Waiting(Wait::Unknown) => Self::Unknown,
            Phase::Waiting(Wait::Approval { .. }) => Self::AwaitingApproval,
            Phase::Waiting(Wait::Approved { .. }) => Self::Ready,
            Phase::Ended(Outcome::Succeeded) => Self::Succeeded,
            Phase::Ended(Outcome::Failed) => Self::Failed,
            Phase::Ended(Outcome::TimedOut) => Self::TimedOut,
            Phase::Ended(Outcome::Cancelled) => Self::Cancelled,
            Phase::Ended(Outcome::Skipped) => Self::Skipped,
            Phase::Ended(Outcome::Denied) => Self::Denied,
        }
    }
}

impl Run {
    /// The row of a list. Takes time in the number of steps.
    pub fn summary(&self) -> RunSummary {
        RunSummary {
            id: self.id,
            workflow: Arc::clone(self.plan.name()),
            digest: self.plan.digest(),
            source: self.submission.source,
            state: self.state(),
            submitted: self.submitted,
            started: self.started,
            finished: self.conclusion().map(|conclusion| conclusion.at),
            principal: Arc::clone(&self.submission.principal),
            counts: self.counts(),
            failure: self.conclusion().and_then(|conclusion| conclusion.failure.clone()),
            key: self.submission.key.clone(),
        }
    }

    /// The run with all its steps.
    pub fn view(&self) -> RunView {
        RunView {
            summary: self.summary(),
            inputs: self.submission.inputs.clone(),
            outputs: self.conclusion().map_or(Value::Null, |end| end.outputs.clone()),
            cancel: self.cancellation().cloned(),
            repeats: self.submission.repeats,
            steps: self.steps().map(|(_, node, step)| shown(node, step)).collect(),
        }
    }

    fn counts(&self) -> StepCounts {
        let total = self.plan.size() as u32;
        let mut counts = StepCounts { total, open: self.open, ..StepCounts::default() };
        for step in &self.steps {
            let counter = match &step.phase {
                Phase::Running(_) => &mut counts.running,
                Phase::Ended(Outcome::Succeeded) => &mut counts.succeeded,
                Phase::Ended(Outcome::Failed | Outcome::TimedOut) => &mut counts.failed,
                Phase::Ended(Outcome::Denied) => &mut counts.denied,
                Phase::Ended(Outcome::Skipped) => &mut counts.skipped,
                Phase::Ended(Outcome::Cancelled) => &mut counts.cancelled,
                Phase::Pending | Phase::Ready | Phase::Waiting(_) => continue,
            };
            *counter += 1;
        }
        counts
    }
}

fn shown(node: &Node, step: &Step) -> StepView {
    let trail = step.trail().cloned().unwrap_or_default();
    let due = match step.phase {
        Phase::Waiting(Wait::Retry { due }) => Some(due),
        _ => None,
    };
    let (denied, skipped) = match trail.note {
        Some(Note::Denied(guard)) => (Some(guard), None),
        Some(Note::Skipped(reason)) => (None, Some(reason)),
        _ => (None, None),
    };
    let stopped_by =
        denied.or_else(|| trail.result.as_ref().and_then(|result| result.stopped_by.clone()));
    StepView {
        name: Arc::clone(&node.name),
        finally: node.stage == Stage::Finally,
        state: (&step.phase).into(),
        attempt: step.attempt,
        fence: trail.fence,
        started: trail.started,
        finished: trail.finished,
        due,
        line: step.review().map(|review| format!("waits for {review}")).or_else(|| step.line()),
        stopped_by,
        skipped,
        grant: trail.grant,
        result: trail.result,
        review: step.review().cloned(),
    }
}
