//! Moving on: taking up steps that can be taken up, concluding runs whose steps have all ended.
//! What is next is the engine's answer and whether it may run the gate's; this file carries the one to the other.

use std::sync::Arc;

use engine::expression::Scope as Values;
use engine::run::{Command, Grant, Refusal, Rejection, RunId, Work as Next};
use engine::workflow::{StepIndex, resolve};
use serde_json::Value;

use super::{Doing, Effect, Owner, Turn, work};
use crate::executor::{Job, Work};
use crate::gate::{Admitted, Asked, Refused};
use crate::record::{self, Isolation};

impl Owner {
    /// Takes up everything that can be taken up now.
    pub(super) fn advance(&mut self, turn: &mut Turn) {
        while let Some(next) = self.state.next(turn.now()) {
            let done = match next {
                Next::Step { run, step, .. } => self.begin(run, step, turn),
                Next::Conclude { run } => self.conclude(run, turn),
            };
            // The engine offers only what is legal; were it not to, going on would never end.
            if done.is_err() {
                break;
            }
        }
        self.retire();
    }

    fn begin(&mut self, run: RunId, place: StepIndex, turn: &mut Turn) -> Result<(), Rejection> {
        let principal = self.principal(run);
        let (command, prepared) = self.prepare(run, place)?;
        self.command(&command, &principal, turn)?;
        let Some(prepared) = prepared else { return Ok(()) };
        let known = self.state.run(&run).ok_or(Rejection::UnknownRun(run))?;
        let unknown = Rejection::UnknownStep { run, step: place };
        let (Some(node), Some(step)) = (known.plan().node(place), known.step(place)) else {
            return Err(unknown);
        };
        let Some(fence) = step.trail().and_then(|trail| trail.fence) else { return Err(unknown) };
        let job = Job {
            run,
            step: place,
            name: Arc::clone(&node.name),
            attempt: step.attempt(),
            fence,
            work: prepared,
        };
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
            (
                Command::Refuse {
                    run,
                    step: place,
                    refusal: Refusal::Invalid { message: message.into() },
                },
                None,
            )
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
        let mut asked = Asked { tool: call.tool.clone(), arguments: call.args.clone() };
        if self.isolation() == Isolation::None && !call.argv.is_empty() {
            asked.without_sandbox();
        }
        let admitted = match self.gate.admit(principal, asked) {
            Ok(admitted) => admitted,
            Err(refused) => return Ok((refuse(run, place, refused), None)),
        };
        let key = call.idempotency_key(&id, &step.name);
        let command = start(run, place, step.timeout, &admitted, &key);
        let identity = work::Identity { run: id, step: &step.name, key: &key };
        let work = match self.doing {
            Doing::Nothing => Work::Nothing,
            Doing::Really | Doing::Unsafe if call.argv.is_empty() => {
                work::fast(&self.gate, principal, &admitted)
            }
            Doing::Unsafe => work::bare(self.gate.project(), step, call, &admitted, &identity),
            Doing::Really => work::program(self.gate.project(), step, call, &admitted, &identity),
        };
        Ok((command, Some(work)))
    }

    fn conclude(&mut self, run: RunId, turn: &mut Turn) -> Result<(), Rejection> {
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
        self.command(&Command::Conclude { run, outputs }, record::NODE_PRINCIPAL, turn)
    }
}

fn start(
    run: RunId,
    step: StepIndex,
    timeout: std::time::Duration,
    admitted: &Admitted,
    key: &str,
) -> Command {
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
