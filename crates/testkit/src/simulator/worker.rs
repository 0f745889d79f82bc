//! Workers: what they do with an attempt, and how they go wrong.
//!
//! A worker lives outside the server. When the server dies some workers die with it; the others
//! go on, have their effect and report to the next server, which must know them for what they are.

use super::check::lease::MARK;
use super::promise::Attempt;
use crate::draw::Draw;
use engine::run::{Completion, Ended, Failure};
use runner::executor::Report;
use serde_json::Value;

/// Virtual time of a quick worker, in microseconds, at most.
const QUICK_MICROS: u64 = 400_000;

/// Virtual time of a slow one, past every lease of the scenario.
const SLOW_MICROS: u64 = 40_000_000;

/// What a worker is going to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Succeed,
    /// Its program fails before the effect.
    FailBefore,
    /// Its program fails after the effect.
    FailAfter,
    /// It reports twice.
    Twice,
    /// It has its effect and is never heard of again.
    Silent,
    /// It reports when its lease is long gone.
    Slow,
}

/// A worker with one attempt.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) attempt: Attempt,
    /// The request the attempt works for.
    pub(super) request: String,
    script: Script,
    stopped: bool,
}

impl Worker {
    /// Gives the attempt to a worker; `steady` ones only succeed.
    pub(super) const fn new(
        attempt: Attempt,
        request: String,
        steady: bool,
        draw: &mut Draw,
    ) -> Self {
        let script = match draw.below(100) {
            _ if steady => Script::Succeed,
            0..64 => Script::Succeed,
            64..74 => Script::FailBefore,
            74..84 => Script::FailAfter,
            84..92 => Script::Twice,
            92..96 => Script::Silent,
            _ => Script::Slow,
        };
        Self { attempt, request, script, stopped: false }
    }

    /// Microseconds until its effect.
    pub(super) const fn effect_delay(draw: &mut Draw) -> u64 {
        draw.below(QUICK_MICROS)
    }

    /// Whether it has an effect at all.
    pub(super) const fn has_effect(&self) -> bool {
        !matches!(self.script, Script::FailBefore)
    }

    /// Microseconds from the effect to the report; `None` when no report comes.
    pub(super) const fn report_delay(&self, draw: &mut Draw) -> Option<u64> {
        match self.script {
            Script::Silent => None,
            Script::Slow => Some(SLOW_MICROS),
            _ => Some(draw.below(QUICK_MICROS)),
        }
    }

    /// It was told to stop; some notice.
    pub(super) const fn stop(&mut self, draw: &mut Draw) {
        self.stopped = draw.chance(70);
    }

    /// Whether it reports once more.
    pub(super) const fn repeats(&mut self) -> bool {
        if matches!(self.script, Script::Twice) {
            self.script = Script::Succeed;
            return true;
        }
        false
    }

    /// Its report.
    pub(super) fn report(&self) -> Report {
        let mut result = match self.script {
            _ if self.stopped => Completion::new(Ended::Cancelled),
            Script::FailBefore | Script::FailAfter => {
                Completion { exit: Some(1), ..Completion::failed(Failure::ExitCode, "exit code 1") }
            }
            _ => Completion { exit: Some(0), ..Completion::new(Ended::Succeeded) },
        };
        let mark = Value::String(self.attempt.fence.to_string());
        result.outputs.insert(MARK.to_owned(), mark);
        Report {
            run: self.attempt.run,
            step: self.attempt.step,
            name: self.attempt.name.as_str().into(),
            attempt: self.attempt.number,
            fence: self.attempt.fence,
            result,
            receipt: None,
            changes: None,
            in_force: None,
            committed: None,
        }
    }
}
