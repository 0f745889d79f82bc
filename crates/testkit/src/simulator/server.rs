//! The code under test: the real owner on the real store, driven as the dispatcher drives it.
//!
//! Inputs are handled in memory at once and gathered into turns; `flush` commits the turns in
//! order, and only then do answers and effects leave. There are no threads: where the product
//! waits, the world decides when time passes. The controls change exactly one thing each, here.

use super::check::{Rule, Violation, broken};
use super::promise::Attempt;
use super::recall::Recall;
use super::scenario::Scenario;
use super::{Control, JOURNAL, placement};
use crate::draw::Draw;
use engine::run::{ApprovalId, Event, Fence, Micros, Phase, Ruling, RunId, Wait};
use journal::{Access, Committed, Digest, LogId, Operation, Options, Store};
use runner::executor::{Job, Report, Work};
use runner::gate::Principal;
use runner::owner::{
    Answer, Asking, Doing, Effect, IDEMPOTENCY_VARIABLE, Moment, Owner, Ruled, Submit, Turn,
};
use runner::projection;
use serde_json::json;
use std::sync::Arc;

/// Attempts that run at a time.
const SLOTS: u32 = 3;

/// Who submits everything.
pub(super) const PRINCIPAL: &str = "user:simulated";

/// Turns that may wait for a flush; the world flushes before.
const QUEUE_MAX: usize = 64;

/// What leaves the code under test.
#[derive(Debug)]
pub(super) enum Output {
    /// A request is a run.
    Accepted { request: String, run: RunId },
    /// An answer to a request for an approval was taken.
    Ruled { approval: ApprovalId, ruling: Ruling },
    /// A worker is to begin.
    Begin(Attempt, String),
    /// A worker is to stop.
    Stop(Fence),
    /// An event is told to whoever watches.
    Told(Event),
    /// A commit is acknowledged, up to this record.
    Durable { sequence: u64, leaf: Digest },
}

/// Why a server can do no more.
#[derive(Debug)]
pub(super) enum Halt {
    /// Storage failed; it has to be opened again.
    Storage(String),
    /// It did what it must not.
    Broken(Violation),
}

impl From<Violation> for Halt {
    fn from(violation: Violation) -> Self {
        Self::Broken(violation)
    }
}

/// One incarnation of the server.
pub(super) struct Server {
    owner: Owner,
    store: Store,
    recall: Recall,
    log: LogId,
    entropy: Draw,
    control: Control,
    turn: Option<Turn>,
    answers: Vec<Output>,
    queue: Vec<(Option<Operation>, Vec<Output>)>,
}

impl Server {
    /// Opens the journal, takes the open runs up, makes the new epoch durable.
    pub(super) fn start(
        scenario: &Scenario,
        control: Control,
        moment: Moment,
    ) -> Result<(Self, Vec<Output>), Halt> {
        let store =
            Store::open(options(control)).map_err(|error| Halt::Storage(format!("{error:?}")))?;
        let recall = Recall::open(control)?;
        let mut server = Self {
            owner: Owner::new(Arc::clone(&scenario.gate), SLOTS, Doing::Really),
            store,
            recall,
            log: LogId::default(),
            entropy: Draw::new(moment.entropy),
            control,
            turn: None,
            answers: Vec::new(),
            queue: Vec::new(),
        };
        let open = server.recall.open_runs()?;
        let live = open.iter().filter_map(|run| Some(run.events.first()?.run)).collect();
        let charges = server.recall.charges()?;
        server.owner.recall(charges, &live).map_err(|error| broken(Rule::Fold, error))?;
        for run in open {
            let principal = Principal::recorded(PRINCIPAL);
            server.owner.adopt(&run.document, principal, &run.events).map_err(|error| {
                broken(Rule::Fold, format!("a run cannot be taken up: {error}"))
            })?;
        }
        let epoch = u32::try_from(server.store.epoch()).unwrap_or(u32::MAX);
        server.owner.recover(epoch, server.turn.insert(Turn::new(moment))).map_err(|error| {
            broken(Rule::Progress, format!("epoch {epoch} was refused: {error}"))
        })?;
        let outputs = server.flush()?;
        Ok((server, outputs))
    }

    /// A client asks for a run; the answer comes with a flush.
    pub(super) fn submit(
        &mut self,
        scenario: &Scenario,
        (request, run): (&str, RunId),
        now: Micros,
    ) -> Result<(), Halt> {
        // A third of the requests is for each workflow; the same request is always the same work.
        let place = request.bytes().map(usize::from).sum::<usize>() % scenario.workflows.len();
        let Some(workflow) = scenario.workflows.get(place) else { return Ok(()) };
        let known = self.recall.text(workflow.digest.into())?;
        let submit = Submit {
            run,
            workflow: Arc::clone(workflow),
            name: "asked.yaml".to_owned(),
            first_seen: known.is_none(),
            inputs: json!({ "request": request }),
            principal: Principal::recorded(PRINCIPAL),
            started_by: None,
            key: Some(request.to_owned()),
            holder: self.recall.holder(PRINCIPAL, request)?,
        };
        let asking = Asking::Submit(Box::new(submit));
        let mut turn = self.turn(now);
        let answer = self.owner.ask(asking, &mut turn);
        self.turn = Some(turn);
        match answer {
            Ok(Answer::Accepted { run, .. }) => {
                self.answers.push(Output::Accepted { request: request.to_owned(), run });
                Ok(())
            }
            Ok(Answer::Done | Answer::Denied(_)) => Ok(()),
            Err(refusing) => {
                Err(broken(Rule::Effect, format!("request `{request}` was refused: {refusing}"))
                    .into())
            }
        }
    }

    /// Somebody asks for a run to stop. Too late is not a fault.
    pub(super) fn cancel(&mut self, run: RunId, now: Micros) {
        let (by, reason) = (PRINCIPAL.to_owned(), "simulated".to_owned());
        let mut turn = self.turn(now);
        drop(self.owner.ask(Asking::Cancel { run, by, reason }, &mut turn));
        self.turn = Some(turn);
    }

    /// A person lets a step be done again whose outcome is unknown.
    pub(super) fn retry(&mut self, run: RunId, step: String, now: Micros) {
        let mut turn = self.turn(now);
        let (step, by, tickets) = (Some(step), PRINCIPAL.to_owned(), Vec::new());
        let asking = Asking::Retry { run, step, by, tickets };
        drop(self.owner.ask(asking, &mut turn));
        self.turn = Some(turn);
    }

    /// Requests for approvals that are open.
    pub(super) fn open_approvals(&self) -> Vec<ApprovalId> {
        self.owner.state().reviews().map(|(_, _, review)| review.request.id).collect()
    }

    /// A person answers a request; the answer comes with a flush. Too late, twice or by the wrong one is not a fault.
    pub(super) fn rule(&mut self, approval: ApprovalId, ruling: Ruling, by: &str, now: Micros) {
        let (by, reason) = (Principal::recorded(by), "simulated".to_owned());
        let mut turn = self.turn(now);
        let asking = Asking::Rule(Ruled { approval, ruling, by, reason });
        if self.owner.ask(asking, &mut turn).is_ok() {
            self.answers.push(Output::Ruled { approval, ruling });
        }
        self.turn = Some(turn);
    }

    /// A worker reports.
    pub(super) fn report(&mut self, mut report: Report, now: Micros) {
        if self.control == Control::NoFence {
            self.unfence(&mut report);
        }
        let mut turn = self.turn(now);
        self.owner.report(vec![report], &mut turn);
        self.turn = Some(turn);
    }

    /// The control without a fence: whoever reports is taken for the holder.
    fn unfence(&self, report: &mut Report) {
        let lease = self
            .owner
            .state()
            .leases()
            .find(|claim| claim.run == report.run && claim.step == report.step);
        if let Some(claim) = lease {
            report.fence = claim.fence;
        }
    }

    /// Time passes.
    pub(super) fn wake(&mut self, now: Micros) {
        let mut turn = self.turn(now);
        self.owner.wake(&mut turn);
        self.turn = Some(turn);
    }

    /// When `wake` has something to do.
    pub(super) fn next_deadline(&self) -> Option<Micros> {
        self.owner.next_deadline()
    }

    /// Steps that wait for a person.
    pub(super) fn unknown(&self) -> Vec<(RunId, String)> {
        let runs = self.owner.state().runs();
        let steps = runs.flat_map(|run| run.steps().map(move |(_, node, step)| (run, node, step)));
        steps
            .filter(|(_, _, step)| matches!(step.phase(), Phase::Waiting(Wait::Unknown)))
            .map(|(run, node, _)| (run.id(), node.name.to_string()))
            .collect()
    }

    /// Ends the open turn, so that what comes next is an operation of its own.
    ///
    /// Gives what leaves at once, which is something only where the control says so.
    pub(super) fn seal(&mut self) -> Vec<Output> {
        let split = self.turn.take().map(|turn| turn.split(&self.log));
        let (operation, effects) = split.unwrap_or_default();
        let mut outputs = std::mem::take(&mut self.answers);
        outputs.extend(effects.into_iter().filter_map(output));
        if self.control == Control::EarlyAcknowledgement {
            self.queue.push((operation, Vec::new()));
            return outputs;
        }
        if operation.is_some() || !outputs.is_empty() {
            self.queue.push((operation, outputs));
        }
        Vec::new()
    }

    /// Whether the world has to flush before it goes on.
    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= QUEUE_MAX
    }

    /// Commits what waits as one group and gives what may leave now.
    pub(super) fn flush(&mut self) -> Result<Vec<Output>, Halt> {
        let mut outputs = self.seal();
        let queue = std::mem::take(&mut self.queue);
        let (operations, waiting): (Vec<_>, Vec<_>) = queue.into_iter().unzip();
        let batch: Vec<Operation> = operations.iter().flatten().cloned().collect();
        let mut answers = self.store.commit_batch(&batch).into_iter();
        for (operation, waiting) in operations.iter().zip(waiting) {
            if operation.is_some() {
                let token: Committed = match answers.next() {
                    Some(Ok(token)) => token,
                    Some(Err(error)) => return Err(Halt::Storage(format!("{error:?}"))),
                    None => return Err(Halt::Storage("no answer to an operation".to_owned())),
                };
                outputs.push(Output::Durable { sequence: token.last(), leaf: token.leaf() });
            }
            outputs.extend(waiting);
        }
        Ok(outputs)
    }

    /// Copies the write-ahead log into the database, as the housekeeper does now and then.
    pub(super) fn checkpoint(&mut self) -> Result<(), Halt> {
        self.store.checkpoint().map(drop).map_err(|error| Halt::Storage(error.to_string()))
    }

    /// The journal's reading side, for judges.
    pub(super) const fn recall(&self) -> &Recall {
        &self.recall
    }

    /// The open turn, or a new one.
    fn turn(&mut self, now: Micros) -> Turn {
        let entropy = self.entropy.bits();
        self.turn.take().unwrap_or_else(|| Turn::new(Moment { now, entropy }))
    }
}

/// How the product's journal is opened on the simulated disk.
pub(super) fn options(control: Control) -> Options {
    Options {
        path: JOURNAL.into(),
        access: Access::Create,
        placement: placement(control),
        views: projection::VIEWS,
    }
}

fn output(effect: Effect) -> Option<Output> {
    Some(match effect {
        Effect::Begin(job) => {
            let (attempt, request) = attempt(*job);
            Output::Begin(attempt, request)
        }
        Effect::Stop(fence) => Output::Stop(fence),
        Effect::Tell(event) => Output::Told(event),
        // Nothing but steps is decided here.
        Effect::Stand(_) => return None,
    })
}

/// The attempt of a job, and the request it works for.
fn attempt(job: Job) -> (Attempt, String) {
    let (mut key, mut request) = (String::new(), String::new());
    if let Work::Program(program) = &job.work {
        let text = |value: &std::ffi::OsString| value.to_string_lossy().into_owned();
        let given = program.spec.env.iter().find(|(name, _)| name == IDEMPOTENCY_VARIABLE);
        key = given.map(|(_, value)| text(value)).unwrap_or_default();
        request = program.spec.argv.get(1).map(text).unwrap_or_default();
    }
    let Job { run, step, name, attempt: number, fence, .. } = job;
    (Attempt { run, step, name: name.to_string(), number, fence, key }, request)
}
