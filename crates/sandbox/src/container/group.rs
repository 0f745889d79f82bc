//! The control group that bounds one container: ours, with the runtime's own group below it.
//!
//! The limits are set before the runtime is asked, by the same code as for the local driver, and
//! the counters outlive the container. With version 1 the group is made at the root of each
//! hierarchy, where container runtimes make theirs, because they know it by one path in all.

use std::path::{Path, PathBuf};

use super::error::ContainerError;
use super::oom::OomCount;
use crate::host::Host;
use crate::launch::LaunchError;
use crate::limits::{self, Bounds, Group, Hierarchy, Legacy, LimitInForce, Mechanism};
use crate::spec::Limits;

/// Threads of the runtime that count as the container's while it is being made.
const RUNTIME_THREADS: u32 = 64;

/// A group with limits, for one container.
#[derive(Debug)]
pub(super) struct Limited {
    pub(super) group: Group,
    /// Its path from the root of every hierarchy.
    pub(super) path: String,
    pub(super) oom: Option<OomCount>,
    pub(super) in_force: Vec<LimitInForce>,
}

/// Makes the group of the container `name`, which begins with `palisade-`.
pub(super) fn make(limits: &Limits, name: &str) -> Result<Limited, LaunchError> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").map_err(ContainerError::from)?;
    let hierarchy = usable(&Host::current().cgroups, &mounts);
    let wanted = Limits { pids: limits.pids.saturating_add(RUNTIME_THREADS), ..*limits };
    let rest = name.strip_prefix("palisade-").unwrap_or(name);
    let Bounds { group, mut in_force, .. } = limits::prepare(&hierarchy, &wanted, rest)?;
    // The number of processes is kept exactly in the container's own user namespace; the group's
    // looser bound is there for the runtime's threads while it starts.
    in_force.retain(|limit| limit.name != "processes");
    let count = u64::from(limits.pids);
    in_force.push(limits::limit("processes", count, "count", Mechanism::Rlimit));
    let group = group.ok_or(ContainerError::NoGroup)?;
    let first = group.folders().first().ok_or(ContainerError::NoGroup)?;
    let path = below_a_mount(&mounts, first).ok_or(ContainerError::NoGroup)?;
    let path = format!("/{}", path.display());
    let mut oom = None;
    for folder in group.folders() {
        oom = oom.or(OomCount::new(folder).map_err(ContainerError::from)?);
    }
    Ok(Limited { group, path, oom, in_force })
}

/// The hierarchy in which groups of containers are made.
pub(super) fn usable(found: &Hierarchy, mounts: &str) -> Hierarchy {
    match found {
        Hierarchy::Legacy(_) => Hierarchy::Legacy(Legacy {
            memory: root_of(mounts, "memory"),
            pids: root_of(mounts, "pids"),
            cpu: root_of(mounts, "cpu"),
            ..Legacy::default()
        }),
        other => other.clone(),
    }
}

/// The mount points of control groups, with the options of their file systems.
fn places(mounts: &str) -> impl Iterator<Item = (&Path, &str)> {
    mounts.lines().filter_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        let place = mount.split(' ').nth(4)?;
        system.starts_with("cgroup").then(|| (Path::new(place), system))
    })
}

fn root_of(mounts: &str, controller: &str) -> Option<PathBuf> {
    places(mounts)
        .find(|(_, system)| {
            let options = system.rsplit(' ').next().unwrap_or_default();
            system.starts_with("cgroup ") && options.split(',').any(|name| name == controller)
        })
        .map(|(place, _)| place.to_owned())
}

fn below_a_mount(mounts: &str, folder: &Path) -> Option<PathBuf> {
    let (nearest, _) = places(mounts)
        .filter(|(place, _)| folder.starts_with(place))
        .max_by_key(|(place, _)| place.as_os_str().len())?;
    folder.strip_prefix(nearest).ok().map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:7 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    #[test]
    fn version_1_groups_are_made_at_the_roots() {
        let own = |path: &str| Some(PathBuf::from(path));
        let found = Hierarchy::Legacy(Legacy {
            memory: own("/sys/fs/cgroup/memory/a/b"),
            ..Legacy::default()
        });
        let expect = Hierarchy::Legacy(Legacy {
            memory: own("/sys/fs/cgroup/memory"),
            cpu: own("/sys/fs/cgroup/cpu,cpuacct"),
            ..Legacy::default()
        });
        assert_eq!(usable(&found, HYBRID), expect);
        assert_eq!(usable(&Hierarchy::Absent, HYBRID), Hierarchy::Absent);
    }

    #[test]
    fn a_group_is_named_from_the_root_of_its_hierarchy() {
        let below = |folder| below_a_mount(HYBRID, Path::new(folder));
        assert_eq!(below("/sys/fs/cgroup/memory/x"), Some(PathBuf::from("x")));
        assert_eq!(below("/sys/fs/cgroup/unified/a/x"), Some(PathBuf::from("a/x")));
        assert_eq!(below("/elsewhere"), None);
    }
}
