//! `State::apply`: one event, folded into the state.
//!
//! Total over what `decide` makes and without decisions of its own: the event says what became of
//! a step, and only what follows by counting (dependants that become ready) is worked out here.
//! An event that does not fit is a sign of a damaged or incomplete log and is refused.

use super::agenda::Agenda;
use super::completion::{Completion, Ended, Failure, Outcome};
use super::digest::Digest;
use super::event::{Event, Fact, Submission, Verdict};
use super::fence::Fence;
use super::id::RunId;
use super::plan::{Plan, Stage};
use super::progress::{Cancellation, Conclusion, Lease, Note, Phase, Run, Step, Trail, Wait};
use super::state::{State, key_of};
use super::time::Micros;
use crate::workflow::StepIndex;
use std::sync::Arc;

/// Time between the deadline of an attempt and the end of its lease, in µs: to kill it, to collect
/// what it left, and to report. Past it the lease may be expired.
pub const LEASE_GRACE_US: u64 = 15_000_000;

/// An event that does not fit the state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The run was not submitted before, or forgotten.
    #[error("event of run `{0}`, which is not known")]
    UnknownRun(RunId),
    /// The run exists.
    #[error("run `{0}` is submitted twice")]
    Duplicate(RunId),
    /// The plan was not made known.
    #[error("workflow `{0}` is not loaded")]
    UnknownWorkflow(Digest),
    /// The plan has no such step.
    #[error("run `{run}` has no step `{step}`")]
    UnknownStep {
        /// The run.
        run: RunId,
        /// The step.
        step: Arc<str>,
    },
}

impl State {
    /// Folds one event. On an error nothing has changed.
    pub fn apply(&mut self, event: &Event) -> Result<(), ApplyError> {
        match &event.fact {
            Fact::ShardRecovered { epoch } => self.fence = Fence::new(*epoch, 0),
            Fact::RunSubmitted(submission) => self.admit(event, submission)?,
            fact => {
                let run = self.runs.get_mut(&event.run);
                let run = run.ok_or(ApplyError::UnknownRun(event.run))?;
                let mut fold = Fold { run, agenda: &mut self.agenda, at: event.at };
                fold.run_fact(fact)?;
                fold.step_fact(fact)?;
                fold.approval_fact(fact)?;
            }
        }
        if let Fact::StepStarted { fence, .. } = &event.fact {
            self.fence = self.fence.max(*fence);
        }
        Ok(())
    }

    fn admit(&mut self, event: &Event, submission: &Arc<Submission>) -> Result<(), ApplyError> {
        let plan = self.plans.get(&submission.workflow);
        let plan = plan.ok_or(ApplyError::UnknownWorkflow(submission.workflow))?;
        if self.runs.contains_key(&event.run) {
            return Err(ApplyError::Duplicate(event.run));
        }
        let mut run = fresh(event, plan, submission, self.submitted);
        for place in 0..run.steps.len() as u32 {
            run.ready_if_free(&mut self.agenda, StepIndex(place));
        }
        self.submitted += 1;
        self.runs.insert(event.run, Box::new(run));
        if let Some(key) = key_of(submission) {
            self.keys.entry(key).or_insert(event.run);
        }
        Ok(())
    }
}

fn fresh(event: &Event, plan: &Arc<Plan>, submission: &Arc<Submission>, order: u64) -> Run {
    let pending = |missing| Step {
        phase: Phase::Pending,
        attempt: 0,
        failures: 0,
        losses: 0,
        missing,
        trail: None,
        review: None,
    };
    let steps = plan.steps().map(|(_, node)| {
        let barrier = u32::from(node.stage == Stage::Finally && plan.main() > 0);
        pending(node.needs.len() as u32 + barrier)
    });
    Run {
        id: event.run,
        order,
        plan: Arc::clone(plan),
        submission: Arc::clone(submission),
        steps: steps.collect(),
        open: plan.size() as u32,
        open_main: plan.main(),
        submitted: event.at,
        started: None,
        cancel: None,
        conclusion: None,
    }
}

/// One run while an event is folded into it.
pub(super) struct Fold<'a> {
    run: &'a mut Run,
    agenda: &'a mut Agenda,
    pub(super) at: Micros,
}

impl Fold<'_> {
    fn run_fact(&mut self, fact: &Fact) -> Result<(), ApplyError> {
        match fact {
            Fact::RunStarted => self.run.started = Some(self.at),
            Fact::RunCancelRequested { by, reason, deadline } => {
                let (by, reason) = (Arc::clone(by), reason.clone());
                let cancel = Cancellation { by, reason, deadline: *deadline };
                self.run.cancel = Some(Box::new(cancel));
                self.shorten_leases(*deadline);
            }
            Fact::RunRetried { reset, .. } => return self.reset(reset),
            Fact::RunFinished { state, failure, outputs } => {
                let (failure, outputs) = (failure.clone(), outputs.clone());
                let conclusion = Conclusion { state: *state, at: self.at, failure, outputs };
                self.run.conclusion = Some(Box::new(conclusion));
                self.agenda.concluding.remove(&(self.run.order, self.run.id));
            }
            _ => {}
        }
        Ok(())
    }

    fn step_fact(&mut self, fact: &Fact) -> Result<(), ApplyError> {
        match fact {
            Fact::StepStarted { step, .. } => self.started(self.find(step)?, fact),
            Fact::StepFinished { step, retrying, result, .. } => {
                self.finished(self.find(step)?, *retrying, result);
            }
            Fact::StepRetryScheduled { step, due, .. } => {
                let step = self.find(step)?;
                self.shift(step, Phase::Waiting(Wait::Retry { due: *due }));
            }
            Fact::StepDenied { step, stopped_by, .. } => {
                self.end(self.find(step)?, Outcome::Denied, Some(Note::Denied(stopped_by.clone())));
            }
            Fact::StepInvalid { step, message } => {
                self.end(self.find(step)?, Outcome::Failed, Some(Note::Invalid(message.clone())));
            }
            Fact::StepSkipped { step, reason } => {
                self.end(self.find(step)?, Outcome::Skipped, Some(Note::Skipped(reason.clone())));
            }
            Fact::StepCancelled { step } => self.end(self.find(step)?, Outcome::Cancelled, None),
            Fact::StepRequeued { step, loss, .. } => {
                let step = self.find(step)?;
                self.lost(step, Note::Lost(*loss), Phase::Ready);
            }
            Fact::StepOutcomeUnknown { step, loss, .. } => {
                let step = self.find(step)?;
                self.lost(step, Note::Lost(*loss), Phase::Waiting(Wait::Unknown));
            }
            Fact::StepResolved { step, by, verdict } => {
                self.resolved(self.find(step)?, by, verdict);
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn find(&self, name: &Arc<str>) -> Result<StepIndex, ApplyError> {
        let unknown = || ApplyError::UnknownStep { run: self.run.id, step: Arc::clone(name) };
        self.run.plan.find(name).ok_or_else(unknown)
    }

    pub(super) fn shift(&mut self, step: StepIndex, to: Phase) {
        self.run.shift(self.agenda, step, to);
    }

    pub(super) fn slot(&mut self, step: StepIndex) -> Option<&mut Step> {
        self.run.steps.get_mut(step.get())
    }

    fn started(&mut self, step: StepIndex, fact: &Fact) {
        let Fact::StepStarted { attempt, fence, deadline, grant, .. } = fact else { return };
        let (at, deadline) = (self.at, *deadline);
        let trail = Trail {
            grant: Some(Arc::clone(grant)),
            fence: Some(*fence),
            started: Some(at),
            ..Trail::default()
        };
        if let Some(slot) = self.slot(step) {
            slot.attempt = *attempt;
            slot.trail = Some(Box::new(trail));
            slot.review = None;
        }
        let until = deadline.after(LEASE_GRACE_US);
        let lease = Lease { fence: *fence, started: at, deadline, until };
        self.shift(step, Phase::Running(Box::new(lease)));
    }

    fn finished(&mut self, step: StepIndex, retrying: bool, result: &Arc<Completion>) {
        let at = self.at;
        if let Some(slot) = self.slot(step) {
            slot.failures += u32::from(retrying);
            let trail = slot.trail_mut();
            trail.finished = Some(at);
            trail.result = Some(Arc::clone(result));
        }
        let to = match retrying {
            true => Phase::Waiting(Wait::Retry { due: at }),
            false => Phase::Ended(result.outcome.into()),
        };
        self.shift(step, to);
    }

    fn end(&mut self, step: StepIndex, outcome: Outcome, note: Option<Note>) {
        let at = self.at;
        if let Some(slot) = self.slot(step) {
            slot.review = None;
            let trail = slot.trail_mut();
            (trail.finished, trail.result, trail.note) = (Some(at), None, note);
        }
        self.shift(step, Phase::Ended(outcome));
    }

    fn lost(&mut self, step: StepIndex, note: Note, to: Phase) {
        let at = self.at;
        if let Some(slot) = self.slot(step) {
            slot.losses += 1;
            let trail = slot.trail_mut();
            trail.finished = Some(at);
            trail.note = Some(note);
        }
        self.shift(step, to);
    }

    fn resolved(&mut self, step: StepIndex, by: &Arc<str>, verdict: &Verdict) {
        let result = match verdict {
            Verdict::Succeeded { outputs } => {
                Completion { outputs: outputs.clone(), ..Completion::new(Ended::Succeeded) }
            }
            Verdict::Failed => {
                Completion { failure: Some(Failure::LeaseLost), ..Completion::new(Ended::Failed) }
            }
        };
        self.end(step, result.outcome.into(), Some(Note::Resolved(Arc::clone(by))));
        if let Some(slot) = self.slot(step) {
            slot.trail_mut().result = Some(Arc::new(result));
        }
    }

    /// Running main steps must end by `deadline`, so their leases end soon after it.
    fn shorten_leases(&mut self, deadline: Micros) {
        let plan = Arc::clone(&self.run.plan);
        for (step, _) in plan.steps().filter(|(_, node)| node.stage == Stage::Main) {
            let Some(lease) = self.run.step(step).and_then(Step::lease) else { continue };
            let deadline = lease.deadline.min(deadline);
            let until = lease.until.min(deadline.after(LEASE_GRACE_US));
            let lease = Lease { deadline, until, ..*lease };
            self.shift(step, Phase::Running(Box::new(lease)));
        }
    }

    fn reset(&mut self, names: &[Arc<str>]) -> Result<(), ApplyError> {
        let steps = names.iter().map(|name| self.find(name)).collect::<Result<Vec<_>, _>>()?;
        if self.run.conclusion.take().is_some() {
            self.run.cancel = None;
        }
        for &step in &steps {
            if let Some(slot) = self.slot(step) {
                (slot.failures, slot.losses, slot.trail) = (0, 0, None);
                slot.review = None;
            }
            self.shift(step, Phase::Pending);
        }
        for &step in &steps {
            self.run.ready_if_free(self.agenda, step);
        }
        Ok(())
    }
}
