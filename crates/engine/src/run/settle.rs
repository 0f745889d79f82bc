//! What follows from the end of steps: dependants that are skipped, and the end of the run.
//!
//! Nothing is changed here. The ends that a command brings about are laid over the run, and the
//! facts that follow are worked out before any is applied, so they all go into one commit.
//! Steps that become ready need no fact: readiness is counted by `shift`.

use super::completion::Outcome;
use super::decide::Log;
use super::event::{Fact, RunEnd, SkipReason};
use super::plan::{Gate, Node, Outputs, Severity};
use super::progress::{Cancellation, Run, satisfies};
use crate::workflow::StepIndex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Ends that are decided but not yet applied: how, and in one line.
pub(super) type Ends = BTreeMap<StepIndex, (Outcome, Option<String>)>;

/// The ends of one command in one run.
pub(super) struct Settling<'a> {
    run: &'a Run,
    ends: Ends,
    /// Unsatisfying ends whose dependants are not looked at yet, with what to tell them.
    stops: Vec<(StepIndex, SkipReason)>,
    cancel: Option<&'a Cancellation>,
}

impl<'a> Settling<'a> {
    pub(super) fn new(run: &'a Run) -> Self {
        let cancel = run.cancel.as_deref();
        Self { run, ends: Ends::new(), stops: Vec::new(), cancel }
    }

    /// The same for the command that cancels the run.
    pub(super) fn cancelling(run: &'a Run, cancel: &'a Cancellation) -> Self {
        Self { cancel: Some(cancel), ..Self::new(run) }
    }

    /// The step ends so; `line` says it to people where it is no success.
    pub(super) fn end(&mut self, step: StepIndex, outcome: Outcome, line: Option<String>) {
        self.ends.insert(step, (outcome, line));
        if let Some(node) = self.run.plan.node(step)
            && !satisfies(node, outcome)
        {
            let reason = SkipReason::Dependency { step: Arc::clone(&node.name), outcome };
            self.stops.push((step, reason));
        }
    }

    /// Adds the skipped dependants and, when nothing is left open, the end of the run.
    pub(super) fn finish(mut self, log: &mut Log) {
        while let Some((step, reason)) = self.stops.pop() {
            for &dependant in self.run.plan.dependants(step) {
                if self.stopped(dependant) {
                    let line = Some(format!("skipped: {reason}"));
                    self.ends.insert(dependant, (Outcome::Skipped, line));
                    self.stops.push((dependant, reason.clone()));
                    if let Some(node) = self.run.plan.node(dependant) {
                        let step = Arc::clone(&node.name);
                        log.push(Fact::StepSkipped { step, reason: reason.clone() });
                    }
                }
            }
        }
        let open = (self.run.open as usize).saturating_sub(self.ends.len());
        if open == 0 {
            let (state, failure) = verdict(self.run, &self.ends, self.cancel);
            let outputs_due = self.run.plan.outputs() == Outputs::Declared;
            if !(outputs_due && state == RunEnd::Succeeded) {
                log.push(Fact::RunFinished { state, failure, outputs: Value::Null });
            }
        }
    }

    /// Whether the step has not ended and a bad end of one that it needs takes it along.
    fn stopped(&self, dependant: StepIndex) -> bool {
        let open = self.run.step(dependant).is_some_and(|step| !step.phase.is_ended())
            && !self.ends.contains_key(&dependant);
        let gate = self.run.plan.node(dependant).map(|node| node.gate);
        open && gate == Some(Gate::OnSuccess)
    }
}

/// How the run ends if these were its last steps, and one line where it is not well.
pub(super) fn verdict(
    run: &Run,
    ends: &Ends,
    cancel: Option<&Cancellation>,
) -> (RunEnd, Option<Box<str>>) {
    if let Some(Cancellation { by, reason, .. }) = cancel {
        let colon = if reason.is_empty() { "" } else { ": " };
        return (RunEnd::Cancelled, Some(format!("cancelled by `{by}`{colon}{reason}").into()));
    }
    if let Some(line) = worst(run, ends, fails) {
        return (RunEnd::Failed, Some(line));
    }
    let stopped = |_: &Node, outcome: Outcome| outcome == Outcome::Cancelled;
    match worst(run, ends, stopped) {
        Some(line) => (RunEnd::Cancelled, Some(line)),
        None => (RunEnd::Succeeded, None),
    }
}

/// Whether an end of this step fails the run.
fn fails(node: &Node, outcome: Outcome) -> bool {
    match outcome {
        Outcome::Failed | Outcome::TimedOut => node.severity == Severity::Fatal,
        Outcome::Denied => true,
        Outcome::Succeeded | Outcome::Skipped | Outcome::Cancelled => false,
    }
}

/// The line of the step that first ended so, by time and then by place.
fn worst(run: &Run, ends: &Ends, bad: impl Fn(&Node, Outcome) -> bool) -> Option<Box<str>> {
    let ended = run.steps().filter_map(|(place, node, step)| {
        let laid_over = ends.get(&place);
        let outcome = laid_over.map(|end| end.0).or(step.outcome())?;
        let finished = match laid_over {
            Some(_) => i64::MAX,
            None => step.trail().and_then(|trail| trail.finished).map_or(i64::MAX, |at| at.0),
        };
        bad(node, outcome).then_some((finished, place, outcome))
    });
    let (_, place, outcome) = ended.min_by_key(|(finished, place, _)| (*finished, *place))?;
    let name = &run.plan.node(place)?.name;
    let line = match ends.get(&place) {
        Some((_, line)) => line.clone(),
        None => run.step(place).and_then(|step| step.line()),
    };
    let line = line.unwrap_or_else(|| outcome.to_string());
    Some(format!("step `{name}` {line}").into())
}
