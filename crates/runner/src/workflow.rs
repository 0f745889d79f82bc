//! Workflow documents as the runner uses them: loaded against the registered tools.
//! What a document means is the engine's; here it meets the tools this build has. A step calls no tool that writes:
//! those are asked for by commands of their own, and what becomes a run of one step is written by us.

use std::sync::Arc;

use engine::policy::document::{Diagnostic, Severity, Source};
use engine::run::Plan;
use engine::workflow::{Action, Workflow};

pub use engine::workflow::{Loaded, SCHEMA};

use crate::projection::Document;
use crate::tool;

/// Largest workflow or inputs file, in bytes; a larger one is refused before it is read.
pub const DOCUMENT_BYTES: u64 = 1024 * 1024;

/// Reads a workflow document that somebody else wrote.
///
/// # Errors
/// Everything wrong with it, in the order of the text.
pub fn load(source: &Source) -> Result<Loaded, Vec<Diagnostic>> {
    let loaded = again(source)?;
    let beyond: Vec<Diagnostic> = deeds(&loaded.workflow)
        .map(|(step, tool)| Diagnostic {
            severity: Severity::Error,
            message: format!("step `{step}` calls `{tool}`, which no step can"),
            span: None,
            hint: tool::command(tool).map(|command| format!("`{command}` asks for it")),
            file: source.name.clone(),
        })
        .collect();
    if beyond.is_empty() { Ok(loaded) } else { Err(beyond) }
}

/// Steps of a document that would do a deed, with its tool.
pub(crate) fn deeds(workflow: &Workflow) -> impl Iterator<Item = (&str, &str)> {
    workflow.steps.iter().filter_map(|step| match &step.action {
        Action::Tool { name, .. } if tool::is_deed(name) => Some((&*step.name, name.as_str())),
        Action::Tool { .. } | Action::Run { .. } | Action::Shell { .. } => None,
    })
}

/// Reads a workflow document that was accepted before, or that is written here.
///
/// # Errors
/// As [`load`].
pub fn again(source: &Source) -> Result<Loaded, Vec<Diagnostic>> {
    let names = tool::names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Workflow::load(source, &names)
}

/// The plan of a document that was recorded; `None` when this version no longer accepts it.
pub(crate) fn recorded(document: &Document) -> Option<Plan> {
    let source = Source { name: document.name.clone(), text: document.text.clone() };
    again(&source).ok().map(|loaded| Plan::new(Arc::new(loaded.workflow)))
}
