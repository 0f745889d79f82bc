//! Stopping a run.
//!
//! Steps that hold no lease end at once; running main steps have until the deadline to be killed
//! and reported, and their leases end soon after it; `finally` steps still run, unless nothing of
//! the run was ever taken up: then there is nothing to clean up after. A step of unknown outcome
//! ends as cancelled; the events keep that it was in doubt.

use super::command::Rejection;
use super::completion::Outcome;
use super::decide::{Log, Site};
use super::event::Fact;
use super::plan::Stage;
use super::progress::{Cancellation, Phase, Run};
use super::review;
use super::settle::Settling;
use std::sync::Arc;

/// The usual time for running steps to end, in µs: a polite signal, then the kill.
pub const CANCEL_GRACE_US: u64 = 10_000_000;

pub(super) fn cancel(
    run: &Run,
    (by, reason): (&Arc<str>, &str),
    grace_us: u64,
    log: &mut Log,
) -> Result<(), Rejection> {
    if run.conclusion.is_some() {
        return Err(Rejection::AlreadyFinished(run.id));
    }
    if run.cancel.is_some() {
        return Err(Rejection::AlreadyCancelling(run.id));
    }
    log.run = run.id;
    let (by, deadline) = (Arc::clone(by), log.at.after(grace_us));
    let cancel = Cancellation { by: Arc::clone(&by), reason: reason.into(), deadline };
    log.push(Fact::RunCancelRequested { by, reason: reason.into(), deadline });
    let untouched = run.started.is_none();
    let mut settling = Settling::cancelling(run, &cancel);
    for (place, node, step) in run.steps() {
        let idle = !matches!(step.phase, Phase::Running(_) | Phase::Ended(_));
        if idle && (node.stage == Stage::Main || untouched) {
            review::void(Site { run, place, node, step }, "the run was cancelled", log);
            log.push(Fact::StepCancelled { step: Arc::clone(&node.name) });
            settling.end(place, Outcome::Cancelled, None);
        }
    }
    settling.finish(log);
    Ok(())
}
