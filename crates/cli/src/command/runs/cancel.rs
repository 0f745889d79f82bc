//! `palisade runs cancel`: through the owning process where there is one, otherwise as the owner for a moment.
//! It asks and does not wait for the steps to end; `runs watch` shows that.

use runner::peer::{Client, ClientError};
use runner::{Adopt, RunId};
use serde_json::json;

use crate::arguments::Global;
use crate::command::follow::{self, Following};
use crate::command::run::unanswered;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;
use crate::session;

pub(super) fn run(global: &Global, run: &str, reason: &str) -> Result<Exit, Failure> {
    let (history, layout) = session::history(global)?;
    let id = session::run(&history, Some(run))?;
    let summary = history.summary(id).map_err(|error| session::history_failure(&error))?;
    if let Some(ended) = summary.filter(|summary| summary.state.is_final()) {
        return Err(Failure::new(
            Exit::Conflict,
            format!("run `{id}` has {} already", ended.state.name()),
        )
        .fix(format!("`palisade runs retry {id}` does failed steps of an ended run again")));
    }
    let asked = json!({ "run": id, "reason": reason });
    let answer =
        Client::connect(&layout.peer()).and_then(|mut client| client.request("run.cancel", asked));
    match answer {
        Ok(_) => tell(global, id),
        Err(ClientError::Refused(fault)) => {
            return Err(Failure::new(fault.code.into(), format!("run `{id}` cannot be cancelled"))
                .because(fault.message)
                .fix(format!("`palisade runs show {id}` says how it stands")));
        }
        Err(ClientError::NoOwner) => {
            drop(history);
            as_owner(global, id, reason)?;
            tell(global, id);
        }
        Err(error) => {
            return Err(Failure::of((&error).into(), &error)
                .fix(format!("`palisade runs show {id}` says whether it took effect")));
        }
    }
    Ok(Exit::Ok)
}

fn tell(global: &Global, run: RunId) {
    if global.json {
        output::json(&json!({ "run": run, "cancel": "requested" }));
    } else {
        output::line(format!("run {run}: cancel requested"));
    }
}

/// Nobody works on the run: take it up only to end it.
fn as_owner(global: &Global, run: RunId, reason: &str) -> Result<(), Failure> {
    let (watcher, events) = follow::events();
    let adopt = Adopt::Runs(vec![run]);
    let (node, layout) = session::start_watched(global, adopt, Some((run, watcher)))?;
    node.cancel(run, reason).map_err(|error| unanswered(&error))?;
    Following { node, layout: &layout, run, events }.follow(Progress::Quiet).map(drop)
}
