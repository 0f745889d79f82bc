//! Rule: one piece of work has one effect, and none is missing where success was told.
//! It believes the sink alone, which no crash of the server can reach.

use super::super::promise::Promises;
use super::super::sink::Sink;
use super::{Rule, Violation, broken};
use engine::run::{Ended, Event, Fact, RunEnd, RunId};
use std::collections::BTreeMap;

/// At any time: no piece of work was done under two keys.
pub(in crate::simulator) fn judge(sink: &Sink) -> Result<(), Violation> {
    match sink.repeated().next() {
        Some((work, keys)) => Err(broken(Rule::Effect, format!("{work:?} has the keys {keys:?}"))),
        None => Ok(()),
    }
}

/// In the end: every accepted run ended, and where a step succeeded its effect happened.
pub(in crate::simulator) fn complete(
    events: &[Event],
    promises: &Promises,
    sink: &Sink,
) -> Result<(), Violation> {
    let requests: BTreeMap<RunId, &String> =
        promises.accepted.iter().map(|(request, run)| (*run, request)).collect();
    let ends = ends(events);
    for (run, request) in &requests {
        if !ends.contains_key(run) {
            return Err(broken(Rule::Liveness, format!("`{run}` of `{request}` never ended")));
        }
    }
    for event in events {
        let Fact::StepFinished { step, result, .. } = &event.fact else { continue };
        let Some(request) = requests.get(&event.run) else { continue };
        let work = ((*request).clone(), step.to_string());
        if result.outcome == Ended::Succeeded && sink.applied(&work) != 1 {
            let detail = format!("{work:?} succeeded with {} effects", sink.applied(&work));
            return Err(broken(Rule::Effect, detail));
        }
    }
    Ok(())
}

fn ends(events: &[Event]) -> BTreeMap<RunId, RunEnd> {
    let ends = events.iter().filter_map(|event| match event.fact {
        Fact::RunFinished { state, .. } => Some((event.run, state)),
        _ => None,
    });
    ends.collect()
}
