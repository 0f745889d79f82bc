//! One step of a workflow as it was declared: what to do, when, with what around it.
//!
//! Plain data after decoding: every default is filled in, every name is resolved, every template
//! is read. Nothing here depends on a run; `resolve` turns a step into the concrete call.

use super::sandbox::SandboxRequest;
use super::value::ValueTemplate;
use crate::expression::{Expression, Fault, Kinds, Scope, Template};
use schema::Schema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The place of a step in [`super::Workflow::steps`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepIndex(pub u32);

impl StepIndex {
    /// As an index into a slice.
    pub fn get(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for StepIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A node of the workflow's graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Unique in the workflow: `[a-z0-9][a-z0-9_-]{0,62}`.
    pub name: String,
    /// Whether it belongs to `steps` or to `finally`.
    pub phase: Phase,
    /// The steps that must be over first, in the order written, each once; of the same phase.
    pub needs: Vec<StepIndex>,
    /// The `if`, where there is one.
    pub condition: Option<Condition>,
    /// What the step does.
    pub action: Action,
    /// What of the host it sees.
    pub mounts: Vec<Mount>,
    /// The environment of its program, sorted by name.
    pub env: Vec<(String, Template)>,
    /// The secrets its program may read: the name it knows each by, and the secret's; sorted.
    pub secrets: Vec<(String, String)>,
    /// What its program reads on standard input; nothing when absent.
    pub stdin: Option<Template>,
    /// Files written into the workspace before it starts: relative path and text, sorted by path.
    pub files: Vec<(String, Template)>,
    /// The declared outputs, sorted by name. A tool's result fields need no declaration.
    pub outputs: Vec<(String, OutputSource)>,
    /// What declared outputs must look like, where the document says so; sorted by name.
    pub output_schemas: Vec<(String, Arc<Schema>)>,
    /// Globs of files in the workspace that are kept.
    pub artifacts: Vec<String>,
    /// The longest one attempt may take.
    pub timeout: Duration,
    /// What happens after a failed attempt.
    pub retry: Retry,
    /// How tightly it runs.
    pub sandbox: SandboxRequest,
    /// Whether an attempt whose end is unknown may simply be repeated.
    pub idempotent: bool,
    /// Whether the run goes on, and may succeed, although this step failed.
    pub allow_failure: bool,
}

/// The list a step was declared in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// `steps`: the workflow's work.
    Body,
    /// `finally`: begins when every step of the body is over, whatever happened.
    Finally,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// `run`: a program with its arguments; no shell is involved.
    Run {
        /// The program and its arguments, at least one.
        argv: Vec<Template>,
    },
    /// `shell`: a script for `/bin/sh -e`. It holds no expressions: values come to it through
    /// `env`, `stdin` and `files`, so that a value is never read as shell text.
    Shell {
        /// The script.
        script: String,
    },
    /// `tool` and `with`: a call of a registered tool.
    Tool {
        /// The tool's name.
        name: String,
        /// Its arguments.
        with: BTreeMap<String, ValueTemplate>,
    },
}

/// An `if`: whether the step runs once everything it needs is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    expression: Expression,
    source: String,
}

impl Condition {
    /// Takes an expression and its text.
    pub(super) fn new(expression: Expression, source: String) -> Self {
        Self { expression, source }
    }

    /// The text as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the step is skipped without asking when something it needs did not succeed. That
    /// is so unless the condition asks `success()`, `failure()`, `always()` or `cancelled()`
    /// itself.
    pub fn implies_success(&self) -> bool {
        !self.expression.asks_status()
    }

    /// Whether the step runs.
    ///
    /// # Errors
    /// A fault when the expression cannot be evaluated or gives no boolean; the step then fails.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<bool, Fault> {
        let value = self.expression.evaluate(scope)?;
        let kinds = Kinds::of(&value);
        value.as_bool().ok_or_else(|| {
            let message = format!("`if` takes a boolean, and this is {kinds}");
            Fault::new(self.expression.at(), message)
        })
    }
}

/// A folder or file of the host that a step sees.
#[derive(Debug, Clone, PartialEq)]
pub struct Mount {
    /// Path on the host, relative to the project when not absolute.
    pub source: Template,
    /// Path inside the sandbox; the source's own when absent.
    pub target: Option<Template>,
    /// Whether the step may change it.
    pub access: Access,
}

/// What a step may do with a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Read only; the default.
    Read,
    /// Read and change.
    Write,
}

impl Access {
    /// The word policy sees.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// Where a declared output comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputSource {
    /// What the program wrote to standard output, without the newlines at its end.
    #[serde(rename = "stdout")]
    Stdout,
    /// The same of standard error.
    #[serde(rename = "stderr")]
    Stderr,
    /// Standard output read as one JSON value.
    #[serde(rename = "stdout.json")]
    StdoutJson,
}

impl OutputSource {
    /// Every source.
    pub const ALL: [Self; 3] = [Self::Stdout, Self::Stderr, Self::StdoutJson];

    /// How it is written in a document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::StdoutJson => "stdout.json",
        }
    }
}

/// What happens after a failed attempt: attempt n + 1 starts about `base × factor^(n−1)` later,
/// never more than `max` later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, the first included; 1 to [`super::MAX_ATTEMPTS`].
    pub max_attempts: u32,
    /// The first wait.
    pub base: Duration,
    /// The longest wait.
    pub max: Duration,
    /// What each wait is multiplied by; 1 to [`super::MAX_BACKOFF_FACTOR`].
    pub factor: u32,
    /// Whether a wait is chosen at random below the computed one.
    pub jitter: bool,
}

impl Default for Retry {
    /// One attempt. Where more are asked for: 1 s, doubling, at most 1 h, with jitter.
    fn default() -> Self {
        let (base, max) = (Duration::from_secs(1), Duration::from_secs(3600));
        Self { max_attempts: 1, base, max, factor: 2, jitter: true }
    }
}
