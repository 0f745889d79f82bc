//! Workflow documents: from YAML text to a checked graph of steps, and from a step to its call.
//!
//! Loading is strict and total: unknown keys, unknown names, cycles and expressions that cannot
//! work are refused with file, line and caret, several in one go. What is loaded never changes;
//! its digest is the SHA-256 of the exact text.
//! Nothing here runs anything or knows how far a run has come: that is `crate::run`.
//!
//! Reading order: `document`, `step` and `sandbox` (the result), `load` (the way to it, one file per part of
//! a document), `graph`, `inputs`, then `resolve`, `shown` and `output` (what a run asks).

mod document;
mod graph;
mod inputs;
mod load;
mod output;
mod path;
mod resolve;
mod sandbox;
mod shown;
mod step;
mod value;

pub use document::{Acting, Workflow, WorkflowOutputError};
pub use graph::Graph;
pub use inputs::{InputError, InputSchema, MAX_PATTERN_BYTES, MAX_SCHEMA_COST};
pub use load::{
    DEFAULT_STEP_TIMEOUT, DEFAULT_TOOL_TIMEOUT, Loaded, MAX_ACTIONS, MAX_ENTRIES, MAX_SCOPES,
    MAX_STEPS, MAX_TIMEOUT, is_scope,
};
pub use output::{Extent, MAX_OUTPUT_BYTES, OutputError, Written, check_outputs, collect};
pub use path::PathError;
pub use resolve::{
    Call, MAX_ARGUMENT_BYTES, MAX_ARGUMENTS, MAX_CALL_BYTES, RUN_TOOL, ResolveError, ResolvedMount,
    SHELL_TOOL, resolve,
};
pub use sandbox::{
    Changes, Driver, GAPS, Limits, MAX_HOSTS, Profile, SandboxRequest, SandboxTemplate,
};
pub use shown::{SHOWN_CALL_BYTES, SHOWN_TEXT_BYTES, shows};
pub use step::{Access, Action, Condition, Mount, OutputSource, Phase, Retry, Step, StepIndex};
pub use value::{Unfilled, ValueTemplate};

/// The most attempts a step may ask for; more is an error at load.
pub const MAX_ATTEMPTS: u32 = 100;
/// The largest factor between two waits; more is an error at load.
pub const MAX_BACKOFF_FACTOR: u32 = 100;

/// The most secrets of one step; more is an error at load.
pub const MAX_SECRETS: usize = 16;
/// What follows a secret's name in the variable that holds the path of its file.
pub const SECRET_SUFFIX: &str = "_FILE";

/// The JSON Schema (2020-12) of workflow documents, for editors. The loader says more than it:
/// names, references and expressions are beyond a schema.
pub const SCHEMA: &str = include_str!("../../schema/workflow-v1.json");
