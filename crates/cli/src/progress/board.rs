//! The live board: one line per step in the order of the graph, indented by depth.
//!
//! A workflow with more steps than [`LINES_MAX`] shows one line with counts and the steps now running.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use runner::{Event, Fact, Outline};

use super::{Started, line};
use crate::output::{Tone, paint};

/// Most steps drawn one a line.
const LINES_MAX: usize = 40;
/// How often running steps are redrawn.
const REDRAW: Duration = Duration::from_millis(120);

/// A live board.
#[derive(Debug)]
pub(crate) struct Board {
    all: MultiProgress,
    bars: BTreeMap<String, ProgressBar>,
    total: Option<ProgressBar>,
    started: Started,
}

impl Board {
    pub(super) fn new(outline: &Outline) -> Self {
        let all = MultiProgress::new();
        let mut board =
            Self { all: all.clone(), bars: BTreeMap::new(), total: None, started: Started::new() };
        if outline.steps.len() > LINES_MAX {
            let bar = all.add(ProgressBar::new(outline.steps.len() as u64));
            bar.set_style(style("  {bar:30} {pos}/{len} {msg}"));
            board.total = Some(bar);
            return board;
        }
        for step in &outline.steps {
            let bar = all.add(ProgressBar::new_spinner());
            bar.set_style(style("{prefix} {msg}"));
            bar.set_prefix(format!("{}{} {}", "  ".repeat(step.depth + 1), paint("○", Tone::Quiet), step.name));
            let waits = if step.needs.is_empty() { String::new() } else { format!("needs {}", step.needs.join(", ")) };
            bar.set_message(paint(&waits, Tone::Quiet));
            board.bars.insert(step.name.clone(), bar);
        }
        board
    }

    pub(super) fn show(&mut self, event: &Event) {
        let Some((step, text)) = line::of(event, &mut self.started) else { return };
        let ended = matches!(
            event.fact,
            Fact::StepFinished { retrying: false, .. }
                | Fact::StepDenied { .. }
                | Fact::StepInvalid { .. }
                | Fact::StepSkipped { .. }
                | Fact::StepCancelled { .. }
        );
        if let Some(total) = &self.total {
            if ended {
                total.inc(1);
            }
            total.set_message(format!("{step} {text}"));
        }
        let Some(bar) = self.bars.get(&step) else { return };
        let good = matches!(&event.fact, Fact::StepFinished { result, .. } if result.outcome == runner::Ended::Succeeded);
        let (mark, tone) = match (&event.fact, ended, good) {
            (Fact::StepStarted { .. }, _, _) => ("◐", Tone::Busy),
            (Fact::StepSkipped { .. } | Fact::StepCancelled { .. }, _, _) => ("–", Tone::Quiet),
            (_, true, true) => ("●", Tone::Good),
            (_, true, false) => ("✗", Tone::Bad),
            (_, false, _) => ("○", Tone::Busy),
        };
        let indent: String = bar.prefix().chars().take_while(|character| *character == ' ').collect();
        bar.set_prefix(format!("{indent}{} {step}", paint(mark, tone)));
        if matches!(event.fact, Fact::StepStarted { .. }) {
            bar.set_style(style("{prefix} {spinner} {elapsed}"));
            bar.reset_elapsed();
            bar.enable_steady_tick(REDRAW);
        } else {
            bar.disable_steady_tick();
            bar.set_style(style("{prefix} {msg}"));
            bar.set_message(text);
            bar.tick();
        }
    }

    pub(super) fn tick(&self) {
        for bar in self.bars.values() {
            bar.tick();
        }
    }

    pub(super) fn finish(&self) {
        for bar in self.bars.values().chain(&self.total) {
            bar.disable_steady_tick();
            bar.abandon();
        }
        // The board stays as it is; what follows is printed below it.
        drop(self.all.println(""));
    }
}

/// A style; templates are compiled in, so a wrong one shows as the default rather than as an error.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
