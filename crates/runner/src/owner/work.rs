//! From an admitted call to work for the executor: the sandbox's spec, word for word what was decided on.
//! Nothing is loosened on the way: limits are the tighter of what the step asks and the decision allows.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::policy::Profile as Loosest;
use engine::workflow::{Access, Call, Driver, Profile, SECRET_SUFFIX, Step};
use sandbox::{Limits, Mount, Network, Spec, Workspace};
use serde_json::Value;

use crate::executor::{Fast, Place, Program, Work};
use crate::gate::{Admitted, FileFilter, Gate, Principal, mount_target};
use crate::layout::STATE_FOLDER;

/// Environment variable that carries the key under which the step's effect may happen once.
pub const IDEMPOTENCY_VARIABLE: &str = "PALISADE_IDEMPOTENCY_KEY";
/// Environment variable that carries the run's id.
pub const RUN_VARIABLE: &str = "PALISADE_RUN";
/// Environment variable that carries the step's name.
pub const STEP_VARIABLE: &str = "PALISADE_STEP";

/// What identifies an attempt to the program that runs it.
pub(super) struct Identity<'a> {
    pub(super) run: String,
    pub(super) step: &'a str,
    pub(super) key: &'a str,
}

/// What a read-only tool is to do, with the files it may look into.
pub(super) fn fast(gate: &Arc<Gate>, principal: &Arc<Principal>, admitted: &Admitted) -> Work {
    Work::Fast(Box::new(Fast {
        tool: admitted.tool.clone(),
        arguments: admitted.arguments.clone(),
        files: FileFilter::new(Arc::clone(gate), Arc::clone(principal), admitted),
        largest: admitted.constraints.max_file_size,
        within: admitted.constraints.timeout,
        redact: admitted.constraints.redact,
    }))
}

/// The program of `step`, whose call was `admitted`.
pub(super) fn program(
    gate: &Gate,
    step: &Step,
    call: Call,
    admitted: &Admitted,
    identity: &Identity<'_>,
) -> Work {
    let project = gate.project();
    let mounts = mounts(project, &admitted.arguments, &call);
    let mut env: Vec<(OsString, OsString)> =
        call.env.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    for (name, value) in [
        (IDEMPOTENCY_VARIABLE, identity.key),
        (RUN_VARIABLE, identity.run.as_str()),
        (STEP_VARIABLE, identity.step),
    ] {
        env.push((name.into(), value.into()));
    }
    for (name, _) in &call.secrets {
        let path = format!("{}/{name}", sandbox::SECRETS);
        env.push((format!("{name}{SECRET_SUFFIX}").into(), path.into()));
    }
    let profile = profile(step.sandbox.profile, admitted.constraints.profile);
    let spec = Spec {
        argv: call.argv.into_iter().map(OsString::from).collect(),
        env,
        cwd: PathBuf::from(sandbox::WORKSPACE),
        stdin: call.stdin,
        profile,
        workspace: Workspace {
            lower: project.to_path_buf(),
            hidden: hidden(project, gate.state()),
            files: call.files.into_iter().map(|(path, text)| (PathBuf::from(path), text)).collect(),
        },
        mounts,
        network: network(profile),
        limits: limits(step, admitted),
        artifacts: step.artifacts.clone(),
        ..Spec::new(project, [""; 0])
    };
    Work::Program(Box::new(Program {
        tool: admitted.tool.clone(),
        arguments: admitted.arguments.clone(),
        spec,
        place: place(step),
        hosts: admitted.hosts.clone(),
        transfer: admitted.constraints.max_transfer,
        changes: step.sandbox.changes,
        outputs: step.outputs.clone(),
        redact: admitted.constraints.redact,
        secrets: call.secrets,
        schemas: step.output_schemas.clone(),
    }))
}

/// The same without any sandbox.
pub(super) fn bare(
    gate: &Gate,
    step: &Step,
    call: Call,
    admitted: &Admitted,
    identity: &Identity<'_>,
) -> Work {
    match program(gate, step, call, admitted, identity) {
        Work::Program(mut program) => {
            program.place = Place::Bare;
            Work::Program(program)
        }
        other => other,
    }
}

/// Where the step asks to run; policy has seen it.
fn place(step: &Step) -> Place {
    match (step.sandbox.driver, &step.sandbox.image) {
        (Driver::Container, Some(image)) => {
            Place::Container { image: image.clone(), gaps: step.sandbox.allow_gaps.clone() }
        }
        // A document whose container has no image does not load.
        (Driver::Local | Driver::Container, _) => Place::Local,
    }
}

/// Only the profile with sockets has anything to reach, and then only through the proxy.
fn network(profile: sandbox::Profile) -> Network {
    match profile {
        sandbox::Profile::StandardNet | sandbox::Profile::StrictNet => Network::Proxy,
        sandbox::Profile::Strict | sandbox::Profile::Standard | sandbox::Profile::Proxy => {
            Network::None
        }
    }
}

/// What of the project no program sees: the usual state folder, and the one in use where it lies in the project.
fn hidden(project: &Path, state: &Path) -> Vec<PathBuf> {
    let usual = PathBuf::from(STATE_FOLDER);
    let other = state.strip_prefix(project).ok().filter(|inner| !inner.starts_with(&usual));
    let other = other.map(Path::to_path_buf);
    std::iter::once(usual).chain(other).collect()
}

/// Mounts as decided on; those of the project itself are in the workspace already.
fn mounts(project: &Path, arguments: &Value, call: &Call) -> Vec<Mount> {
    let decided = arguments.get("mounts").and_then(Value::as_array).into_iter().flatten();
    decided
        .zip(&call.mounts)
        .filter_map(|(decided, asked)| {
            let shown = decided.get("source").and_then(Value::as_str)?;
            let source = project.join(shown);
            let source = if shown == "." { project.to_path_buf() } else { source };
            let target = mount_target(project, &source, &asked.source, &asked.target)?;
            let access = match asked.access {
                Access::Read => sandbox::Access::Read,
                Access::Write => sandbox::Access::Write,
            };
            Some(Mount { source, target, access })
        })
        .collect()
}

/// The tighter of what the step asks for and what the decision allows at most.
fn profile(asked: Profile, loosest: Option<Loosest>) -> sandbox::Profile {
    match (asked, loosest) {
        (Profile::Strict, _) | (_, Some(Loosest::Strict)) => sandbox::Profile::Strict,
        (Profile::StrictNet, Some(Loosest::Standard)) => sandbox::Profile::Strict,
        (Profile::StrictNet, Some(Loosest::StandardNet) | None) => sandbox::Profile::StrictNet,
        (Profile::Standard, _) | (_, Some(Loosest::Standard)) => sandbox::Profile::Standard,
        (Profile::StandardNet, Some(Loosest::StandardNet) | None) => sandbox::Profile::StandardNet,
    }
}

fn limits(step: &Step, admitted: &Admitted) -> Limits {
    let (asked, usual) = (&step.sandbox.limits, Limits::default());
    let count = |value: Option<u64>, usual: u32| {
        value.map_or(usual, |value| u32::try_from(value).unwrap_or(u32::MAX))
    };
    let largest = admitted.constraints.max_file_size.unwrap_or(u64::MAX);
    Limits {
        wall: wall(step, admitted),
        output_bytes: asked.output_bytes.unwrap_or(usual.output_bytes),
        artifact_bytes: asked.artifact_bytes.unwrap_or(usual.artifact_bytes).min(largest),
        file_bytes: admitted.constraints.max_file_size,
        memory_bytes: asked.memory_bytes.or(usual.memory_bytes),
        pids: count(asked.pids, usual.pids),
        open_files: count(asked.open_files, usual.open_files),
        workspace_bytes: asked.workspace_bytes.unwrap_or(usual.workspace_bytes),
        workspace_inodes: asked.workspace_inodes.unwrap_or(usual.workspace_inodes),
        cpu_thousandths: asked.cpu_thousandths.or(usual.cpu_thousandths),
        ..usual
    }
}

/// The shorter of the step's own time limit and the decision's.
pub(super) fn wall(step: &Step, admitted: &Admitted) -> Duration {
    admitted.constraints.timeout.map_or(step.timeout, |limit| limit.min(step.timeout))
}
