//! Steps that wait for an approval: asking, answering, and what ends a request.
//!
//! A request ends in exactly one of five ways: used by the start of the step, denied, expired,
//! outdated by a change of what would run, or void with its run's cancellation or retry. The start
//! uses it in its own events, so an approval is used once. Who may answer is in `approval`.

use super::apply::{ApplyError, Fold};
use super::approval::{ApprovalRequest, Review, Reviewer, Vote};
use super::command::Rejection;
use super::completion::{Grant, Guard, Outcome, StoppedBy};
use super::decide::{Log, Site, take_up};
use super::event::Fact;
use super::fence::Fence;
use super::id::{ApprovalId, RunId};
use super::progress::{Phase, Wait};
use super::schedule::hold;
use super::settle::Settling;
use super::state::State;
use super::time::Micros;
use crate::workflow::StepIndex;
use std::sync::Arc;

/// What an answer says besides yes or no.
pub(super) struct Answer<'a> {
    pub(super) approval: ApprovalId,
    pub(super) by: &'a Reviewer,
    pub(super) reason: &'a str,
}

pub(super) fn suspend(
    site: Site<'_>,
    request: &Arc<ApprovalRequest>,
    log: &mut Log,
) -> Result<(), Rejection> {
    if let Some(hold) = hold(site, log.at) {
        return Err(Rejection::NotReady(hold));
    }
    if site.step.review.is_some() {
        return Err(Rejection::WrongState("the step has a request already"));
    }
    if request.terms.count == 0 || request.terms.expires <= log.at {
        return Err(Rejection::WrongState("nobody could ever answer the request"));
    }
    take_up(site.run, log);
    log.push(Fact::StepApprovalRequested { step: site.name(), request: Arc::clone(request) });
    Ok(())
}

/// The step's open request, where it is this one and its time has not run out.
fn open<'a>(site: Site<'a>, approval: ApprovalId, at: Micros) -> Result<&'a Review, Rejection> {
    let review = site.step.review.as_deref().filter(|review| review.request.id == approval);
    let review = review.ok_or(Rejection::NoRequest(approval))?;
    if at >= review.request.terms.expires {
        return Err(Rejection::WrongState("the request has expired"));
    }
    Ok(review)
}

pub(super) fn approve(site: Site<'_>, answer: &Answer<'_>, log: &mut Log) -> Result<(), Rejection> {
    let review = open(site, answer.approval, log.at)?;
    if !matches!(site.step.phase, Phase::Waiting(Wait::Approval { .. })) {
        return Err(Rejection::WrongState("the request has every approval that it needs"));
    }
    review.request.may_answer(answer.by, &review.votes).map_err(Rejection::Unfit)?;
    log.run = site.run.id;
    let given = review.votes.len() + 1;
    log.push(Fact::ApprovalGranted {
        step: site.name(),
        approval: answer.approval,
        by: Arc::clone(&answer.by.id),
        reason: answer.reason.into(),
        complete: given >= usize::from(review.request.terms.count.max(1)),
    });
    Ok(())
}

pub(super) fn disapprove(
    site: Site<'_>,
    answer: &Answer<'_>,
    log: &mut Log,
) -> Result<(), Rejection> {
    let review = open(site, answer.approval, log.at)?;
    // Whoever has approved may think better of it until the step begins.
    review.request.may_answer(answer.by, &[]).map_err(Rejection::Unfit)?;
    let (by, reason) = (Arc::clone(&answer.by.id), Box::<str>::from(answer.reason));
    let colon = if reason.is_empty() { "" } else { ": " };
    let detail = format!("denied by `{by}`{colon}{reason}");
    let fact = Fact::ApprovalDenied { step: site.name(), approval: answer.approval, by, reason };
    refuse(site, review, (fact, detail), log);
    Ok(())
}

pub(super) fn lapse(site: Site<'_>, approval: ApprovalId, log: &mut Log) -> Result<(), Rejection> {
    let review = site.step.review.as_deref().filter(|review| review.request.id == approval);
    let review = review.ok_or(Rejection::NoRequest(approval))?;
    let due = review.request.terms.expires;
    if log.at < due {
        return Err(Rejection::NotDue(due));
    }
    let given = review.votes.len();
    let detail = match given {
        0 => "nobody approved it in time".to_owned(),
        _ => format!(
            "{given} of {} approved, and it did not begin in time",
            review.request.terms.count
        ),
    };
    let fact = Fact::ApprovalExpired { step: site.name(), approval };
    refuse(site, review, (fact, detail), log);
    Ok(())
}

fn refuse(site: Site<'_>, review: &Review, (fact, detail): (Fact, String), log: &mut Log) {
    log.run = site.run.id;
    log.push(fact);
    let stopped_by = StoppedBy {
        kind: Guard::Approval,
        name: review.request.id.to_string().into(),
        detail: detail.into(),
    };
    let line = format!("denied: stopped by `{}`", stopped_by.name);
    let decision = review.request.decision.clone();
    log.push(Fact::StepDenied { step: site.name(), stopped_by, decision });
    let mut settling = Settling::new(site.run);
    settling.end(site.place, Outcome::Denied, Some(line));
    settling.finish(log);
}

pub(super) fn outdate(
    site: Site<'_>,
    approval: ApprovalId,
    why: &str,
    log: &mut Log,
) -> Result<(), Rejection> {
    if site.step.review.as_deref().is_none_or(|review| review.request.id != approval) {
        return Err(Rejection::NoRequest(approval));
    }
    log.run = site.run.id;
    void(site, why, log);
    Ok(())
}

/// Notes that the step's request, where it has one, is worth nothing any more.
pub(super) fn void(site: Site<'_>, why: &str, log: &mut Log) {
    if let Some(review) = &site.step.review {
        let approval = review.request.id;
        log.push(Fact::ApprovalStale { step: site.name(), approval, why: why.into() });
    }
}

/// Uses the step's approval up, or finds that the grant and the request do not belong together.
pub(super) fn consume(
    site: Site<'_>,
    grant: &Grant,
    fence: Fence,
    log: &mut Log,
) -> Result<(), Rejection> {
    match (&site.step.review, grant.approval) {
        (None, None) => Ok(()),
        (Some(review), Some(approval))
            if review.request.id == approval && review.request.subject.call == grant.call =>
        {
            log.push(Fact::ApprovalConsumed { step: site.name(), approval, fence });
            Ok(())
        }
        (_, Some(approval)) => Err(Rejection::NoRequest(approval)),
        (Some(_), None) => Err(Rejection::WrongState("the step has a request that must be used")),
    }
}

impl Fold<'_> {
    pub(super) fn approval_fact(&mut self, fact: &Fact) -> Result<(), ApplyError> {
        match fact {
            Fact::StepApprovalRequested { step, request } => {
                let step = self.find(step)?;
                let until = request.terms.expires;
                let review = Review { request: Arc::clone(request), votes: Vec::new() };
                self.review(step, Some(review), Phase::Waiting(Wait::Approval { until }));
            }
            Fact::ApprovalGranted { step, by, complete, .. } => {
                let (step, at) = (self.find(step)?, self.at);
                let Some(review) = self.slot(step).and_then(|slot| slot.review.as_deref_mut())
                else {
                    return Ok(());
                };
                review.votes.push(Vote { by: Arc::clone(by), at });
                let until = review.request.terms.expires;
                if *complete {
                    self.shift(step, Phase::Waiting(Wait::Approved { until }));
                }
            }
            Fact::ApprovalStale { step, .. } => {
                let step = self.find(step)?;
                self.review(step, None, Phase::Ready);
            }
            _ => {}
        }
        Ok(())
    }

    fn review(&mut self, step: StepIndex, review: Option<Review>, to: Phase) {
        if let Some(slot) = self.slot(step) {
            slot.review = review.map(Box::new);
        }
        self.shift(step, to);
    }
}

impl State {
    /// The step whose open request this is: its run, place and request. Takes time in the number
    /// of open requests.
    pub fn review(&self, approval: ApprovalId) -> Option<(RunId, StepIndex, &Review)> {
        self.reviews().find(|(_, _, review)| review.request.id == approval)
    }

    /// Every open request, the one that expires first before the others.
    pub fn reviews(&self) -> impl Iterator<Item = (RunId, StepIndex, &Review)> {
        self.agenda.reviews.iter().filter_map(|(_, turn)| {
            let review = self.run(&turn.run)?.step(turn.step)?.review.as_deref()?;
            Some((turn.run, turn.step, review))
        })
    }

    /// An open request whose time has run out at `now`: to be lapsed. Ask again after that is
    /// applied.
    pub fn lapsed(&self, now: Micros) -> Option<(RunId, StepIndex, ApprovalId)> {
        let (run, step, review) = self.reviews().next()?;
        (review.request.terms.expires <= now).then_some((run, step, review.request.id))
    }
}
