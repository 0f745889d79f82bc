//! Following one run to its end: what `run`, `resume`, `retry` and `sandbox exec` share. How it is told is in
//! [`super::ending`].

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use runner::history::{History, RunHistory};
use runner::{Event, Fact, Layout, Node, Outline, RunId, StepState, owner};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;
use crate::progress::Progress;
use crate::session;

/// How often a live display is redrawn.
const REDRAW: Duration = Duration::from_millis(100);

/// How following a run came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Followed {
    /// The run ended.
    Ended,
    /// The run waits for a person, and was left to wait.
    Waits,
    /// The person interrupted a run that only waits; it waits on.
    Left,
    /// The person interrupted; the run was cancelled.
    Interrupted,
}

/// How long a run is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// To its end, unless only a person can bring it about.
    Ends,
    /// Until all it does is wait for a person.
    Waits,
}

impl Until {
    /// Whether a run that so waits is not followed any longer.
    fn is_over(self, waits: Waits) -> bool {
        self == Self::Waits && waits == Waits::Approval
    }
}

/// A run that this process works on.
pub(super) struct Following<'a> {
    /// The process as owner.
    pub(super) node: Node,
    /// Its project.
    pub(super) layout: &'a Layout,
    /// The run.
    pub(super) run: RunId,
    /// The run's events, from the first that matters.
    pub(super) events: Receiver<Event>,
}

/// A channel for the events of a run: the side that is handed to a node, and the side that is followed.
pub(super) fn events() -> (Sender<Event>, Receiver<Event>) {
    channel()
}

impl Following<'_> {
    /// Shows the run's events until it ends or waits for a person, and ends the node in good order. The first
    /// interrupt cancels the run, or leaves one that only waits for a person.
    ///
    /// # Errors
    /// When the journal cannot be written any more, or the system does not deliver signals.
    pub(super) fn follow(self, progress: Progress) -> Result<Followed, Failure> {
        self.follow_until(Until::Ends, progress)
    }

    /// As [`Following::follow`], for so long.
    pub(super) fn follow_until(
        self,
        until: Until,
        mut progress: Progress,
    ) -> Result<Followed, Failure> {
        let interrupted = interrupt::listen().map_err(|error| {
            Failure::new(Exit::Failure, "signals cannot be handled")
                .because(error.to_string())
                .fix("`palisade doctor` checks this machine")
        })?;
        let followed = self.watch(until, &interrupted, &mut progress);
        progress.finish();
        session::warn_of_room(&self.node);
        let ended = self.node.stop();
        match (followed, ended) {
            (Some(followed), Ok(())) => Ok(followed),
            (_, ended) => Err(interrupted_by_journal(self.run, ended.err())),
        }
    }

    /// How it came to an end; `None` when the node ended first.
    fn watch(
        &self,
        until: Until,
        interrupted: &Receiver<()>,
        progress: &mut Progress,
    ) -> Option<Followed> {
        let mut ending = Followed::Ended;
        // A run that is taken up may wait for a person already, and then nothing ever happens.
        let mut waits = Waits::Asks;
        loop {
            match self.events.recv_timeout(REDRAW) {
                Ok(event) if event.run != self.run => {}
                Ok(event) => {
                    progress.show(&event);
                    if owner::ends_run(&event) {
                        return Some(ending);
                    }
                    // Whoever does not wait is told at the end.
                    if until == Until::Ends
                        && let Fact::StepApprovalRequested { request, .. } = &event.fact
                    {
                        progress.note(&format!("palisade approval approve {}", request.id));
                    }
                    waits = waits.after(&event);
                }
                Err(RecvTimeoutError::Timeout) if waits == Waits::Asks => {
                    waits = Waits::of(self.layout, self.run);
                }
                Err(RecvTimeoutError::Timeout) => progress.tick(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
            let goes_on = ending == Followed::Ended;
            if waits == Waits::Alone || (goes_on && until.is_over(waits)) {
                return Some(Followed::Waits);
            }
            if goes_on && interrupted.try_recv().is_ok() {
                // What only waits is left to wait: there is nothing to stop.
                if Waits::of(self.layout, self.run) == Waits::Approval {
                    return Some(Followed::Left);
                }
                ending = Followed::Interrupted;
                progress.note("cancelling the run; interrupt again to leave at once");
                // A run that ended meanwhile cannot be cancelled, and need not be.
                drop(self.node.cancel(self.run, "interrupted from the keyboard"));
            }
        }
    }
}

/// Whether a run may go on only when a person says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// It goes on by itself.
    No,
    /// The journal must be asked.
    Asks,
    /// A step's outcome is unknown, but other steps still move.
    Beside,
    /// A step waits for an approval, and no other moves.
    Approval,
    /// A step's outcome is unknown, and no step runs, is ready or will be tried again.
    Alone,
}

impl Waits {
    /// How it stands in the journal.
    fn of(layout: &Layout, run: RunId) -> Self {
        let Ok(told) = History::open(layout).and_then(|history| history.run(run)) else {
            return Self::Asks;
        };
        let any =
            |states: &[StepState]| told.view.steps.iter().any(|step| states.contains(&step.state));
        let moves = any(&[StepState::Ready, StepState::Running, StepState::Retrying]);
        match (any(&[StepState::Unknown]), any(&[StepState::AwaitingApproval]), moves) {
            (_, true, false) => Self::Approval,
            (false, ..) => Self::No,
            (true, false, false) => Self::Alone,
            (true, _, true) => Self::Beside,
        }
    }

    fn after(self, event: &Event) -> Self {
        match (self, &event.fact) {
            (_, Fact::StepOutcomeUnknown { .. } | Fact::StepApprovalRequested { .. }) => Self::Asks,
            (Self::No, _) => Self::No,
            (Self::Asks | Self::Beside | Self::Approval | Self::Alone, _) => Self::Asks,
        }
    }
}

fn interrupted_by_journal(run: RunId, why: Option<String>) -> Failure {
    let failure = Failure::new(
        Exit::Failure,
        format!("run `{run}` was interrupted: the journal cannot be written"),
    );
    let failure = why.into_iter().fold(failure, Failure::because);
    failure.fix(format!(
        "make room for the journal, then `palisade runs resume {run}`; nothing acknowledged is lost"
    ))
}

/// The outline of a recorded run, for the display.
pub(super) fn outline(history: &RunHistory) -> Result<Outline, Failure> {
    let document = &history.recorded.document;
    let source =
        runner::document::Source { name: document.name.clone(), text: document.text.clone() };
    runner::workflow::again(&source).map(|loaded| Outline::of(&loaded.workflow)).map_err(|_| {
        Failure::new(
            Exit::Failure,
            format!("workflow `{}` is not accepted by this version", document.name),
        )
        .fix("use the version of palisade that ran it")
    })
}

/// A run as it is recorded now.
pub(super) fn told(layout: &Layout, run: RunId) -> Result<(History, RunHistory), Failure> {
    let history = History::open(layout).map_err(|error| session::history_failure(&error))?;
    let told = history.run(run).map_err(|error| session::history_failure(&error))?;
    Ok((history, told))
}
