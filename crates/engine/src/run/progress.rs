//! How far a run and its steps have come: the state machines as data.
//!
//! A step is pending → ready → running → ended, or waiting in between (for a retry, for a person);
//! a run is queued → running → ended, and waiting is a reading of its steps, not kept beside them.
//! Only `shift` and `apply` change what is here; everything public reads. Which moves are legal is
//! in `decide` and its neighbours.

use super::approval::Review;
use super::completion::{Completion, Grant, Outcome, StoppedBy};
use super::event::{Loss, RunEnd, SkipReason, Submission};
use super::fence::Fence;
use super::id::RunId;
use super::plan::{Node, Plan, Severity};
use super::time::Micros;
use crate::workflow::StepIndex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// Where a step is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// It waits for other steps.
    Pending,
    /// Its needs have ended; it waits for its turn.
    Ready,
    /// An attempt holds a lease.
    Running(Box<Lease>),
    /// It waits for something outside the graph.
    Waiting(Wait),
    /// It ended.
    Ended(Outcome),
}

impl Phase {
    pub(super) fn is_ended(&self) -> bool {
        matches!(self, Self::Ended(_))
    }
}

/// What a waiting step waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The time of its next attempt.
    Retry {
        /// Not before.
        due: Micros,
    },
    /// A person who says what the lost attempt did.
    Unknown,
    /// Other principals who approve it.
    Approval {
        /// When it is denied for want of an answer.
        until: Micros,
    },
    /// Its turn, with every approval it needs.
    Approved {
        /// When the approval is worth nothing any more.
        until: Micros,
    },
}

/// A fenced, time-bounded claim on an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Whose reports count.
    pub fence: Fence,
    /// When it was granted.
    pub started: Micros,
    /// When the executor must have stopped the attempt.
    pub deadline: Micros,
    /// When it may be expired: the deadline and the time to report it.
    pub until: Micros,
}

/// Why a step ended or came back without a report of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// It was not taken up.
    Skipped(SkipReason),
    /// The policy refused it.
    Denied(StoppedBy),
    /// It came to nothing valid.
    Invalid(Box<str>),
    /// Its last lease was lost.
    Lost(Loss),
    /// A person said what happened.
    Resolved(Arc<str>),
}

/// What is known of a step's last attempt and its end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trail {
    /// What the last attempt may do.
    pub grant: Option<Arc<Grant>>,
    /// The last lease's fence.
    pub fence: Option<Fence>,
    /// When the last attempt began.
    pub started: Option<Micros>,
    /// When the last attempt or the step ended.
    pub finished: Option<Micros>,
    /// What the last attempt reported.
    pub result: Option<Arc<Completion>>,
    /// What happened without a report.
    pub note: Option<Note>,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub(super) phase: Phase,
    /// Attempts begun; only rises.
    pub(super) attempt: u32,
    /// Attempts that failed by themselves since the step was last set back.
    pub(super) failures: u32,
    /// Leases lost since the step was last set back.
    pub(super) losses: u32,
    /// Needs that have not ended, and one for all main steps where the step is `finally`.
    pub(super) missing: u32,
    pub(super) trail: Option<Box<Trail>>,
    /// Its open request for an approval.
    pub(super) review: Option<Box<Review>>,
}

impl Step {
    /// Where it is.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// How it ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        match self.phase {
            Phase::Ended(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Attempts begun so far.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Its last attempt and its end; none before either.
    pub fn trail(&self) -> Option<&Trail> {
        self.trail.as_deref()
    }

    /// What the last attempt reported, if it has: outputs, exit code, artifacts.
    pub fn result(&self) -> Option<&Arc<Completion>> {
        self.trail.as_deref()?.result.as_ref()
    }

    /// Its open request for an approval, with what was answered so far.
    pub fn review(&self) -> Option<&Review> {
        self.review.as_deref()
    }

    pub(super) fn lease(&self) -> Option<&Lease> {
        match &self.phase {
            Phase::Running(lease) => Some(lease),
            _ => None,
        }
    }

    pub(super) fn trail_mut(&mut self) -> &mut Trail {
        self.trail.get_or_insert_default()
    }

    /// One line saying how it ended or why not.
    pub(super) fn line(&self) -> Option<String> {
        let trail = self.trail.as_deref()?;
        match (&trail.note, &trail.result) {
            (Some(Note::Skipped(reason)), _) => Some(format!("skipped: {reason}")),
            (Some(Note::Denied(guard)), _) => Some(format!("denied: stopped by `{}`", guard.name)),
            (Some(Note::Invalid(message)), _) => Some(format!("failed: {message}")),
            (Some(Note::Lost(loss)), _) => Some(format!("lease lost: {loss}")),
            (Some(Note::Resolved(by)), _) => Some(format!("settled by `{by}`")),
            (None, Some(result)) => Some(result.line()),
            (None, None) => None,
        }
    }
}

/// That somebody asked a run to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancellation {
    /// Who asked.
    pub by: Arc<str>,
    /// Why.
    pub reason: Box<str>,
    /// When running main steps must have ended.
    pub deadline: Micros,
}

/// How a run ended, with what it leaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Conclusion {
    /// How.
    pub state: RunEnd,
    /// When.
    pub at: Micros,
    /// One line saying why not well.
    pub failure: Option<Box<str>>,
    /// Outputs of the workflow.
    pub outputs: Value,
}

/// The state of a run in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Nothing of it was taken up.
    Queued,
    /// Steps of it run or will without anybody's help.
    Running,
    /// No step runs or is ready, and at least one waits for a time or a person.
    Waiting,
    /// It ended well.
    Succeeded,
    /// It ended with a failure.
    Failed,
    /// It ended because somebody asked.
    Cancelled,
}

impl RunState {
    /// The word in events and views.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more happens by itself.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

impl From<RunEnd> for RunState {
    fn from(end: RunEnd) -> Self {
        match end {
            RunEnd::Succeeded => Self::Succeeded,
            RunEnd::Failed => Self::Failed,
            RunEnd::Cancelled => Self::Cancelled,
        }
    }
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub(super) id: RunId,
    /// Place in the order of submission; what "first come, first served" goes by.
    pub(super) order: u64,
    pub(super) plan: Arc<Plan>,
    pub(super) submission: Arc<Submission>,
    pub(super) steps: Box<[Step]>,
    /// Steps that have not ended.
    pub(super) open: u32,
    /// Main steps that have not ended.
    pub(super) open_main: u32,
    pub(super) submitted: Micros,
    pub(super) started: Option<Micros>,
    pub(super) cancel: Option<Box<Cancellation>>,
    pub(super) conclusion: Option<Box<Conclusion>>,
}

impl Run {
    /// Its id.
    pub fn id(&self) -> RunId {
        self.id
    }

    /// The graph it follows.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// What it was submitted with.
    pub fn submission(&self) -> &Arc<Submission> {
        &self.submission
    }

    /// When it was submitted.
    pub fn submitted(&self) -> Micros {
        self.submitted
    }

    /// When its first step was taken up.
    pub fn started(&self) -> Option<Micros> {
        self.started
    }

    /// That it shall stop, if somebody asked.
    pub fn cancellation(&self) -> Option<&Cancellation> {
        self.cancel.as_deref()
    }

    /// How it ended, if it has.
    pub fn conclusion(&self) -> Option<&Conclusion> {
        self.conclusion.as_deref()
    }

    /// The step at this place.
    pub fn step(&self, step: StepIndex) -> Option<&Step> {
        self.steps.get(step.get())
    }

    /// The step of this name.
    pub fn step_named(&self, name: &str) -> Option<&Step> {
        self.step(self.plan.find(name)?)
    }

    /// Every step with its place and plan, in the order of the document.
    pub fn steps(&self) -> impl Iterator<Item = (StepIndex, &Node, &Step)> {
        self.plan.steps().zip(&self.steps).map(|((place, node), step)| (place, node, step))
    }

    /// Its state in one word. Takes time in the number of steps.
    pub fn state(&self) -> RunState {
        if let Some(conclusion) = &self.conclusion {
            return conclusion.state.into();
        }
        if self.started.is_none() {
            return RunState::Queued;
        }
        let moving = |step: &Step| {
            let approved = matches!(step.phase, Phase::Waiting(Wait::Approved { .. }));
            approved || matches!(step.phase, Phase::Ready | Phase::Running(_))
        };
        let waiting = |step: &Step| matches!(step.phase, Phase::Waiting(_));
        if !self.steps.iter().any(moving) && self.steps.iter().any(waiting) {
            return RunState::Waiting;
        }
        RunState::Running
    }
}

/// Whether an end of this step lets its dependants go on.
pub(super) fn satisfies(node: &Node, outcome: Outcome) -> bool {
    match outcome {
        Outcome::Succeeded => true,
        Outcome::Failed | Outcome::TimedOut => node.severity == Severity::Tolerated,
        Outcome::Cancelled | Outcome::Skipped | Outcome::Denied => false,
    }
}
