//! What one event makes of its step, in words that plain lines and the live board share.
//! It keeps no state and draws nothing; see `row` and `board` for that.

use runner::{Completion, Ended, Fact};

use crate::output::{Tone, guard, printable};

/// How a step stands after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has not begun, or will begin again.
    Waits,
    /// An attempt goes on.
    Runs,
    /// It ended well.
    Good,
    /// It ended badly, or a person must act.
    Bad,
    /// It was left out.
    Left,
}

impl Standing {
    /// Whether the step is over.
    pub(super) fn is_end(self) -> bool {
        match self {
            Self::Good | Self::Bad | Self::Left => true,
            Self::Waits | Self::Runs => false,
        }
    }

    /// Its colour.
    pub(super) fn tone(self) -> Tone {
        match self {
            Self::Waits | Self::Left => Tone::Quiet,
            Self::Runs => Tone::Busy,
            Self::Good => Tone::Good,
            Self::Bad => Tone::Bad,
        }
    }
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Became {
    /// How it stands now.
    pub(super) standing: Standing,
    /// One or two words.
    pub(super) word: &'static str,
    /// The reason, as it follows the word; empty where the word says it all.
    pub(super) why: String,
}

fn became(standing: Standing, word: &'static str, why: impl Into<String>) -> Became {
    Became { standing, word, why: why.into() }
}

/// The step a fact is about and what became of it; nothing for facts that are not about a step, or not worth a line.
pub(super) fn of(fact: &Fact) -> Option<(&str, Became)> {
    let (step, became) = match fact {
        Fact::StepStarted { step, attempt, .. } => {
            let again = if *attempt > 1 { format!(": attempt {attempt}") } else { String::new() };
            (step, became(Standing::Runs, "started", again))
        }
        Fact::StepFinished { step, result, retrying, .. } => (step, finished(result, *retrying)),
        Fact::StepRetryScheduled { step, attempt, .. } => {
            (step, became(Standing::Waits, "waits", format!(" for attempt {attempt}")))
        }
        Fact::StepDenied { step, stopped_by, .. } => {
            (step, became(Standing::Bad, "denied", format!(" by {}", guard(stopped_by))))
        }
        Fact::StepInvalid { step, message } => {
            (step, became(Standing::Bad, "refused", format!(": {}", printable(message))))
        }
        Fact::StepSkipped { step, reason } => (
            step,
            became(Standing::Left, "skipped", format!(": {}", printable(&reason.to_string()))),
        ),
        Fact::StepCancelled { step } => (step, became(Standing::Left, "cancelled", "")),
        Fact::StepRequeued { step, loss, .. } => {
            (step, became(Standing::Waits, "will be done again", format!(": {loss}")))
        }
        Fact::StepOutcomeUnknown { step, loss, .. } => {
            let why = format!(": {loss}; a person must say what happened");
            (step, became(Standing::Bad, "outcome unknown", why))
        }
        Fact::StepResolved { step, by, .. } => {
            (step, became(Standing::Left, "settled", format!(" by {}", printable(by))))
        }
        Fact::StepApprovalRequested { step, request } => {
            (step, became(Standing::Waits, "needs approval", format!(" {}", request.id)))
        }
        Fact::ApprovalGranted { step, by, complete, .. } => {
            let rest = if *complete { "" } else { "; it needs more" };
            (step, became(Standing::Waits, "approved", format!(" by {}{rest}", printable(by))))
        }
        Fact::ApprovalStale { step, why, .. } => {
            (step, became(Standing::Waits, "asks again", format!(": {}", printable(why))))
        }
        // `step.denied` and `step.started` say these.
        Fact::ApprovalDenied { .. }
        | Fact::ApprovalExpired { .. }
        | Fact::ApprovalConsumed { .. }
        | Fact::StepStaleResult { .. }
        | Fact::ShardRecovered { .. }
        | Fact::RunSubmitted(_)
        | Fact::RunStarted
        | Fact::RunRecovered { .. }
        | Fact::RunCancelRequested { .. }
        | Fact::RunRetried { .. }
        | Fact::RunFinished { .. } => return None,
    };
    Some((step, became))
}

/// How an attempt ended, with what stopped it.
fn finished(result: &Completion, retrying: bool) -> Became {
    let mut why = match (&result.stopped_by, &result.message, result.exit) {
        (Some(by), _, _) => format!(": stopped by {}", guard(by)),
        (None, Some(message), _) => format!(": {}", printable(message)),
        (None, None, Some(code)) if code != 0 => format!(": exit code {code}"),
        (None, None, _) => String::new(),
    };
    if retrying {
        why.push_str("; will be tried again");
    }
    let bad = if retrying { Standing::Waits } else { Standing::Bad };
    match result.outcome {
        Ended::Succeeded => became(Standing::Good, "succeeded", why),
        Ended::Failed => became(bad, "failed", why),
        Ended::TimedOut => became(bad, "timed out", why),
        Ended::Cancelled => became(Standing::Left, "cancelled", why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// The line of a fact as the journal keeps it.
    fn line(fact: Value) -> Option<String> {
        let fact: Fact = serde_json::from_value(fact).unwrap();
        let (step, became) = of(&fact)?;
        Some(format!("{step} {}{}", became.word, became.why))
    }

    #[test]
    fn every_guard_is_named_by_its_kind() {
        let check = |fact: Value, expect: &str| assert_eq!(line(fact).unwrap(), expect);
        let by = |kind: &str| json!({ "kind": kind, "name": "g", "detail": "d\u{1b}" });
        let denied = |kind| json!({ "type": "step.denied", "step": "s", "stopped_by": by(kind) });
        check(denied("policy"), "s denied by policy rule `g`: d·");
        check(denied("isolation"), "s denied by isolation layer `g`: d·");
        let finished = |result: Value, retrying: bool| {
            json!({ "type": "step.finished", "step": "s", "attempt": 1, "fence": "1-1",
                    "retrying": retrying, "result": result })
        };
        let blocked = json!({ "outcome": "failed", "exit": 1, "stopped_by": by("limit") });
        check(finished(blocked, false), "s failed: stopped by limit `g`: d·");
        check(
            finished(json!({ "outcome": "failed", "exit": 3 }), true),
            "s failed: exit code 3; will be tried again",
        );
        check(finished(json!({ "outcome": "succeeded" }), false), "s succeeded");
        assert_eq!(line(json!({ "type": "run.started" })), None);
    }
}
