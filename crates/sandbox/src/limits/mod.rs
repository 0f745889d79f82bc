//! Bounds on memory, processes, processor time and files, and how they are enforced.
//!
//! A cgroup bounds everything inside together; where the host delegates none, a watchdog sums up
//! and kills, resource limits bound each process by itself, and the receipt says who does what. A
//! bound that nothing can enforce is refused. The bounds on wall time and output are kept by
//! `wait`, those on the disk by the scratch file system's own options.

mod census;
mod delegation;
mod freezer;
mod group;
mod hierarchy;
mod rlimit;
mod sweep;
mod watchdog;

use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit};
use serde::Serialize;

use crate::layer::Layer;
use crate::spec::Limits;

pub(crate) use freezer::{Freezing, Place, members};
pub(crate) use group::{Group, Join, Observed};
pub(crate) use hierarchy::{Hierarchy, Legacy};
pub(crate) use sweep::sweep;
pub use sweep::{SWEEP_MAX, Swept};
use watchdog::{Budget, Clock, Tasks};
pub(crate) use watchdog::{Places, Watch, Watchdog};

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
    /// The supervisor, who counts what everything inside uses together several times a second and
    /// kills it; between two looks the limit can be passed.
    Watchdog,
    /// The container runtime, which was asked to.
    Runtime,
    /// A bound of the sandbox's own user namespace.
    UserNamespace,
}

/// A limit as it was set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LimitInForce {
    /// What is limited: `memory`, `processes`, `cpu`, `cpu_time`, `open_files`, `file`, `workspace`, …
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
    /// What is left to be watched.
    pub(crate) watch: Watch,
}

/// What a single process may take beyond the limit of all, where only the watchdog keeps that: it
/// has to be seen to have too much before it is refused more, or the ending would have no type.
const DATA_BEYOND_BYTES: u64 = 1024 * 1024 * 1024;

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
        cpu_time: limits.cpu_time,
    };
    let (group, mut in_force) = Group::create(hierarchy, &wanted, name)?;
    let kept: Vec<&str> = in_force.iter().map(|limit| limit.name).collect();
    let is_kept = |name: &str| kept.contains(&name);
    let (memory, processes, time) = (is_kept("memory"), is_kept("processes"), is_kept("cpu_time"));
    if wanted.cpu.is_some() && !is_kept("cpu") {
        return Err(LimitError { layer: Layer::CpuLimit, source: None });
    }
    let mut rlimits = rlimit::always(limits);
    let mut watch = Watch::default();
    if let Some(bytes) = limits.memory_bytes.filter(|_| !memory) {
        let each = bytes.saturating_add(DATA_BEYOND_BYTES);
        rlimits.push(rlimit::exact(Resource::Data, each));
        in_force.push(limit("memory", bytes, "bytes", Mechanism::Watchdog));
        in_force.push(limit("process_memory", each, "bytes", Mechanism::Rlimit));
        watch.memory = Some(bytes);
    }
    if !processes {
        let kernel = rlimit::processes(wanted.pids);
        let mechanism = if kernel.is_some() { Mechanism::Rlimit } else { Mechanism::Watchdog };
        in_force.push(limit("processes", limits.pids.into(), "count", mechanism));
        watch.tasks = Some(Tasks { limit: wanted.pids, refused: kernel.is_some() });
        rlimits.extend(kernel);
    }
    if let Some(limit_of_time) = limits.cpu_time {
        if !time {
            let count = group::millis(limit_of_time);
            in_force.push(limit("cpu_time", count, "milliseconds", Mechanism::Watchdog));
        }
        let clock = group.as_ref().and_then(Group::clock).filter(|_| time);
        watch.time = Some(Budget { limit: limit_of_time, clock });
    }
    in_force.extend(kept_elsewhere(limits));
    Ok(Bounds { group, rlimits, in_force, watch })
}

/// The refusal where the processes of a sandbox cannot be seen from outside.
pub(crate) fn unwatched(source: io::Error) -> LimitError {
    LimitError { layer: Layer::MemoryLimit, source: Some(source) }
}

/// What the groups are asked for.
pub(crate) struct Wanted {
    pub(crate) memory: Option<u64>,
    pub(crate) pids: u64,
    pub(crate) cpu: Option<u32>,
    pub(crate) cpu_time: Option<Duration>,
}

pub(crate) fn limit(
    name: &'static str,
    value: u64,
    unit: &'static str,
    mechanism: Mechanism,
) -> LimitInForce {
    LimitInForce { name, value, unit, mechanism }
}

/// The limits of a container whose groups are its runtime's own business.
pub(crate) fn of_runtime(limits: &Limits) -> Vec<LimitInForce> {
    let mut in_force = vec![limit("processes", limits.pids.into(), "count", Mechanism::Runtime)];
    if let Some(bytes) = limits.memory_bytes {
        in_force.push(limit("memory", bytes, "bytes", Mechanism::Runtime));
    }
    if let Some(thousandths) = limits.cpu_thousandths {
        in_force.push(limit("cpu", thousandths.into(), "thousandths", Mechanism::Runtime));
    }
    let elsewhere = kept_elsewhere(limits).into_iter();
    in_force.extend(elsewhere.filter(|limit| limit.mechanism != Mechanism::Tmpfs));
    in_force
}

/// File watchers, as a number and as the text the kernel takes: instances, and places watched.
pub(crate) const WATCHERS: (u64, &[u8]) = (32, b"32");
pub(crate) const WATCHED_PLACES: (u64, &[u8]) = (4096, b"4096");

/// What the local launcher sets by itself, whatever the spec says.
pub(crate) fn kept_always() -> [LimitInForce; 3] {
    [
        limit("signals", rlimit::SIGNALS_MAX, "count", Mechanism::Rlimit),
        limit("watchers", WATCHERS.0, "count", Mechanism::UserNamespace),
        limit("watched_places", WATCHED_PLACES.0, "count", Mechanism::UserNamespace),
    ]
}

fn kept_elsewhere(limits: &Limits) -> Vec<LimitInForce> {
    let wall = group::millis(limits.wall);
    let file = limits.file_bytes.map(|bytes| limit("file", bytes, "bytes", Mechanism::Rlimit));
    let always = [
        limit("open_files", limits.open_files.into(), "count", Mechanism::Rlimit),
        limit("workspace", limits.workspace_bytes, "bytes", Mechanism::Tmpfs),
        limit("workspace_inodes", limits.workspace_inodes, "count", Mechanism::Tmpfs),
        limit("output", limits.output_bytes, "bytes", Mechanism::Supervisor),
        limit("wall", wall, "milliseconds", Mechanism::Supervisor),
    ];
    always.into_iter().chain(file).collect()
}
