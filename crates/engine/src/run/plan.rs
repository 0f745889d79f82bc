//! `Plan`: what the state machines need to know of a workflow, and nothing more.
//!
//! Names, edges, gates, timeouts and retry rules of a loaded workflow, in the form the run engine
//! asks for them. Nothing is checked here: that the steps are a graph without cycles, and that no
//! need leads from one stage to the other, is the loader's promise. One plan is shared by every run of the same document. What happens along the
//! edges is in `settle`.

use super::backoff::micros;
use super::digest::Digest;
use crate::workflow::{Phase, Retry, Step, StepIndex, Workflow};
use std::collections::BTreeMap;
use std::sync::Arc;

/// When a step with all its needs ended may be taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Only when every need succeeded or was allowed to fail. An `if:` that does not ask how the
    /// needs ended comes on top; the runner evaluates it.
    OnSuccess,
    /// However they ended: the `if:` calls `failure()`, `always()` or another status function and
    /// is evaluated by the runner.
    Asks,
}

/// Which part of the workflow a step belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// `steps:`.
    Main,
    /// `finally:`: waits for every main step to end and is not stopped by their failure.
    Finally,
}

/// What a failure of the step means for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The run fails and dependants are skipped.
    Fatal,
    /// `allow_failure`: neither. A denial is never tolerated.
    Tolerated,
}

/// Whether a step may be done again when it is unknown how far it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Doing it twice is as good as once.
    Idempotent,
    /// Never repeated blindly: an unknown outcome goes to a person.
    Never,
}

/// Whether a run has outputs to be worked out when its steps have succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outputs {
    /// It ends with its last step.
    None,
    /// The runner evaluates them and concludes the run.
    Declared,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Unique within the plan.
    pub name: Arc<str>,
    /// Steps of the same stage that must have ended before this one is taken up, each once.
    pub needs: Vec<StepIndex>,
    /// What the ends of the needs must be.
    pub gate: Gate,
    /// The part of the workflow.
    pub stage: Stage,
    /// Longest time of one attempt, in µs.
    pub timeout_us: u64,
    /// The retry rule.
    pub retry: Retry,
    /// Whether an attempt of unknown outcome may be repeated.
    pub repeat: Repeat,
    /// What a failure means for the run.
    pub severity: Severity,
}

impl From<&Step> for Node {
    fn from(step: &Step) -> Self {
        let implied = step.condition.as_ref().is_none_or(|condition| condition.implies_success());
        Self {
            name: step.name.as_str().into(),
            needs: step.needs.clone(),
            gate: if implied { Gate::OnSuccess } else { Gate::Asks },
            stage: match step.phase {
                Phase::Body => Stage::Main,
                Phase::Finally => Stage::Finally,
            },
            timeout_us: micros(step.timeout),
            retry: step.retry,
            repeat: if step.idempotent { Repeat::Idempotent } else { Repeat::Never },
            severity: if step.allow_failure { Severity::Tolerated } else { Severity::Fatal },
        }
    }
}

/// A workflow as the run engine sees it.
#[derive(Debug, PartialEq)]
pub struct Plan {
    workflow: Arc<Workflow>,
    name: Arc<str>,
    nodes: Vec<Node>,
    by_name: BTreeMap<Arc<str>, StepIndex>,
    main: u32,
}

impl Plan {
    /// The plan of a workflow.
    pub fn new(workflow: Arc<Workflow>) -> Self {
        let nodes: Vec<Node> = workflow.steps.iter().map(Node::from).collect();
        let names = nodes.iter().map(|node| Arc::clone(&node.name));
        let by_name = names.zip((0..).map(StepIndex)).collect();
        let main = nodes.iter().filter(|node| node.stage == Stage::Main).count() as u32;
        Self { name: workflow.name.as_str().into(), workflow, nodes, by_name, main }
    }

    /// The document, for what a step does and for its expressions.
    pub fn workflow(&self) -> &Arc<Workflow> {
        &self.workflow
    }

    /// The workflow's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The identity of the workflow document.
    pub fn digest(&self) -> Digest {
        Digest(self.workflow.digest)
    }

    /// Number of steps, `finally` included.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// The step at this place.
    pub fn node(&self, step: StepIndex) -> Option<&Node> {
        self.nodes.get(step.get())
    }

    /// The step of this name.
    pub fn find(&self, name: &str) -> Option<StepIndex> {
        self.by_name.get(name).copied()
    }

    /// Every step in the order of the document.
    pub fn steps(&self) -> impl Iterator<Item = (StepIndex, &Node)> {
        (0..).map(StepIndex).zip(&self.nodes)
    }

    /// Whether a run has outputs of its own.
    pub fn outputs(&self) -> Outputs {
        if self.workflow.outputs.is_empty() { Outputs::None } else { Outputs::Declared }
    }

    /// Steps that need this one.
    pub(super) fn dependants(&self, step: StepIndex) -> &[StepIndex] {
        self.workflow.graph().dependants(step)
    }

    /// Every step after all that it needs.
    pub(super) fn order(&self) -> &[StepIndex] {
        self.workflow.graph().order()
    }

    /// Number of main steps.
    pub(super) fn main(&self) -> u32 {
        self.main
    }
}
