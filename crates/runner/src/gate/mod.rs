//! The gate: the ordered checks between a call and its effect.
//!
//! identify (`principal`) → limit (`payload`) → validate (`path`, the tool's schema) → decide (policy). What it
//! admits has one form: the arguments policy saw are the arguments that run. The gate records nothing and runs
//! nothing: its answer goes into the record that must be durable before the effect begins.

mod exposure;
mod network;
mod path;
mod payload;
mod principal;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::policy::{Call, Catalogue, Constraints, Decision, Explanation, Policy, Reach, Verdict};
use engine::run::{Digest, Guard, StoppedBy};
use engine::workflow::{InputError, InputSchema};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::tool;

pub use network::Granted;
pub use path::PathError;
pub use payload::PayloadError;
pub use principal::Principal;

/// The argument of a call whose program nothing would hold.
const UNSAFE: &str = "unsafe";

/// A call as its door understood it, before any check.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The tool.
    pub tool: String,
    /// Its arguments.
    pub arguments: Value,
}

impl Asked {
    /// The same call where nothing would hold its program, so that policy can tell the two apart.
    pub(crate) fn without_sandbox(&mut self) {
        if let Some(arguments) = self.arguments.as_object_mut() {
            arguments.insert(UNSAFE.to_owned(), true.into());
        }
    }
}

/// A call that may run, in its one form.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    /// The tool.
    pub tool: String,
    /// Normalised arguments: what policy saw.
    pub arguments: Value,
    /// SHA-256 over tool and arguments.
    pub digest: Digest,
    /// The decision in short, for the record.
    pub decision: Value,
    /// What the decision tightens.
    pub constraints: Constraints,
    /// What it may reach, each with the rule that names it.
    pub hosts: Vec<Granted>,
}

/// Why a call may not run.
#[derive(Debug, Clone, PartialEq)]
pub enum Refused {
    /// The arguments are not valid for the tool.
    Invalid(String),
    /// A guard stopped it.
    Stopped {
        /// Which.
        by: StoppedBy,
        /// The decision in short, for the record.
        decision: Value,
    },
}

/// Everything the checks need; immutable while the process runs.
#[derive(Debug)]
pub struct Gate {
    project: PathBuf,
    home: Option<PathBuf>,
    policy: Arc<Policy>,
    catalogue: Catalogue,
    schemas: Vec<(String, InputSchema)>,
}

impl Gate {
    /// A gate for calls on `project` under `policy`; `home` is what `~` means in a mount source.
    ///
    /// # Errors
    /// When a registered tool's schema does not compile, which a test keeps from happening.
    pub fn new(
        project: PathBuf,
        home: Option<PathBuf>,
        policy: Arc<Policy>,
        catalogue: Catalogue,
    ) -> Result<Self, String> {
        let schemas = catalogue
            .tools()
            .map(|tool| {
                let schema = InputSchema::of(&tool.schema)
                    .map_err(|error| format!("{}: {error}", tool.name))?;
                Ok((tool.name.clone(), schema))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self { project, home, policy, catalogue, schemas })
    }

    /// The project folder.
    #[must_use]
    pub fn project(&self) -> &Path {
        &self.project
    }

    /// Puts one call of `principal` through every check.
    ///
    /// # Errors
    /// [`Refused`]: nothing may run.
    pub fn admit(&self, principal: &Principal, asked: Asked) -> Result<Admitted, Refused> {
        payload::check(&asked.arguments).map_err(|error| Refused::Invalid(error.to_string()))?;
        let known = self.catalogue.tool(&asked.tool).is_some();
        let arguments = if known { self.validate(&asked)? } else { asked.arguments };
        if known {
            network::coherent(&arguments).map_err(Refused::Invalid)?;
        }
        let call = call(principal, &asked.tool, &arguments);
        let decision = self.policy.decide(&call);
        let reach = self.policy.reach(&call);
        let summary = summary(&decision, &reach, &self.policy);
        if decision.verdict != Verdict::Allow {
            let by = network::stopped(&reach).unwrap_or_else(|| stopped_by(&decision));
            return Err(Refused::Stopped { by, decision: summary });
        }
        if let Some(by) = unheld(&decision, &arguments) {
            return Err(Refused::Stopped { by, decision: summary });
        }
        if let Some(by) = network::narrowed(&decision, &reach) {
            return Err(Refused::Stopped { by, decision: summary });
        }
        Ok(Admitted {
            digest: digest(&asked.tool, &arguments),
            tool: asked.tool,
            arguments,
            decision: summary,
            constraints: decision.constraints,
            hosts: network::granted(reach),
        })
    }

    /// The decision on a call in its one form.
    #[must_use]
    pub fn decide(&self, principal: &Principal, tool: &str, arguments: &Value) -> Decision {
        self.policy.decide(&call(principal, tool, arguments))
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    fn validate(&self, asked: &Asked) -> Result<Value, Refused> {
        let schema =
            self.schemas.iter().find(|(name, _)| *name == asked.tool).map(|(_, schema)| schema);
        let mut arguments = match schema {
            Some(schema) => schema.check(&asked.arguments).map_err(|errors| invalid(&errors))?,
            None => asked.arguments.clone(),
        };
        if let Some(slot) = arguments.get_mut("path") {
            let written = slot.as_str().unwrap_or_default();
            *slot = Value::String(
                path::beneath(&self.project, written).map_err(|error| outside(&error))?,
            );
        }
        for mount in arguments.get_mut("mounts").and_then(Value::as_array_mut).into_iter().flatten()
        {
            self.mount(mount)?;
        }
        Ok(arguments)
    }

    fn mount(&self, mount: &mut Value) -> Result<(), Refused> {
        let writes = mount.get("access").and_then(Value::as_str) == Some("write");
        let Some(slot) = mount.get_mut("source") else { return Ok(()) };
        let written = slot.as_str().unwrap_or_default().to_owned();
        match path::source(&self.project, self.home.as_deref(), &written) {
            Ok(source) => {
                if writes && source.path.starts_with(&self.project) {
                    return Err(Refused::Invalid(format!(
                        "mount `{written}` would write into the project; keep files with `artifacts`"
                    )));
                }
                // The project itself is the workspace, where the state folder is hidden.
                let elsewhere = source.path != self.project;
                if let Some(shown) = exposure::of(&self.project, &source.path).filter(|_| elsewhere)
                {
                    return Err(hidden(&written, &shown));
                }
                *slot = Value::String(source.shown);
            }
            // What is not there may still be forbidden: policy sees the path as far as it can be told.
            Err(PathError::Source { .. }) => {
                *slot = Value::String(path::told(self.home.as_deref(), &written))
            }
            Err(error) => return Err(Refused::Invalid(error.to_string())),
        }
        Ok(())
    }
}

fn invalid(errors: &[InputError]) -> Refused {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Refused::Invalid(lines.join("; "))
}

/// A call as policy sees it; one without a session has no mode and no state.
pub(crate) fn call<'a>(principal: &'a Principal, tool: &'a str, arguments: &'a Value) -> Call<'a> {
    Call {
        tool,
        principal: &principal.id,
        roles: &principal.roles,
        tags: &principal.tags,
        mode: None,
        state: None,
        args: arguments,
    }
}

/// Whether arguments fit a tool's schema, and what is wrong where they do not.
///
/// # Errors
/// Everything that is wrong, in one line.
pub(crate) fn fits(tool: &engine::policy::Tool, arguments: &Value) -> Result<(), String> {
    let schema = InputSchema::of(&tool.schema)?;
    let errors = schema.check(arguments).err().unwrap_or_default();
    if errors.is_empty() {
        return Ok(());
    }
    Err(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

/// Why a call would be decided as it would be.
#[must_use]
pub fn explain(
    policy: &Policy,
    principal: &Principal,
    tool: &str,
    arguments: &Value,
) -> Explanation {
    policy.explain(&call(principal, tool, arguments))
}

/// What a decision comes to in a record: verdict, rules, policy, and the same for each host asked for.
fn summary(decision: &Decision, reach: &[Reach], policy: &Policy) -> Value {
    let rules = |decision: &Decision| -> Vec<String> {
        decision.reasons.iter().map(|reason| reason.rule.to_string()).collect()
    };
    let mut summary = json!({
        "verdict": decision.verdict,
        "rules": rules(decision),
        "policy": Digest(policy.digest()),
    });
    if !reach.is_empty() {
        let host = |reach: &Reach| {
            json!({
                "host": reach.host,
                "verdict": reach.decision.verdict,
                "rules": rules(&reach.decision),
            })
        };
        if let Some(summary) = summary.as_object_mut() {
            summary.insert("hosts".to_owned(), reach.iter().map(host).collect());
        }
    }
    summary
}

pub(super) fn stopped_by(decision: &Decision) -> StoppedBy {
    let rule = decision.reasons.first().map_or("default deny", |reason| &*reason.rule);
    let detail = match decision.verdict {
        Verdict::RequireReview => format!("{decision}; approvals are not part of this version"),
        Verdict::Allow | Verdict::Deny => decision.to_string(),
    };
    StoppedBy { kind: Guard::Policy, name: rule.into(), detail: detail.into() }
}

/// A decision that asks for a profile of a call that has none.
fn unheld(decision: &Decision, arguments: &Value) -> Option<StoppedBy> {
    let without = arguments.get(UNSAFE).and_then(Value::as_bool) == Some(true);
    let profile = decision.constraints.profile.filter(|_| without)?;
    let rule = decision.reasons.first().map_or("default deny", |reason| &*reason.rule);
    let detail =
        format!("{decision} with the profile `{profile}`, and without the sandbox there is none");
    Some(StoppedBy { kind: Guard::Policy, name: rule.into(), detail: detail.into() })
}

fn outside(error: &PathError) -> Refused {
    let by = StoppedBy {
        kind: Guard::Isolation,
        name: "project root".into(),
        detail: error.to_string().into(),
    };
    Refused::Stopped { by, decision: Value::Null }
}

fn hidden(mount: &str, shown: &str) -> Refused {
    let by = StoppedBy {
        kind: Guard::Isolation,
        name: "hidden folders".into(),
        detail: format!("mount `{mount}` is refused: {shown}").into(),
    };
    Refused::Stopped { by, decision: Value::Null }
}

fn digest(tool: &str, arguments: &Value) -> Digest {
    let mut hash = Sha256::new();
    hash.update((tool.len() as u64).to_be_bytes());
    hash.update(tool.as_bytes());
    // Maps are sorted, so one value has one text.
    hash.update(arguments.to_string().as_bytes());
    Digest(hash.finalize().into())
}

/// Which files one admitted call may look into: a search is decided for its folder, and again for each file in it.
#[derive(Debug, Clone)]
pub struct FileFilter {
    gate: Arc<Gate>,
    principal: Arc<Principal>,
    tool: String,
    arguments: Value,
}

impl FileFilter {
    /// The filter of a call.
    #[must_use]
    pub fn new(gate: Arc<Gate>, principal: Arc<Principal>, admitted: &Admitted) -> Self {
        Self { gate, principal, tool: admitted.tool.clone(), arguments: admitted.arguments.clone() }
    }

    /// Whether the call would be allowed for this file, relative to the project.
    pub fn allows(&mut self, file: &str) -> bool {
        if let Some(slot) = self.arguments.get_mut("path") {
            *slot = Value::String(file.to_owned());
        }
        self.gate.decide(&self.principal, &self.tool, &self.arguments).verdict == Verdict::Allow
    }
}

/// The catalogue of every registered tool.
///
/// # Errors
/// When two tools share a name or a declaration is unusable, which a test keeps from happening.
pub fn catalogue() -> Result<Catalogue, engine::policy::CatalogueError> {
    Catalogue::new(tool::registered())
}
