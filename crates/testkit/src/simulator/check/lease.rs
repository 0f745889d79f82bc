//! Rule: at most one lease on a step at a time, ended by its own holder or taken away, once.
//!
//! A small model of its own, so that a fault shared by deciding and applying in the engine cannot
//! hide here. Fences must rise over the whole journal, and a completion must carry the mark of
//! the worker that held the lease.

use super::{Rule, Violation, broken};
use engine::run::{Completion, Event, Fact, Fence, RunId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The output in which a simulated worker writes the fence it worked under.
pub(in crate::simulator) const MARK: &str = "fence";

/// What the model knows of one step.
#[derive(Debug, Default)]
struct Held {
    lease: Option<(u32, Fence)>,
    attempts: u32,
    unknown: bool,
}

/// The model.
#[derive(Debug, Default)]
struct Model {
    epoch: u32,
    last: Option<Fence>,
    steps: BTreeMap<(RunId, Arc<str>), Held>,
    ended: BTreeMap<RunId, bool>,
}

/// Judges the events of one journal, oldest first.
pub(in crate::simulator) fn judge<'a>(
    events: impl IntoIterator<Item = &'a Event>,
) -> Result<(), Violation> {
    let mut model = Model::default();
    for event in events {
        model.take(event).map_err(|detail| {
            broken(Rule::Lease, format!("{} of `{}`: {detail}", event.kind(), event.run))
        })?;
    }
    Ok(())
}

impl Model {
    fn take(&mut self, event: &Event) -> Result<(), String> {
        let run = event.run;
        match &event.fact {
            Fact::ShardRecovered { epoch } => self.recovered(*epoch),
            Fact::StepStarted { step, attempt, fence, .. } => {
                self.started(run, step, *attempt, *fence)
            }
            Fact::StepFinished { step, attempt, fence, result, .. } => {
                genuine(result, *fence)?;
                let held = self.ended_by(run, step, *fence)?;
                (held.0 == *attempt).then_some(()).ok_or_else(|| format!("attempt {attempt}"))
            }
            Fact::StepRequeued { step, fence, .. } => self.ended_by(run, step, *fence).map(drop),
            Fact::StepOutcomeUnknown { step, fence, .. } => {
                self.ended_by(run, step, *fence)?;
                self.step(run, step).unknown = true;
                Ok(())
            }
            Fact::StepResolved { step, .. } => {
                self.step(run, step).unknown = false;
                Ok(())
            }
            Fact::RunFinished { .. } => self.finished(run),
            Fact::RunRetried { reset, .. } => {
                self.ended.insert(run, false);
                reset.iter().for_each(|step| self.step(run, step).unknown = false);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn recovered(&mut self, epoch: u32) -> Result<(), String> {
        if epoch <= self.epoch {
            return Err(format!("epoch {epoch} after {}", self.epoch));
        }
        self.epoch = epoch;
        Ok(())
    }

    fn started(
        &mut self,
        run: RunId,
        step: &Arc<str>,
        attempt: u32,
        fence: Fence,
    ) -> Result<(), String> {
        if self.last.is_some_and(|last| fence <= last) || fence.epoch() != self.epoch {
            return Err(format!("fence {fence} after {:?} in epoch {}", self.last, self.epoch));
        }
        self.last = Some(fence);
        let ended = self.ended.get(&run).copied().unwrap_or(false);
        let held = self.step(run, step);
        if ended || held.lease.is_some() || held.unknown || attempt <= held.attempts {
            return Err(format!("attempt {attempt} of `{step}` may not begin: {held:?}"));
        }
        *held = Held { lease: Some((attempt, fence)), attempts: attempt, unknown: false };
        Ok(())
    }

    /// Ends the lease that `fence` holds and gives it.
    fn ended_by(
        &mut self,
        run: RunId,
        step: &Arc<str>,
        fence: Fence,
    ) -> Result<(u32, Fence), String> {
        let held = self.step(run, step);
        match held.lease.take_if(|(_, holder)| *holder == fence) {
            Some(lease) => Ok(lease),
            None => Err(format!("`{step}` ended by {fence} while {:?} holds it", held.lease)),
        }
    }

    fn finished(&mut self, run: RunId) -> Result<(), String> {
        if self.ended.insert(run, true) == Some(true) {
            return Err("the run ended twice".into());
        }
        let mut steps = self.steps.range((run, Arc::from(""))..);
        match steps.find(|((of, _), held)| *of == run && held.lease.is_some()) {
            Some(((_, step), _)) => Err(format!("`{step}` still runs")),
            None => Ok(()),
        }
    }

    fn step(&mut self, run: RunId, step: &Arc<str>) -> &mut Held {
        self.steps.entry((run, Arc::clone(step))).or_default()
    }
}

/// Whether a completion with a mark was made under `fence`.
fn genuine(result: &Completion, fence: Fence) -> Result<(), String> {
    match result.outputs.get(MARK).and_then(|mark| mark.as_str()) {
        Some(mark) if mark != fence.to_string() => {
            Err(format!("a result made under {mark} was accepted for {fence}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::run::{Ended, Grant, Loss, Micros, RunEnd};
    use serde_json::{Value, json};

    const RUN: RunId = RunId([1; 16]);

    fn event(fact: Fact) -> Event {
        Event { run: RUN, at: Micros(0), fact }
    }

    fn epoch(epoch: u32) -> Event {
        event(Fact::ShardRecovered { epoch })
    }

    fn start(attempt: u32, epoch: u32, counter: u32) -> Event {
        let grant = Grant {
            tool: "exec.run".into(),
            call: [0; 32].into(),
            decision: Value::Null,
            key: "key".into(),
            approval: None,
            reservation: None,
        };
        event(Fact::StepStarted {
            step: "a".into(),
            attempt,
            fence: Fence::new(epoch, counter),
            deadline: Micros(1),
            grant: Arc::new(grant),
        })
    }

    fn finish(attempt: u32, held: Fence, made_under: Fence) -> Event {
        let mut result = Completion::new(Ended::Succeeded);
        result.outputs.insert(MARK.into(), json!(made_under.to_string()));
        event(Fact::StepFinished {
            step: "a".into(),
            attempt,
            fence: held,
            retrying: false,
            result: Arc::new(result),
        })
    }

    fn requeue(fence: Fence) -> Event {
        event(Fact::StepRequeued { step: "a".into(), fence, loss: Loss::Restart })
    }

    fn end() -> Event {
        event(Fact::RunFinished { state: RunEnd::Succeeded, failure: None, outputs: Value::Null })
    }

    #[test]
    fn histories_are_told_apart() {
        let (old, new) = (Fence::new(1, 1), Fence::new(2, 1));
        let taken_over = || vec![epoch(1), start(1, 1, 1), epoch(2), requeue(old), start(2, 2, 1)];
        let with = |more: Vec<Event>| taken_over().into_iter().chain(more).collect::<Vec<_>>();
        let table = [
            ("good", with(vec![finish(2, new, new), end()]), true),
            ("stale result accepted", with(vec![finish(2, new, old)]), false),
            ("ended by a lease that was taken away", with(vec![finish(1, old, old)]), false),
            ("ended twice", with(vec![finish(2, new, new), finish(2, new, new)]), false),
            ("two leases", vec![epoch(1), start(1, 1, 1), start(2, 1, 2)], false),
            ("fence of an old epoch", vec![epoch(2), start(1, 1, 1)], false),
            ("epoch repeated", vec![epoch(1), epoch(1)], false),
            ("run ended under a lease", with(vec![end()]), false),
            ("run ended twice", with(vec![finish(2, new, new), end(), end()]), false),
        ];
        for (name, events, good) in table {
            assert_eq!(judge(&events).is_ok(), good, "{name}: {:?}", judge(&events));
        }
    }
}
