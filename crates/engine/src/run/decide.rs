//! `decide`: what a command leads to, as events.
//!
//! Reads the state and changes nothing; the caller makes the events durable and applies them. All
//! events of one command belong into one commit. Here are submitting, starting, skipping, refusing
//! and concluding; reports and lost leases are in `report`, stopping in `cancel`, repeating in
//! `retry`, and what follows from an ended step in `settle`.

use super::command::{Command, Refusal, Rejection, Ruling};
use super::completion::{Grant, Outcome};
use super::event::{Event, Fact, RunEnd, SkipReason, Submission};
use super::id::RunId;
use super::plan::Node;
use super::progress::{Run, Step};
use super::schedule::hold;
use super::settle::Settling;
use super::state::{State, key_of};
use super::time::Micros;
use super::{cancel, report, retry, review};
use crate::workflow::StepIndex;
use serde_json::Value;
use std::sync::Arc;

/// The events of a command at `now`, in order; never none. Errors: [`Rejection`].
pub fn decide(state: &State, command: &Command, now: Micros) -> Result<Vec<Event>, Rejection> {
    let mut log = Log { run: RunId::NIL, at: now, events: Vec::with_capacity(2) };
    match command {
        Command::Submit { run, submission } => submit(state, *run, submission, &mut log)?,
        Command::Start { run, step, grant, timeout_us } => {
            let site = state.site(run, *step)?;
            start(state, site, grant, *timeout_us, &mut log)?;
        }
        Command::Skip { run, step } => skip(state.site(run, *step)?, &mut log)?,
        Command::Refuse { run, step, refusal } => {
            refuse(state.site(run, *step)?, refusal, &mut log)?;
        }
        Command::Suspend { run, step, request } => {
            review::suspend(state.site(run, *step)?, request, &mut log)?;
        }
        Command::Answer { run, step, approval, ruling, by, reason } => {
            let answer = review::Answer { approval: *approval, by, reason };
            let site = state.site(run, *step)?;
            match ruling {
                Ruling::Approve => review::approve(site, &answer, &mut log)?,
                Ruling::Deny => review::disapprove(site, &answer, &mut log)?,
            }
        }
        Command::Outdate { run, step, approval, why } => {
            review::outdate(state.site(run, *step)?, *approval, why, &mut log)?;
        }
        Command::Lapse { run, step, approval } => {
            review::lapse(state.site(run, *step)?, *approval, &mut log)?;
        }
        Command::Finish { run, step, fence, result, entropy } => {
            let report = report::Report { fence: *fence, result, entropy: *entropy };
            report::finish(state.site(run, *step)?, &report, &mut log);
        }
        Command::Expire { run, step, fence } => {
            report::expire(state.site(run, *step)?, *fence, &mut log)?;
        }
        Command::Conclude { run, outputs } => conclude(state.found(run)?, outputs, &mut log)?,
        Command::Cancel { run, by, reason, grace_us } => {
            cancel::cancel(state.found(run)?, (by, reason), *grace_us, &mut log)?;
        }
        Command::Retry { run, steps, scope, by } => {
            let sites: Result<Vec<_>, _> =
                steps.iter().map(|step| state.site(run, *step)).collect();
            retry::retry(&sites?, *scope, by, &mut log)?;
        }
        Command::Resolve { run, step, verdict, by } => {
            report::resolve(state.site(run, *step)?, verdict, by, &mut log)?;
        }
        Command::Recover { epoch } => report::recover(state, *epoch, &mut log)?,
    }
    Ok(log.events)
}

/// The events of one command while they are worked out.
pub(super) struct Log {
    pub(super) run: RunId,
    pub(super) at: Micros,
    events: Vec<Event>,
}

impl Log {
    pub(super) fn push(&mut self, fact: Fact) {
        self.events.push(Event { run: self.run, at: self.at, fact });
    }
}

/// One step with everything that is known of it.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) run: &'a Run,
    pub(super) place: StepIndex,
    pub(super) node: &'a Node,
    pub(super) step: &'a Step,
}

impl Site<'_> {
    pub(super) fn name(&self) -> Arc<str> {
        Arc::clone(&self.node.name)
    }
}

impl State {
    pub(super) fn found(&self, run: &RunId) -> Result<&Run, Rejection> {
        self.run(run).ok_or(Rejection::UnknownRun(*run))
    }

    pub(super) fn site(&self, run: &RunId, step: StepIndex) -> Result<Site<'_>, Rejection> {
        let run = self.found(run)?;
        match (run.plan.node(step), run.step(step)) {
            (Some(node), Some(slot)) => Ok(Site { run, place: step, node, step: slot }),
            _ => Err(Rejection::UnknownStep { run: run.id, step }),
        }
    }
}

fn submit(
    state: &State,
    run: RunId,
    submission: &Arc<Submission>,
    log: &mut Log,
) -> Result<(), Rejection> {
    if state.plan(&submission.workflow).is_none() {
        return Err(Rejection::UnknownWorkflow(submission.workflow));
    }
    let holder = key_of(submission).and_then(|key| state.keys.get(&key)).copied();
    let taken = (run == RunId::NIL || state.runs.contains_key(&run)).then_some(run);
    if let Some(holder) = holder.or(taken) {
        let same = |other: &Run| taken.is_none() && other.submission.same_work(submission);
        let same = state.run(&holder).is_some_and(same);
        return Err(Rejection::AlreadySubmitted { run: holder, same });
    }
    log.run = run;
    log.push(Fact::RunSubmitted(Arc::clone(submission)));
    Ok(())
}

/// Notes the run and, for its first step, that it started.
pub(super) fn take_up(run: &Run, log: &mut Log) {
    log.run = run.id;
    if run.started.is_none() {
        log.push(Fact::RunStarted);
    }
}

fn start(
    state: &State,
    site: Site<'_>,
    grant: &Arc<Grant>,
    timeout_us: Option<u64>,
    log: &mut Log,
) -> Result<(), Rejection> {
    let hold = hold(site, log.at).or_else(|| state.slots_hold());
    if let Some(hold) = hold {
        return Err(Rejection::NotReady(hold));
    }
    let used_up = Rejection::Epoch { current: state.epoch() };
    let fence = state.fence.next().ok_or(used_up)?;
    let timeout = timeout_us.map_or(site.node.timeout_us, |limit| limit.min(site.node.timeout_us));
    take_up(site.run, log);
    review::consume(site, grant, fence, log)?;
    log.push(Fact::StepStarted {
        step: site.name(),
        attempt: site.step.attempt.saturating_add(1),
        fence,
        deadline: log.at.after(timeout),
        grant: Arc::clone(grant),
    });
    Ok(())
}

fn skip(site: Site<'_>, log: &mut Log) -> Result<(), Rejection> {
    if let Some(hold) = hold(site, log.at) {
        return Err(Rejection::NotReady(hold));
    }
    take_up(site.run, log);
    review::void(site, "its condition is false", log);
    let reason = SkipReason::Condition;
    let line = format!("skipped: {reason}");
    log.push(Fact::StepSkipped { step: site.name(), reason });
    let mut settling = Settling::new(site.run);
    settling.end(site.place, Outcome::Skipped, Some(line));
    settling.finish(log);
    Ok(())
}

fn refuse(site: Site<'_>, refusal: &Refusal, log: &mut Log) -> Result<(), Rejection> {
    if let Some(hold) = hold(site, log.at) {
        return Err(Rejection::NotReady(hold));
    }
    take_up(site.run, log);
    review::void(site, "the call may not run any more", log);
    let step = site.name();
    let (fact, outcome, line) = match refusal.clone() {
        Refusal::Policy { stopped_by, decision } => {
            let line = format!("denied: stopped by `{}`", stopped_by.name);
            (Fact::StepDenied { step, stopped_by, decision }, Outcome::Denied, line)
        }
        Refusal::Invalid { message } => {
            let line = format!("failed: {message}");
            (Fact::StepInvalid { step, message }, Outcome::Failed, line)
        }
    };
    log.push(fact);
    let mut settling = Settling::new(site.run);
    settling.end(site.place, outcome, Some(line));
    settling.finish(log);
    Ok(())
}

fn conclude(run: &Run, outputs: &Result<Value, Box<str>>, log: &mut Log) -> Result<(), Rejection> {
    if run.conclusion.is_some() {
        return Err(Rejection::AlreadyFinished(run.id));
    }
    if !run.concludes() {
        return Err(Rejection::WrongState("steps of the run are open"));
    }
    log.run = run.id;
    log.push(match outputs {
        Ok(outputs) => {
            Fact::RunFinished { state: RunEnd::Succeeded, failure: None, outputs: outputs.clone() }
        }
        Err(message) => Fact::RunFinished {
            state: RunEnd::Failed,
            failure: Some(format!("outputs: {message}").into()),
            outputs: Value::Null,
        },
    });
    Ok(())
}
