//! Rule: whatever left the code under test is in the journal.
//!
//! An accepted request has its run, a told end has its record, and an attempt that was begun has
//! the record that allowed it. That record may not be newer than the effect, which follows from
//! judging after the crash: what was not durable before it is gone.

use super::super::promise::Promises;
use super::{Rule, Violation, broken};
use engine::run::{Event, Fact, Fence, RunEnd, RunId};
use std::collections::{BTreeMap, BTreeSet};

/// What the journal says about promises.
#[derive(Debug, Default)]
struct Recorded<'a> {
    runs: BTreeMap<RunId, Option<&'a str>>,
    ends: BTreeMap<RunId, RunEnd>,
    starts: BTreeSet<(Fence, RunId, &'a str, u32)>,
}

/// Judges promises against the events of one journal.
pub(in crate::simulator) fn judge(promises: &Promises, events: &[Event]) -> Result<(), Violation> {
    let recorded = Recorded::of(events);
    for (request, run) in &promises.accepted {
        if recorded.runs.get(run) != Some(&Some(request)) {
            return Err(broken(Rule::Durable, format!("request `{request}` lost its run `{run}`")));
        }
    }
    for (run, end) in &promises.ended {
        if recorded.ends.get(run) != Some(end) {
            return Err(broken(Rule::Durable, format!("`{run}` no longer ended as {end:?}")));
        }
    }
    for (fence, attempt) in &promises.begun {
        let start = (*fence, attempt.run, attempt.name.as_str(), attempt.number);
        if !recorded.starts.contains(&start) {
            return Err(broken(Rule::Intent, format!("no record of {attempt:?}")));
        }
    }
    one_run_per_request(&recorded)
}

impl<'a> Recorded<'a> {
    fn of(events: &'a [Event]) -> Self {
        let mut recorded = Self::default();
        for event in events {
            match &event.fact {
                Fact::RunSubmitted(submission) => {
                    recorded.runs.insert(event.run, submission.key.as_deref());
                }
                Fact::RunFinished { state, .. } => {
                    recorded.ends.insert(event.run, *state);
                }
                Fact::StepStarted { step, attempt, fence, .. } => {
                    recorded.starts.insert((*fence, event.run, step, *attempt));
                }
                _ => {}
            }
        }
        recorded
    }
}

fn one_run_per_request(recorded: &Recorded<'_>) -> Result<(), Violation> {
    let mut runs = BTreeMap::new();
    for (run, request) in &recorded.runs {
        if let Some(other) = request.and_then(|request| runs.insert(request, run)) {
            return Err(broken(Rule::Effect, format!("`{run}` and `{other}` are one request")));
        }
    }
    Ok(())
}
