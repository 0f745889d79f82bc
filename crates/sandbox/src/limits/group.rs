//! The control groups of one sandbox: made, joined, read, removed.
//!
//! Where they can be made is found by `hierarchy`. A setting that cannot be written is an error,
//! never a warning: a limit in the receipt was accepted by the kernel.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{
    Clock, Hierarchy, Legacy, LimitError, LimitInForce, Mechanism, OWN_PROCESSES, Wanted, limit,
};
use crate::epoch::PREFIX;
use crate::layer::Layer;

/// Length of the accounting period for processor time, in microseconds.
const CPU_PERIOD_MICROS: u64 = 100_000;

/// One folder per hierarchy, removed when dropped.
#[derive(Debug)]
pub(crate) struct Group {
    folders: Vec<PathBuf>,
    join: Join,
    /// `cgroup.kill`, where there is one.
    kill: Option<OwnedFd>,
    files: Files,
}

/// How a process gets into the group.
#[derive(Debug, Default)]
pub(crate) struct Join {
    /// `clone3` makes it there.
    pub(crate) at_birth: Option<OwnedFd>,
    /// It writes itself into each file; a single thread moving itself takes no global lock.
    pub(crate) by_itself: Vec<OwnedFd>,
}

/// What a group has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Observed {
    /// Processes killed because memory ran out.
    pub(crate) oom_kills: u64,
    /// Processes that were not started because there were too many.
    pub(crate) forks_refused: u64,
    /// Most memory used at one time, in bytes.
    pub(crate) peak_memory: Option<u64>,
}

#[derive(Debug, Default)]
struct Files {
    oom: Option<PathBuf>,
    pids: Option<PathBuf>,
    peak: Option<PathBuf>,
    clock: Option<Clock>,
}

impl Group {
    /// Makes what the hierarchy offers of what is wanted; says what came into force.
    pub(super) fn create(
        hierarchy: &Hierarchy,
        wanted: &Wanted,
        name: &str,
    ) -> Result<(Option<Self>, Vec<LimitInForce>), LimitError> {
        let name = format!("{PREFIX}{name}");
        match hierarchy {
            Hierarchy::Absent => Ok((None, Vec::new())),
            Hierarchy::Unified { folder, cpu } => {
                let mut making = Making::new(Mechanism::CgroupV2);
                let path = folder.join(name);
                making.folder(&path, Layer::ProcessLimit)?;
                making.unified(&path, wanted, *cpu)?;
                making.finish()
            }
            Hierarchy::Legacy(Legacy { memory, pids, cpu, cpuacct, unified }) => {
                let mut making = Making::new(Mechanism::CgroupV1);
                if let (Some(folder), Some(bytes)) = (memory, wanted.memory) {
                    making.legacy_memory(&folder.join(&name), bytes)?;
                }
                if let Some(folder) = pids {
                    making.legacy_pids(&folder.join(&name), wanted.pids)?;
                }
                if let (Some(folder), Some(thousandths)) = (cpu, wanted.cpu) {
                    making.legacy_cpu(&folder.join(&name), thousandths)?;
                }
                if let (Some(folder), Some(limit)) = (cpuacct, wanted.cpu_time) {
                    making.legacy_cpu_time(&folder.join(&name), limit)?;
                }
                if let Some(folder) = unified {
                    making.beside(&folder.join(&name))?;
                }
                making.finish()
            }
        }
    }

    /// The ends through which a process joins; they can be taken once.
    pub(crate) fn take_join(&mut self) -> Join {
        std::mem::take(&mut self.join)
    }

    /// The file through which everything inside is killed at once; it can be taken once.
    pub(crate) fn take_kill(&mut self) -> Option<OwnedFd> {
        self.kill.take()
    }

    /// Where the processor time of everything inside is counted.
    pub(super) fn clock(&self) -> Option<Clock> {
        self.files.clock.clone()
    }

    /// The folders, for the receipt.
    pub(crate) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Reads the counters; a file that cannot be read counts as zero.
    pub(crate) fn observe(&self) -> Observed {
        let counter = |path: &Option<PathBuf>, key| {
            let text = path.as_ref().and_then(|path| fs::read_to_string(path).ok());
            text.and_then(|text| keyed(&text, key)).unwrap_or(0)
        };
        let peak = self.files.peak.as_ref().and_then(|path| fs::read_to_string(path).ok());
        Observed {
            oom_kills: counter(&self.files.oom, "oom_kill"),
            forks_refused: counter(&self.files.pids, "max"),
            peak_memory: peak.and_then(|text| text.trim().parse().ok()),
        }
    }
}

impl Drop for Group {
    /// The processes are dead by now, so this cannot be busy; what fails is swept next time.
    fn drop(&mut self) {
        for folder in &self.folders {
            let _left = fs::remove_dir(folder);
        }
    }
}

/// The value of `key` in lines of `key value`, without a unit behind it.
pub(super) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        (name == key).then(|| value.split_whitespace().next()?.parse().ok())?
    })
}

/// A group being made; dropping it removes what was made so far.
struct Making {
    group: Group,
    mechanism: Mechanism,
    in_force: Vec<LimitInForce>,
}

impl Making {
    fn new(mechanism: Mechanism) -> Self {
        Self {
            group: Group {
                folders: Vec::new(),
                join: Join::default(),
                kill: None,
                files: Files::default(),
            },
            mechanism,
            in_force: Vec::new(),
        }
    }

    fn finish(self) -> Result<(Option<Group>, Vec<LimitInForce>), LimitError> {
        Ok((Some(self.group), self.in_force))
    }

    fn unified(&mut self, path: &Path, wanted: &Wanted, cpu: bool) -> Result<(), LimitError> {
        self.set(path, Layer::ProcessLimit, &[("pids.max", wanted.pids.to_string())])?;
        self.keeps("processes", wanted.pids.saturating_sub(OWN_PROCESSES), "count");
        if let Some(bytes) = wanted.memory {
            let settings = [("memory.max", bytes.to_string()), ("memory.oom.group", "1".into())];
            self.set(path, Layer::MemoryLimit, &settings)?;
            let _no_swap = fs::write(path.join("memory.swap.max"), "0");
            self.keeps("memory", bytes, "bytes");
        }
        if let (Some(thousandths), true) = (wanted.cpu, cpu) {
            let quota = quota(thousandths);
            let value = format!("{quota} {CPU_PERIOD_MICROS}");
            self.set(path, Layer::CpuLimit, &[("cpu.max", value)])?;
            self.keeps("cpu", thousandths.into(), "thousandths");
        }
        if let Some(time) = wanted.cpu_time {
            self.keeps("cpu_time", millis(time), "milliseconds");
        }
        self.group.files = Files {
            oom: Some(path.join("memory.events")),
            pids: Some(path.join("pids.events")),
            peak: Some(path.join("memory.peak")),
            clock: Some(Clock::Micros(path.join("cpu.stat"))),
        };
        self.enter(path, Layer::ProcessLimit)
    }

    /// The v2 group of a host whose limits are kept by the older hierarchies: it reaches what is
    /// frozen and what forks with one write.
    fn beside(&mut self, path: &Path) -> Result<(), LimitError> {
        self.folder(path, Layer::PidNamespace)?;
        self.enter(path, Layer::PidNamespace)
    }

    /// The ends of a v2 group; `cgroup.kill` has been there since Linux 5.14.
    fn enter(&mut self, path: &Path, layer: Layer) -> Result<(), LimitError> {
        self.group.join.at_birth = Some(File::open(path).map_err(failed(layer))?.into());
        let kill = fs::OpenOptions::new().write(true).open(path.join("cgroup.kill"));
        self.group.kill = kill.ok().map(OwnedFd::from);
        Ok(())
    }

    fn legacy_memory(&mut self, path: &Path, bytes: u64) -> Result<(), LimitError> {
        self.folder(path, Layer::MemoryLimit)?;
        let settings = [("memory.limit_in_bytes", bytes.to_string())];
        self.set(path, Layer::MemoryLimit, &settings)?;
        let _no_swap = fs::write(path.join("memory.memsw.limit_in_bytes"), bytes.to_string());
        self.group.files.oom = Some(path.join("memory.oom_control"));
        self.group.files.peak = Some(path.join("memory.max_usage_in_bytes"));
        self.keeps("memory", bytes, "bytes");
        self.tasks(path, Layer::MemoryLimit)
    }

    fn legacy_pids(&mut self, path: &Path, count: u64) -> Result<(), LimitError> {
        self.folder(path, Layer::ProcessLimit)?;
        self.set(path, Layer::ProcessLimit, &[("pids.max", count.to_string())])?;
        self.group.files.pids = Some(path.join("pids.events"));
        self.keeps("processes", count.saturating_sub(OWN_PROCESSES), "count");
        self.tasks(path, Layer::ProcessLimit)
    }

    fn legacy_cpu(&mut self, path: &Path, thousandths: u32) -> Result<(), LimitError> {
        self.folder(path, Layer::CpuLimit)?;
        let settings = [
            ("cpu.cfs_period_us", CPU_PERIOD_MICROS.to_string()),
            ("cpu.cfs_quota_us", quota(thousandths).to_string()),
        ];
        self.set(path, Layer::CpuLimit, &settings)?;
        self.keeps("cpu", thousandths.into(), "thousandths");
        self.tasks(path, Layer::CpuLimit)
    }

    fn legacy_cpu_time(&mut self, path: &Path, limit: Duration) -> Result<(), LimitError> {
        let shared = self.group.folders.iter().any(|folder| folder == path);
        if !shared {
            self.folder(path, Layer::CpuLimit)?;
            self.tasks(path, Layer::CpuLimit)?;
        }
        self.group.files.clock = Some(Clock::Nanos(path.join("cpuacct.usage")));
        self.keeps("cpu_time", millis(limit), "milliseconds");
        Ok(())
    }

    fn folder(&mut self, path: &Path, layer: Layer) -> Result<(), LimitError> {
        fs::create_dir(path).map_err(failed(layer))?;
        self.group.folders.push(path.to_owned());
        Ok(())
    }

    fn set(
        &self,
        folder: &Path,
        layer: Layer,
        settings: &[(&str, String)],
    ) -> Result<(), LimitError> {
        let written = settings.iter().try_for_each(|(name, value)| {
            let mut file = fs::OpenOptions::new().write(true).open(folder.join(name))?;
            io::Write::write_all(&mut file, value.as_bytes())
        });
        written.map_err(failed(layer))
    }

    fn tasks(&mut self, folder: &Path, layer: Layer) -> Result<(), LimitError> {
        let file = fs::OpenOptions::new().write(true).open(folder.join("tasks"));
        self.group.join.by_itself.push(file.map_err(failed(layer))?.into());
        Ok(())
    }

    fn keeps(&mut self, name: &'static str, value: u64, unit: &'static str) {
        self.in_force.push(limit(name, value, unit, self.mechanism));
    }
}

/// Microseconds of processor time per period; the kernel takes no less than one millisecond.
fn quota(thousandths: u32) -> u64 {
    (u64::from(thousandths) * CPU_PERIOD_MICROS / 1000).max(1000)
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn failed(layer: Layer) -> impl Fn(io::Error) -> LimitError {
    move |source| LimitError { layer, source: Some(source) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_by_key() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(keyed(text, "oom_kill"), Some(3));
        assert_eq!(keyed("max 17", "max"), Some(17));
        assert_eq!(keyed("low 0\nhigh 0\n", "max"), None);
        assert_eq!(keyed("max many", "max"), None);
        assert_eq!(keyed("Pss:  7 kB\nPss_Anon:      12 kB\n", "Pss_Anon:"), Some(12));
    }

    #[test]
    fn a_quota_is_never_too_small_for_the_kernel() {
        assert_eq!(quota(1000), CPU_PERIOD_MICROS);
        assert_eq!(quota(2500), 250_000);
        assert_eq!(quota(1), 1000);
    }

    /// A folder with the files of a v2 group, as the kernel makes them.
    fn unified_group() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("pids.max", "max\n"),
            ("memory.max", "max\n"),
            ("memory.oom.group", "0\n"),
            ("memory.swap.max", "max\n"),
            ("cpu.max", "max 100000\n"),
            ("cgroup.kill", ""),
            ("memory.events", "low 0\nhigh 0\nmax 12\noom 2\noom_kill 2\noom_group_kill 1\n"),
            ("pids.events", "max 3\n"),
            ("memory.peak", "1048576\n"),
            ("cpu.stat", "usage_usec 1500000\nuser_usec 0\n"),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn a_unified_group_is_set_joined_and_read() {
        let folder = unified_group();
        let path = folder.path();
        let wanted = Wanted {
            memory: Some(1 << 20),
            pids: 9,
            cpu: Some(500),
            cpu_time: Some(Duration::from_secs(2)),
        };
        let mut making = Making::new(Mechanism::CgroupV2);
        making.unified(path, &wanted, true).unwrap();
        let (group, in_force) = making.finish().unwrap();
        let mut group = group.unwrap();
        for (name, expect) in [
            ("pids.max", "9"),
            ("memory.max", "1048576"),
            ("memory.oom.group", "1"),
            ("memory.swap.max", "0"),
            ("cpu.max", "50000 100000"),
        ] {
            let text = fs::read_to_string(path.join(name)).unwrap();
            assert!(text.starts_with(expect), "{name}: {text}");
        }
        let names: Vec<_> = in_force.iter().map(|limit| (limit.name, limit.value)).collect();
        let expect = [("processes", 8), ("memory", 1 << 20), ("cpu", 500), ("cpu_time", 2000)];
        assert_eq!(names, expect);
        assert!(in_force.iter().all(|limit| limit.mechanism == Mechanism::CgroupV2));
        let expect = Observed { oom_kills: 2, forks_refused: 3, peak_memory: Some(1 << 20) };
        assert_eq!(group.observe(), expect);
        assert_eq!(group.clock(), Some(Clock::Micros(path.join("cpu.stat"))));
        let join = group.take_join();
        assert!(join.at_birth.is_some() && join.by_itself.is_empty());
        rustix::io::write(group.take_kill().unwrap(), b"1").unwrap();
        assert_eq!(fs::read_to_string(path.join("cgroup.kill")).unwrap(), "1");
    }

    #[test]
    fn a_group_without_the_processor_controller_keeps_no_quota() {
        let folder = unified_group();
        let wanted = Wanted { memory: None, pids: 9, cpu: Some(500), cpu_time: None };
        let mut making = Making::new(Mechanism::CgroupV2);
        making.unified(folder.path(), &wanted, false).unwrap();
        let (_, in_force) = making.finish().unwrap();
        assert_eq!(in_force.iter().map(|limit| limit.name).collect::<Vec<_>>(), ["processes"]);
    }

    #[test]
    fn a_limit_that_cannot_be_written_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let hierarchy = Hierarchy::Unified { folder: folder.path().to_owned(), cpu: false };
        let wanted = Wanted { memory: Some(1 << 20), pids: 8, cpu: None, cpu_time: None };
        let refused = Group::create(&hierarchy, &wanted, "1-1").unwrap_err();
        assert_eq!(refused.layer, Layer::ProcessLimit);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the group is removed");
    }
}
