//! What a person sees while a run goes on: a live board on a terminal, plain lines otherwise.
//!
//! Both are fed with committed events only, so nothing is shown that a crash could take back. With `--json` the
//! events themselves are printed instead, one a line. [`became`] has the words, [`row`] and [`board`] the
//! picture.

mod became;
mod board;
mod row;
mod screen;

use std::collections::BTreeMap;

use runner::{Event, Fact, Outline};

use crate::output::{self, elapsed, paint};

use became::Standing;
use board::Board;

/// Widest column of step names in plain lines.
const NAME_COLUMNS: usize = 40;

/// Where the events of one run are shown.
#[derive(Debug)]
pub(crate) enum Progress {
    /// Redrawn in place.
    Board(Box<Board>),
    /// One line per change, on standard error.
    Lines(Lines),
    /// One JSON object per event, on standard output.
    Json,
    /// Nothing.
    Quiet,
}

impl Progress {
    /// The right one for this process.
    pub(crate) fn of(outline: &Outline, as_json: bool) -> Self {
        if as_json {
            Self::Json
        } else if output::live() {
            Self::Board(Box::new(Board::new(outline)))
        } else {
            Self::Lines(Lines::of(outline))
        }
    }

    /// Shows one committed event.
    pub(crate) fn show(&mut self, event: &Event) {
        match self {
            Self::Quiet => {}
            Self::Json => output::json_line(event),
            Self::Board(board) => board.show(event),
            Self::Lines(lines) => lines.show(event),
        }
    }

    /// Tells the person something about the run as a whole.
    pub(crate) fn note(&mut self, text: &str) {
        match self {
            Self::Quiet | Self::Json => {}
            Self::Board(board) => board.note(text),
            Self::Lines(_) => output::talk(text),
        }
    }

    /// Redraws what moves with time.
    pub(crate) fn tick(&mut self) {
        if let Self::Board(board) = self {
            board.tick();
        }
    }

    /// Leaves the last state on the screen.
    pub(crate) fn finish(self) {
        if let Self::Board(mut board) = self {
            board.finish();
        }
    }
}

/// Plain lines: the width of the names, and when each attempt began, in µs.
#[derive(Debug)]
pub(crate) struct Lines {
    width: usize,
    began: BTreeMap<String, i64>,
}

impl Lines {
    fn of(outline: &Outline) -> Self {
        let widest = outline.steps.iter().map(|step| step.name.chars().count()).max();
        Self { width: widest.unwrap_or(0).min(NAME_COLUMNS), began: BTreeMap::new() }
    }

    fn show(&mut self, event: &Event) {
        if let Some(line) = self.line(event) {
            output::talk(line);
        }
    }

    fn line(&mut self, event: &Event) -> Option<String> {
        let (step, became) = became::of(&event.fact)?;
        let time = match &event.fact {
            Fact::StepStarted { .. } => {
                self.began.insert(step.to_owned(), event.at.0);
                None
            }
            Fact::StepRetryScheduled { due, .. } => {
                Some(format!(" in {}", elapsed(due.0 - event.at.0)))
            }
            _ => self.began.remove(step).map(|from| format!(" {}", elapsed(event.at.0 - from))),
        };
        let time = time.unwrap_or_default();
        let text = match &event.fact {
            Fact::StepRetryScheduled { .. } => format!("{}{}{time}", became.word, became.why),
            _ => format!("{}{time}{}", became.word, became.why),
        };
        let text = if became.standing == Standing::Runs {
            text
        } else {
            paint(&text, became.standing.tone())
        };
        Some(format!("  {step:<width$}  {text}", width = self.width))
    }
}
