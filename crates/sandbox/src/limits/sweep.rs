//! Takes away what supervisors that no longer live have left: groups, and what still runs in them.
//!
//! A sandbox dies with its supervisor; a frozen one cannot, and an empty group has nobody to remove
//! it. A supervisor that lives, or of which nothing is known, is never touched (`epoch`).

use std::fs;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::epoch::{Epoch, Fate};
use crate::wait::readable;

/// How long the killed may take to be dead before their group is left for the next sweep.
pub const SWEEP_MAX: Duration = Duration::from_secs(5);
/// Between two tries to remove a group that the kernel still thinks busy.
const RETRY: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// What a sweep has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Groups that were removed.
    pub groups: usize,
    /// Processes that were still in them and were killed.
    pub processes: usize,
    /// Groups of dead supervisors that could not be removed; the next sweep tries again.
    pub left: Vec<PathBuf>,
}

/// Sweeps every folder in which groups are made.
pub(crate) fn sweep<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Swept {
    let (own, mut swept) = (Epoch::own(), Swept::default());
    for folder in folders {
        for group in orphans(folder, own) {
            swept.take_away(group);
        }
    }
    swept
}

impl Swept {
    /// A group may have groups below it, one level deep, which go first.
    fn take_away(&mut self, group: PathBuf) {
        for below in folders(&group).into_iter().chain([group.clone()]) {
            self.processes += kill(&below);
            match remove(&below, Instant::now() + SWEEP_MAX) {
                Ok(()) | Err(Errno::NOENT) if below == group => self.groups += 1,
                Ok(()) | Err(Errno::NOENT) => {}
                Err(_) => self.left.push(below),
            }
        }
    }
}

fn folders(group: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}

/// The groups in `folder` whose supervisor is dead.
fn orphans(folder: &Path, own: Epoch) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let dead = |name: &str| Epoch::of_group(name).is_some_and(|it| it.fate(own) == Fate::Dead);
    let found = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(dead));
    found.map(|entry| entry.path()).collect()
}

/// Kills everything in a group and waits until it is dead; returns how many there were.
fn kill(group: &Path) -> usize {
    let deadline = Instant::now() + SWEEP_MAX;
    let mut killed = 0;
    loop {
        let members = members(group);
        if members.is_empty() || Instant::now() >= deadline {
            return killed;
        }
        killed += members.len();
        // One write reaches what is frozen and what forks; the older hierarchies do not have it,
        // and what their freezer holds has to be thawed to die.
        let _absent = set(&group.join("cgroup.kill"), "1");
        let _absent = set(&group.join("freezer.state"), "THAWED");
        for (_, process) in &members {
            let _dead = pidfd_send_signal(process, Signal::KILL);
        }
        for (_, process) in &members {
            let _late = readable(process, deadline);
        }
    }
}

/// Never makes the file.
fn set(path: &Path, value: &str) -> std::io::Result<()> {
    fs::OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

/// The processes of a group, held so that none of them can come to mean another one: an id that
/// is still listed after its descriptor was opened was a member when it was.
fn members(group: &Path) -> Vec<(i32, OwnedFd)> {
    let listed = || {
        let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse::<i32>().ok()).collect::<Vec<_>>()
    };
    let open = |pid| Some((pid, pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?));
    let held: Vec<_> = listed().into_iter().filter_map(open).collect();
    let still = listed();
    held.into_iter().filter(|(pid, _)| still.contains(pid)).collect()
}

/// The dead leave a group shortly after they are seen to be dead.
fn remove(group: &Path, deadline: Instant) -> Result<(), Errno> {
    loop {
        match rustix::fs::rmdir(group) {
            Err(Errno::BUSY) if Instant::now() < deadline => {
                let _interrupted = poll(&mut [], Some(&RETRY));
            }
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_groups_of_the_dead_are_orphans() {
        let folder = tempfile::tempdir().unwrap();
        let own = Epoch::own();
        let dead = own.to_string().replacen(&std::process::id().to_string(), "4194305", 1);
        let living = format!("palisade-{own}-1");
        let orphan = format!("palisade-{dead}-1");
        for name in [&living, &orphan, "palisade-supervisor", "palisade-1-1", "other"] {
            fs::create_dir_all(folder.path().join(name).join("frozen")).unwrap();
        }
        let swept = sweep([folder.path()]);
        assert_eq!(swept, Swept { groups: 1, ..Swept::default() });
        assert!(!folder.path().join(orphan).exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
        assert_eq!(sweep([folder.path()]), Swept::default());
    }

    #[test]
    fn a_group_that_cannot_be_removed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let group = folder.path().join("palisade-4194305-1-1-1");
        fs::create_dir_all(group.join("below/below")).unwrap();
        let name = group.file_name().unwrap().to_str().unwrap().to_owned();
        let own = Epoch::of_group(&name.replacen("4194305", "1", 1)).unwrap();
        assert_eq!(orphans(folder.path(), own), std::slice::from_ref(&group));
        let mut swept = Swept::default();
        swept.take_away(group.clone());
        assert_eq!(swept, Swept { left: vec![group.join("below"), group], ..Swept::default() });
    }
}
