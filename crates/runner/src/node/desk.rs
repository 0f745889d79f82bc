//! The desk: where requests for a node are handed in, by its own process and by its peers.
//! It can be given to any thread; what is asked is answered when it is durable. Deciding is the owner's business.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use engine::run::{Event, RunId};
use journal::{
    Change, CommitError, Draft, Journal, Lane, Operation, PAYLOAD_INLINE_BYTES_MAX, Reader,
};
use ticket::Ticket;

use super::dispatcher::{Message, Unanswered};
use super::start::{self, Known};
use super::{Accepted, Submission};
use crate::audit::Clerk;
use crate::gate::{Gate, Principal, Principals, RegistrationError, Standing};
use crate::history::{History, HistoryError};
use crate::layout::Layout;
use crate::owner::{Answer, Asking, Refusing, Ruled, Submit};
use crate::secrecy::Secrecy;
use crate::tickets::Issuing;
use crate::{cause, clock, record, storage, workflow};

/// Bytes of a submission above which a record of it may lie outside of the database; its JSON is longer than it.
const OUTSIDE_BYTES: usize = PAYLOAD_INLINE_BYTES_MAX / 4;
/// How many times its bytes a submission must find room for.
const ROOM_TIMES: u64 = 4;

/// A way to ask a node.
#[derive(Debug, Clone)]
pub struct Desk {
    layout: Layout,
    journal: Arc<Journal>,
    outbox: Sender<Message>,
    counter: Arc<Counter>,
    /// Opened with the first request that needs it, because opening costs more than reading.
    reader: Arc<Mutex<Option<Reader>>>,
}

/// What requests are understood with.
#[derive(Debug)]
pub(super) struct Counter {
    /// Who is registered.
    principals: Principals,
    /// The gate that stands now.
    standing: Arc<Standing>,
    /// The file of the policy in force.
    policy_file: Option<PathBuf>,
    /// The size at which the journal takes no new calls, in bytes.
    journal_most: Option<u64>,
    /// What opens commitments is kept there.
    secrecy: Arc<Secrecy>,
}

impl Counter {
    pub(super) fn new(
        policy_file: Option<PathBuf>,
        (standing, secrecy): (Arc<Standing>, Arc<Secrecy>),
        principals: Principals,
        journal_most: Option<u64>,
    ) -> Self {
        Self { principals, standing, policy_file, journal_most, secrecy }
    }
}

impl Desk {
    pub(super) fn new(
        layout: Layout,
        journal: Arc<Journal>,
        outbox: Sender<Message>,
        counter: Counter,
    ) -> Self {
        let (counter, reader) = (Arc::new(counter), Arc::default());
        Self { layout, journal, outbox, counter, reader }
    }

    /// Who a process of this user acts as.
    #[must_use]
    pub fn principal_of(&self, uid: u32) -> Principal {
        self.counter.principals.of_user(uid)
    }

    /// The agent of this id, for somebody who acts as it.
    ///
    /// # Errors
    /// When it is no agent's id.
    pub(crate) fn agent(&self, id: &str) -> Result<Principal, RegistrationError> {
        self.counter.principals.agent(id)
    }

    /// The gate that stands now.
    pub(crate) fn gate(&self) -> Arc<Gate> {
        self.counter.standing.now()
    }

    /// The file of the policy in force, where there is one.
    pub(crate) fn policy_file(&self) -> Option<&Path> {
        self.counter.policy_file.as_deref()
    }

    /// What tickets are made and revoked with, in the name of `principal`.
    pub(crate) fn issuing<'a>(&'a self, principal: &'a Principal) -> Issuing<'a> {
        Issuing { layout: &self.layout, gate: self.gate(), journal: &self.journal, principal }
    }

    /// Who keeps the audit log.
    pub(crate) fn clerk(&self) -> Clerk<'_> {
        let openings = self.counter.secrecy.openings();
        Clerk { layout: &self.layout, journal: &self.journal, openings }
    }

    /// Submits a run of `principal` and registers `watcher` for its events before the first of them.
    ///
    /// # Errors
    /// [`Unanswered`]; see there for what is certain.
    pub fn submit(
        &self,
        principal: &Principal,
        submission: Submission,
        watcher: Option<Sender<Event>>,
    ) -> Result<Accepted, Unanswered> {
        self.submit_with(principal, submission, watcher, Vec::new())
    }

    /// As [`Desk::submit`], with tickets for the actions and the calls of the run.
    ///
    /// # Errors
    /// As [`Desk::submit`].
    pub fn submit_with(
        &self,
        principal: &Principal,
        submission: Submission,
        watcher: Option<Sender<Event>>,
        tickets: Vec<Ticket>,
    ) -> Result<Accepted, Unanswered> {
        // What somebody else wrote does no deeds; a door that took it without reading it closely is no way around.
        if let Some((_, tool)) = workflow::deeds(&submission.workflow).next() {
            return Err(Refusing::Deed(tool.to_owned()).into());
        }
        self.place(principal, submission, watcher, tickets)
    }

    /// How crowded the journal is, from 80 % of the size it may have.
    #[must_use]
    pub fn crowded(&self) -> Option<storage::Crowded> {
        storage::crowded(&self.layout, self.counter.journal_most)
    }

    /// Whether there is room for anything new.
    ///
    /// # Errors
    /// [`Unanswered::Full`] and [`Unanswered::AtSize`].
    pub(crate) fn is_open(&self) -> Result<(), Unanswered> {
        if self.journal.stats().reserve_spent {
            return Err(Unanswered::Full);
        }
        match storage::is_at(&self.layout, self.counter.journal_most) {
            true => Err(Unanswered::AtSize),
            false => Ok(()),
        }
    }

    /// Submits a run of a workflow that may also be one of ours.
    ///
    /// # Errors
    /// As [`Desk::submit`].
    pub(crate) fn place(
        &self,
        principal: &Principal,
        submission: Submission,
        watcher: Option<Sender<Event>>,
        tickets: Vec<Ticket>,
    ) -> Result<Accepted, Unanswered> {
        self.is_open()?;
        let now = clock::now();
        let run = clock::run_id(now).map_err(|error| Unanswered::Journal(error.to_string()))?;
        if let Some(watcher) = watcher {
            self.watch(run, watcher);
        }
        let own = principal.clone();
        let (principal, started_by) = match submission.agent.clone() {
            Some(agent) => (agent, Some(own.id)),
            None => (own, None),
        };
        let known = self.known(&submission, &principal)?;
        self.check_room(&submission, known.first_seen)?;
        let submit = Submit {
            run,
            workflow: submission.workflow,
            name: submission.name,
            first_seen: known.first_seen,
            inputs: submission.inputs,
            principal,
            started_by,
            key: submission.key,
            holder: known.holder,
        };
        let submit = Box::new(submit);
        let asking = match tickets.is_empty() {
            false => Asking::Presenting(submit, tickets),
            true => Asking::Submit(submit),
        };
        match self.ask(asking)? {
            Answer::Accepted { run, existing } => Ok(Accepted { run, existing }),
            Answer::Done | Answer::Denied(_) => Err(Unanswered::Ending),
        }
    }

    /// Refuses a submission whose records would find no room beside the database. Once the owner has taken it, the
    /// state in memory rests on it; that room goes away in between is what the reserve is for.
    fn check_room(&self, submission: &Submission, first_seen: bool) -> Result<(), Unanswered> {
        let text = if first_seen { submission.workflow.source_text.len() } else { 0 };
        let bytes = text.saturating_add(submission.inputs.to_string().len());
        let Some(artifacts) = self.journal.artifacts().filter(|_| bytes > OUTSIDE_BYTES) else {
            return Ok(());
        };
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(ROOM_TIMES);
        match artifacts.has_room(bytes) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Unanswered::Full),
            Err(error) => Err(Unanswered::Journal(cause::line(&error))),
        }
    }

    /// Sends every event of `run` that becomes durable from now on to `watcher`.
    pub fn watch(&self, run: RunId, watcher: Sender<Event>) {
        drop(self.outbox.send(Message::Watch(run, watcher)));
    }

    /// Asks in the name of `by` for a run to be cancelled; returns when the request is durable.
    ///
    /// # Errors
    /// As [`Desk::submit`].
    pub fn cancel(&self, run: RunId, by: &Principal, reason: &str) -> Result<(), Unanswered> {
        let (by, reason) = (by.id.clone(), reason.to_owned());
        self.ask(Asking::Cancel { run, by, reason }).map(drop)
    }

    /// Answers a request for an approval; returns when the answer is durable.
    ///
    /// # Errors
    /// As [`Desk::submit`].
    pub fn rule(&self, ruled: Ruled) -> Result<(), Unanswered> {
        self.ask(Asking::Rule(ruled)).map(drop)
    }

    /// What is recorded so far.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn history(&self) -> Result<History, HistoryError> {
        History::open(&self.layout)
    }

    /// Where the project is.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn ask(&self, asking: Asking) -> Result<Answer, Unanswered> {
        let (reply, answer): (_, Receiver<Result<Answer, Unanswered>>) = channel();
        self.outbox.send(Message::Ask(asking, reply)).map_err(|_| Unanswered::Ending)?;
        match answer.recv().map_err(|_| Unanswered::Ending)?? {
            Answer::Denied(why) => Err(Refusing::Actions(why).into()),
            answer => Ok(answer),
        }
    }

    /// Makes a record of the node durable, with the rows that follow from it.
    pub(crate) fn record(
        &self,
        drafts: Vec<Draft>,
        changes: Vec<Change>,
    ) -> Result<(), CommitError> {
        self.journal.commit(Operation { log: super::log(), drafts, changes }).map(drop)
    }

    /// Records what `principal` did beside the runs; waits while the journal's low lane is full, not for the disk.
    pub(crate) fn note(
        &self,
        kind: &'static str,
        principal: &Principal,
        body: &impl serde::Serialize,
    ) {
        let mut draft = record::node_draft(kind, body, clock::now());
        draft.principal.clone_from(&principal.id);
        let operation = Operation { log: super::log(), drafts: vec![draft], changes: Vec::new() };
        // A journal that fails ends the node, and everybody who waits is told; a note has nobody who waits.
        self.journal.submit(operation, Lane::Low, drop);
    }

    fn known(&self, submission: &Submission, principal: &Principal) -> Result<Known, Unanswered> {
        let mut kept = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let reader = match kept.take() {
            Some(reader) => reader,
            None => Reader::open(self.layout.journal())
                .map_err(|error| Unanswered::Journal(error.to_string()))?,
        };
        // One that failed is not kept.
        let known = start::known(&reader, submission, principal)?;
        *kept = Some(reader);
        Ok(known)
    }
}
