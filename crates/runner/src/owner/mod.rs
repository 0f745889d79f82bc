//! The owner: what one input leads to. The meeting point of engine, gate and journal records, without any of their I/O.
//!
//! [`Owner::handle`] takes an input with the time and randomness it may use, and gives a [`Turn`]: records to commit
//! and effects that may follow. It changes the state in memory at once; whoever drives it commits turns in order and
//! starts over from the journal when a commit fails. The dispatcher drives it with threads, the simulator without.

mod input;
mod turn;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::expression::Scope as Values;
use engine::run::{
    Command, Digest, Event, Fact, Grant, Guard, Micros, Refusal, Rejection, Plan, RunId, Scope, State,
    StoppedBy, Submission, Work as Next, decide,
};
use engine::workflow::{StepIndex, resolve};
use serde_json::Value;

use crate::executor::{Job, Report, Work};
use crate::gate::{Admitted, Asked, Gate, Principal, Refused};
use crate::projection::{self, Document};
use crate::record;
use crate::workflow;

pub use input::{Answer, Asking, Moment, Refusing, Submit};
pub use turn::{Effect, Turn};
pub use work::{IDEMPOTENCY_VARIABLE, RUN_VARIABLE, STEP_VARIABLE};

/// How attempts are done in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// As the step says.
    Really,
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
    /// Runs that ended in this turn, still in memory.
    ended: Vec<RunId>,
    /// Keys of runs that ended in this process; those of earlier ones are in the view.
    spent: BTreeMap<Vec<u8>, (RunId, Arc<Submission>)>,
    doing: Doing,
}

impl Owner {
    /// An owner with no runs that lets `slots` attempts run at a time.
    #[must_use]
    pub fn new(gate: Arc<Gate>, slots: u32, doing: Doing) -> Self {
        Self {
            state: State::new(slots),
            gate,
            principals: BTreeMap::new(),
            ended: Vec::new(),
            spent: BTreeMap::new(),
            doing,
        }
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
    pub fn recover(&mut self, epoch: u32, moment: Moment, turn: &mut Turn) -> Result<(), Rejection> {
        self.command(&Command::Recover { epoch }, record::NODE_PRINCIPAL, moment.now, turn)?;
        self.advance(moment, turn);
        Ok(())
    }

    /// Brings a recorded run back into memory from its events, so that it can go on or be retried.
    ///
    /// # Errors
    /// The first event that does not follow from those before.
    pub fn adopt(&mut self, document: &Document, principal: Principal, events: &[Event]) -> Result<(), String> {
        let plan = workflow::recorded(document)
            .ok_or_else(|| format!("workflow `{}` is not accepted by this version", document.name))?;
        self.state.know(Arc::new(plan));
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
    pub fn ask(&mut self, asking: Asking, moment: Moment, turn: &mut Turn) -> Result<Answer, Refusing> {
        let answer = match asking {
            Asking::Submit(submit) => self.submit(*submit, moment, turn)?,
            Asking::Cancel { run, by, reason } => self.cancel(run, &by, &reason, moment, turn)?,
            Asking::Retry { run, step, by } => self.retry(run, step.as_deref(), &by, moment, turn)?,
        };
        self.advance(moment, turn);
        Ok(answer)
    }

    /// Takes what came of attempts, and moves on.
    pub fn report(&mut self, reports: Vec<Report>, moment: Moment, turn: &mut Turn) {
        for (index, report) in reports.into_iter().enumerate() {
            // Spread one draw over many reports; the constant is 2^64 divided by the golden ratio.
            let entropy = moment.entropy.wrapping_add((index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            self.finish(report, entropy, moment.now, turn);
        }
        self.advance(moment, turn);
    }

    /// Moves on what time alone moves: retries that are due, leases that ran out.
    pub fn wake(&mut self, moment: Moment, turn: &mut Turn) {
        while let Some(claim) = self.state.expired(moment.now) {
            turn.effect(Effect::Stop(claim.fence));
            let expire = Command::Expire { run: claim.run, step: claim.step, fence: claim.fence };
            if self.command(&expire, record::NODE_PRINCIPAL, moment.now, turn).is_err() {
                break;
            }
        }
        self.advance(moment, turn);
    }

    /// When [`Owner::wake`] has something to do at the earliest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Micros> {
        self.state.next_deadline()
    }

    fn submit(&mut self, submit: Submit, moment: Moment, turn: &mut Turn) -> Result<Answer, Refusing> {
        let inputs = submit.workflow.check_inputs(&submit.inputs).map_err(Refusing::Inputs)?;
        let digest = Digest(submit.workflow.digest);
        let submission = Arc::new(Submission {
            workflow: digest,
            name: Arc::from(submit.workflow.name.as_str()),
            source: digest,
            inputs,
            principal: Arc::from(submit.principal.id.as_str()),
            key: submit.key.as_deref().map(Into::into),
            repeats: None,
        });
        if let Some((run, earlier)) = self.holder(&submission).or(submit.holder) {
            let same = earlier.same_work(&submission);
            return if same { Ok(Answer::Accepted { run, existing: true }) } else { Err(Refusing::KeyTaken(run)) };
        }
        if submit.first_seen {
            let document = Document { digest, name: submit.name, text: submit.workflow.source_text.clone() };
            turn.draft(record::node_draft(projection::WORKFLOW_KIND, &document, moment.now));
            turn.change(projection::document_row(projection::WORKFLOW, &document));
        }
        if self.state.plan(&digest).is_none() {
            self.state.know(Arc::new(Plan::new(submit.workflow)));
        }
        let principal = Arc::new(submit.principal);
        let by = principal.id.clone();
        self.command(&Command::Submit { run: submit.run, submission }, &by, moment.now, turn)
            .map_err(Refusing::Rejected)?;
        self.principals.insert(submit.run, principal);
        Ok(Answer::Accepted { run: submit.run, existing: false })
    }

    /// The run of this process that has the submission's key.
    fn holder(&self, submission: &Submission) -> Option<(RunId, Arc<Submission>)> {
        let key = submission.key.as_deref()?;
        match self.state.run_of_key(&submission.principal, key) {
            Some(run) => self.state.run(&run).map(|known| (run, Arc::clone(known.submission()))),
            None => self.spent.get(&projection::key_row(&submission.principal, key)).cloned(),
        }
    }

    fn cancel(&mut self, run: RunId, by: &str, reason: &str, moment: Moment, turn: &mut Turn) -> Result<Answer, Refusing> {
        let command = Command::Cancel {
            run,
            by: Arc::from(by),
            reason: reason.into(),
            grace_us: engine::run::CANCEL_GRACE_US,
        };
        self.command(&command, by, moment.now, turn).map_err(Refusing::Rejected)?;
        let stopping: Vec<_> = self.state.cancelling().filter(|claim| claim.run == run).collect();
        for claim in stopping {
            turn.effect(Effect::Stop(claim.fence));
        }
        Ok(Answer::Done)
    }

    /// Sets back one step, or every main step that did not succeed by its own fault.
    fn retry(&mut self, run: RunId, step: Option<&str>, by: &str, moment: Moment, turn: &mut Turn) -> Result<Answer, Refusing> {
        let known = self.state.run(&run).ok_or(Refusing::Rejected(Rejection::UnknownRun(run)))?;
        let wanted: Vec<StepIndex> = match step {
            Some(name) => vec![known.plan().find(name).ok_or_else(|| Refusing::NoStep(name.to_owned()))?],
            None => known
                .steps()
                .filter(|(_, _, step)| step.outcome().is_some_and(input::is_own_failure))
                .map(|(place, _, _)| place)
                .collect(),
        };
        if wanted.is_empty() {
            return Err(Refusing::NothingToRetry);
        }
        for place in wanted {
            let command = Command::Retry { run, step: place, scope: Scope::Step, by: Arc::from(by) };
            self.command(&command, by, moment.now, turn).map_err(Refusing::Rejected)?;
        }
        Ok(Answer::Done)
    }

    fn finish(&mut self, report: Report, entropy: u64, now: Micros, turn: &mut Turn) {
        let Report { run, step, name, attempt, fence, mut result, receipt } = report;
        if let Some(receipt) = receipt {
            let body = serde_json::json!({ "step": name, "attempt": attempt, "receipt": receipt });
            let draft = record::draft(run, record::RECEIPT_KIND, &body, now);
            result.receipt = Some(Digest(*journal::Digest::of(&draft.payload).as_bytes()));
            turn.draft(draft);
        }
        let command = Command::Finish { run, step, fence, result: Arc::new(result), entropy };
        // A report for a run that is no longer in memory has nowhere to go: its lease ended with the run.
        drop(self.command(&command, record::NODE_PRINCIPAL, now, turn));
    }

    /// Takes up everything that can be taken up now.
    fn advance(&mut self, moment: Moment, turn: &mut Turn) {
        while let Some(next) = self.state.next(moment.now) {
            let done = match next {
                Next::Step { run, step, .. } => self.begin(run, step, moment.now, turn),
                Next::Conclude { run } => self.conclude(run, moment.now, turn),
            };
            // The engine offers only what is legal; were it not to, going on would never end.
            if done.is_err() {
                break;
            }
        }
        self.retire();
    }

    fn begin(&mut self, run: RunId, place: StepIndex, now: Micros, turn: &mut Turn) -> Result<(), Rejection> {
        let principal = self.principal(run);
        let (command, prepared) = self.prepare(run, place)?;
        self.command(&command, &principal, now, turn)?;
        let Some(prepared) = prepared else { return Ok(()) };
        let known = self.state.run(&run).ok_or(Rejection::UnknownRun(run))?;
        let unknown = Rejection::UnknownStep { run, step: place };
        let (Some(node), Some(step)) = (known.plan().node(place), known.step(place)) else { return Err(unknown) };
        let Some(fence) = step.trail().and_then(|trail| trail.fence) else { return Err(unknown) };
        let job = Job { run, step: place, name: Arc::clone(&node.name), attempt: step.attempt(), fence, work: prepared };
        turn.effect(Effect::Begin(Box::new(job)));
        Ok(())
    }

    /// Evaluates the step's condition and templates, asks the gate, and says what the engine is to be told.
    fn prepare(&self, run: RunId, place: StepIndex) -> Result<(Command, Option<Work>), Rejection> {
        let unknown = || Rejection::UnknownStep { run, step: place };
        let known = self.state.run(&run).ok_or(Rejection::UnknownRun(run))?;
        let principal = self.principals.get(&run).ok_or_else(unknown)?;
        let workflow = known.plan().workflow();
        let step = workflow.step(place).ok_or_else(unknown)?;
        let invalid = |message: String| {
            (Command::Refuse { run, step: place, refusal: Refusal::Invalid { message: message.into() } }, None)
        };
        let (facts, id) = (known.facts_before(place), run.to_string());
        let values = Values {
            inputs: &known.submission().inputs,
            steps: &facts,
            run_id: &id,
            workflow: &workflow.name,
            status: known.status(place),
        };
        match step.condition.as_ref().map(|condition| condition.evaluate(&values)) {
            Some(Ok(false)) => return Ok((Command::Skip { run, step: place }, None)),
            Some(Err(fault)) => return Ok(invalid(format!("`if`: {}", fault.message))),
            Some(Ok(true)) | None => {}
        }
        let call = match resolve(step, &values) {
            Ok(call) => call,
            Err(error) => return Ok(invalid(error.to_string())),
        };
        let asked = Asked { tool: call.tool.clone(), arguments: call.args.clone() };
        let admitted = match self.gate.admit(principal, asked) {
            Ok(admitted) => admitted,
            Err(refused) => return Ok((refuse(run, place, refused), None)),
        };
        let key = call.idempotency_key(&id, &step.name);
        let command = start(run, place, step.timeout, &admitted, &key);
        let identity = work::Identity { run: id, step: &step.name, key: &key };
        let work = match self.doing {
            Doing::Nothing => Work::Nothing,
            Doing::Really => work::of(self.gate.project(), step, call, &admitted, &identity),
        };
        Ok((command, Some(work)))
    }

    fn conclude(&mut self, run: RunId, now: Micros, turn: &mut Turn) -> Result<(), Rejection> {
        let known = self.state.run(&run).ok_or(Rejection::UnknownRun(run))?;
        let workflow = Arc::clone(known.plan().workflow());
        let (facts, id) = (known.facts(), run.to_string());
        let values = Values {
            inputs: &known.submission().inputs,
            steps: &facts,
            run_id: &id,
            workflow: &workflow.name,
            status: engine::expression::Status::Success,
        };
        let outputs = workflow.evaluate_outputs(&values);
        let outputs = outputs.map(Value::Object).map_err(|error| error.to_string().into());
        self.command(&Command::Conclude { run, outputs }, record::NODE_PRINCIPAL, now, turn)
    }

    /// Decides a command, applies what it leads to and notes it in the turn.
    fn command(&mut self, command: &Command, principal: &str, now: Micros, turn: &mut Turn) -> Result<(), Rejection> {
        for event in decide(&self.state, command, now)? {
            turn.draft(record::event_draft(&event, principal));
            // What was just decided applies; an event that did not would be found by the fold of the next start.
            if self.state.apply(&event).is_ok() {
                for change in projection::after(&self.state, &event) {
                    turn.change(change);
                }
            }
            if ends_run(&event) {
                self.ended.push(event.run);
            }
            turn.effect(Effect::Tell(event));
        }
        Ok(())
    }

    /// Lets go of ended runs: their records are what keeps them.
    fn retire(&mut self) {
        for run in std::mem::take(&mut self.ended) {
            if let Some(submission) = self.state.run(&run).map(|known| Arc::clone(known.submission()))
                && let Some(key) = &submission.key
            {
                let row = projection::key_row(&submission.principal, key);
                self.spent.insert(row, (run, Arc::clone(&submission)));
            }
            self.state.forget(&run);
            self.principals.remove(&run);
        }
    }

    fn principal(&self, run: RunId) -> String {
        self.principals.get(&run).map_or_else(|| record::NODE_PRINCIPAL.to_owned(), |principal| principal.id.clone())
    }
}

fn start(run: RunId, step: StepIndex, timeout: std::time::Duration, admitted: &Admitted, key: &str) -> Command {
    let grant = Grant {
        tool: admitted.tool.as_str().into(),
        call: admitted.digest,
        decision: admitted.decision.clone(),
        key: key.into(),
    };
    let limit = admitted.constraints.timeout.map(|limit| limit.min(timeout));
    let timeout_us = limit.map(|limit| u64::try_from(limit.as_micros()).unwrap_or(u64::MAX));
    Command::Start { run, step, grant: Arc::new(grant), timeout_us }
}

fn refuse(run: RunId, step: StepIndex, refused: Refused) -> Command {
    let refusal = match refused {
        Refused::Invalid(message) => Refusal::Invalid { message: message.into() },
        Refused::Stopped { by, decision } => Refusal::Policy { stopped_by: by, decision },
    };
    Command::Refuse { run, step, refusal }
}

/// Whether a guard is a rule of the policy, as opposed to a wall of the sandbox.
#[must_use]
pub fn is_policy(guard: &StoppedBy) -> bool {
    guard.kind == Guard::Policy
}

/// Whether an event ends its run.
#[must_use]
pub fn ends_run(event: &Event) -> bool {
    matches!(event.fact, Fact::RunFinished { .. })
}
