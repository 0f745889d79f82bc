//! Following one run to its end, and telling how it ended: what `run`, `watch`, `resume` and `retry` share.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use runner::history::{History, RunHistory};
use runner::{Event, Fact, Layout, Node, Outline, RunId, RunState, audit, owner};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;
use crate::output::{self, Tone, elapsed, paint};
use crate::progress::Progress;
use crate::session;

/// How often a live display is redrawn.
const REDRAW: Duration = Duration::from_millis(100);

/// How following a run came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Followed {
    /// The run ended.
    Ended,
    /// The run waits for a person.
    Waits,
    /// The person interrupted; the run was cancelled.
    Interrupted,
    /// The node ended without the run having ended.
    Lost,
}

/// Shows the events of `run` until it ends. The first interrupt cancels the run, in order.
pub(super) fn to_the_end(
    node: &Node,
    run: RunId,
    events: &Receiver<Event>,
    mut progress: Progress,
) -> Result<Followed, Failure> {
    let (interrupt, interrupted) = channel();
    interrupt::on_first(interrupt)
        .map_err(|error| Failure::new(Exit::Failure, "signals cannot be handled").because(error.to_string()))?;
    let mut stopped = false;
    let followed = loop {
        match events.recv_timeout(REDRAW) {
            Ok(event) => {
                if event.run != run {
                    continue;
                }
                progress.show(&event);
                if owner::ends_run(&event) {
                    break if stopped { Followed::Interrupted } else { Followed::Ended };
                }
                if matches!(event.fact, Fact::StepOutcomeUnknown { .. }) {
                    break Followed::Waits;
                }
            }
            Err(RecvTimeoutError::Timeout) => progress.tick(),
            Err(RecvTimeoutError::Disconnected) => break Followed::Lost,
        }
        if !stopped && interrupted.try_recv().is_ok() {
            stopped = true;
            // A run that ended meanwhile cannot be cancelled, and need not be.
            drop(node.cancel(run, "interrupted from the keyboard"));
        }
    };
    progress.finish();
    Ok(followed)
}

/// Prints how a run ended: id, artifacts, time, and the line of the journal that proves it.
pub(super) fn tell(layout: &Layout, run: RunId, followed: Followed, as_json: bool) -> Result<Exit, Failure> {
    if followed == Followed::Lost {
        return Err(Failure::new(Exit::Failure, format!("run `{run}` was interrupted: the journal could not be written"))
            .fix(format!("free what is full, then `palisade runs resume {run}`; nothing acknowledged is lost")));
    }
    let history = History::open(layout).map_err(|error| session::history_failure(&error))?;
    let told = history.run(run).map_err(|error| session::history_failure(&error))?;
    let verified = audit::verify(layout, audit::Scope::whole());
    if as_json {
        let verified = verified.as_ref().ok().map(|found| (found.first, found.last));
        output::json_line(&serde_json::json!({ "type": "result", "run": told.view, "verified": verified }));
    } else {
        print(layout, &told);
        if let Ok(found) = &verified {
            output::line(format!("audit     {} records verified, sequence {} to {}", found.records, found.first, found.last));
        }
    }
    if let Err(error) = verified {
        return Err(Failure::of(Exit::Verification, &error));
    }
    Ok(match (followed, told.view.summary.state) {
        (Followed::Interrupted, _) => Exit::Interrupted,
        (_, RunState::Succeeded) => Exit::Ok,
        (_, RunState::Cancelled) => Exit::RunCancelled,
        _ => Exit::RunFailed,
    })
}

fn print(layout: &Layout, told: &RunHistory) {
    let summary = &told.view.summary;
    let took = summary.finished.map_or_else(String::new, |end| format!(" in {}", elapsed(end.0 - summary.submitted.0)));
    let tone = if summary.state == RunState::Succeeded { Tone::Good } else { Tone::Bad };
    let state = paint(summary.state.name(), tone);
    output::line(format!("run       {} {} {state}{took}", summary.id, summary.workflow));
    if let Some(failure) = &summary.failure {
        output::line(format!("failure   {}", output::printable(failure)));
    }
    for step in &told.view.steps {
        if let Some(by) = &step.stopped_by {
            output::line(format!("stopped   {:<24} by {}", step.name, super::runs::guard(by)));
        }
        for file in step.result.iter().flat_map(|result| &result.artifacts) {
            output::line(format!("artifact  {}  {}  sha256:{}", file.path, bytes(file.size), file.digest));
        }
    }
    let project = layout.project().display();
    output::talk(format!("next: palisade runs show {}  (project {project})", summary.id));
}

/// A number of bytes with a unit a person would choose.
pub(super) fn bytes(count: u64) -> String {
    match count {
        0..1024 => format!("{count} B"),
        1024..1_048_576 => format!("{} KiB", count.div_ceil(1024)),
        _ => format!("{} MiB", count.div_ceil(1_048_576)),
    }
}

/// The outline of a recorded run, for the display.
pub(super) fn outline(history: &RunHistory) -> Result<Outline, Failure> {
    let document = &history.recorded.document;
    let source = runner::document::Source { name: document.name.clone(), text: document.text.clone() };
    runner::workflow::load(&source)
        .map(|loaded| Outline::of(&loaded.workflow))
        .map_err(|_| Failure::new(Exit::Failure, format!("workflow `{}` is not accepted by this version", document.name)))
}
