//! Workflow documents as the runner uses them: loaded against the registered tools.
//! What a document means is the engine's; here it meets the tools this build has.

use std::sync::Arc;

use engine::policy::document::{Diagnostic, Source};
use engine::run::Plan;
use engine::workflow::Workflow;

pub use engine::workflow::Loaded;

use crate::projection::Document;
use crate::tool;

/// Largest workflow or inputs file, in bytes; a larger one is refused before it is read.
pub const DOCUMENT_BYTES: u64 = 1024 * 1024;

/// Reads a workflow document.
///
/// # Errors
/// Everything wrong with it, in the order of the text.
pub fn load(source: &Source) -> Result<Loaded, Vec<Diagnostic>> {
    let names = tool::names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Workflow::load(source, &names)
}

/// The plan of a document that was recorded; `None` when this version no longer accepts it.
pub(crate) fn recorded(document: &Document) -> Option<Plan> {
    let source = Source { name: document.name.clone(), text: document.text.clone() };
    load(&source).ok().map(|loaded| Plan::new(Arc::new(loaded.workflow)))
}
