//! The owner: what one input leads to. The meeting point of engine, gate and journal records, without any of their I/O.
//!
//! Every input is handled into a [`Turn`], which brings the time and randomness it may use and takes the records to
//! commit and the effects that may follow. The state in memory changes at once; whoever drives an owner commits turns
//! in order and starts over from the journal when a commit fails. The dispatcher drives it with threads, the simulator
//! without. `ask` answers requests, `advance` takes up what can be taken up.

mod advance;
mod ask;
mod deed;
mod input;
pub(crate) mod quota;
mod review;
mod turn;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::policy::quota::Ledger;
use engine::run::{
    Command, Digest, Event, Fact, Micros, Rejection, RunId, State, Submission, decide,
};

use ticket::Ticket;

use crate::executor::Report;
use crate::gate::{Gate, Principal, Sorted};
use crate::projection::{self, Charged, Document};
use crate::record::{self, Isolation};
use crate::workflow;

pub use input::{Answer, Asking, Moment, Refusing, Submit, check_key};
use quota::Quotas;
pub use review::Ruled;
pub use turn::{Effect, Turn};
pub use work::{IDEMPOTENCY_VARIABLE, RUN_VARIABLE, STEP_VARIABLE};

/// How attempts are done in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// As the step says.
    Really,
    /// Programs without any sandbox; the user allowed it and somebody asked for it.
    Unsafe,
    /// Not at all: the rest is being measured or simulated.
    Nothing,
}

/// The state of a project's runs with everything needed to move it on.
#[derive(Debug)]
pub struct Owner {
    state: State,
    gate: Arc<Gate>,
    /// Who submitted each run in memory.
    principals: BTreeMap<RunId, Arc<Principal>>,
    /// Tickets that were handed in with runs; in memory alone, and gone with the process.
    presented: BTreeMap<RunId, Vec<Ticket>>,
    /// Runs that ended in this turn, still in memory.
    ended: Vec<RunId>,
    /// Keys of runs that ended in this process; those of earlier ones are in the view.
    spent: BTreeMap<Vec<u8>, (RunId, Arc<Submission>)>,
    doing: Doing,
    quotas: Quotas,
    /// Since when there may be more to do than the last turn had room for.
    behind: Option<Micros>,
}

impl Owner {
    /// An owner with no runs that lets `slots` attempts run at a time.
    #[must_use]
    pub fn new(gate: Arc<Gate>, slots: u32, doing: Doing) -> Self {
        Self {
            state: State::new(slots),
            gate,
            principals: BTreeMap::new(),
            presented: BTreeMap::new(),
            ended: Vec::new(),
            spent: BTreeMap::new(),
            doing,
            quotas: Quotas::default(),
            behind: None,
        }
    }

    /// Takes in what calls have used of their limits, before anything else is asked of this owner. Runs that are not
    /// among `live` have ended.
    ///
    /// # Errors
    /// When the rows do not follow from each other: then nobody knows what is left, and nothing may be let through.
    pub fn recall(&mut self, rows: Vec<Charged>, live: &BTreeSet<RunId>) -> Result<(), String> {
        self.quotas.recall(rows, live)
    }

    /// What is used of limits.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        self.quotas.ledger()
    }

    /// The engine's state.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Takes the project over under a new epoch: leases of the owner before are void, and what can go on goes on.
    ///
    /// # Errors
    /// When the epoch is not higher than any before.
    pub fn recover(&mut self, epoch: u32, turn: &mut Turn) -> Result<(), Rejection> {
        self.command(&Command::Recover { epoch }, record::NODE_PRINCIPAL, turn)?;
        self.advance(turn);
        Ok(())
    }

    /// Brings a recorded run back into memory from its events, so that it can go on or be retried.
    ///
    /// # Errors
    /// The first event that does not follow from those before.
    pub fn adopt(
        &mut self,
        document: &Document,
        principal: Principal,
        events: &[Event],
    ) -> Result<(), String> {
        if self.state.plan(&document.digest).is_none() {
            let plan = workflow::recorded(document).ok_or_else(|| {
                format!("workflow `{}` is not accepted by this version", document.name)
            })?;
            self.state.know(Arc::new(plan));
        }
        for event in events {
            self.state.apply(event).map_err(|error| error.to_string())?;
        }
        if let Some(first) = events.first() {
            self.principals.insert(first.run, Arc::new(principal));
        }
        Ok(())
    }

    /// Handles what somebody asks for. The answer may be given out once the turn is durable; a refusal changes nothing.
    ///
    /// # Errors
    /// Why not.
    pub fn ask(&mut self, asking: Asking, turn: &mut Turn) -> Result<Answer, Refusing> {
        let answer = match asking {
            Asking::Submit(submit) => self.submit(*submit, &[], turn)?,
            Asking::Presenting(submit, tickets) => {
                let Sorted { start, calls } = Sorted::of(tickets, Some(&submit.workflow));
                let answer = self.submit(*submit, &start, turn)?;
                if let Answer::Accepted { run, existing: false } = answer {
                    self.presented.insert(run, calls);
                }
                answer
            }
            Asking::Cancel { run, by, reason } => self.cancel(run, &by, &reason, turn)?,
            Asking::Rule(ruled) => self.rule(ruled, turn)?,
            Asking::Retry { run, step, by, tickets } => {
                let workflow = self.state.run(&run).map(|known| known.plan().workflow());
                let Sorted { start, calls } = Sorted::of(tickets, workflow.map(|one| &**one));
                let answer = self.retry((run, step.as_deref()), &by, &start, turn)?;
                if answer == Answer::Done && !calls.is_empty() {
                    self.presented.insert(run, calls);
                }
                answer
            }
        };
        self.advance(turn);
        Ok(answer)
    }

    /// Takes what came of attempts, and moves on.
    pub fn report(&mut self, reports: Vec<Report>, turn: &mut Turn) {
        for report in reports {
            self.finish(report, turn);
        }
        self.advance(turn);
    }

    /// Moves on what time alone moves: retries that are due, leases that ran out.
    pub fn wake(&mut self, turn: &mut Turn) {
        self.advance(turn);
    }

    /// Takes back leases that ran out, before anything else has a turn's room.
    fn expire(&mut self, turn: &mut Turn) {
        while !turn.is_full()
            && let Some(claim) = self.state.expired(turn.now())
        {
            turn.effect(Effect::Stop(claim.fence));
            let expire = Command::Expire { run: claim.run, step: claim.step, fence: claim.fence };
            if self.command(&expire, record::NODE_PRINCIPAL, turn).is_err() {
                break;
            }
        }
    }

    /// When [`Owner::wake`] has something to do at the earliest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Micros> {
        self.behind.or_else(|| self.state.next_deadline())
    }

    fn finish(&mut self, report: Report, turn: &mut Turn) {
        let Report { run, step, name, attempt, fence, mut result, receipt, changes, .. } = report;
        if let Some(receipt) = receipt {
            let body = serde_json::json!({ "step": name, "attempt": attempt, "receipt": receipt });
            let draft = record::draft(run, record::RECEIPT_KIND, &body, turn.now());
            let draft = self.isolation().mark(draft);
            result.receipt = Some(Digest(*journal::Digest::of(&draft.payload).as_bytes()));
            turn.draft(draft);
        }
        if let Some(changes) = changes {
            let draft = record::draft(run, record::CHANGES_KIND, &changes, turn.now());
            turn.draft(self.isolation().mark(draft));
        }
        if let Some(committed) = report.committed {
            let body = committed.body(&name, attempt);
            let draft = record::draft(run, record::COMMITTED_KIND, &body, turn.now());
            turn.draft(self.isolation().mark(draft));
        }
        if let Some(policy) = report.in_force {
            self.replace((run, step), policy, turn);
        }
        let entropy = turn.draw();
        let command = Command::Finish { run, step, fence, result: Arc::new(result), entropy };
        // A report for a run that is no longer in memory has nowhere to go: its lease ended with the run.
        drop(self.command(&command, record::NODE_PRINCIPAL, turn));
    }

    /// Decides a command, applies what it leads to and notes it in the turn.
    fn command(
        &mut self,
        command: &Command,
        principal: &str,
        turn: &mut Turn,
    ) -> Result<(), Rejection> {
        for event in decide(&self.state, command, turn.now())? {
            turn.draft(self.isolation().mark(record::event_draft(&event, principal)));
            if self.isolation() == Isolation::None && event.run != RunId::NIL {
                turn.change(projection::unsafe_row(event.run));
            }
            // What was just decided applies; an event that did not would be found by the fold of the next start.
            if self.state.apply(&event).is_ok() {
                for change in projection::after(&self.state, &event) {
                    turn.change(change);
                }
            }
            self.quotas.observe(&event);
            if ends_run(&event) {
                self.ended.push(event.run);
            }
            turn.effect(Effect::Tell(event));
        }
        Ok(())
    }

    /// Whether programs of this owner are held by a sandbox.
    pub(crate) fn isolation(&self) -> Isolation {
        match self.doing {
            Doing::Unsafe => Isolation::None,
            Doing::Really | Doing::Nothing => Isolation::Sandbox,
        }
    }

    /// Lets go of ended runs: their records are what keeps them.
    fn retire(&mut self) {
        for run in std::mem::take(&mut self.ended) {
            if let Some(submission) =
                self.state.run(&run).map(|known| Arc::clone(known.submission()))
                && let Some(key) = &submission.key
            {
                let row = projection::key_row(&submission.principal, key);
                self.spent.insert(row, (run, Arc::clone(&submission)));
            }
            self.state.forget(&run);
            self.principals.remove(&run);
            self.presented.remove(&run);
        }
    }

    fn principal(&self, run: RunId) -> String {
        self.principals
            .get(&run)
            .map_or_else(|| record::NODE_PRINCIPAL.to_owned(), |principal| principal.id.clone())
    }
}

/// Whether an event ends its run.
#[must_use]
pub fn ends_run(event: &Event) -> bool {
    matches!(event.fact, Fact::RunFinished { .. })
}
