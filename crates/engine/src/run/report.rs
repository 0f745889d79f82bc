//! What executors report, and what is decided when they do not.
//!
//! A report counts while its fence holds the lease; any other is recorded and ignored. A lease that
//! is lost, by a restart or by time, is not the step's failure: it is repeated where that is safe,
//! at most [`LOSSES_MAX`] times, and goes to a person where it is not.

use super::backoff::backoff_us;
use super::command::Rejection;
use super::completion::{Completion, Ended, Failure, Outcome};
use super::decide::{Log, Site};
use super::event::{Fact, Loss, Verdict};
use super::fence::Fence;
use super::id::RunId;
use super::plan::{Repeat, Stage};
use super::progress::{Lease, Phase, Wait};
use super::settle::Settling;
use super::state::State;
use crate::workflow::StepIndex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Leases of one step that may be lost before it fails: a step that brings its host down each time
/// must come to an end.
pub const LOSSES_MAX: u32 = 5;

/// An executor's report.
pub(super) struct Report<'a> {
    pub(super) fence: Fence,
    pub(super) result: &'a Arc<Completion>,
    pub(super) entropy: u64,
}

pub(super) fn finish(site: Site<'_>, report: &Report<'_>, log: &mut Log) {
    log.run = site.run.id;
    let current = site.step.lease().map(|lease| lease.fence);
    if current != Some(report.fence) {
        log.push(Fact::StepStaleResult {
            step: site.name(),
            fence: report.fence,
            current,
            outcome: report.result.outcome,
            receipt: report.result.receipt,
        });
        return;
    }
    let retrying = tries_again(site, report.result);
    push_finished(site, report.fence, retrying, Arc::clone(report.result), log);
    if retrying {
        let failed = site.step.failures.saturating_add(1);
        let delay = backoff_us(&site.node.retry, failed, report.entropy);
        log.push(Fact::StepRetryScheduled {
            step: site.name(),
            attempt: site.step.attempt.saturating_add(1),
            due: log.at.after(delay),
        });
        return;
    }
    let mut settling = Settling::new(site.run);
    settling.end(site.place, report.result.outcome.into(), Some(report.result.line()));
    settling.finish(log);
}

fn push_finished(
    site: Site<'_>,
    fence: Fence,
    retrying: bool,
    result: Arc<Completion>,
    log: &mut Log,
) {
    let (step, attempt) = (site.name(), site.step.attempt);
    log.push(Fact::StepFinished { step, attempt, fence, retrying, result });
}

/// Whether a failed attempt is followed by another.
///
/// A step that must not be repeated is tried again only when its program ended by itself: then it
/// is known how far it came.
fn tries_again(site: Site<'_>, result: &Completion) -> bool {
    let failed = matches!(result.outcome, Ended::Failed | Ended::TimedOut);
    let left = site.step.failures.saturating_add(1) < site.node.retry.max_attempts;
    let known = site.node.repeat == Repeat::Idempotent || result.exit.is_some();
    failed && result.retryable && left && known && !stopping(site)
}

/// Whether the step shall end because its run was cancelled.
fn stopping(site: Site<'_>) -> bool {
    site.run.cancel.is_some() && site.node.stage == Stage::Main
}

pub(super) fn expire(site: Site<'_>, fence: Fence, log: &mut Log) -> Result<(), Rejection> {
    let lease = site.step.lease().copied();
    let current = lease.map(|lease| lease.fence);
    let lease = lease.filter(|lease| lease.fence == fence);
    let lease = lease.ok_or(Rejection::StaleFence { fence, current })?;
    if log.at < lease.until {
        return Err(Rejection::NotDue(lease.until));
    }
    log.run = site.run.id;
    let mut settling = Settling::new(site.run);
    lost(site, lease, Loss::Expired, &mut settling, log);
    settling.finish(log);
    Ok(())
}

pub(super) fn recover(state: &State, epoch: u32, log: &mut Log) -> Result<(), Rejection> {
    if epoch <= state.epoch() {
        return Err(Rejection::Epoch { current: state.epoch() });
    }
    log.run = RunId::NIL;
    log.push(Fact::ShardRecovered { epoch });
    let mut by_run: BTreeMap<(u64, RunId), Vec<StepIndex>> = BTreeMap::new();
    for (_, turn) in &state.agenda.leases {
        by_run.entry((turn.order, turn.run)).or_default().push(turn.step);
    }
    for ((_, id), mut steps) in by_run {
        steps.sort_unstable();
        let run = state.found(&id)?;
        log.run = id;
        log.push(Fact::RunRecovered { epoch, leases: steps.len() as u32 });
        let mut settling = Settling::new(run);
        for step in steps {
            let site = state.site(&id, step)?;
            if let Some(lease) = site.step.lease().copied() {
                lost(site, lease, Loss::Restart, &mut settling, log);
            }
        }
        settling.finish(log);
    }
    Ok(())
}

/// What becomes of a step whose lease ended without a report.
fn lost(site: Site<'_>, lease: Lease, loss: Loss, settling: &mut Settling<'_>, log: &mut Log) {
    let fence = lease.fence;
    let unfinished = |outcome: Ended| {
        let message = Some(format!("lease lost: {loss}").into());
        let failure = Some(Failure::LeaseLost);
        Completion { failure, message, ..Completion::new(outcome) }
    };
    let result = if stopping(site) {
        unfinished(Ended::Cancelled)
    } else if site.node.repeat == Repeat::Never {
        return log.push(Fact::StepOutcomeUnknown { step: site.name(), fence, loss });
    } else if site.step.losses < LOSSES_MAX {
        return log.push(Fact::StepRequeued { step: site.name(), fence, loss });
    } else {
        unfinished(Ended::Failed)
    };
    settling.end(site.place, result.outcome.into(), Some(result.line()));
    push_finished(site, fence, false, Arc::new(result), log);
}

pub(super) fn resolve(
    site: Site<'_>,
    verdict: &Verdict,
    by: &Arc<str>,
    log: &mut Log,
) -> Result<(), Rejection> {
    if site.step.phase != Phase::Waiting(Wait::Unknown) {
        return Err(Rejection::WrongState("the outcome of the step is not in doubt"));
    }
    log.run = site.run.id;
    let outcome = match verdict {
        Verdict::Succeeded { .. } => Outcome::Succeeded,
        Verdict::Failed => Outcome::Failed,
    };
    let (step, by, verdict) = (site.name(), Arc::clone(by), verdict.clone());
    let line = format!("{outcome}: settled by `{by}`");
    log.push(Fact::StepResolved { step, by, verdict });
    let mut settling = Settling::new(site.run);
    settling.end(site.place, outcome, Some(line));
    settling.finish(log);
    Ok(())
}
