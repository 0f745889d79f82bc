//! Bounds on memory, processes, processor time and files, and how they are enforced.
//!
//! A cgroup bounds everything inside together; where the host delegates none, resource limits
//! bound each process by itself, and the receipt says so. A bound that nothing can enforce is
//! refused. The bounds on wall time and output are kept by `wait`, those on the disk by the
//! scratch file system's own options.

mod group;
mod hierarchy;
mod rlimit;

use std::io;

use rustix::process::{Resource, Rlimit};
use serde::Serialize;

use crate::layer::Layer;
use crate::spec::Limits;

pub(crate) use group::{Group, Join, Observed};
pub(crate) use hierarchy::Hierarchy;

/// Who keeps a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// A control group of the unified hierarchy; counts everything inside together.
    CgroupV2,
    /// Control groups of the older hierarchies; count everything inside together.
    CgroupV1,
    /// A resource limit; holds for each process by itself, except the number of processes.
    Rlimit,
    /// The size of the file system that is written to.
    Tmpfs,
    /// The supervisor, who kills everything inside.
    Supervisor,
}

/// A limit as it was set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LimitInForce {
    /// What is limited: `memory`, `processes`, `cpu`, `open_files`, `workspace`, …
    pub name: &'static str,
    /// How much.
    pub value: u64,
    /// Of what: `bytes`, `count`, `milliseconds`, `thousandths`.
    pub unit: &'static str,
    /// By whom.
    pub mechanism: Mechanism,
}

/// A limit that this host offers no way to keep.
#[derive(Debug, thiserror::Error)]
#[error("the {layer} cannot be enforced")]
pub struct LimitError {
    /// Which limit.
    pub layer: Layer,
    /// What the kernel said, if it was asked.
    #[source]
    pub source: Option<io::Error>,
}

/// Everything prepared to bound one sandbox.
pub(crate) struct Bounds {
    pub(crate) group: Option<Group>,
    pub(crate) rlimits: Vec<(Resource, Rlimit)>,
    pub(crate) in_force: Vec<LimitInForce>,
}

/// Processes the launcher itself needs inside: the first one.
const OWN_PROCESSES: u64 = 1;

/// Makes the groups and computes the resource limits for `limits`.
pub(crate) fn prepare(
    hierarchy: &Hierarchy,
    limits: &Limits,
    name: &str,
) -> Result<Bounds, LimitError> {
    let wanted = Wanted {
        memory: limits.memory_bytes,
        pids: u64::from(limits.pids).saturating_add(OWN_PROCESSES),
        cpu: limits.cpu_thousandths,
    };
    let (group, mut in_force) = Group::create(hierarchy, &wanted, name)?;
    let mut rlimits = rlimit::always(limits);
    if !in_force.iter().any(|limit| limit.name == "memory")
        && let Some(bytes) = limits.memory_bytes
    {
        rlimits.push(rlimit::exact(Resource::Data, bytes));
        in_force.push(limit("memory", bytes, "bytes", Mechanism::Rlimit));
    }
    if !in_force.iter().any(|limit| limit.name == "processes") {
        rlimits.push(rlimit::processes(wanted.pids)?);
        in_force.push(limit("processes", limits.pids.into(), "count", Mechanism::Rlimit));
    }
    if wanted.cpu.is_some() && !in_force.iter().any(|limit| limit.name == "cpu") {
        return Err(LimitError { layer: Layer::CpuLimit, source: None });
    }
    in_force.extend(kept_elsewhere(limits));
    Ok(Bounds { group, rlimits, in_force })
}

/// What the groups are asked for.
pub(crate) struct Wanted {
    pub(crate) memory: Option<u64>,
    pub(crate) pids: u64,
    pub(crate) cpu: Option<u32>,
}

pub(crate) fn limit(
    name: &'static str,
    value: u64,
    unit: &'static str,
    mechanism: Mechanism,
) -> LimitInForce {
    LimitInForce { name, value, unit, mechanism }
}

fn kept_elsewhere(limits: &Limits) -> [LimitInForce; 5] {
    let wall = u64::try_from(limits.wall.as_millis()).unwrap_or(u64::MAX);
    [
        limit("open_files", limits.open_files.into(), "count", Mechanism::Rlimit),
        limit("workspace", limits.workspace_bytes, "bytes", Mechanism::Tmpfs),
        limit("workspace_inodes", limits.workspace_inodes, "count", Mechanism::Tmpfs),
        limit("output", limits.output_bytes, "bytes", Mechanism::Supervisor),
        limit("wall", wall, "milliseconds", Mechanism::Supervisor),
    ]
}
