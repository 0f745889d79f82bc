//! Answering what somebody asks: submit, cancel, retry.
//! Who may ask was settled by the door; what is legal now is the engine's to say.

use std::sync::Arc;

use engine::run::{Command, Digest, Plan, Rejection, RunId, Scope, Submission, decide};
use engine::workflow::{StepIndex, Workflow};
use ticket::Ticket;

use super::{Answer, Effect, Owner, Refusing, Submit, Turn, check_key, input};
use crate::gate::Principal;
use crate::projection::{self, Document};
use crate::record;
use crate::tickets::{Redemption, ledger};

impl Owner {
    pub(super) fn submit(
        &mut self,
        submit: Submit,
        tickets: &[Ticket],
        turn: &mut Turn,
    ) -> Result<Answer, Refusing> {
        submit.key.as_deref().map_or(Ok(()), check_key)?;
        let inputs = submit.workflow.check_inputs(&submit.inputs).map_err(Refusing::Inputs)?;
        let digest = Digest(submit.workflow.digest);
        let submission = Arc::new(Submission {
            workflow: digest,
            name: Arc::from(submit.workflow.name.as_str()),
            source: digest,
            inputs,
            principal: Arc::from(submit.principal.id.as_str()),
            started_by: submit.started_by.map(Arc::from),
            key: submit.key.as_deref().map(Into::into),
            repeats: None,
        });
        if let Some((run, earlier)) = self.holder(&submission).or(submit.holder) {
            let same = earlier.same_work(&submission);
            return if same {
                Ok(Answer::Accepted { run, existing: true })
            } else {
                Err(Refusing::KeyTaken(run))
            };
        }
        let (workflow, principal) = (Arc::clone(&submit.workflow), Arc::new(submit.principal));
        let redeemed = match self.permit(&workflow, &principal, tickets, turn) {
            Ok(redeemed) => redeemed,
            Err(denied) => return Ok(denied),
        };
        if submit.first_seen {
            let document =
                Document { digest, name: submit.name, text: submit.workflow.source_text.clone() };
            turn.draft(record::node_draft(projection::WORKFLOW_KIND, &document, turn.now()));
            turn.change(projection::document_row(projection::WORKFLOW, &document));
        }
        if self.state.plan(&digest).is_none() {
            self.state.know(Arc::new(Plan::new(submit.workflow)));
        }
        let by = principal.id.clone();
        self.command(&Command::Submit { run: submit.run, submission }, &by, turn)
            .map_err(Refusing::Rejected)?;
        self.redeemed(submit.run, &redeemed, turn);
        self.principals.insert(submit.run, principal);
        Ok(Answer::Accepted { run: submit.run, existing: false })
    }

    /// Takes the uses of the tickets under which a workflow may do what it does outside.
    ///
    /// # Errors
    /// The answer that says why it may not; that is noted in the turn.
    fn permit(
        &self,
        workflow: &Workflow,
        principal: &Principal,
        tickets: &[Ticket],
        turn: &mut Turn,
    ) -> Result<Vec<Redemption>, Answer> {
        self.gate.start(principal, workflow, tickets, turn.now()).map_err(|why| {
            let mut draft = record::node_draft(
                ledger::DENIED_KIND,
                &ledger::unstarted(&workflow.name, &why),
                turn.now(),
            );
            principal.id.clone_into(&mut draft.principal);
            turn.draft(draft);
            Answer::Denied(Box::new(why))
        })
    }

    /// Notes the uses that were taken.
    pub(super) fn redeemed(&self, run: RunId, uses: &[Redemption], turn: &mut Turn) {
        for redeemed in uses {
            let draft = record::draft(run, ledger::REDEEMED_KIND, redeemed, turn.now());
            let changes = ledger::changes(ledger::REDEEMED_KIND, &draft.payload);
            turn.draft(self.isolation().mark(draft));
            changes.into_iter().for_each(|change| turn.change(change));
        }
    }

    /// The run of this process that has the submission's key.
    fn holder(&self, submission: &Submission) -> Option<(RunId, Arc<Submission>)> {
        let key = submission.key.as_deref()?;
        match self.state.run_of_key(&submission.principal, key) {
            Some(run) => self.state.run(&run).map(|known| (run, Arc::clone(known.submission()))),
            None => self.spent.get(&projection::key_row(&submission.principal, key)).cloned(),
        }
    }

    pub(super) fn cancel(
        &mut self,
        run: RunId,
        by: &str,
        reason: &str,
        turn: &mut Turn,
    ) -> Result<Answer, Refusing> {
        let command = Command::Cancel {
            run,
            by: Arc::from(by),
            reason: reason.into(),
            grace_us: engine::run::CANCEL_GRACE_US,
        };
        self.command(&command, by, turn).map_err(Refusing::Rejected)?;
        let stopping: Vec<_> = self.state.cancelling().filter(|claim| claim.run == run).collect();
        for claim in stopping {
            turn.effect(Effect::Stop(claim.fence));
        }
        Ok(Answer::Done)
    }

    /// Sets back one step, or every main step that did not succeed by its own fault. What a workflow does outside, it
    /// does again only under tickets of its own.
    pub(super) fn retry(
        &mut self,
        (run, step): (RunId, Option<&str>),
        by: &str,
        tickets: &[Ticket],
        turn: &mut Turn,
    ) -> Result<Answer, Refusing> {
        let known = self.state.run(&run).ok_or(Refusing::Rejected(Rejection::UnknownRun(run)))?;
        let wanted: Vec<StepIndex> = match step {
            Some(name) => {
                vec![known.plan().find(name).ok_or_else(|| Refusing::NoStep(name.to_owned()))?]
            }
            None => known
                .steps()
                .filter(|(_, _, step)| step.outcome().is_some_and(input::is_own_failure))
                .map(|(place, _, _)| place)
                .collect(),
        };
        if wanted.is_empty() {
            return Err(Refusing::NothingToRetry);
        }
        let command = Command::Retry { run, steps: wanted, scope: Scope::Step, by: Arc::from(by) };
        // Before tickets are asked for: one that is refused costs no use.
        decide(&self.state, &command, turn.now()).map_err(Refusing::Rejected)?;
        let workflow = Arc::clone(known.plan().workflow());
        let principal = self.principals.get(&run).map(Arc::clone);
        let principal = principal.ok_or(Refusing::Rejected(Rejection::UnknownRun(run)))?;
        let redeemed = match self.permit(&workflow, &principal, tickets, turn) {
            Ok(redeemed) => redeemed,
            Err(denied) => return Ok(denied),
        };
        self.redeemed(run, &redeemed, turn);
        self.command(&command, by, turn).map_err(Refusing::Rejected)?;
        Ok(Answer::Done)
    }
}
