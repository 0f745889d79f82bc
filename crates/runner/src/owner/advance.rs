//! Moving on: taking up steps that can be taken up, concluding runs whose steps have all ended.
//! What is next is the engine's answer and whether it may run the gate's; this file carries the one to the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::expression::Scope as Values;
use engine::run::{Command, Grant, Refusal, Rejection, RunId, Work as Next};
use engine::workflow::{Call, StepIndex, Workflow, resolve};
use serde_json::Value;

use super::review::{Settled, Spent};
use super::{Doing, Effect, Owner, Turn, deed, work};
use crate::executor::{Job, Work};
use crate::gate::{Admitted, Asked, Lease};
use crate::record::{self, Isolation};
use crate::tool;

/// A step that may begin: what it would do, and what was decided on it.
struct Prepared {
    work: Work,
    admitted: Admitted,
}

impl Owner {
    /// Takes up everything that can be taken up now and has room in the turn; the next turn goes on with the rest.
    pub(super) fn advance(&mut self, turn: &mut Turn) {
        self.expire(turn);
        self.lapse(turn);
        while !turn.is_full() {
            let done = match self.state.next(turn.now()) {
                Some(Next::Step { run, step, .. }) => self.begin(run, step, turn),
                Some(Next::Conclude { run }) => self.conclude(run, turn),
                None => break,
            };
            // The engine offers only what is legal; were it not to, going on would never end.
            if done.is_err() {
                break;
            }
        }
        self.behind = turn.is_full().then(|| turn.now());
        self.retire();
    }

    fn begin(&mut self, run: RunId, place: StepIndex, turn: &mut Turn) -> Result<(), Rejection> {
        let principal = self.principal(run);
        let (command, prepared) = match self.resolved(run, place)? {
            Resolved::Tell(command) => (command, None),
            Resolved::Call(call, asked) => match self.settle((run, place), asked, turn)? {
                Settled::Tell(command) => (*command, None),
                Settled::May(admitted, spent) => {
                    self.prepare((run, place), *call, *admitted, spent)?
                }
            },
        };
        if let Err(rejection) = self.command(&command, &principal, turn) {
            if let Command::Start { grant, .. } = &command {
                self.quotas.release(grant.reservation.as_ref(), turn.now());
            }
            return Err(rejection);
        }
        let Some(prepared) = prepared else { return Ok(()) };
        self.redeemed(run, prepared.admitted.redeemed.as_slice(), turn);
        let known = self.state.run(&run).ok_or(Rejection::UnknownRun(run))?;
        let unknown = Rejection::UnknownStep { run, step: place };
        let (Some(node), Some(step)) = (known.plan().node(place), known.step(place)) else {
            return Err(unknown);
        };
        let Some(fence) = step.trail().and_then(|trail| trail.fence) else { return Err(unknown) };
        let lease = Lease { run, step: place, fence };
        let ticket = self.gate.ticket(&prepared.admitted, lease, &prepared.work, turn.now());
        // The lease is taken: an attempt without a ticket ends as lost, and nothing of it begins.
        let Ok(ticket) = ticket else { return Err(unknown) };
        let job = Job {
            run,
            step: place,
            name: Arc::clone(&node.name),
            attempt: step.attempt(),
            fence,
            secrets: secrets(known.plan().workflow()),
            work: prepared.work,
            ticket,
        };
        turn.effect(Effect::Begin(Box::new(job)));
        Ok(())
    }

    /// Evaluates the step's condition and templates, and says what the gate is to be asked, or the engine to be told.
    fn resolved(&self, run: RunId, place: StepIndex) -> Result<Resolved, Rejection> {
        let unknown = || Rejection::UnknownStep { run, step: place };
        let known = self.state.run(&run).ok_or(Rejection::UnknownRun(run))?;
        let workflow = known.plan().workflow();
        let step = workflow.step(place).ok_or_else(unknown)?;
        let invalid = |message: String| {
            let refusal = Refusal::Invalid { message: message.into() };
            Resolved::Tell(Command::Refuse { run, step: place, refusal })
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
            Some(Ok(false)) => return Ok(Resolved::Tell(Command::Skip { run, step: place })),
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
        Ok(Resolved::Call(Box::new(call), asked))
    }

    /// The command that starts the step, and what is done once that is durable.
    fn prepare(
        &self,
        (run, place): (RunId, StepIndex),
        call: Call,
        admitted: Admitted,
        spent: Spent,
    ) -> Result<(Command, Option<Prepared>), Rejection> {
        let unknown = || Rejection::UnknownStep { run, step: place };
        let known = self.state.run(&run).ok_or(Rejection::UnknownRun(run))?;
        let principal = self.principals.get(&run).ok_or_else(unknown)?;
        let step = known.plan().workflow().step(place).ok_or_else(unknown)?;
        let id = run.to_string();
        let key = call.idempotency_key(&id, &step.name);
        let grant = Grant {
            tool: admitted.tool.as_str().into(),
            call: self.gate.written_digest(&admitted),
            decision: self.vouched((run, place), &admitted),
            key: key.as_str().into(),
            approval: spent.approval,
            reservation: spent.reservation,
        };
        let limit = admitted.constraints.timeout.map(|limit| limit.min(step.timeout));
        let timeout_us = limit.map(|limit| u64::try_from(limit.as_micros()).unwrap_or(u64::MAX));
        let command = Command::Start { run, step: place, grant: Arc::new(grant), timeout_us };
        let identity = work::Identity { run: id, step: &step.name, key: &key };
        let work = match self.doing {
            Doing::Nothing => Work::Nothing,
            Doing::Really | Doing::Unsafe if tool::is_deed(&admitted.tool) => deed::work(&admitted),
            Doing::Really | Doing::Unsafe if call.argv.is_empty() => {
                work::fast(&self.gate, principal, &admitted)
            }
            Doing::Unsafe => work::bare(&self.gate, step, call, &admitted, &identity),
            Doing::Really => work::program(&self.gate, step, call, &admitted, &identity),
        };
        Ok((command, Some(Prepared { work, admitted })))
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

/// Every secret a workflow names. A later step may show what an earlier one was given.
fn secrets(workflow: &Workflow) -> Arc<[String]> {
    let names: BTreeSet<&String> =
        workflow.steps.iter().flat_map(|step| &step.secrets).map(|(_, name)| name).collect();
    names.into_iter().cloned().collect()
}

/// What a step comes to before anybody is asked.
enum Resolved {
    /// A call, and as the gate is to see it.
    Call(Box<Call>, Asked),
    /// The engine has to be told something else.
    Tell(Command),
}
