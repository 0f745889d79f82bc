//! The group in which a sandbox's processes stand still.
//!
//! Made when it is first needed, because most sandboxes never are frozen and every group costs a
//! launch something. The first process is never put into it: it has to notice the end of the
//! supervisor. Uses `cgroup.freeze` of the unified hierarchy, else the older freezer.

use std::fs;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::hierarchy::{Mount, is_ours, legacy, own_path};

/// Where freezing groups can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Below a folder of the unified hierarchy.
    Unified(PathBuf),
    /// Below a folder of the older freezer.
    Legacy(PathBuf),
}

impl Place {
    /// The best one this process may use.
    pub(crate) fn discover() -> Option<Self> {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self::find(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"))
    }

    fn find(mounts: &str, own: &str) -> Option<Self> {
        let mounts = Mount::parse_all(mounts);
        unified(&mounts, own).map(Self::Unified).or_else(|| {
            let folder = legacy(&mounts, own, "freezer")?;
            is_ours(&folder).then_some(Self::Legacy(folder))
        })
    }

    /// The folder in which they are made.
    pub(crate) fn folder(&self) -> &Path {
        match self {
            Self::Unified(folder) | Self::Legacy(folder) => folder,
        }
    }
}

/// The nearest folder above this process in which groups can be made and processes moved.
fn unified(mounts: &[Mount], own: &str) -> Option<PathBuf> {
    let mount = mounts.iter().find(|mount| mount.is_unified())?;
    let start = mount.folder(own_path(own, "")?);
    let above = start.ancestors().take_while(|folder| folder.starts_with(mount.place()));
    above.map(Path::to_path_buf).find(|folder| is_ours(folder))
}

/// A freezing group, removed when dropped.
#[derive(Debug)]
pub(crate) struct Freezing {
    folder: PathBuf,
    is_unified: bool,
}

impl Freezing {
    /// Makes the group of the sandbox whose limiting groups are `groups`, already frozen, so that
    /// whatever is moved into it stops. Below a limiting group of the unified hierarchy where there
    /// is one, so that the limits go on.
    pub(crate) fn create(place: &Place, groups: &[PathBuf]) -> io::Result<Self> {
        let limiting = groups.iter().find(|folder| folder.join("cgroup.freeze").exists());
        // All groups of one sandbox have the same name.
        let name = groups.first().and_then(|folder| folder.file_name());
        let name = name.ok_or(io::ErrorKind::NotFound)?;
        let (folder, is_unified) = match (limiting, place) {
            (Some(limiting), _) => (limiting.join("frozen"), true),
            (None, Place::Unified(parent)) => (parent.join(name), true),
            (None, Place::Legacy(parent)) => (parent.join(name), false),
        };
        fs::create_dir(&folder)?;
        Ok(Self { folder, is_unified })
    }

    pub(crate) fn freeze(&self) -> io::Result<()> {
        self.set(if self.is_unified { "1" } else { "FROZEN" })
    }

    pub(crate) fn thaw(&self) -> io::Result<()> {
        self.set(if self.is_unified { "0" } else { "THAWED" })
    }

    /// Whether everything in it stands still.
    pub(crate) fn is_still(&self) -> io::Result<bool> {
        let file = if self.is_unified { "cgroup.events" } else { "freezer.state" };
        let text = fs::read_to_string(self.folder.join(file))?;
        let expect = if self.is_unified { "frozen 1" } else { "FROZEN" };
        Ok(text.lines().any(|line| line == expect))
    }

    /// Moves a process; one that has ended in the meantime is no fault.
    pub(crate) fn take(&self, pid: i32) -> io::Result<()> {
        match write(&self.folder.join("cgroup.procs"), &pid.to_string()) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            other => other,
        }
    }

    /// Its processes, by the caller's numbers.
    pub(crate) fn members(&self) -> io::Result<Vec<i32>> {
        members(&self.folder)
    }

    /// Lets everything in it die: a frozen process of the older freezer cannot even be killed.
    /// Errors are those of a group that is gone.
    pub(crate) fn kill(&self) {
        let _gone = match self.is_unified {
            true => write(&self.folder.join("cgroup.kill"), "1"),
            false => self.thaw(),
        };
    }

    /// For whoever must thaw it when this process no longer can; needed by the older freezer only.
    pub(crate) fn release(&self) -> io::Result<Option<OwnedFd>> {
        if self.is_unified {
            return Ok(None);
        }
        let file = fs::OpenOptions::new().write(true).open(self.state())?;
        Ok(Some(file.into()))
    }

    fn set(&self, state: &str) -> io::Result<()> {
        write(&self.state(), state)
    }

    fn state(&self) -> PathBuf {
        self.folder.join(if self.is_unified { "cgroup.freeze" } else { "freezer.state" })
    }
}

impl Drop for Freezing {
    /// The processes are dead by now; what fails is swept by a later supervisor.
    fn drop(&mut self) {
        let _left = fs::remove_dir(&self.folder);
    }
}

/// The processes of a group, by the caller's numbers.
pub(crate) fn members(folder: &Path) -> io::Result<Vec<i32>> {
    let text = fs::read_to_string(folder.join("cgroup.procs"))?;
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}

/// The kernel takes a setting in one piece, and never makes the file.
fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unified_hierarchy_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display();
        let own = "6:freezer:/own\n0::/user/app";
        let place = |name: &str| {
            let place = folder.path().join(name);
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join("cgroup.procs"), "").unwrap();
            place
        };
        let older = format!("38 31 0:35 / {root}/freezer rw - cgroup cgroup rw,freezer");
        let both = format!("{older}\n41 31 0:38 / {root}/unified rw - cgroup2 cgroup2 rw");
        assert_eq!(Place::find(&both, own), None);
        let own_older = place("freezer/own");
        assert_eq!(Place::find(&both, own), Some(Place::Legacy(own_older.clone())));
        let above = place("unified/user");
        assert_eq!(Place::find(&both, own), Some(Place::Unified(above)));
        assert_eq!(Place::find(&older, own), Some(Place::Legacy(own_older)));
        assert_eq!(Place::find("", own), None);
    }
}
