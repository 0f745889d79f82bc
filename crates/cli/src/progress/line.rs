//! One event as one line for a person: the step and what became of it.

use runner::{Completion, Ended, Event, Fact};

use super::{Started, step_of};
use crate::output::{self, Tone, elapsed, paint};

/// The step and its line; nothing for events that are not about a step or not worth a line.
pub(super) fn of(event: &Event, started: &mut Started) -> Option<(String, String)> {
    let step = step_of(&event.fact)?.to_owned();
    let text = match &event.fact {
        Fact::StepStarted { attempt, .. } => {
            started.insert(step.clone(), event.at.0);
            if *attempt > 1 { format!("started, attempt {attempt}") } else { "started".to_owned() }
        }
        Fact::StepFinished { result, retrying, .. } => {
            let took = started.get(&step).map_or_else(String::new, |from| elapsed(event.at.0 - from));
            format!("{} {took}{}", finished(result), if *retrying { ", will be tried again" } else { "" })
        }
        Fact::StepDenied { stopped_by, .. } => paint(
            &format!("denied by policy rule `{}`: {}", stopped_by.name, stopped_by.detail),
            Tone::Bad,
        ),
        Fact::StepInvalid { message, .. } => paint(&format!("refused: {message}"), Tone::Bad),
        Fact::StepSkipped { reason, .. } => paint(&format!("skipped: {reason}"), Tone::Quiet),
        Fact::StepCancelled { .. } => paint("cancelled", Tone::Quiet),
        Fact::StepRequeued { loss, .. } => format!("will be done again: {loss}"),
        Fact::StepOutcomeUnknown { loss, .. } => {
            paint(&format!("outcome unknown: {loss}; a person must say what happened"), Tone::Bad)
        }
        Fact::StepResolved { by, .. } => format!("outcome settled by {by}"),
        Fact::StepRetryScheduled { .. } | Fact::StepStaleResult { .. } => return None,
        _ => return None,
    };
    Some((step, text))
}

/// How an attempt ended, with what stopped it.
pub(crate) fn finished(result: &Completion) -> String {
    let why = match (&result.stopped_by, &result.message, result.exit) {
        (Some(guard), _, _) => format!(": stopped by {} ({})", guard.name, output::printable(&guard.detail)),
        (None, Some(message), _) => format!(": {}", output::printable(message)),
        (None, None, Some(code)) if code != 0 => format!(": exit code {code}"),
        (None, None, _) => String::new(),
    };
    match result.outcome {
        Ended::Succeeded => paint("succeeded", Tone::Good),
        Ended::Failed => paint(&format!("failed{why}"), Tone::Bad),
        Ended::TimedOut => paint(&format!("timed out{why}"), Tone::Bad),
        Ended::Cancelled => paint(&format!("cancelled{why}"), Tone::Quiet),
    }
}
