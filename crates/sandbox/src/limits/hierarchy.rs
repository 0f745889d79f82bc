//! Where on this host control groups can be made, found once per process.
//!
//! A v2 folder counts only if it hands memory and process limits on to its children and this
//! process may move others into them; otherwise v1 folders of the caller's own groups are used.
//! The reading is pure (`Mounts::parse`, `own_paths`) and tested on text of several hosts.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::group::PREFIX;

/// Folders in which groups are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hierarchy {
    /// One folder for everything; `cpu` is whether it hands on the processor controller.
    Unified { folder: PathBuf, cpu: bool },
    /// A folder per controller.
    Legacy { memory: Option<PathBuf>, pids: Option<PathBuf>, cpu: Option<PathBuf> },
    /// Nothing is delegated.
    Absent,
}

impl Hierarchy {
    /// Looks at the host, and removes empty groups that dead supervisors left behind.
    pub(super) fn find(mounts: &str, own: &str) -> Self {
        let mounts = Mount::parse_all(mounts);
        if let Some(unified) = unified(&mounts, own) {
            return unified;
        }
        let folder =
            |controller: &str| legacy(&mounts, own, controller).filter(|path| is_ours(path));
        match (folder("memory"), folder("pids"), folder("cpu")) {
            (None, None, None) => Self::Absent,
            (memory, pids, cpu) => Self::Legacy { memory, pids, cpu },
        }
    }

    /// The hierarchy of this process.
    pub(crate) fn discover() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let found = Self::find(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
        found.folders().into_iter().for_each(sweep);
        found
    }

    /// Every folder in which groups are made.
    pub(crate) fn folders(&self) -> Vec<&Path> {
        match self {
            Self::Unified { folder, .. } => vec![folder],
            Self::Legacy { memory, pids, cpu } => {
                [memory, pids, cpu].into_iter().flatten().map(PathBuf::as_path).collect()
            }
            Self::Absent => Vec::new(),
        }
    }
}

/// One line of `mountinfo` that is about control groups.
struct Mount {
    root: PathBuf,
    place: PathBuf,
    /// Controllers of a v1 mount; empty for v2.
    controllers: Vec<String>,
    unified: bool,
}

impl Mount {
    fn parse_all(text: &str) -> Vec<Self> {
        text.lines().filter_map(Self::parse).collect()
    }

    /// Fields as in proc_pid_mountinfo(5): the optional ones end at a lone dash.
    fn parse(line: &str) -> Option<Self> {
        let (first, second) = line.split_once(" - ")?;
        let mut fields = first.split(' ').skip(3);
        let (root, place) = (fields.next()?, fields.next()?);
        let mut kind = second.split(' ');
        let unified = match kind.next()? {
            "cgroup2" => true,
            "cgroup" => false,
            _ => return None,
        };
        let options = kind.nth(1).unwrap_or_default();
        Some(Self {
            root: root.into(),
            place: place.into(),
            controllers: options.split(',').map(str::to_owned).collect(),
            unified,
        })
    }

    /// The folder of the group `path` under this mount.
    fn folder(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.root) {
            Ok(rest) if rest.as_os_str().is_empty() => self.place.clone(),
            Ok(rest) => self.place.join(rest),
            Err(_) => self.place.clone(),
        }
    }
}

/// The own group of a controller, from lines such as `4:memory:/user`; v2 has no name.
fn own_path<'a>(own: &'a str, controller: &str) -> Option<&'a Path> {
    own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let names = fields.next()?;
        let path = fields.next()?;
        names.split(',').any(|name| name == controller).then_some(Path::new(path))
    })
}

fn legacy(mounts: &[Mount], own: &str, controller: &str) -> Option<PathBuf> {
    let mount = mounts
        .iter()
        .find(|mount| !mount.unified && mount.controllers.iter().any(|name| name == controller))?;
    Some(mount.folder(own_path(own, controller)?))
}

/// The nearest group above this process that is ours to divide and limits its children.
fn unified(mounts: &[Mount], own: &str) -> Option<Hierarchy> {
    let mount = mounts.iter().find(|mount| mount.unified)?;
    let start = mount.folder(own_path(own, "")?);
    start.ancestors().take_while(|folder| folder.starts_with(&mount.place)).find_map(|folder| {
        let control = std::fs::read_to_string(folder.join("cgroup.subtree_control")).ok()?;
        let hands_on = |name: &str| control.split_whitespace().any(|known| known == name);
        let usable = hands_on("memory") && hands_on("pids") && is_ours(folder);
        usable.then(|| Hierarchy::Unified { folder: folder.to_owned(), cpu: hands_on("cpu") })
    })
}

/// Groups can be made there, and processes moved into them.
fn is_ours(folder: &Path) -> bool {
    access(folder, Access::WRITE_OK).is_ok()
        && access(folder.join("cgroup.procs"), Access::WRITE_OK).is_ok()
}

/// Removes groups whose supervisor is dead. They are empty, because the first process of a
/// sandbox dies with its supervisor; a group that is not is left alone by `rmdir`.
fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        if let Some(pid) = owner.and_then(|pid| pid.parse::<u32>().ok())
            && !Path::new(&format!("/proc/{pid}")).exists()
        {
            let _busy = std::fs::remove_dir(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:7 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw";

    fn check(own: &str, controller: &str, expect: Option<&str>) {
        let found = legacy(&Mount::parse_all(HYBRID), own, controller);
        assert_eq!(found, expect.map(PathBuf::from), "{own} {controller}");
    }

    #[test]
    fn own_groups_are_found_by_controller() {
        check("4:memory:/a/b\n1:cpu:/\n0::/x", "memory", Some("/sys/fs/cgroup/memory/a/b"));
        check("4:memory:/a/b\n1:cpu:/\n0::/x", "cpu", Some("/sys/fs/cgroup/cpu"));
        check("3:cpu,cpuacct:/c", "cpu", Some("/sys/fs/cgroup/cpu/c"));
        check("4:memory:/a", "pids", None);
        check("", "memory", None);
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_root() {
        let line = "35 31 0:32 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";
        let found = legacy(&Mount::parse_all(line), "4:memory:/docker/x", "memory");
        assert_eq!(found, Some(PathBuf::from("/sys/fs/cgroup/memory")));
    }

    #[test]
    fn a_unified_folder_counts_only_with_both_controllers() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("user/app");
        std::fs::create_dir_all(&place).unwrap();
        let root = folder.path().display();
        let mounts = format!("41 31 0:38 / {root} rw - cgroup2 cgroup2 rw");
        let mounts = Mount::parse_all(&mounts);
        let write = |path: &Path, text| std::fs::write(path, text).unwrap();
        write(&place.join("cgroup.subtree_control"), "memory\n");
        write(&folder.path().join("user/cgroup.procs"), "");
        write(&folder.path().join("user/cgroup.subtree_control"), "cpu memory pids\n");
        let expect = Hierarchy::Unified { folder: folder.path().join("user"), cpu: true };
        assert_eq!(unified(&mounts, "0::/user/app"), Some(expect));
        write(&folder.path().join("user/cgroup.subtree_control"), "cpu memory\n");
        assert_eq!(unified(&mounts, "0::/user/app"), None);
    }
}
