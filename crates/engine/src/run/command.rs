//! `Command`: what somebody asks of the engine, and `Rejection`: why not.
//!
//! A command carries everything that is not in the state: ids, entropy, decisions of the gate,
//! results of executors, values of expressions. A rejection changes nothing and needs no undoing.
//! What a command leads to is in `decide`.

use super::approval::{ApprovalRequest, Reviewer, Unfit};
use super::completion::{Completion, Grant, StoppedBy};
use super::digest::Digest;
use super::event::{Submission, Verdict};
use super::fence::Fence;
use super::id::{ApprovalId, RunId};

use super::schedule::Hold;
use super::time::Micros;
use crate::workflow::StepIndex;
use serde_json::Value;
use std::sync::Arc;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// A new run. Legal when the id is new, the plan is known and the key is free.
    Submit {
        /// A fresh id.
        run: RunId,
        /// What to run.
        submission: Arc<Submission>,
    },
    /// Grant a lease on a step. Legal when nothing holds the step.
    Start {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
        /// The decision to let it run.
        grant: Arc<Grant>,
        /// A shorter time limit than the step's own, in µs.
        timeout_us: Option<u64>,
    },
    /// The step's `if:` is false. Legal when nothing but a slot holds the step.
    Skip {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
    },
    /// The step may not or cannot begin. Legal when nothing but a slot holds the step.
    Refuse {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
        /// Why.
        refusal: Refusal,
    },
    /// The step may begin once others approve. Legal when nothing but a slot holds the step.
    Suspend {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
        /// What is asked.
        request: Arc<ApprovalRequest>,
    },
    /// A principal answers a request. Legal while it is open, for whoever may answer it.
    Answer {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
        /// The request.
        approval: ApprovalId,
        /// Yes or no.
        ruling: Ruling,
        /// Who answers.
        by: Reviewer,
        /// Why.
        reason: Box<str>,
    },
    /// What would run now is not what was asked about. Legal while the request is open; the step is
    /// then decided anew.
    Outdate {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
        /// The request.
        approval: ApprovalId,
        /// What changed.
        why: Box<str>,
    },
    /// The time of a request ran out. Legal from its expiry on, while it is open.
    Lapse {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
        /// The request.
        approval: ApprovalId,
    },
    /// An executor's report. A fence without a lease is recorded and changes nothing.
    Finish {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
        /// The lease it had.
        fence: Fence,
        /// What came of it.
        result: Arc<Completion>,
        /// Uniform randomness for the backoff.
        entropy: u64,
    },
    /// A lease ran out. Legal from its end on, while it holds.
    Expire {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
        /// The lease.
        fence: Fence,
    },
    /// Every step of the run has succeeded and its outputs are evaluated.
    Conclude {
        /// The run.
        run: RunId,
        /// The outputs, or one line saying why there are none: then the run failed.
        outputs: Result<Value, Box<str>>,
    },
    /// Stop a run. Legal once, until it ended.
    Cancel {
        /// The run.
        run: RunId,
        /// Who asks.
        by: Arc<str>,
        /// Why.
        reason: Box<str>,
        /// Time for running steps to end, in µs.
        grace_us: u64,
    },
    /// Do steps again, all of them or none. Legal when each waits, or the run waits or ended.
    Retry {
        /// The run.
        run: RunId,
        /// The steps, at least one.
        steps: Vec<StepIndex>,
        /// How much is set back.
        scope: Scope,
        /// Who asks.
        by: Arc<str>,
    },
    /// Settle an unknown outcome. Legal while it is unknown.
    Resolve {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
        /// What happened.
        verdict: Verdict,
        /// Who says so.
        by: Arc<str>,
    },
    /// Take the shard over: no lease of an older epoch holds any more. Legal with a higher epoch.
    Recover {
        /// The new owner's epoch.
        epoch: u32,
    },
}

/// Why a step may not or cannot begin.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// The policy denies it.
    Policy {
        /// The rule.
        stopped_by: StoppedBy,
        /// The decision in short.
        decision: Value,
    },
    /// Its condition, templates or arguments came to nothing valid.
    Invalid {
        /// One line saying what is wrong.
        message: Box<str>,
    },
}

/// An answer to a request for an approval.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// The call may run, as far as this approver is concerned.
    Approve,
    /// It must not.
    Deny,
}

/// How much a retry sets back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The step and what was skipped or cancelled because of it. The step must not have succeeded.
    Step,
    /// The step and everything after it, whatever came of it.
    From,
}

/// Why a command is not legal now. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No run of this id is known.
    #[error("no run `{0}`")]
    UnknownRun(RunId),
    /// The run has no such step.
    #[error("run `{run}` has no step number {step}")]
    UnknownStep {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
    },
    /// The plan was not made known to the state, see `State::know`.
    #[error("workflow `{0}` is not loaded")]
    UnknownWorkflow(Digest),
    /// The id or the key is taken.
    #[error("already submitted as `{run}`")]
    AlreadySubmitted {
        /// The run that has it.
        run: RunId,
        /// Whether it is the same work, so that the caller may be given that run.
        same: bool,
    },
    /// Something holds the step.
    #[error("step cannot begin: {0}")]
    NotReady(Hold),
    /// The fence holds no lease.
    #[error("fence {fence} holds no lease on the step")]
    StaleFence {
        /// The fence given.
        fence: Fence,
        /// The one that holds it, if any.
        current: Option<Fence>,
    },
    /// The time has not come.
    #[error("not due before {}", .0.0)]
    NotDue(Micros),
    /// The run ended before.
    #[error("run `{0}` has finished")]
    AlreadyFinished(RunId),
    /// The run is being cancelled already.
    #[error("run `{0}` is being cancelled")]
    AlreadyCancelling(RunId),
    /// No such request is open.
    #[error("no open request `{0}`: it was answered, expired or outdated, or never made")]
    NoRequest(ApprovalId),
    /// This principal may not answer the request.
    #[error(transparent)]
    Unfit(Unfit),
    /// The command does not fit the state the step or run is in.
    #[error("not possible while {0}")]
    WrongState(&'static str),
    /// The epoch is not higher than the current one, or its fences are used up.
    #[error("epoch {current} cannot go on; a higher one is needed")]
    Epoch {
        /// The current epoch.
        current: u32,
    },
}
