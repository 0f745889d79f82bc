//! Requests for approvals: the open ones of a project, those of a run, and what became of each.
//! A request that nobody works on expires by the clock all the same; that is told, and recorded by the next node.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::run::{ApprovalId, ApprovalRequest, Event, Fact, Micros, RunId};
use journal::{PAGE_RECORDS_MAX, ReadError, Scan};
use serde::{Deserialize, Serialize};

use super::{History, HistoryError};
use crate::projection;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// It waits for answers.
    Open,
    /// It has every approval it needs; its step is next.
    Approved,
    /// Its step began with it.
    Consumed,
    /// Somebody said no.
    Denied,
    /// Its time ran out.
    Expired,
    /// The call changed, or will not be made.
    Stale,
}

impl ApprovalState {
    /// The word in views.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Consumed => "consumed",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Stale => "stale",
        }
    }
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerTold {
    /// Who.
    pub by: Arc<str>,
    /// When.
    pub at: Micros,
    /// Whether it was a yes.
    pub approved: bool,
    /// Why.
    pub reason: Box<str>,
}

/// A request with everything that was said about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalTold {
    /// The request.
    pub request: Arc<ApprovalRequest>,
    /// When it was made.
    pub requested: Micros,
    /// What became of it.
    pub state: ApprovalState,
    /// When that was recorded; none while it is open.
    pub ended: Option<Micros>,
    /// Every answer, in order.
    pub answers: Vec<AnswerTold>,
    /// What changed, where it is stale.
    pub why: Option<Box<str>>,
}

impl ApprovalTold {
    fn end(&mut self, state: ApprovalState, at: Micros) {
        (self.state, self.ended) = (state, Some(at));
    }

    fn answer(&mut self, (by, reason): (&Arc<str>, &str), approved: bool, at: Micros) {
        let (by, reason) = (Arc::clone(by), reason.into());
        self.answers.push(AnswerTold { by, at, approved, reason });
    }

    /// Whether its time has run out at `now`, recorded or not.
    fn past(mut self, now: Micros) -> Self {
        let open = matches!(self.state, ApprovalState::Open | ApprovalState::Approved);
        if open && self.request.terms.expires <= now {
            self.state = ApprovalState::Expired;
        }
        self
    }
}

/// Every request in the events of a run, oldest first.
#[must_use]
pub fn approvals_of(events: &[Event], now: Micros) -> Vec<ApprovalTold> {
    let mut told: Vec<ApprovalTold> = Vec::new();
    for event in events {
        let at = event.at;
        let mut about = |id: &ApprovalId, change: &dyn Fn(&mut ApprovalTold)| {
            told.iter_mut().rev().filter(|one| one.request.id == *id).take(1).for_each(change);
        };
        match &event.fact {
            Fact::StepApprovalRequested { request, .. } => told.push(ApprovalTold {
                request: Arc::clone(request),
                requested: at,
                state: ApprovalState::Open,
                ended: None,
                answers: Vec::new(),
                why: None,
            }),
            Fact::ApprovalGranted { approval, by, reason, complete, .. } => {
                about(approval, &|one| {
                    one.answer((by, reason), true, at);
                    if *complete {
                        one.state = ApprovalState::Approved;
                    }
                });
            }
            Fact::ApprovalDenied { approval, by, reason, .. } => about(approval, &|one| {
                one.answer((by, reason), false, at);
                one.end(ApprovalState::Denied, at);
            }),
            Fact::ApprovalExpired { approval, .. } => {
                about(approval, &|one| one.end(ApprovalState::Expired, at));
            }
            Fact::ApprovalStale { approval, why, .. } => about(approval, &|one| {
                one.why = Some(why.clone());
                one.end(ApprovalState::Stale, at);
            }),
            Fact::ApprovalConsumed { approval, .. } => {
                about(approval, &|one| one.end(ApprovalState::Consumed, at));
            }
            _ => {}
        }
    }
    told.into_iter().map(|one| one.past(now)).collect()
}

impl History {
    /// Requests of the project, oldest first: those that wait for answers, or all of them.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn approvals(&self, all: bool, now: Micros) -> Result<Vec<ApprovalTold>, HistoryError> {
        let view = if all { projection::APPROVAL } else { projection::OPEN_APPROVAL };
        let ids: BTreeSet<ApprovalId> = self.rows(view)?.into_iter().collect();
        let mut runs: BTreeSet<RunId> = BTreeSet::new();
        for id in &ids {
            runs.extend(self.run_of(*id)?);
        }
        let mut told = Vec::new();
        for run in runs {
            let events = self.recorded(run)?.events;
            told.extend(approvals_of(&events, now));
        }
        // The view also has those that are approved and not yet used.
        let wanted = |one: &ApprovalTold| all || one.state == ApprovalState::Open;
        told.retain(|one| ids.contains(&one.request.id) && wanted(one));
        told.sort_by_key(|one| (one.requested, one.request.id));
        Ok(told)
    }

    /// The request whose id is `written`, or the open one whose id begins so.
    ///
    /// # Errors
    /// [`HistoryError::NoApproval`] where there is none or more than one, besides reading.
    pub fn approval(&self, written: &str, now: Micros) -> Result<ApprovalTold, HistoryError> {
        let none = || HistoryError::NoApproval(written.to_owned());
        let id = match written.parse::<ApprovalId>() {
            Ok(id) => id,
            Err(_) => {
                let open = self.rows(projection::OPEN_APPROVAL)?;
                let mut like = open.into_iter().filter(|id| begins(*id, written));
                match (like.next(), like.next()) {
                    (Some(id), None) => id,
                    _ => return Err(none()),
                }
            }
        };
        let run = self.run_of(id)?.ok_or_else(none)?;
        let told = approvals_of(&self.recorded(run)?.events, now);
        told.into_iter().find(|one| one.request.id == id).ok_or_else(none)
    }

    fn run_of(&self, id: ApprovalId) -> Result<Option<RunId>, HistoryError> {
        let row = match self.reader().view_get(projection::APPROVAL, &id.0) {
            // A journal that was last written before there were approvals.
            Err(ReadError::NoSuchView(_)) => None,
            row => row?,
        };
        Ok(row.and_then(|bytes| Some(RunId(bytes.try_into().ok()?))))
    }

    fn rows(&self, view: &str) -> Result<Vec<ApprovalId>, HistoryError> {
        let (mut ids, mut scan) = (Vec::new(), Scan::default());
        loop {
            let rows = match self.reader().view_scan(view, &scan, PAGE_RECORDS_MAX) {
                Err(ReadError::NoSuchView(_)) => return Ok(ids),
                rows => rows?,
            };
            let Some((last, _)) = rows.last() else { return Ok(ids) };
            scan.after = Some(last.clone());
            ids.extend(
                rows.into_iter().filter_map(|(key, _)| Some(ApprovalId(key.try_into().ok()?))),
            );
        }
    }
}

fn begins(id: ApprovalId, written: &str) -> bool {
    let text = id.to_string();
    !written.is_empty()
        && (text.starts_with(written)
            || text.get(4..).is_some_and(|rest| rest.starts_with(written)))
}
