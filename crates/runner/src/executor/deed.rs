//! Deeds: changes that the node makes itself, in its own process, as the one step of a direct call.
//!
//! A deed has the ticket, the record before it and the report after it of every other attempt. What each tool does is
//! elsewhere; a tool that is none fails. Nothing of a deed is repeated by itself: what came of one that was
//! interrupted is found out from what it changes.

use engine::run::{Completion, Ended, Failure};
use serde_json::{Map, Value};

use super::{Real, Report, report};
use crate::gate::Permitted;
use crate::{cause, tool};

/// A change that the node makes itself.
#[derive(Debug)]
pub struct Deed {
    /// Registered name.
    pub tool: String,
    /// Validated arguments.
    pub arguments: Value,
}

/// Does a deed. Whoever is told that it was done can rely on its being on disk.
pub(super) fn carry_out(real: &Real, deed: Permitted<'_, Deed>) -> Report {
    let lost = report::lost(deed.job());
    let Deed { tool, arguments, .. } = deed.what();
    if tool != tool::POLICY_UPDATE {
        let none = format!("`{tool}` is nothing that the node does itself");
        let result = Completion { retryable: false, ..Completion::failed(Failure::Tool, none) };
        return Report { result, ..lost };
    }
    match real.replacing.carry_out(arguments) {
        Ok(in_force) => {
            let shown = ["file", "policy"].into_iter();
            let shown =
                shown.filter_map(|name| Some((name.to_owned(), arguments.get(name)?.clone())));
            let outputs: Map<String, Value> = shown.collect();
            let result = Completion { outputs, ..Completion::new(Ended::Succeeded) };
            Report { result, in_force: Some(in_force), ..lost }
        }
        Err(error) => {
            let line = cause::line(&error);
            let result = Completion { retryable: false, ..Completion::failed(Failure::Tool, line) };
            Report { result, ..lost }
        }
    }
}
