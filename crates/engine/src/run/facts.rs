//! What expressions of a step may read of its run.
//!
//! Built when a step's turn has come, from the steps that ended; the state keeps no second copy.
//! Evaluating is the runner's call into `expression`, before it starts, skips or refuses the step.

use super::completion::{Completion, Outcome};
use super::event::SkipReason;
use super::plan::Stage;
use super::progress::{Note, Run, Step, satisfies};
use crate::expression::{self, ArtifactFacts, Status, StepFacts};
use crate::workflow::StepIndex;
use std::collections::BTreeMap;

impl Run {
    /// The steps that ended, by name: `steps` of an expression. Takes time in the number of steps
    /// and the size of their outputs.
    pub fn facts(&self) -> BTreeMap<String, StepFacts> {
        let ended = self.steps().filter_map(|(_, node, step)| {
            let outcome = step.outcome()?;
            Some((node.name.to_string(), facts(outcome, step.result().map(AsRef::as_ref))))
        });
        ended.collect()
    }

    /// As [`Run::facts`], of those steps alone that this one comes after: what its expressions may
    /// name. For a `finally` step that is every step.
    pub fn facts_before(&self, step: StepIndex) -> BTreeMap<String, StepFacts> {
        let Some(node) = self.plan.node(step) else { return BTreeMap::new() };
        if node.stage == Stage::Finally {
            return self.facts();
        }
        let (mut found, mut waiting) = (BTreeMap::new(), node.needs.clone());
        while let Some(place) = waiting.pop() {
            let (Some(node), Some(step)) = (self.plan.node(place), self.step(place)) else {
                continue;
            };
            let Some(outcome) = step.outcome() else { continue };
            let ended = || facts(outcome, step.result().map(AsRef::as_ref));
            if found.insert(node.name.to_string(), ended()).is_none() {
                waiting.extend(&node.needs);
            }
        }
        found
    }

    /// How everything the step waits for ended: what `success()`, `failure()` and `cancelled()`
    /// in its `if:` ask. A `finally` step waits for the whole main part. A step that was skipped
    /// by its own condition has not failed.
    pub fn status(&self, step: StepIndex) -> Status {
        if self.cancel.is_some() {
            return Status::Cancelled;
        }
        let Some(node) = self.plan.node(step) else { return Status::Failure };
        let last = node.stage == Stage::Finally;
        let counts =
            |need: StepIndex, stage| node.needs.contains(&need) || (last && stage == Stage::Main);
        let mut waited_for = self.steps().filter(|(need, node, _)| counts(*need, node.stage));
        let bad = waited_for.any(|(_, node, step)| {
            let good = step.outcome().is_some_and(|outcome| satisfies(node, outcome));
            !good && !skipped_by_condition(step)
        });
        if bad { Status::Failure } else { Status::Success }
    }
}

/// Whether the step, or one before it, did not run because it did not have to.
fn skipped_by_condition(step: &Step) -> bool {
    match step.trail().and_then(|trail| trail.note.as_ref()) {
        Some(Note::Skipped(SkipReason::Condition)) => true,
        Some(Note::Skipped(SkipReason::Dependency { outcome, .. })) => *outcome == Outcome::Skipped,
        _ => false,
    }
}

fn facts(outcome: Outcome, result: Option<&Completion>) -> StepFacts {
    let bare = StepFacts::bare(match outcome {
        Outcome::Succeeded => expression::Outcome::Succeeded,
        Outcome::Failed | Outcome::Denied => expression::Outcome::Failed,
        Outcome::TimedOut => expression::Outcome::TimedOut,
        Outcome::Cancelled => expression::Outcome::Cancelled,
        Outcome::Skipped => expression::Outcome::Skipped,
    });
    let Some(result) = result else { return bare };
    let artifacts = result.artifacts.iter().map(|artifact| {
        let facts = ArtifactFacts { digest: artifact.digest.to_string(), size: artifact.size };
        (artifact.path.to_string(), facts)
    });
    StepFacts {
        exit_code: result.exit.map(i64::from),
        outputs: result.outputs.clone(),
        artifacts: artifacts.collect(),
        ..bare
    }
}
