//! What a person sees while a run goes on: a live board on a terminal, plain lines otherwise.
//!
//! Both are fed with committed events only, so nothing is shown that a crash could take back. With `--json` the
//! events themselves are printed instead, one a line.

mod board;
mod line;

use std::collections::BTreeMap;

use runner::{Event, Fact, Outline};

use crate::output;

use board::Board;

/// Where the events of one run are shown.
#[derive(Debug)]
pub(crate) enum Progress {
    /// Redrawn in place.
    Board(Box<Board>),
    /// One line per change, on standard error.
    Lines(Started),
    /// One JSON object per event, on standard output.
    Json,
    /// Nothing.
    Quiet,
}

/// When each step's attempt began, in µs, to tell how long it took.
pub(crate) type Started = BTreeMap<String, i64>;

impl Progress {
    /// The right one for this process.
    pub(crate) fn of(outline: &Outline, as_json: bool) -> Self {
        if as_json {
            Self::Json
        } else if output::live() {
            Self::Board(Box::new(Board::new(outline)))
        } else {
            Self::Lines(Started::new())
        }
    }

    /// Shows one committed event.
    pub(crate) fn show(&mut self, event: &Event) {
        match self {
            Self::Quiet => {}
            Self::Json => output::json_line(event),
            Self::Board(board) => board.show(event),
            Self::Lines(started) => {
                if let Some((step, text)) = line::of(event, started) {
                    output::talk(format!("  {step:<24} {text}"));
                }
            }
        }
    }

    /// Redraws what moves with time.
    pub(crate) fn tick(&self) {
        if let Self::Board(board) = self {
            board.tick();
        }
    }

    /// Leaves the last state on the screen.
    pub(crate) fn finish(self) {
        if let Self::Board(board) = self {
            board.finish();
        }
    }
}

/// The step a fact is about.
fn step_of(fact: &Fact) -> Option<&str> {
    match fact {
        Fact::StepStarted { step, .. }
        | Fact::StepFinished { step, .. }
        | Fact::StepRetryScheduled { step, .. }
        | Fact::StepDenied { step, .. }
        | Fact::StepInvalid { step, .. }
        | Fact::StepSkipped { step, .. }
        | Fact::StepCancelled { step, .. }
        | Fact::StepRequeued { step, .. }
        | Fact::StepOutcomeUnknown { step, .. }
        | Fact::StepResolved { step, .. }
        | Fact::StepStaleResult { step, .. } => Some(step),
        Fact::ShardRecovered { .. }
        | Fact::RunSubmitted(_)
        | Fact::RunStarted
        | Fact::RunRecovered { .. }
        | Fact::RunCancelRequested { .. }
        | Fact::RunRetried { .. }
        | Fact::RunFinished { .. } => None,
    }
}
