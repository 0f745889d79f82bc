//! What an attempt was allowed to do (`Grant`) and what came of it (`Completion`).
//!
//! Both are carried from the command into the event and the state by one shared allocation. The
//! engine reads the outcome and whether it may be retried; the rest is evidence for people and
//! for expressions of later steps. Sizes are bounded by the runner before they come here. Integers
//! of 2^53 and more become strings in JSON, see [`exact`].

use super::digest::Digest;
use super::id::ApprovalId;
use policy::quota::Reservation;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// What the gate decided to let an attempt do; recorded before it begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// The registered tool, such as `exec.run`.
    pub tool: Box<str>,
    /// SHA-256 of the call as decided on.
    pub call: Digest,
    /// The decision in short, opaque to the engine.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub decision: Value,
    /// `run:step:hash(inputs)`; an effect happens once per key.
    pub key: Box<str>,
    /// The approval that its start uses up, where the policy asked for a review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// What the attempt takes of limits, where rules have any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<Reservation>,
}

/// How an attempt or a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did what it should.
    Succeeded,
    /// It ran and failed, or could not be started.
    Failed,
    /// It was stopped at its time limit.
    TimedOut,
    /// It was stopped because somebody asked.
    Cancelled,
    /// It was not taken up. Only of steps.
    Skipped,
    /// The policy refused it. Only of steps.
    Denied,
}

impl Outcome {
    /// The word in events, views and expressions.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::Denied => "denied",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How an attempt that had a lease ended: the outcomes an executor may report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It did what it should.
    Succeeded,
    /// It ran and failed, or could not be started.
    Failed,
    /// It was stopped at its time limit, verified.
    TimedOut,
    /// It was stopped because somebody asked, verified.
    Cancelled,
}

impl From<Ended> for Outcome {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Succeeded => Self::Succeeded,
            Ended::Failed => Self::Failed,
            Ended::TimedOut => Self::TimedOut,
            Ended::Cancelled => Self::Cancelled,
        }
    }
}

/// Why an attempt failed, as a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The program ended with another exit code than 0.
    ExitCode,
    /// A signal ended the program.
    Signal,
    /// A limit of memory, processes, disk or output was reached.
    Limit,
    /// The time limit was reached.
    Timeout,
    /// The sandbox could not be built or broke.
    Sandbox,
    /// The program does not exist or may not be executed.
    NotFound,
    /// The step's arguments or templates came to nothing valid.
    InvalidInput,
    /// A tool reported the failure.
    Tool,
    /// What the step promised (outputs, artifacts) was not there or too large.
    Output,
    /// The lease ended without a report, too often.
    LeaseLost,
}

impl Failure {
    /// Whether another attempt could end otherwise.
    pub const fn retryable(self) -> bool {
        match self {
            Self::ExitCode | Self::Signal | Self::Limit | Self::Timeout => true,
            Self::Sandbox | Self::Tool | Self::Output => true,
            Self::NotFound | Self::InvalidInput | Self::LeaseLost => false,
        }
    }
}

/// Which kind of guard stopped a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// A rule of the policy.
    Policy,
    /// A layer of the sandbox.
    Isolation,
    /// A limit of the sandbox or the engine.
    Limit,
    /// A review that the policy asked for and that was denied or not given in time.
    Approval,
}

/// What stopped a step, with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoppedBy {
    /// The kind of guard.
    pub kind: Guard,
    /// The rule, layer or limit.
    pub name: Box<str>,
    /// The reason or the line that shows it.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub detail: Box<str>,
}

/// A file that a step left behind, kept in the artifact store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRef {
    /// Path in the workspace, with `/`.
    pub path: Box<str>,
    /// SHA-256 of the content.
    pub digest: Digest,
    /// Bytes.
    #[serde(with = "exact")]
    pub size: u64,
    /// Such as `text/markdown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<Box<str>>,
}

/// What a program wrote to one of its outputs; the bytes themselves are the run's log records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamRef {
    /// SHA-256 of what was kept.
    pub digest: Digest,
    /// Bytes kept.
    #[serde(with = "exact")]
    pub size: u64,
    /// Whether more was written than kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// What an attempt used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Wall time in µs.
    #[serde(default, with = "exact")]
    pub wall_us: u64,
    /// CPU time in user mode, in µs.
    #[serde(default, with = "exact")]
    pub cpu_user_us: u64,
    /// CPU time in the kernel, in µs.
    #[serde(default, with = "exact")]
    pub cpu_system_us: u64,
    /// Largest memory in bytes; 0 where it is not measured.
    #[serde(default, with = "exact")]
    pub peak_memory: u64,
}

impl Usage {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// How it ended.
    pub outcome: Ended,
    /// The exit code, where a program exited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// Why it failed; none when it succeeded or was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Whether another attempt could end otherwise; see [`Failure::retryable`] for the usual answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retryable: bool,
    /// One line for people; none when the outcome says it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Box<str>>,
    /// The guard that stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<StoppedBy>,
    /// Outputs by name, for the expressions of later steps.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub outputs: Map<String, Value>,
    /// Files kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<ArtifactRef>,
    /// Standard output kept; none when nothing was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<StreamRef>,
    /// Standard error kept; none when nothing was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<StreamRef>,
    /// What it used.
    #[serde(default, skip_serializing_if = "Usage::is_none")]
    pub usage: Usage,
    /// SHA-256 of the receipt: what isolation was in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Digest>,
}

impl Completion {
    /// A completion with this outcome and nothing else; fill in what is known.
    pub fn new(outcome: Ended) -> Self {
        Self {
            outcome,
            exit: None,
            failure: None,
            retryable: false,
            message: None,
            stopped_by: None,
            outputs: Map::new(),
            artifacts: Vec::new(),
            stdout: None,
            stderr: None,
            usage: Usage::default(),
            receipt: None,
        }
    }

    /// A failure of this class, retryable as the class says, with one line for people.
    pub fn failed(failure: Failure, message: impl Into<Box<str>>) -> Self {
        let outcome = if failure == Failure::Timeout { Ended::TimedOut } else { Ended::Failed };
        Self {
            failure: Some(failure),
            retryable: failure.retryable(),
            message: Some(message.into()),
            ..Self::new(outcome)
        }
    }

    /// One line saying how it ended.
    pub(super) fn line(&self) -> String {
        let outcome = Outcome::from(self.outcome);
        match (&self.stopped_by, &self.message, self.exit) {
            (Some(guard), _, _) => format!("{outcome}: stopped by `{}`", guard.name),
            (None, Some(message), _) => format!("{outcome}: {message}"),
            (None, None, Some(code)) if code != 0 => format!("{outcome}: exit code {code}"),
            (None, None, _) => outcome.to_string(),
        }
    }
}

/// Integers in JSON that every reader keeps: below 2^53 a number, from there on a string.
pub(super) mod exact {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    const FIRST_INEXACT: u64 = 1 << 53;

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u64),
        Text(String),
    }

    pub(crate) fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        match *value {
            small @ 0..FIRST_INEXACT => serializer.serialize_u64(small),
            large => serializer.collect_str(&large),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Number(value) => Ok(value),
            Written::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}
