//! `palisade runs resume` and `runs retry`: going on with recorded runs, to their end.

use std::sync::mpsc::channel;

use runner::{Adopt, RunId};

use crate::arguments::Global;
use crate::command::follow::{self, Followed};
use crate::command::run::unanswered;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;
use crate::session;

/// Continues one interrupted run, or every one, one after the other.
pub(super) fn resume(global: &Global, run: Option<&str>) -> Result<Exit, Failure> {
    let (history, _) = session::history(global)?;
    let open = history.open_runs().map_err(|error| session::history_failure(&error))?;
    let wanted = match run {
        Some(written) => vec![session::run(&history, Some(written))?],
        None => open.clone(),
    };
    drop(history);
    if wanted.is_empty() {
        output::talk("no run is interrupted");
        return Ok(Exit::Ok);
    }
    let mut exit = Exit::Ok;
    for run in wanted {
        if !open.contains(&run) {
            return Err(Failure::new(Exit::Conflict, format!("run `{run}` has ended"))
                .fix(format!("`palisade runs retry {run}` does failed steps again")));
        }
        let ended = go_on(global, run, None)?;
        if ended != Exit::Ok {
            exit = ended;
        }
    }
    Ok(exit)
}

/// Does failed steps of an ended or waiting run again.
pub(super) fn retry(global: &Global, run: &str, step: Option<&str>) -> Result<Exit, Failure> {
    let (history, _) = session::history(global)?;
    let id = session::run(&history, Some(run))?;
    drop(history);
    go_on(global, id, Some(step))
}

/// Takes `run` up and follows it to its end; with `again`, sets a failed step (or all of them) back first.
fn go_on(global: &Global, run: RunId, again: Option<Option<&str>>) -> Result<Exit, Failure> {
    let (history, _) = session::history(global)?;
    let outline = follow::outline(&history.run(run).map_err(|error| session::history_failure(&error))?)?;
    drop(history);
    // Watching begins before the run can move, or its end could be missed.
    let (watcher, events) = channel();
    let adopt = Adopt::Runs(vec![run]);
    let (node, layout) = session::start_watched(global, adopt, Some((run, watcher)))?;
    if let Some(step) = again {
        node.retry(run, step).map_err(|error| unanswered(&error))?;
    }
    let progress = Progress::of(&outline, global.json);
    let followed: Followed = follow::to_the_end(&node, run, &events, progress)?;
    let ended = node.stop();
    let exit = follow::tell(&layout, run, followed, global.json)?;
    ended.map_err(|error| Failure::new(Exit::Failure, "the journal failed").because(error))?;
    Ok(exit)
}
