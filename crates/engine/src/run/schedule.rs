//! What is next, and what holds a step.
//!
//! First come, first served: by the order in which runs were submitted, then by the order of steps
//! in the document. There are no priorities and no fairness between principals yet. Nothing scans
//! the queue. `hold` is the single answer to "why not now": starting asks it, and so does
//! `explain`.

use super::completion::Outcome;
use super::decide::Site;
use super::fence::Fence;
use super::id::{ApprovalId, RunId};
use super::plan::Stage;
use super::progress::{Phase, Wait};
use super::state::State;
use super::time::Micros;
use crate::workflow::StepIndex;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// What the runner should do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A slot is free and nothing holds this step: evaluate its `if:`, resolve its templates, ask
    /// the gate, then start, skip or refuse it. It stays next until one of these is applied.
    Step {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
        /// The number its attempt will have.
        attempt: u32,
    },
    /// Every step succeeded: evaluate the outputs and conclude the run. Needs no slot.
    Conclude {
        /// The run.
        run: RunId,
    },
}

/// A lease, as a question or an answer names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepIndex,
    /// The lease.
    pub fence: Fence,
}

/// What keeps a step from being taken up now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "hold", rename_all = "snake_case")]
pub enum Hold {
    /// Steps it needs have not ended.
    Needs {
        /// Those steps.
        steps: Vec<Arc<str>>,
    },
    /// It is a `finally` step and main steps have not ended.
    Others {
        /// How many.
        open: u32,
    },
    /// Its next attempt has a time.
    Retry {
        /// Not before.
        due: Micros,
        /// The number it will have.
        attempt: u32,
    },
    /// Every slot is in use.
    Slots {
        /// Leases held.
        used: u32,
        /// Leases that may be held.
        limit: u32,
    },
    /// Its outcome is unknown; a person must settle it.
    Unknown,
    /// Other principals have to approve it.
    Approval {
        /// The request.
        approval: ApprovalId,
        /// Approvals given.
        given: u16,
        /// Approvals needed.
        needed: u16,
        /// When it is denied for want of them.
        expires: Micros,
    },
    /// It runs already.
    Running {
        /// The lease.
        fence: Fence,
        /// When it must have ended.
        deadline: Micros,
    },
    /// It runs and is being stopped.
    Cancelling {
        /// When it must have ended.
        deadline: Micros,
    },
    /// It ended.
    Ended {
        /// How.
        outcome: Outcome,
    },
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Needs { steps } => write!(f, "needs {}", steps.join(", ")),
            Self::Others { open } => write!(f, "waits for {open} other steps to end"),
            Self::Retry { attempt, .. } => write!(f, "waits for the time of attempt {attempt}"),
            Self::Slots { used, limit } => write!(f, "all slots busy ({used}/{limit})"),
            Self::Unknown => f.write_str("outcome unknown, to be settled by a person"),
            Self::Approval { approval, given, needed, .. } => {
                write!(f, "waits for approval {approval} ({given} of {needed})")
            }
            Self::Running { .. } => f.write_str("running"),
            Self::Cancelling { .. } => f.write_str("being cancelled"),
            Self::Ended { outcome } => write!(f, "{outcome}"),
        }
    }
}

impl State {
    /// What to do next, if anything can be done at `now`. O(log n) in all open steps.
    pub fn next(&self, now: Micros) -> Option<Work> {
        if let Some((_, run)) = self.agenda.concluding.first() {
            return Some(Work::Conclude { run: *run });
        }
        if self.slots_hold().is_some() {
            return None;
        }
        let due = self.agenda.retries.first().filter(|(due, _)| *due <= now);
        let turns = [due.map(|(_, turn)| turn), self.agenda.ready.first()];
        let turn = turns.into_iter().flatten().min()?;
        let attempt = self.run(&turn.run)?.step(turn.step)?.attempt.saturating_add(1);
        Some(Work::Step { run: turn.run, step: turn.step, attempt })
    }

    /// When to look again if nothing happens before: the next retry, the end of the next lease, or
    /// the time of the next request for an approval.
    /// While every slot is in use no retry can begin, so only the leases count.
    pub fn next_deadline(&self) -> Option<Micros> {
        let free = self.slots_hold().is_none();
        let retry = self.agenda.retries.first().map(|(due, _)| *due).filter(|_| free);
        let lease = self.agenda.leases.first().map(|(until, _)| *until);
        let review = self.agenda.reviews.first().map(|(until, _)| *until);
        retry.into_iter().chain(lease).chain(review).min()
    }

    /// A lease that has run out at `now`: to be expired. Ask again after that is applied.
    pub fn expired(&self, now: Micros) -> Option<Claim> {
        let (_, turn) = self.agenda.leases.first().filter(|(until, _)| *until <= now)?;
        let fence = self.run(&turn.run)?.step(turn.step)?.lease()?.fence;
        Some(Claim { run: turn.run, step: turn.step, fence })
    }

    /// Every lease that is held, by when it runs out.
    pub fn leases(&self) -> impl Iterator<Item = Claim> {
        self.agenda.leases.iter().filter_map(|(_, turn)| {
            let fence = self.run(&turn.run)?.step(turn.step)?.lease()?.fence;
            Some(Claim { run: turn.run, step: turn.step, fence })
        })
    }

    /// Attempts that must be stopped because their run is being cancelled: running main steps.
    pub fn cancelling(&self) -> impl Iterator<Item = Claim> {
        self.leases().filter(|claim| {
            self.run(&claim.run).is_some_and(|run| {
                let main = run.plan.node(claim.step).map(|node| node.stage) == Some(Stage::Main);
                run.cancel.is_some() && main
            })
        })
    }

    /// Whether the number of leases holds every step.
    pub(super) fn slots_hold(&self) -> Option<Hold> {
        let (used, limit) = (self.slots_used(), self.slots);
        (used >= limit).then_some(Hold::Slots { used, limit })
    }
}

/// What keeps the step from being taken up, free slots aside.
pub(super) fn hold(site: Site<'_>, now: Micros) -> Option<Hold> {
    match &site.step.phase {
        Phase::Pending => Some(unmet(site)),
        Phase::Waiting(Wait::Retry { due }) if *due > now => {
            Some(Hold::Retry { due: *due, attempt: site.step.attempt.saturating_add(1) })
        }
        Phase::Ready | Phase::Waiting(Wait::Retry { .. }) => None,
        Phase::Waiting(Wait::Unknown) => Some(Hold::Unknown),
        Phase::Waiting(Wait::Approved { until }) if now < *until => None,
        Phase::Waiting(Wait::Approval { .. } | Wait::Approved { .. }) => reviewed(site),
        Phase::Running(lease) => {
            let stops = site.run.cancel.is_some() && site.node.stage == Stage::Main;
            let (fence, deadline) = (lease.fence, lease.deadline);
            Some(match stops {
                true => Hold::Cancelling { deadline },
                false => Hold::Running { fence, deadline },
            })
        }
        Phase::Ended(outcome) => Some(Hold::Ended { outcome: *outcome }),
    }
}

fn reviewed(site: Site<'_>) -> Option<Hold> {
    let review = site.step.review()?;
    let given = u16::try_from(review.votes.len()).unwrap_or(u16::MAX);
    let (needed, expires) = (review.request.terms.count, review.request.terms.expires);
    Some(Hold::Approval { approval: review.request.id, given, needed, expires })
}

fn unmet(site: Site<'_>) -> Hold {
    let ended = |need: StepIndex| site.run.step(need).is_some_and(|step| step.outcome().is_some());
    let open = site.node.needs.iter().filter(|&&need| !ended(need));
    let names = open.filter_map(|&need| site.run.plan.node(need));
    let steps: Vec<_> = names.map(|node| Arc::clone(&node.name)).collect();
    match site.node.stage {
        Stage::Finally if site.run.open_main > 0 => Hold::Others { open: site.run.open_main },
        Stage::Finally | Stage::Main => Hold::Needs { steps },
    }
}
