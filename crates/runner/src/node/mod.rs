//! A node: the process that owns a project while it lives — its journal, its state, its executor.
//!
//! [`Node::start`] opens the journal and brings back the runs that are to go on; the dispatcher's thread does the
//! rest. A node that is dropped stops taking requests; what it had acknowledged is in the journal.

mod dispatcher;
mod start;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use engine::run::{Event, RunId};
use engine::workflow::Workflow;
use journal::{Journal, Reader, Stats};
use serde_json::Value;

use crate::change::{Merging, Unfinished};
use crate::clock;
use crate::control::{self, Listener, Request};
use crate::gate::{Gate, Principal};
use crate::layout::Layout;
use crate::owner::{Answer, Asking, Submit};

use dispatcher::Message;

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
    gate: Arc<Gate>,
    /// Merges that were interrupted and gone on with when it started.
    gone_on: Vec<Unfinished>,
    /// Closed before the dispatcher ends.
    control: Option<Listener>,
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
        let now = clock::now();
        let run = clock::run_id(now).map_err(|error| Unanswered::Journal(error.to_string()))?;
        if let Some(watcher) = watcher {
            self.watch(run, watcher);
        }
        let known = start::known(&self.reader()?, &submission, &self.principal)?;
        let submit = Submit {
            run,
            workflow: submission.workflow,
            name: submission.name,
            first_seen: known.first_seen,
            inputs: submission.inputs,
            principal: self.principal.clone(),
            key: submission.key,
            holder: known.holder,
        };
        match self.ask(Asking::Submit(Box::new(submit)))? {
            Answer::Accepted { run, existing } => Ok(Accepted { run, existing }),
            Answer::Done => Err(Unanswered::Ending),
        }
    }

    /// Sends every event of `run` that becomes durable from now on to `watcher`.
    pub fn watch(&self, run: RunId, watcher: Sender<Event>) {
        drop(self.outbox.send(Message::Watch(run, watcher)));
    }

    /// Asks for a run to be cancelled; returns when the request is durable.
    ///
    /// # Errors
    /// As [`Node::submit`].
    pub fn cancel(&self, run: RunId, reason: &str) -> Result<(), Unanswered> {
        let (by, reason) = (self.principal.id.clone(), reason.to_owned());
        self.ask(Asking::Cancel { run, by, reason }).map(drop)
    }

    /// Asks for failed steps to be done again; returns when the request is durable.
    ///
    /// # Errors
    /// As [`Node::submit`].
    pub fn retry(&self, run: RunId, step: Option<&str>) -> Result<(), Unanswered> {
        let (by, step) = (self.principal.id.clone(), step.map(str::to_owned));
        self.ask(Asking::Retry { run, step, by }).map(drop)
    }

    /// What merges are done with: this node's gate and journal, in the name of its principal.
    #[must_use]
    pub fn merging(&self) -> Merging<'_> {
        Merging {
            layout: &self.layout,
            gate: &self.gate,
            journal: &self.journal,
            principal: &self.principal,
        }
    }

    /// Interrupted merges that this node went on with when it started, each told once.
    pub fn gone_on(&mut self) -> Vec<Unfinished> {
        std::mem::take(&mut self.gone_on)
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
        drop(self.control.take());
        drop(self.outbox.send(Message::Stop));
        match self.dispatcher.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Err("the dispatcher ended unexpectedly".to_owned()),
            None => Ok(()),
        }
    }

    fn ask(&self, asking: Asking) -> Result<Answer, Unanswered> {
        ask(&self.outbox, asking)
    }

    fn reader(&self) -> Result<Reader, Unanswered> {
        Reader::open(self.layout.journal()).map_err(|error| Unanswered::Journal(error.to_string()))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A failure was already told to everyone who waited; there is nobody else to tell here.
        drop(self.end());
    }
}

fn ask(outbox: &Sender<Message>, asking: Asking) -> Result<Answer, Unanswered> {
    let (reply, answer): (_, Receiver<Result<Answer, Unanswered>>) = channel();
    outbox.send(Message::Ask(asking, reply)).map_err(|_| Unanswered::Ending)?;
    answer.recv().map_err(|_| Unanswered::Ending)?
}

/// Answers requests of other processes.
fn serve(outbox: &Sender<Message>, peer: u32, request: Request) -> control::Answer {
    let Request::Cancel { run, reason } = request;
    let Ok(run) = run.parse::<RunId>() else {
        return control::Answer::Refused { reason: format!("`{run}` is not a run id") };
    };
    let by = Principal::of_user(peer).id;
    match ask(outbox, Asking::Cancel { run, by, reason }) {
        Ok(_) => control::Answer::Done,
        Err(error) => control::Answer::Refused { reason: error.to_string() },
    }
}
