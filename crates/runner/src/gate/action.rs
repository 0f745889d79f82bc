//! Starting a workflow that acts on the world: every ticket for it is held before its first step is.
//!
//! What the steps then do is put before the policy like any other call; a ticket for the workflow stands for no rule.

use ::ticket::{Audience, Ticket, unverified};
use engine::run::Micros;
use engine::workflow::Workflow;

use super::{Gate, Principal};
use crate::tickets::{Redemption, Unstarted};

/// The tickets of a run, by what they are for.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    /// For its start; also what cannot be read, so that it is refused there.
    pub(crate) start: Vec<Ticket>,
    /// For its calls.
    pub(crate) calls: Vec<Ticket>,
}

impl Sorted {
    /// By what they say they are for, where a workflow has actions; all for its calls where it has none. Nobody has to
    /// have signed that: each is held where it is used.
    pub(crate) fn of(tickets: Vec<Ticket>, workflow: Option<&Workflow>) -> Self {
        let acts = workflow.is_some_and(|workflow| !workflow.actions.is_empty());
        let is_for_calls = |ticket: &Ticket| {
            let claims = unverified(ticket);
            !acts || claims.is_ok_and(|claims| matches!(claims.audience, Audience::Tools(_)))
        };
        let (calls, start) = tickets.into_iter().partition(is_for_calls);
        Self { start, calls }
    }
}

impl Gate {
    /// Takes one use of each ticket under which `principal` starts a workflow; of none where it has no actions.
    ///
    /// # Errors
    /// [`Unstarted`]; then nothing of it may begin, and no use was taken.
    pub(crate) fn start(
        &self,
        principal: &Principal,
        workflow: &Workflow,
        tickets: &[Ticket],
        now: Micros,
    ) -> Result<Vec<Redemption>, Unstarted> {
        if workflow.actions.is_empty() {
            return Ok(Vec::new());
        }
        self.book.start(principal, workflow, tickets, now)
    }
}
