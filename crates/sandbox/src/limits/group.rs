//! The control groups of one sandbox: made, joined, read, removed.
//!
//! Where they can be made is found by `hierarchy`. A setting that cannot be written is an error,
//! never a warning: a limit in the receipt was accepted by the kernel.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::{Hierarchy, LimitError, LimitInForce, Mechanism, OWN_PROCESSES, Wanted, limit};
use crate::layer::Layer;

/// Groups are called `palisade-<supervisor>-<number>`.
pub(super) const PREFIX: &str = "palisade-";
/// Length of the accounting period for processor time, in microseconds.
const CPU_PERIOD_MICROS: u64 = 100_000;

/// One folder per hierarchy, removed when dropped.
#[derive(Debug)]
pub(crate) struct Group {
    folders: Vec<PathBuf>,
    join: Option<Join>,
    files: Files,
}

/// How a process gets into the group.
#[derive(Debug)]
pub(crate) enum Join {
    /// `clone3` makes it there.
    AtBirth(OwnedFd),
    /// It writes itself into each file; a single thread moving itself takes no global lock.
    ByItself(Vec<OwnedFd>),
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
                making.unified(&folder.join(name), wanted, *cpu)?;
                making.finish()
            }
            Hierarchy::Legacy { memory, pids, cpu } => {
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
                making.finish()
            }
        }
    }

    /// The ends through which a process joins; they can be taken once.
    pub(crate) fn take_join(&mut self) -> Option<Join> {
        self.join.take()
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

/// The value of `key` in lines of `key value`.
fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        (name == key).then(|| value.trim().parse().ok())?
    })
}

/// A group being made; dropping it removes what was made so far.
struct Making {
    group: Group,
    mechanism: Mechanism,
    tasks: Vec<OwnedFd>,
    in_force: Vec<LimitInForce>,
}

impl Making {
    fn new(mechanism: Mechanism) -> Self {
        Self {
            group: Group { folders: Vec::new(), join: None, files: Files::default() },
            mechanism,
            tasks: Vec::new(),
            in_force: Vec::new(),
        }
    }

    fn finish(mut self) -> Result<(Option<Group>, Vec<LimitInForce>), LimitError> {
        if !self.tasks.is_empty() {
            self.group.join = Some(Join::ByItself(self.tasks));
        }
        Ok((Some(self.group), self.in_force))
    }

    fn unified(&mut self, path: &Path, wanted: &Wanted, cpu: bool) -> Result<(), LimitError> {
        self.folder(path, Layer::ProcessLimit)?;
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
        self.group.files = Files {
            oom: Some(path.join("memory.events")),
            pids: Some(path.join("pids.events")),
            peak: Some(path.join("memory.peak")),
        };
        let folder = File::open(path).map_err(failed(Layer::ProcessLimit))?;
        self.group.join = Some(Join::AtBirth(folder.into()));
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
        self.tasks.push(file.map_err(failed(layer))?.into());
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
    }

    #[test]
    fn a_quota_is_never_too_small_for_the_kernel() {
        assert_eq!(quota(1000), CPU_PERIOD_MICROS);
        assert_eq!(quota(2500), 250_000);
        assert_eq!(quota(1), 1000);
    }

    #[test]
    fn a_limit_that_cannot_be_written_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let hierarchy = Hierarchy::Unified { folder: folder.path().to_owned(), cpu: false };
        let wanted = Wanted { memory: Some(1 << 20), pids: 8, cpu: None };
        let refused = Group::create(&hierarchy, &wanted, "1-1").unwrap_err();
        assert_eq!(refused.layer, Layer::ProcessLimit);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the group is removed");
    }
}
