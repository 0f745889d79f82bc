//! A loaded workflow: the whole document, checked, with every default in place.
//!
//! It never changes after loading. A run keeps the exact text it began with; loading that text
//! again gives an equal workflow, and [`Workflow::digest`] says whether two texts are the same.

use super::graph::Graph;
use super::inputs::{InputError, InputSchema};
use super::step::{Phase, Step, StepIndex};
use crate::expression::{Fault, Scope, Template};
use serde_json::{Map, Value};

/// A checked workflow document.
#[derive(Debug, Clone, PartialEq)]
pub struct Workflow {
    /// What runs are listed under: `[a-z0-9][a-z0-9_.-]{0,62}`.
    pub name: String,
    /// One sentence for people.
    pub description: Option<String>,
    /// SHA-256 of the exact bytes of the text.
    pub digest: [u8; 32],
    /// What a run must be given.
    pub inputs: InputSchema,
    /// What it does to the world outside, each under a ticket; in document order.
    pub actions: Vec<Acting>,
    /// Every step: first those of `steps`, then those of `finally`, each in document order.
    pub steps: Vec<Step>,
    /// What a run gives back, sorted by name.
    pub outputs: Vec<(String, Template)>,
    /// The exact text that was loaded.
    pub source_text: String,
    pub(super) graph: Graph,
}

/// Something a workflow does to the world outside: no run of it starts without a ticket that has every scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acting {
    /// Its name.
    pub name: String,
    /// What its ticket must have, at least one, in document order.
    pub scopes: Vec<String>,
}

/// An output of the workflow that cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("output `{name}`: {} in `{template}`", .fault.message)]
pub struct WorkflowOutputError {
    /// The output's name.
    pub name: String,
    /// The template as written.
    pub template: String,
    /// What is wrong, placed in the template.
    pub fault: Fault,
}

impl Workflow {
    /// The steps as a graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The step at this place.
    pub fn step(&self, index: StepIndex) -> Option<&Step> {
        self.steps.get(index.get())
    }

    /// The step of this name.
    pub fn find(&self, name: &str) -> Option<(StepIndex, &Step)> {
        self.indexed().find(|(_, step)| step.name == name)
    }

    /// Every step with its place.
    pub fn indexed(&self) -> impl Iterator<Item = (StepIndex, &Step)> {
        (0..).map(StepIndex).zip(&self.steps)
    }

    /// The steps of one list of the document with their places.
    pub fn phase(&self, phase: Phase) -> impl Iterator<Item = (StepIndex, &Step)> {
        self.indexed().filter(move |(_, step)| step.phase == phase)
    }

    /// The inputs with defaults filled in.
    ///
    /// # Errors
    /// As [`InputSchema::check`].
    pub fn check_inputs(&self, given: &Value) -> Result<Value, Vec<InputError>> {
        self.inputs.check(given)
    }

    /// What the run gives back, once every step is over.
    ///
    /// # Errors
    /// The first output, by name, that has no value.
    pub fn evaluate_outputs(
        &self,
        scope: &Scope<'_>,
    ) -> Result<Map<String, Value>, WorkflowOutputError> {
        let evaluate = |(name, template): &(String, Template)| {
            let value = template.value(scope).map_err(|fault| WorkflowOutputError {
                name: name.clone(),
                template: template.source().to_owned(),
                fault,
            })?;
            Ok((name.clone(), value))
        };
        self.outputs.iter().map(evaluate).collect()
    }
}
