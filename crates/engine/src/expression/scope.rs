//! What an expression may read: names at load, values in a run.
//!
//! Both views are borrowed from their owner (the document being loaded, the run's state), so
//! making one costs nothing. Neither reaches outside: no clock, no environment, no files.

use super::shape::Shape;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The names an expression may use at its place in the document.
pub struct Names<'a> {
    /// The inputs, by name.
    pub inputs: &'a Shape,
    /// Every step of the document.
    pub steps: &'a BTreeMap<String, StepNames>,
    /// Whether the expression's place comes after the named step for certain.
    pub sight: &'a dyn Fn(&str) -> Sight,
    /// Whether the status functions have a meaning here.
    pub place: Place,
}

/// What can be asked of one step.
#[derive(Debug, Clone)]
pub struct StepNames {
    /// Its outputs as a map.
    pub outputs: Shape,
    /// Whether it runs a program, which has an exit code.
    pub has_exit_code: bool,
    /// Whether it declares artifacts.
    pub has_artifacts: bool,
}

/// How a step is seen from the place of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// It is over whenever the expression is evaluated.
    Over,
    /// It is the step the expression belongs to.
    Itself,
    /// It may still be running: it is not reached through `needs`.
    Unordered,
    /// It is in `finally`, which begins when the expression's place is over.
    Later,
}

/// Where an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In an `if`.
    Condition,
    /// Anywhere else.
    Value,
}

/// The values an expression reads in a run.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The run's inputs, defaults filled: a map.
    pub inputs: &'a Value,
    /// The steps that are over, by name. A step that is missing here has null everywhere.
    pub steps: &'a BTreeMap<String, StepFacts>,
    /// The run's id as text.
    pub run_id: &'a str,
    /// The workflow's name.
    pub workflow: &'a str,
    /// What `success()`, `failure()` and `cancelled()` answer.
    pub status: Status,
}

/// How everything an `if` waits for ended: the needed steps, or for `finally` the whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing failed.
    Success,
    /// Something failed, directly or further up.
    Failure,
    /// The run is being cancelled.
    Cancelled,
}

/// How a step ended, as expressions see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did what it should.
    Succeeded,
    /// It did not, or was denied.
    Failed,
    /// It took longer than its timeout.
    TimedOut,
    /// It was stopped because the run was cancelled.
    Cancelled,
    /// It did not run: its condition was false or something it needs failed.
    Skipped,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 5] =
        [Self::Succeeded, Self::Failed, Self::TimedOut, Self::Cancelled, Self::Skipped];

    /// The text `steps.NAME.outcome` gives.
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }
}

/// What a step that is over left behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepFacts {
    /// How it ended.
    pub outcome: Outcome,
    /// What its program exited with, if one ran and exited.
    pub exit_code: Option<i64>,
    /// Its outputs by name.
    pub outputs: Map<String, Value>,
    /// Its artifacts by path in the workspace.
    pub artifacts: BTreeMap<String, ArtifactFacts>,
}

impl StepFacts {
    /// A step that ended this way and left nothing.
    pub fn bare(outcome: Outcome) -> Self {
        Self { outcome, exit_code: None, outputs: Map::new(), artifacts: BTreeMap::new() }
    }
}

/// What expressions see of one artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactFacts {
    /// Its content address as text.
    pub digest: String,
    /// Its length in bytes.
    pub size: u64,
}
