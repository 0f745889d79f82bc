//! Checking that nothing derived has drifted from what it is derived of.
//!
//! The agenda and the counters of open steps and missing needs follow from phases alone. They are
//! kept because a claim must not scan; here they are counted anew and compared. For tests, and for
//! an owner that wants to know rather than to hope. Takes time in the number of all steps.

use super::agenda::Agenda;
use super::id::RunId;
use super::plan::Stage;
use super::progress::{Phase, Run};
use super::state::State;
use crate::workflow::StepIndex;

/// Something derived that is not what its source says. The state must not be used further; fold
/// it again from the journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Drift {
    /// The ordered sets differ from the phases of the steps.
    #[error("the agenda differs from the phases of the steps")]
    Agenda,
    /// A run's number of open steps is wrong.
    #[error("run `{0}` counts its open steps wrongly")]
    Open(RunId),
    /// A step's number of missing needs is wrong, or it is pending with none or ready with some.
    #[error("run `{run}` counts the missing needs of step number {step} wrongly")]
    Missing {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
    },
}

impl State {
    /// Compares everything derived with what it is derived of. Errors: the first [`Drift`].
    pub fn audit(&self) -> Result<(), Drift> {
        let mut agenda = Agenda::default();
        for run in self.runs() {
            counters(run)?;
            for (place, _, step) in run.steps() {
                agenda.add(run.turn(place), &step.phase);
            }
            if run.concludes() {
                agenda.concluding.insert((run.order, run.id));
            }
        }
        if agenda == self.agenda { Ok(()) } else { Err(Drift::Agenda) }
    }
}

fn counters(run: &Run) -> Result<(), Drift> {
    let open = |stage: Option<Stage>| {
        let wanted = run.steps().filter(|(_, node, _)| stage.is_none_or(|is| is == node.stage));
        wanted.filter(|(_, _, step)| step.outcome().is_none()).count()
    };
    let main_open = open(Some(Stage::Main));
    if run.open as usize != open(None) || run.open_main as usize != main_open {
        return Err(Drift::Open(run.id));
    }
    for (place, node, step) in run.steps() {
        let unmet =
            |need: &&StepIndex| run.step(**need).is_none_or(|step| step.outcome().is_none());
        let barrier = usize::from(node.stage == Stage::Finally && main_open > 0);
        let missing = node.needs.iter().filter(unmet).count() + barrier;
        let fits = match step.phase {
            Phase::Pending => missing > 0,
            Phase::Ready | Phase::Running(_) => missing == 0,
            Phase::Waiting(_) | Phase::Ended(_) => true,
        };
        if step.missing as usize != missing || !fits {
            return Err(Drift::Missing { run: run.id, step: place });
        }
    }
    Ok(())
}
