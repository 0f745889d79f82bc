//! Where on this host control groups can be made, found once per process.
//!
//! A v2 folder counts only if it hands memory and process limits on to its children and this
//! process may move others into them; otherwise v1 folders of the caller's own groups are used,
//! with a v2 one beside them to kill and freeze everything inside at once. The reading is pure
//! (`Mount::parse`, `own_path`) and tested on text of several hosts.

use std::path::{Component, Path, PathBuf};

use rustix::fs::{Access, access};

use super::delegation;

/// Folders in which groups are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hierarchy {
    /// One folder for everything; `cpu` is whether it hands on the processor controller.
    Unified { folder: PathBuf, cpu: bool },
    /// A folder per controller.
    Legacy(Legacy),
    /// Nothing is delegated.
    Absent,
}

/// Folders of a host that still has the older hierarchies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Legacy {
    pub(crate) memory: Option<PathBuf>,
    pub(crate) pids: Option<PathBuf>,
    pub(crate) cpu: Option<PathBuf>,
    /// Where processor time is counted; often the same folder as `cpu`.
    pub(crate) cpuacct: Option<PathBuf>,
    /// The v2 folder beside them, which limits nothing.
    pub(crate) unified: Option<PathBuf>,
}

impl Hierarchy {
    /// Looks at the host.
    pub(super) fn find(mounts: &str, own: &str) -> Self {
        let mounts = Mount::parse_all(mounts);
        if let Some(unified) = unified(&mounts, own).or_else(|| undivided(&mounts, own)) {
            return unified;
        }
        let folder =
            |controller: &str| legacy(&mounts, own, controller).filter(|path| is_ours(path));
        let found = Legacy {
            memory: folder("memory"),
            pids: folder("pids"),
            cpu: folder("cpu"),
            cpuacct: folder("cpuacct"),
            unified: beside(&mounts, own),
        };
        let limits = [&found.memory, &found.pids, &found.cpu, &found.cpuacct];
        if limits.into_iter().all(Option::is_none) { Self::Absent } else { Self::Legacy(found) }
    }

    /// The hierarchy of this process. Where it has a v2 group to itself, it moves one level down.
    pub(crate) fn discover() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        Self::find(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"))
    }

    /// Every folder in which groups are made.
    pub(crate) fn folders(&self) -> Vec<&Path> {
        match self {
            Self::Unified { folder, .. } => vec![folder],
            Self::Legacy(Legacy { memory, pids, cpu, cpuacct, unified }) => {
                let all = [memory, pids, cpu, cpuacct, unified];
                let mut folders: Vec<&Path> =
                    all.into_iter().flatten().map(PathBuf::as_path).collect();
                folders.dedup();
                folders
            }
            Self::Absent => Vec::new(),
        }
    }
}

/// One line of `mountinfo` that is about control groups.
pub(super) struct Mount {
    root: PathBuf,
    place: PathBuf,
    /// Controllers of a v1 mount; empty for v2.
    controllers: Vec<String>,
    unified: bool,
}

impl Mount {
    pub(super) fn parse_all(text: &str) -> Vec<Self> {
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

    pub(super) fn is_unified(&self) -> bool {
        self.unified
    }

    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// The folder of the group `path` under this mount.
    /// A group outside of what is mounted, such as `/../x` in a cgroup namespace, has none; then
    /// the mount's own root is what this process was given.
    pub(super) fn folder(&self, path: &Path) -> PathBuf {
        let above = path.components().any(|part| part == Component::ParentDir);
        match path.strip_prefix(&self.root) {
            Ok(rest) if !rest.as_os_str().is_empty() && !above => self.place.join(rest),
            _ => self.place.clone(),
        }
    }
}

/// The own group of a controller, from lines such as `4:memory:/user`; v2 has no name.
pub(super) fn own_path<'a>(own: &'a str, controller: &str) -> Option<&'a Path> {
    own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let names = fields.next()?;
        let path = fields.next()?;
        names.split(',').any(|name| name == controller).then_some(Path::new(path))
    })
}

pub(super) fn legacy(mounts: &[Mount], own: &str, controller: &str) -> Option<PathBuf> {
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

/// The group of this process itself, where it is handed to it and not divided yet.
fn undivided(mounts: &[Mount], own: &str) -> Option<Hierarchy> {
    let mount = mounts.iter().find(|mount| mount.unified)?;
    delegation::divide(&mount.folder(own_path(own, "")?), std::process::id())
}

/// A v2 folder that limits nothing, but kills and freezes.
fn beside(mounts: &[Mount], own: &str) -> Option<PathBuf> {
    let mount = mounts.iter().find(|mount| mount.unified)?;
    Some(mount.folder(own_path(own, "")?)).filter(|folder| is_ours(folder))
}

/// Groups can be made there, and processes moved into them.
pub(super) fn is_ours(folder: &Path) -> bool {
    access(folder, Access::WRITE_OK).is_ok()
        && access(folder.join("cgroup.procs"), Access::WRITE_OK).is_ok()
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
    fn a_group_outside_of_the_namespace_is_the_mount_itself() {
        let line = "41 31 0:38 /.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
        let mounts = Mount::parse_all(line);
        for own in ["/../user.slice/x", "/..", "/../.."] {
            assert_eq!(mounts[0].folder(Path::new(own)), Path::new("/sys/fs/cgroup"), "{own}");
        }
    }

    #[test]
    fn an_older_host_uses_its_controllers_and_the_newer_one_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["memory", "cpu,cpuacct", "unified"] {
            std::fs::create_dir(root.join(name)).unwrap();
            std::fs::write(root.join(name).join("cgroup.procs"), "").unwrap();
        }
        let at = |name: &str| root.join(name).display().to_string();
        let mounts = format!(
            "1 0 0:1 / {} rw - cgroup cgroup rw,memory\n\
             2 0 0:2 / {} rw - cgroup cgroup rw,cpu,cpuacct\n\
             3 0 0:3 / {} rw - cgroup2 cgroup2 rw",
            at("memory"),
            at("cpu,cpuacct"),
            at("unified")
        );
        let own = "5:memory:/\n4:cpu,cpuacct:/\n3:pids:/\n0::/";
        let expect = Legacy {
            memory: Some(root.join("memory")),
            pids: None,
            cpu: Some(root.join("cpu,cpuacct")),
            cpuacct: Some(root.join("cpu,cpuacct")),
            unified: Some(root.join("unified")),
        };
        let found = Hierarchy::find(&mounts, own);
        assert_eq!(found, Hierarchy::Legacy(expect));
        assert_eq!(found.folders().len(), 3, "a folder shared by two controllers is one");
        std::fs::remove_file(root.join("unified/cgroup.procs")).unwrap();
        let Hierarchy::Legacy(found) = Hierarchy::find(&mounts, own) else { panic!() };
        assert_eq!(found.unified, None);
        assert_eq!(Hierarchy::find("", own), Hierarchy::Absent);
    }

    #[test]
    fn a_group_that_was_handed_over_whole_is_divided_when_nothing_above_will_do() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("app.scope");
        std::fs::create_dir(&place).unwrap();
        for (name, text) in [
            ("cgroup.controllers", "cpu memory pids\n"),
            ("cgroup.procs", &*std::process::id().to_string()),
            ("cgroup.type", "domain\n"),
            ("cgroup.subtree_control", ""),
        ] {
            std::fs::write(place.join(name), text).unwrap();
        }
        let mounts = format!("41 31 0:38 / {} rw - cgroup2 cgroup2 rw", folder.path().display());
        let expect = Hierarchy::Unified { folder: place.clone(), cpu: true };
        assert_eq!(Hierarchy::find(&mounts, "0::/app.scope\n"), expect);
        let members = std::fs::read_to_string(place.join("palisade-supervisor/cgroup.procs"));
        assert_eq!(members.unwrap(), std::process::id().to_string());
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
