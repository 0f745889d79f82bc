//! `Event`: what happened, as the journal keeps it.
//!
//! An event says which run, when, and a [`Fact`]. Facts are results of decisions, never requests:
//! applying one never decides anything again, so old journals fold the same under newer rules.
//! The JSON of a fact is stable: `type` is its kind, absent fields are left out, fences are
//! strings. The journal's header already has the stream, the time and the principal, so the
//! payload may be the fact alone. Who makes them is `decide`; what they do is `apply`.

use super::approval::ApprovalRequest;
use super::completion::{Completion, Ended, Grant, Outcome, StoppedBy};
use super::digest::Digest;
use super::fence::Fence;
use super::id::{ApprovalId, RunId};
use super::time::Micros;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The run it belongs to; [`RunId::NIL`] for the shard itself.
    pub run: RunId,
    /// When it was decided.
    pub at: Micros,
    /// What happened.
    #[serde(flatten)]
    pub fact: Fact,
}

impl Event {
    /// The event type of the journal, such as `run.submitted`.
    pub fn kind(&self) -> &'static str {
        self.fact.kind()
    }
}

/// What a run was submitted with. Immutable; the run refers to it for ever.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// Identity of the workflow document.
    pub workflow: Digest,
    /// Name of the workflow.
    pub name: Arc<str>,
    /// Identity of the document's text, as the runner recorded it.
    pub source: Digest,
    /// Checked inputs, defaults filled in.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub inputs: Value,
    /// Who submitted it.
    pub principal: Arc<str>,
    /// Who started it on the principal's behalf, such as the user of an agent; none where the
    /// principal did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<Arc<str>>,
    /// One run per principal and key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Box<str>>,
    /// The run that this one repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<RunId>,
}

impl Submission {
    /// Whether both ask for the same work; what a repeated key must do.
    pub fn same_work(&self, other: &Self) -> bool {
        self.workflow == other.workflow && self.inputs == other.inputs
    }
}

/// Why a step was skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum SkipReason {
    /// Its `if:` was false.
    Condition,
    /// A step it needs, directly or through skipped ones, did not succeed.
    Dependency {
        /// The step where it began.
        step: Arc<str>,
        /// How that step ended.
        outcome: Outcome,
    },
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Condition => f.write_str("condition is false"),
            Self::Dependency { step, outcome } => write!(f, "dependency {outcome}: {step}"),
        }
    }
}

/// Why a lease ended without a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// The owner ended while the attempt ran.
    Restart,
    /// The lease ran out.
    Expired,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Restart => "the owner ended while it ran",
            Self::Expired => "its lease ran out without a report",
        })
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEnd {
    /// Every step succeeded, was skipped by its own condition, or was allowed to fail.
    Succeeded,
    /// A step failed.
    Failed,
    /// Somebody asked it to stop.
    Cancelled,
}

/// How a person settled an unknown outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Verdict {
    /// The effect happened.
    Succeeded {
        /// Outputs the step would have had.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        outputs: Map<String, Value>,
    },
    /// The effect did not happen and shall not.
    Failed,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Fact {
    /// A new owner of the shard; leases of older epochs are void.
    #[serde(rename = "shard.recovered")]
    ShardRecovered {
        /// The owner's epoch, higher than any before.
        epoch: u32,
    },
    /// A run exists.
    #[serde(rename = "run.submitted")]
    RunSubmitted(Arc<Submission>),
    /// Its first step is taken up.
    #[serde(rename = "run.started")]
    RunStarted,
    /// A new owner found steps of it running.
    #[serde(rename = "run.recovered")]
    RunRecovered {
        /// The owner's epoch.
        epoch: u32,
        /// Leases that ended with the old owner.
        leases: u32,
    },
    /// It shall end.
    #[serde(rename = "run.cancel_requested")]
    RunCancelRequested {
        /// Who asked.
        by: Arc<str>,
        /// Why.
        #[serde(default, skip_serializing_if = "str::is_empty")]
        reason: Box<str>,
        /// When running main steps must have ended.
        deadline: Micros,
    },
    /// Steps of it are done again.
    #[serde(rename = "run.retried")]
    RunRetried {
        /// Who asked.
        by: Arc<str>,
        /// The first step that was asked for.
        step: Arc<str>,
        /// Every step that is set back, in topological order.
        reset: Vec<Arc<str>>,
    },
    /// It ended.
    #[serde(rename = "run.finished")]
    RunFinished {
        /// How.
        state: RunEnd,
        /// One line saying why not well.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Box<str>>,
        /// Outputs of the workflow.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        outputs: Value,
    },
    /// An attempt may begin: recorded before it does.
    #[serde(rename = "step.started")]
    StepStarted {
        /// The step.
        step: Arc<str>,
        /// From 1, never repeated within the run.
        attempt: u32,
        /// The lease.
        fence: Fence,
        /// When the executor must have stopped it.
        deadline: Micros,
        /// What it may do.
        grant: Arc<Grant>,
    },
    /// An attempt ended.
    #[serde(rename = "step.finished")]
    StepFinished {
        /// The step.
        step: Arc<str>,
        /// The attempt.
        attempt: u32,
        /// The lease, ended by this.
        fence: Fence,
        /// Whether `step.retry_scheduled` follows; otherwise the step ended too.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        retrying: bool,
        /// What came of it.
        result: Arc<Completion>,
    },
    /// It will be tried again.
    #[serde(rename = "step.retry_scheduled")]
    StepRetryScheduled {
        /// The step.
        step: Arc<str>,
        /// The attempt to come.
        attempt: u32,
        /// Not before.
        due: Micros,
    },
    /// The policy refused it; it ended.
    #[serde(rename = "step.denied")]
    StepDenied {
        /// The step.
        step: Arc<str>,
        /// The rule.
        stopped_by: StoppedBy,
        /// The decision in short, opaque to the engine.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        decision: Value,
    },
    /// Its condition, templates or arguments came to nothing valid; it failed unstarted.
    #[serde(rename = "step.invalid")]
    StepInvalid {
        /// The step.
        step: Arc<str>,
        /// One line saying what is wrong.
        message: Box<str>,
    },
    /// It is not taken up; it ended.
    #[serde(rename = "step.skipped")]
    StepSkipped {
        /// The step.
        step: Arc<str>,
        /// Why.
        reason: SkipReason,
    },
    /// It was cancelled while no attempt ran; it ended.
    #[serde(rename = "step.cancelled")]
    StepCancelled {
        /// The step.
        step: Arc<str>,
    },
    /// Its lease was lost and it may be repeated: it is ready again.
    #[serde(rename = "step.requeued")]
    StepRequeued {
        /// The step.
        step: Arc<str>,
        /// The lease that was lost.
        fence: Fence,
        /// How.
        loss: Loss,
    },
    /// Its lease was lost and it may not be repeated: a person must say what happened.
    #[serde(rename = "step.outcome_unknown")]
    StepOutcomeUnknown {
        /// The step.
        step: Arc<str>,
        /// The lease that was lost.
        fence: Fence,
        /// How.
        loss: Loss,
    },
    /// A person said what happened; it ended.
    #[serde(rename = "step.resolved")]
    StepResolved {
        /// The step.
        step: Arc<str>,
        /// Who said it.
        by: Arc<str>,
        /// What happened.
        verdict: Verdict,
    },
    /// The policy asks for a review: it waits until others approve.
    #[serde(rename = "step.approval_requested")]
    StepApprovalRequested {
        /// The step.
        step: Arc<str>,
        /// What is asked.
        request: Arc<ApprovalRequest>,
    },
    /// A principal approves.
    #[serde(rename = "approval.granted")]
    ApprovalGranted {
        /// The step.
        step: Arc<str>,
        /// The request.
        approval: ApprovalId,
        /// Who.
        by: Arc<str>,
        /// Why.
        #[serde(default, skip_serializing_if = "str::is_empty")]
        reason: Box<str>,
        /// Whether no more are needed: the step is next, and decided again before it begins.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        complete: bool,
    },
    /// A principal refuses; `step.denied` follows.
    #[serde(rename = "approval.denied")]
    ApprovalDenied {
        /// The step.
        step: Arc<str>,
        /// The request.
        approval: ApprovalId,
        /// Who.
        by: Arc<str>,
        /// Why.
        #[serde(default, skip_serializing_if = "str::is_empty")]
        reason: Box<str>,
    },
    /// The time of a request ran out; `step.denied` follows.
    #[serde(rename = "approval.expired")]
    ApprovalExpired {
        /// The step.
        step: Arc<str>,
        /// The request.
        approval: ApprovalId,
    },
    /// What was asked about is not what would run, or the step will not: the request is void.
    #[serde(rename = "approval.stale")]
    ApprovalStale {
        /// The step.
        step: Arc<str>,
        /// The request.
        approval: ApprovalId,
        /// What changed.
        why: Box<str>,
    },
    /// The attempt that begins uses the approval up; `step.started` follows.
    #[serde(rename = "approval.consumed")]
    ApprovalConsumed {
        /// The step.
        step: Arc<str>,
        /// The request.
        approval: ApprovalId,
        /// The lease of the attempt.
        fence: Fence,
    },
    /// A report came with a fence that holds no lease. It changes nothing.
    #[serde(rename = "step.stale_result")]
    StepStaleResult {
        /// The step.
        step: Arc<str>,
        /// The fence of the report.
        fence: Fence,
        /// The fence that holds the lease now, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        current: Option<Fence>,
        /// The outcome that was reported.
        outcome: Ended,
        /// The receipt, kept for audit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        receipt: Option<Digest>,
    },
}

impl Fact {
    /// The event type of the journal; the same word as `type` in the JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ShardRecovered { .. } => "shard.recovered",
            Self::RunSubmitted(_) => "run.submitted",
            Self::RunStarted => "run.started",
            Self::RunRecovered { .. } => "run.recovered",
            Self::RunCancelRequested { .. } => "run.cancel_requested",
            Self::RunRetried { .. } => "run.retried",
            Self::RunFinished { .. } => "run.finished",
            Self::StepStarted { .. } => "step.started",
            Self::StepFinished { .. } => "step.finished",
            Self::StepRetryScheduled { .. } => "step.retry_scheduled",
            Self::StepDenied { .. } => "step.denied",
            Self::StepInvalid { .. } => "step.invalid",
            Self::StepSkipped { .. } => "step.skipped",
            Self::StepCancelled { .. } => "step.cancelled",
            Self::StepRequeued { .. } => "step.requeued",
            Self::StepOutcomeUnknown { .. } => "step.outcome_unknown",
            Self::StepResolved { .. } => "step.resolved",
            Self::StepApprovalRequested { .. } => "step.approval_requested",
            Self::ApprovalGranted { .. } => "approval.granted",
            Self::ApprovalDenied { .. } => "approval.denied",
            Self::ApprovalExpired { .. } => "approval.expired",
            Self::ApprovalStale { .. } => "approval.stale",
            Self::ApprovalConsumed { .. } => "approval.consumed",
            Self::StepStaleResult { .. } => "step.stale_result",
        }
    }
}
