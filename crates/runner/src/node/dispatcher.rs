//! The dispatcher: one thread that owns the state, in a loop of select → handle → commit → effects.
//!
//! It takes everything that waits, lets the owner handle it in memory, hands one operation to the journal and goes
//! on; the journal's answer comes back as a message, and only then are effects carried out and callers answered.
//! A commit that fails ends the loop: the state in memory is ahead of the journal and is thrown away.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::Duration;

use engine::run::{Event, Fence, RunId};
use journal::{CommitError, Committed, Journal, Lane, LogId, Refusal};

use crate::executor::{Executor, Job, Report};
use crate::gate::{Gate, Standing};
use crate::owner::{self, Answer, Asking, Effect, Moment, Owner, Refusing, Turn};
use crate::storage::Watch;
use crate::{cause, clock};

/// Most messages handled in one turn.
const TURN_MESSAGES: usize = 512;
/// Longest sleep without a message or a deadline: then it looks how full the disk is.
const IDLE: Duration = Duration::from_secs(60);

/// Where an answer goes.
pub(super) type Reply = Sender<Result<Answer, Unanswered>>;

/// What reaches the dispatcher.
pub(super) enum Message {
    /// Somebody asks for something.
    Ask(Asking, Reply),
    /// Attempts ended.
    Reports(Vec<Report>),
    /// Somebody wants to see the committed events of a run.
    Watch(RunId, Sender<Event>),
    /// The journal answered.
    Settled(Result<Committed, CommitError>),
    /// Nothing new is wanted; end.
    Stop,
}

/// Why an asker gets no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unanswered {
    /// The request is refused; nothing changed.
    #[error(transparent)]
    Refused(#[from] Refusing),
    /// The journal could not be written; nothing changed, or it is unknown whether it did.
    #[error("the journal could not be written: {0}")]
    Journal(String),
    /// The disk is full; what is left is kept for the outcomes of calls that run already.
    #[error(
        "the disk is full, and the room that is left is kept for the outcomes of running calls"
    )]
    Full,
    /// The journal has the size it may have.
    #[error("the journal has reached `journal.max_size`; only running calls are still recorded")]
    AtSize,
    /// The process is ending.
    #[error("the process is ending")]
    Ending,
}

/// What waits for an operation to be durable.
#[derive(Default)]
pub(super) struct Pending {
    effects: Vec<Effect>,
    answers: Vec<(Reply, Answer)>,
}

/// The dispatcher's own things.
pub(super) struct Dispatcher {
    pub(super) owner: Owner,
    pub(super) journal: Arc<Journal>,
    pub(super) log: LogId,
    pub(super) executor: Executor,
    pub(super) standing: Arc<Standing>,
    pub(super) inbox: Receiver<Message>,
    pub(super) outbox: Sender<Message>,
    pub(super) watch: Watch,
    pub(super) watchers: Vec<(RunId, Sender<Event>)>,
    /// What waits for each operation handed to the journal, oldest first.
    pub(super) in_flight: VecDeque<Vec<Pending>>,
}

impl Dispatcher {
    /// Runs until stopped, or until the journal fails.
    ///
    /// # Errors
    /// The journal's failure, in words.
    pub(super) fn run(mut self, first: Turn) -> Result<(), String> {
        self.commit(first, Vec::new());
        let ended = self.turns();
        // What still runs is not waited for: its lease is void with this node, and the next one takes it up.
        self.executor.halt();
        let closed = self.journal.close().map_err(|error| error.to_string());
        ended.and(closed)
    }

    fn turns(&mut self) -> Result<(), String> {
        loop {
            let Some(messages) = self.wait() else { return Ok(()) };
            let moment = moment().map_err(|error| error.to_string())?;
            let (mut turn, mut answers) = (Turn::new(moment), Vec::new());
            for message in messages {
                if turn.is_full() {
                    let next = self::moment().map_err(|error| error.to_string())?;
                    let full = std::mem::replace(&mut turn, Turn::new(next));
                    self.commit(full, std::mem::take(&mut answers));
                }
                match message {
                    Message::Ask(asking, reply) => self.ask(asking, reply, &mut turn, &mut answers),
                    Message::Reports(reports) => self.owner.report(reports, &mut turn),
                    Message::Watch(run, sender) => self.watchers.push((run, sender)),
                    Message::Settled(result) => self.settle(result)?,
                    Message::Stop => {
                        for (draft, change) in self.watch.last_look(turn.now()) {
                            turn.draft(draft);
                            turn.change(change);
                        }
                        self.commit(turn, answers);
                        return Ok(());
                    }
                }
            }
            self.owner.wake(&mut turn);
            for (draft, change) in self.watch.look(turn.now()) {
                turn.draft(draft);
                turn.change(change);
            }
            self.commit(turn, answers);
        }
    }

    /// Waits for a message or a deadline, then takes everything that is there. `None` when nobody can send any more.
    fn wait(&self) -> Option<VecDeque<Message>> {
        let mut messages = VecDeque::new();
        match self.inbox.recv_timeout(self.patience()) {
            Ok(message) => messages.push_back(message),
            Err(RecvTimeoutError::Timeout) => return Some(messages),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
        while messages.len() < TURN_MESSAGES {
            match self.inbox.try_recv() {
                Ok(message) => messages.push_back(message),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        Some(messages)
    }

    fn patience(&self) -> Duration {
        let Some(deadline) = self.owner.next_deadline() else { return IDLE };
        let micros = u64::try_from(deadline.0.saturating_sub(clock::now().0)).unwrap_or(0);
        Duration::from_micros(micros).min(IDLE)
    }

    fn ask(
        &mut self,
        asking: Asking,
        reply: Reply,
        turn: &mut Turn,
        answers: &mut Vec<(Reply, Answer)>,
    ) {
        match self.owner.ask(asking, turn) {
            Ok(answer) => answers.push((reply, answer)),
            // An asker that went away needs no answer.
            Err(refusing) => drop(reply.send(Err(refusing.into()))),
        }
    }

    /// Hands a turn to the journal. A turn that records nothing waits for those before it all the same: its answers
    /// and effects may rest on what they record.
    fn commit(&mut self, turn: Turn, answers: Vec<(Reply, Answer)>) {
        let (operation, effects) = turn.split(&self.log);
        let pending = Pending { effects, answers };
        let Some(operation) = operation else {
            if let Some(last) = self.in_flight.back_mut() {
                last.push(pending);
            } else {
                self.release(pending);
            }
            return;
        };
        self.in_flight.push_back(vec![pending]);
        let outbox = self.outbox.clone();
        self.journal.submit(operation, Lane::High, move |result| {
            // The dispatcher may have ended meanwhile; what is durable is found again by the next start.
            drop(outbox.send(Message::Settled(result)));
        });
    }

    /// The oldest operation in flight was answered: the journal answers one lane in order.
    fn settle(&mut self, result: Result<Committed, CommitError>) -> Result<(), String> {
        let settled = self.in_flight.pop_front().unwrap_or_default();
        match result {
            Ok(_) => {
                for pending in settled {
                    self.release(pending);
                }
                Ok(())
            }
            Err(error) => Err(fail(settled, &error)),
        }
    }

    /// Carries out what waited for a commit.
    fn release(&mut self, pending: Pending) {
        for (reply, answer) in pending.answers {
            drop(reply.send(Ok(answer)));
        }
        for act in in_order(pending.effects) {
            match act {
                Act::Begin(jobs) => {
                    let outbox = self.outbox.clone();
                    let report = move |reports| drop(outbox.send(Message::Reports(reports)));
                    self.executor.begin(jobs, &report);
                }
                Act::Stop(fence) => self.executor.stop(fence),
                Act::Tell(event) => self.tell(&event),
                Act::Stand(gate) => self.standing.put(gate),
            }
        }
    }

    /// Passes an event on; whoever went away, or watched a run that ended with it, is let go of.
    fn tell(&mut self, event: &Event) {
        let goes_on = !owner::ends_run(event);
        self.watchers.retain(|(run, watcher)| {
            *run != event.run || (watcher.send(event.clone()).is_ok() && goes_on)
        });
    }
}

/// What is done after a commit.
enum Act {
    Begin(Vec<Job>),
    Stop(Fence),
    Tell(Event),
    Stand(Arc<Gate>),
}

/// Effects in their order, attempts that begin with no stop between them together: a stop that overtook the attempt it
/// is for would find nothing to stop.
fn in_order(effects: Vec<Effect>) -> Vec<Act> {
    let mut acts: Vec<Act> = Vec::new();
    let mut begin: Option<usize> = None;
    for effect in effects {
        match (effect, begin.and_then(|place| acts.get_mut(place))) {
            (Effect::Begin(job), Some(Act::Begin(jobs))) => jobs.push(*job),
            (Effect::Begin(job), _) => {
                begin = Some(acts.len());
                acts.push(Act::Begin(vec![*job]));
            }
            (Effect::Stop(fence), _) => {
                begin = None;
                acts.push(Act::Stop(fence));
            }
            (Effect::Tell(event), _) => acts.push(Act::Tell(event)),
            (Effect::Stand(gate), _) => acts.push(Act::Stand(gate)),
        }
    }
    acts
}

/// Tells everybody who waited for an operation that it did not become durable.
fn fail(settled: Vec<Pending>, error: &CommitError) -> String {
    let text = cause::line(error);
    let why = match error {
        CommitError::NotCommitted(Refusal::DiskFull) => Unanswered::Full,
        _ => Unanswered::Journal(text.clone()),
    };
    for (reply, _) in settled.into_iter().flat_map(|pending| pending.answers) {
        drop(reply.send(Err(why.clone())));
    }
    text
}

fn moment() -> Result<Moment, getrandom::Error> {
    Ok(Moment { now: clock::now(), entropy: clock::entropy()? })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use engine::policy::Policy;
    use engine::run::Micros;
    use engine::workflow::StepIndex;
    use serde_json::json;

    use super::*;
    use crate::executor::Work;
    use crate::gate::{self, Asked, Lease, Principal};

    fn job(step: u32) -> Effect {
        let policy = "version: 1\nname: t\nrules:\n  - { name: all, match: { tool: \"*\" }, action: allow }\n";
        let source =
            engine::policy::document::Source { name: "t".to_owned(), text: policy.to_owned() };
        let catalogue = gate::catalogue().unwrap();
        let policy = Arc::new(Policy::load(&source, &catalogue).unwrap().policy);
        let gate = Gate::new(PathBuf::from("/"), None, policy, catalogue).unwrap();
        let asked = Asked { tool: "fs.read".to_owned(), arguments: json!({ "path": "a" }) };
        let admitted = gate.admit(&Principal::recorded("user:a"), asked).unwrap();
        let (run, step, fence) = (RunId([1; 16]), StepIndex(step), Fence::new(1, step));
        let lease = Lease { run, step, fence };
        let ticket = gate.ticket(&admitted, lease, &Work::Nothing, Micros(0)).unwrap();
        let (name, secrets) = ("a".into(), Arc::from([]));
        Effect::Begin(Box::new(Job {
            run,
            step,
            name,
            attempt: 1,
            fence,
            secrets,
            work: Work::Nothing,
            ticket,
        }))
    }

    #[test]
    fn a_stop_never_overtakes_the_attempt_it_is_for() {
        let stop = |step| Effect::Stop(Fence::new(1, step));
        let effects = vec![job(1), job(2), stop(2), job(3), stop(1)];
        let told: Vec<String> = in_order(effects)
            .iter()
            .map(|act| match act {
                Act::Begin(jobs) => format!("begin {}", jobs.len()),
                Act::Stop(fence) => format!("stop {fence}"),
                Act::Tell(_) | Act::Stand(_) => "other".to_owned(),
            })
            .collect();
        assert_eq!(told, ["begin 2", "stop 1-2", "begin 1", "stop 1-1"]);
    }
}
