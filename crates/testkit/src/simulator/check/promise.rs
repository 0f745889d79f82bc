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

#[cfg(test)]
mod tests {
    use super::super::super::promise::Attempt;
    use super::*;
    use engine::run::{Grant, Micros, Submission};
    use engine::workflow::StepIndex;
    use serde_json::Value;
    use std::sync::Arc;

    const RUN: RunId = RunId([1; 16]);
    const OTHER: RunId = RunId([2; 16]);

    fn event(run: RunId, fact: Fact) -> Event {
        Event { run, at: Micros(0), fact }
    }

    fn submitted(run: RunId) -> Event {
        let submission = Submission {
            workflow: [0; 32].into(),
            name: "flow".into(),
            source: [0; 32].into(),
            inputs: Value::Null,
            started_by: None,
            principal: "user:a".into(),
            key: Some("request".into()),
            repeats: None,
        };
        event(run, Fact::RunSubmitted(Arc::new(submission)))
    }

    fn started() -> Event {
        let grant = Grant {
            tool: "exec.run".into(),
            call: [0; 32].into(),
            decision: Value::Null,
            key: "key".into(),
            approval: None,
            reservation: None,
        };
        let fact = Fact::StepStarted {
            step: "a".into(),
            attempt: 1,
            fence: Fence::new(1, 1),
            deadline: Micros(1),
            grant: Arc::new(grant),
        };
        event(RUN, fact)
    }

    fn ended() -> Event {
        let fact =
            Fact::RunFinished { state: RunEnd::Succeeded, failure: None, outputs: Value::Null };
        event(RUN, fact)
    }

    fn promised() -> Promises {
        let mut promises = Promises::default();
        let attempt = Attempt {
            run: RUN,
            step: StepIndex(0),
            name: "a".to_owned(),
            number: 1,
            fence: Fence::new(1, 1),
            key: "key".to_owned(),
        };
        promises.accept("request", RUN).unwrap();
        promises.begin(attempt).unwrap();
        promises.end(RUN, RunEnd::Succeeded).unwrap();
        promises
    }

    #[test]
    fn whatever_is_missing_is_named() {
        let table = [
            (vec![submitted(RUN), started(), ended()], None),
            (vec![started(), ended()], Some(Rule::Durable)),
            (vec![submitted(RUN), started()], Some(Rule::Durable)),
            (vec![submitted(RUN), ended()], Some(Rule::Intent)),
            (vec![submitted(RUN), submitted(OTHER), started(), ended()], Some(Rule::Effect)),
        ];
        for (events, expected) in table {
            let found = judge(&promised(), &events).err().map(|violation| violation.rule);
            assert_eq!(found, expected, "{events:?}");
        }
    }

    #[test]
    fn a_promise_is_not_changed() {
        let mut promises = promised();
        assert!(promises.accept("request", RUN).is_ok());
        assert!(promises.accept("request", OTHER).is_err());
        assert!(promises.end(RUN, RunEnd::Failed).is_err());
    }
}
