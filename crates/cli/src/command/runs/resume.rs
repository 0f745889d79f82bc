//! `palisade runs resume` and `runs retry`: going on with recorded runs, to their end.
//! Which steps may be repeated is the engine's decision; nothing is forced here.

use runner::tickets::Ticket;
use runner::{Adopt, RunId};
use serde_json::json;

use crate::arguments::Global;
use crate::command::ending;
use crate::command::follow::{self, Following, Until};
use crate::command::run::unanswered;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;
use crate::session;

/// Continues one interrupted run, or every one, one after the other. Of several none is waited for that only a person
/// can move, or those after it would never go on.
pub(super) fn resume(global: &Global, run: Option<&str>, detach: bool) -> Result<Exit, Failure> {
    let (history, _) = session::history(global)?;
    let open = history.open_runs().map_err(|error| session::history_failure(&error))?;
    let wanted = match run {
        Some(written) => vec![session::run(&history, Some(written))?],
        None => open.clone(),
    };
    drop(history);
    if wanted.is_empty() {
        if global.json {
            output::json_line(&json!({ "type": "result", "run": null, "audit": null }));
        } else {
            output::talk("no run is interrupted");
        }
        return Ok(Exit::Ok);
    }
    let until = if detach || run.is_none() { Until::Waits } else { Until::Ends };
    let mut exit = Exit::Ok;
    for run in wanted {
        if !open.contains(&run) {
            return Err(Failure::new(Exit::Conflict, format!("run `{run}` has ended"))
                .fix(format!("`palisade runs retry {run}` does failed steps again")));
        }
        let ended = go_on(global, run, (Again::Nothing, until), Vec::new())?;
        if ended == Exit::Interrupted {
            return Ok(ended);
        }
        if ended != Exit::Ok {
            exit = ended;
        }
    }
    Ok(exit)
}

/// Does failed steps of an ended or waiting run again.
pub(super) fn retry(
    global: &Global,
    run: &str,
    step: Option<&str>,
    tickets: Vec<Ticket>,
) -> Result<Exit, Failure> {
    let (history, _) = session::history(global)?;
    let id = session::run(&history, Some(run))?;
    drop(history);
    go_on(global, id, (step.map_or(Again::Failed, Again::Step), Until::Ends), tickets)
}

/// What is done again.
#[derive(Debug, Clone, Copy)]
enum Again<'a> {
    Nothing,
    Failed,
    Step(&'a str),
}

/// Takes `run` up, sets back what is to be done again, and follows it for so long.
fn go_on(
    global: &Global,
    run: RunId,
    (again, until): (Again<'_>, Until),
    tickets: Vec<Ticket>,
) -> Result<Exit, Failure> {
    let (history, _) = session::history(global)?;
    let told = history.run(run).map_err(|error| session::history_failure(&error))?;
    let outline = follow::outline(&told)?;
    drop(history);
    // Watching begins before the run can move, or its end could be missed.
    let (watcher, events) = follow::events();
    let adopt = Adopt::Runs(vec![run]);
    let (node, layout) = session::start_watched(global, adopt, Some((run, watcher)))?;
    let asked = match again {
        Again::Nothing => Ok(()),
        Again::Failed => node.retry(run, None, tickets),
        Again::Step(step) => node.retry(run, Some(step), tickets),
    };
    asked.map_err(|error| unanswered(&error))?;
    let progress = Progress::of(&outline, global.json);
    let followed =
        Following { node, layout: &layout, run, events }.follow_until(until, progress)?;
    ending::tell(global, &layout, run, followed)
}
