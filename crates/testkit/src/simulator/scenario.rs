//! What the simulated project holds: three workflows, a policy, a gate.
//!
//! Loaded once and shared by all seeds, because loading is not what is tested here. The programs
//! of the steps never run; workers read the request and the idempotency key from the job.

use super::check::{Rule, Violation, broken};
use engine::policy::Policy;
use engine::policy::document::{Diagnostic, Source};
use engine::workflow::Workflow;
use runner::gate::{self, Gate};
use std::path::PathBuf;
use std::sync::Arc;

/// Fan-out and fan-in, retries, a step that runs whatever happened.
const SPREAD: &str = r#"
version: 1
name: spread
inputs: { type: object, required: [request], properties: { request: { type: string } } }
defaults:
  timeout: 5s
  retry: { max_attempts: 3, backoff: { base: 100ms, max: 1s, factor: 2, jitter: true } }
steps:
  - { name: first, run: ["effect", "${{ inputs.request }}"] }
  - { name: left, needs: [first], run: ["effect", "${{ inputs.request }}"] }
  - { name: right, needs: [first], run: ["effect", "${{ inputs.request }}"] }
  - { name: join, needs: [left, right], run: ["effect", "${{ inputs.request }}"] }
finally:
  - { name: tidy, run: ["effect", "${{ inputs.request }}"] }
"#;

/// A step that must not be repeated blindly, after one that may.
const CAREFUL: &str = r#"
version: 1
name: careful
inputs: { type: object, required: [request], properties: { request: { type: string } } }
defaults: { timeout: 3s }
steps:
  - { name: prepare, run: ["effect", "${{ inputs.request }}"] }
  - { name: pay, needs: [prepare], idempotent: false, run: ["effect", "${{ inputs.request }}"] }
"#;

/// A step that others have to approve, after one that they do not.
const ASKING: &str = r#"
version: 1
name: asking
inputs: { type: object, required: [request], properties: { request: { type: string } } }
defaults: { timeout: 3s, retry: { max_attempts: 2 } }
steps:
  - { name: plan, run: ["effect", "${{ inputs.request }}"] }
  - { name: deploy, needs: [plan], run: ["deploy", "${{ inputs.request }}"] }
"#;

const POLICY: &str = r#"
version: 1
name: simulated
rules:
  - name: effects
    match: { tool: exec.run, args: { program: [effect] } }
    action: allow
    reason: nothing is executed in a simulation
  - name: deployments
    match: { tool: exec.run, args: { program: [deploy] } }
    action: require_review
"#;

/// The fixed parts of every simulated world.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub(super) gate: Arc<Gate>,
    pub(super) workflows: Vec<Arc<Workflow>>,
}

impl Scenario {
    /// Loads it.
    ///
    /// # Errors
    /// When the product no longer accepts the documents in this file.
    pub fn load() -> Result<Self, Violation> {
        let catalogue = gate::catalogue().map_err(|error| refused("catalogue", error))?;
        let policy = Policy::load(&source("policy.yaml", POLICY), &catalogue)
            .map_err(|findings| refused("policy", lines(&findings)))?;
        let gate = Gate::new(PathBuf::from("/project"), None, Arc::new(policy.policy), catalogue)
            .map_err(|error| refused("gate", error))?;
        let workflows =
            [("spread.yaml", SPREAD), ("careful.yaml", CAREFUL), ("asking.yaml", ASKING)]
                .into_iter()
                .map(|(name, text)| {
                    let loaded = runner::workflow::load(&source(name, text));
                    let loaded = loaded.map_err(|findings| refused(name, lines(&findings)))?;
                    Ok(Arc::new(loaded.workflow))
                })
                .collect::<Result<_, Violation>>()?;
        Ok(Self { gate: Arc::new(gate), workflows })
    }
}

fn source(name: &str, text: &str) -> Source {
    Source { name: name.to_owned(), text: text.to_owned() }
}

fn lines(findings: &[Diagnostic]) -> String {
    findings.iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("; ")
}

fn refused(what: &str, why: impl std::fmt::Display) -> Violation {
    broken(Rule::Progress, format!("{what} of the scenario: {why}"))
}
