//! Deeds as the owner sees them: what one is to do, what follows from it, and what is in doubt after a restart.
//! The change of the policy is the only one so far; finding out what came of it on disk is `amendment`'s.

use std::sync::Arc;

use engine::policy::Policy;
use engine::run::{Command, Digest, Rejection, RunId, StepState, Verdict};
use engine::workflow::StepIndex;
use serde_json::{Value, json};

use super::{Effect, Owner, Turn};
use crate::executor::{Deed, Work};
use crate::gate::{Admitted, CONFIRMED_BY};
use crate::{record, tool, workflow};

/// What the decision on a deed names its approvers by.
const APPROVED_BY: &str = "approved_by";

/// What a deed does.
pub(super) fn work(admitted: &Admitted) -> Work {
    let (tool, arguments) = (admitted.tool.clone(), admitted.arguments.clone());
    Work::Deed(Box::new(Deed { tool, arguments }))
}

/// A deed that had begun when its node ended, and of which nobody knows what came.
#[derive(Debug)]
pub(crate) struct InDoubt {
    pub(crate) run: RunId,
    pub(crate) step: StepIndex,
    pub(crate) arguments: Value,
}

impl Owner {
    /// The decision on a deed with who has approved it, so that its start says by whose word it happens.
    pub(super) fn vouched(&self, (run, step): (RunId, StepIndex), admitted: &Admitted) -> Value {
        let mut decision = admitted.decision.clone();
        let review = self.state.run(&run).and_then(|known| known.step(step)?.review());
        if let (true, Some(review), Some(noted)) =
            (tool::is_deed(&admitted.tool), review, decision.as_object_mut())
        {
            let by: Vec<&str> = review.votes.iter().map(|vote| &*vote.by).collect();
            noted.insert(APPROVED_BY.to_owned(), by.into());
        }
        decision
    }

    /// Decides by `policy` from now on, and records who changed it. What waits for an approval was asked about under
    /// the policy before, and is asked about again.
    pub(super) fn replace(
        &mut self,
        (run, step): (RunId, StepIndex),
        policy: Arc<Policy>,
        turn: &mut Turn,
    ) {
        let (before, after) = (self.gate.policy().digest(), policy.digest());
        self.gate = Arc::new(self.gate.under(policy));
        self.changed((run, step), (Digest(before), Digest(after)), turn);
        turn.effect(Effect::Stand(Arc::clone(&self.gate)));
    }

    /// Records that a policy took the place of another.
    fn changed(&self, (run, step): (RunId, StepIndex), by: (Digest, Digest), turn: &mut Turn) {
        let known = self.state.run(&run);
        let trail = known.and_then(|known| known.step(step)?.trail());
        let grant = trail.and_then(|trail| trail.grant.as_ref());
        let noted = |what: &str| grant.and_then(|grant| grant.decision.get(what).cloned());
        let submission = known.map(|known| known.submission());
        let principal = self.principal(run);
        let body = json!({
            "type": record::POLICY_CHANGED_KIND,
            "before": by.0,
            "policy": by.1,
            "run": run,
            "by": principal,
            "started_by": submission.and_then(|submission| submission.started_by.clone()),
            "confirmed_by": noted(CONFIRMED_BY),
            "approved_by": noted(APPROVED_BY),
            "approval": grant.and_then(|grant| grant.approval),
        });
        let mut draft = record::node_draft(record::POLICY_CHANGED_KIND, &body, turn.now());
        draft.principal = principal;
        turn.draft(draft);
    }

    /// Every deed in doubt.
    pub(crate) fn in_doubt(&self) -> Vec<InDoubt> {
        let mut found = Vec::new();
        for known in self.state.runs() {
            // What a run does says its document, never its name. The run of a deed has one step.
            let deed = workflow::deeds(known.plan().workflow()).next().is_some();
            let unknown = known.view().steps.iter().any(|step| step.state == StepState::Unknown);
            if deed && unknown {
                // Its inputs are the arguments.
                let (step, arguments) = (StepIndex(0), known.submission().inputs.clone());
                found.push(InDoubt { run: known.id(), step, arguments });
            }
        }
        found
    }

    /// Settles a deed in doubt: `done` has what it replaced and what stands now, where it took place.
    ///
    /// # Errors
    /// When it is not in doubt.
    pub(crate) fn settle_deed(
        &mut self,
        doubt: &InDoubt,
        done: Option<(Digest, Digest)>,
        turn: &mut Turn,
    ) -> Result<(), Rejection> {
        let InDoubt { run, step, .. } = *doubt;
        let verdict = match done {
            Some(by) => {
                self.changed((run, step), by, turn);
                Verdict::Succeeded { outputs: serde_json::Map::new() }
            }
            None => Verdict::Failed,
        };
        let command =
            Command::Resolve { run, step, verdict, by: Arc::from(record::NODE_PRINCIPAL) };
        self.command(&command, record::NODE_PRINCIPAL, turn)?;
        self.advance(turn);
        Ok(())
    }
}
