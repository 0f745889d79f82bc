//! `palisade serve`: owns the project and answers other programs on its socket, until it is interrupted.
//! It takes up the runs that were interrupted, and starts none of its own.

use std::time::Duration;

use runner::{Adopt, peer};
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{interrupt, output, session};

/// How often it is looked whether the node still runs.
const LOOK: Duration = Duration::from_millis(500);

pub(crate) fn run(global: &Global) -> Result<Exit, Failure> {
    // From here on an interrupt is a wish to end in order.
    let interrupted = interrupt::listen().map_err(|error| {
        Failure::new(Exit::Failure, "signals cannot be handled")
            .because(error.to_string())
            .fix("`palisade doctor` checks this machine")
    })?;
    let (node, layout) = session::start(global, Adopt::Runs(interrupted_runs(global)?))?;
    let socket = node.door().map(|door| door.path().to_path_buf()).map_err(|error| {
        Failure::of(Exit::Failure, error).fix(
            "make the state folder yours alone and remove what lies there, or keep the state elsewhere with \
             PALISADE_STATE__FOLDER",
        )
    })?;
    let (shown, project) = (socket.display().to_string(), layout.project().display().to_string());
    if global.json {
        let version = peer::API_VERSION;
        output::json_line(&json!({
            "type": "listening", "socket": shown, "project": project, "api_version": version,
        }));
    } else {
        output::line(format!("listening on {}", output::printable(&shown)));
        output::talk("stop with Ctrl-C; what is acknowledged is kept");
    }
    while node.is_running() && interrupted.recv_timeout(LOOK).is_err() {}
    node.stop().map_err(|error| {
        Failure::new(Exit::Failure, "the journal failed while it was served")
            .because(error)
            .fix("make room for the journal; nothing acknowledged is lost")
    })?;
    if global.json {
        output::json_line(&json!({ "type": "stopped" }));
    } else {
        output::talk("stopped");
    }
    Ok(Exit::Ok)
}

/// Runs whose process went away; none where there is no journal yet.
fn interrupted_runs(global: &Global) -> Result<Vec<runner::RunId>, Failure> {
    let layout = session::layout(global)?;
    let Some(history) = session::history_if_any(&layout)? else { return Ok(Vec::new()) };
    history.open_runs().map_err(|error| session::history_failure(&error))
}
