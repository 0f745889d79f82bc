//! A node: the process that owns a project while it lives — its journal, its state, its executor.
//!
//! [`Node::start`] opens the journal and brings back the runs that are to go on; the dispatcher's thread does the
//! rest. A node that is dropped stops taking requests; what it had acknowledged is in the journal.

mod desk;
mod dispatcher;
mod start;

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use engine::run::{ApprovalId, Event, Ruling, RunId};
use engine::workflow::Workflow;
use journal::{Journal, Stats};
use serde_json::Value;
use ticket::Ticket;

use crate::change::{Merging, Unfinished};
use crate::gate::{Principal, Standing};
use crate::layout::Layout;
use crate::owner::{Asking, Ruled};
use crate::peer::{Door, DoorError};
use crate::secrecy::{Keeping, Secrecy};
use crate::tickets::Issuing;

use dispatcher::Message;

pub use desk::Desk;
pub use dispatcher::Unanswered;
pub(crate) use start::log;
pub use start::{Adopt, Options, StartError};

/// A running owner of a project.
#[derive(Debug)]
pub struct Node {
    layout: Layout,
    journal: Arc<Journal>,
    outbox: Sender<Message>,
    dispatcher: Option<JoinHandle<Result<(), String>>>,
    principal: Principal,
    standing: Arc<Standing>,
    secrecy: Arc<Secrecy>,
    /// Merges that were interrupted and gone on with when it started.
    gone_on: Vec<Unfinished>,
    /// Changes of the policy that were interrupted and that the file does not settle.
    in_doubt: Vec<RunId>,
    desk: Desk,
    /// Closed before the dispatcher ends.
    door: Option<Result<Door, DoorError>>,
}

/// A workflow to run.
#[derive(Debug, Clone)]
pub struct Submission {
    /// What.
    pub workflow: Arc<Workflow>,
    /// Its file's name, for people.
    pub name: String,
    /// Inputs as given.
    pub inputs: Value,
    /// Idempotency key.
    pub key: Option<String>,
    /// The agent that acts, where it is not the node's own principal.
    pub agent: Option<Principal>,
}

/// A run that exists and is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub run: RunId,
    /// Whether it had been submitted before under the same key.
    pub existing: bool,
}

impl Node {
    /// Submits a run and registers `watcher` for its events before the first of them.
    ///
    /// # Errors
    /// [`Unanswered`]; see there for what is certain.
    pub fn submit(
        &self,
        submission: Submission,
        watcher: Option<Sender<Event>>,
    ) -> Result<Accepted, Unanswered> {
        self.submit_with(submission, watcher, Vec::new())
    }

    /// As [`Node::submit`], with tickets: for the actions of the workflow, and for its calls, each of which is held
    /// against them. They are kept in memory alone: a run that another process takes up goes on without them.
    ///
    /// # Errors
    /// As [`Node::submit`].
    pub fn submit_with(
        &self,
        submission: Submission,
        watcher: Option<Sender<Event>>,
        tickets: Vec<Ticket>,
    ) -> Result<Accepted, Unanswered> {
        self.desk.submit_with(&self.principal, submission, watcher, tickets)
    }

    /// Sends every event of `run` that becomes durable from now on to `watcher`.
    pub fn watch(&self, run: RunId, watcher: Sender<Event>) {
        self.desk.watch(run, watcher);
    }

    /// Asks for a run to be cancelled; returns when the request is durable.
    ///
    /// # Errors
    /// As [`Node::submit`].
    pub fn cancel(&self, run: RunId, reason: &str) -> Result<(), Unanswered> {
        self.desk.cancel(run, &self.principal, reason)
    }

    /// Asks for failed steps to be done again, under tickets of their own where the workflow has actions; returns when
    /// the request is durable.
    ///
    /// # Errors
    /// As [`Node::submit`].
    pub fn retry(
        &self,
        run: RunId,
        step: Option<&str>,
        tickets: Vec<Ticket>,
    ) -> Result<(), Unanswered> {
        let (by, step) = (self.principal.id.clone(), step.map(str::to_owned));
        self.desk.ask(Asking::Retry { run, step, by, tickets }).map(drop)
    }

    /// Whether it still takes requests; one whose journal failed does not.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.dispatcher.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Where other threads hand in requests.
    #[must_use]
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// The socket for other processes, or why there is none: a node works without one.
    ///
    /// # Errors
    /// As [`Door::open`].
    pub fn door(&self) -> Result<&Door, &DoorError> {
        match &self.door {
            Some(Ok(door)) => Ok(door),
            Some(Err(error)) => Err(error),
            // Only a node that is ending has let go of it.
            None => Err(&DoorError::Ending),
        }
    }

    /// Answers a request for an approval in the name of this node's principal; returns when the answer is durable.
    ///
    /// # Errors
    /// As [`Node::submit`].
    pub fn rule(
        &self,
        approval: ApprovalId,
        ruling: Ruling,
        reason: &str,
    ) -> Result<(), Unanswered> {
        let (by, reason) = (self.principal.clone(), reason.to_owned());
        self.desk.rule(Ruled { approval, ruling, by, reason })
    }

    /// What merges are done with: this node's gate and journal, in the name of its principal.
    #[must_use]
    pub fn merging(&self) -> Merging<'_> {
        Merging {
            layout: &self.layout,
            gate: self.standing.now(),
            journal: &self.journal,
            principal: &self.principal,
        }
    }

    /// What tickets are made and revoked with: this node's gate and journal, in the name of its principal.
    #[must_use]
    pub fn issuing(&self) -> Issuing<'_> {
        Issuing {
            layout: &self.layout,
            gate: self.standing.now(),
            journal: &self.journal,
            principal: &self.principal,
        }
    }

    /// What secrets are changed with: this node's gate and journal, in the name of its principal.
    #[must_use]
    pub fn keeping(&self) -> Keeping<'_> {
        Keeping {
            secrecy: &self.secrecy,
            gate: self.standing.now(),
            journal: &self.journal,
            principal: &self.principal,
        }
    }

    /// Interrupted merges that this node went on with when it started, each told once.
    pub fn gone_on(&mut self) -> Vec<Unfinished> {
        std::mem::take(&mut self.gone_on)
    }

    /// Changes of the policy that were interrupted, and of which a person has to say what came: the policy file holds
    /// neither what it held nor what it was to hold.
    #[must_use]
    pub fn in_doubt(&self) -> &[RunId] {
        &self.in_doubt
    }

    /// What the journal has written since this node started.
    #[must_use]
    pub fn journal_stats(&self) -> Stats {
        self.journal.stats()
    }

    /// Ends in good order: what is in memory is made durable, the journal is closed.
    ///
    /// # Errors
    /// When the journal failed while this node ran; everything acknowledged is in it all the same.
    pub fn stop(mut self) -> Result<(), String> {
        self.end()
    }

    fn end(&mut self) -> Result<(), String> {
        drop(self.door.take());
        drop(self.outbox.send(Message::Stop));
        match self.dispatcher.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Err("the dispatcher ended unexpectedly".to_owned()),
            None => Ok(()),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A failure was already told to everyone who waited; there is nobody else to tell here.
        drop(self.end());
    }
}
