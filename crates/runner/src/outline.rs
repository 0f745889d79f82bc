//! The shape of a workflow for people: its steps, what each needs, how deep it lies.
//! It says nothing of how far a run has come; that is in the engine's views.

use engine::workflow::{Phase, Workflow};
use serde::Serialize;

/// A workflow's steps in an order in which every step comes after what it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outline {
    /// The workflow's name.
    pub workflow: String,
    /// Its steps.
    pub steps: Vec<OutlineStep>,
}

/// One step of an [`Outline`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutlineStep {
    /// Name.
    pub name: String,
    /// Names of the steps it needs.
    pub needs: Vec<String>,
    /// Length of the longest way to it from a step that needs nothing.
    pub depth: usize,
    /// Whether it belongs to `finally`.
    pub finally: bool,
}

impl Outline {
    /// The outline of `workflow`.
    #[must_use]
    pub fn of(workflow: &Workflow) -> Self {
        let mut steps: Vec<OutlineStep> = Vec::new();
        let name = |index: engine::workflow::StepIndex| {
            workflow.steps.get(index.get()).map(|step| step.name.clone())
        };
        for index in workflow.graph().order().iter().copied() {
            let Some(step) = workflow.steps.get(index.get()) else { continue };
            let needs: Vec<String> = step.needs.iter().filter_map(|need| name(*need)).collect();
            let deepest = steps
                .iter()
                .filter(|known| needs.contains(&known.name))
                .map(|known| known.depth + 1)
                .max();
            steps.push(OutlineStep {
                name: step.name.clone(),
                needs,
                depth: deepest.unwrap_or(0),
                finally: step.phase == Phase::Finally,
            });
        }
        Self { workflow: workflow.name.clone(), steps }
    }
}
