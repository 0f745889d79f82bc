//! A cgroup v2 folder that was handed to this process and not divided yet: divides it.
//!
//! `Delegate=yes` and containers with a group of their own leave the process in the very folder it
//! may divide, and the kernel hands controllers on only from a folder without processes. So the
//! supervisor moves itself one level down. It moves nobody else: with others in the folder nothing
//! is done. Finding a folder that is divided already is in `hierarchy`.

use std::fs;
use std::io;
use std::path::Path;

use super::hierarchy::{Hierarchy, is_ours};

/// Where the supervisor goes; not the name of any sandbox's group.
const LEAF: &str = "palisade-supervisor";
/// Controllers without which a folder is of no use.
const NEEDED: [&str; 2] = ["memory", "pids"];

/// Makes `folder`, the group of process `own`, hand its controllers on, if it may be divided.
pub(super) fn divide(folder: &Path, own: u32) -> Option<Hierarchy> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let offered = read("cgroup.controllers")?;
    let offers = |name: &str| offered.split_whitespace().any(|known| known == name);
    if !is_ours(folder) || !NEEDED.into_iter().all(offers) {
        return None;
    }
    // Only the host's own root has no type, and only it may hold processes and hand on as well.
    let is_root = !folder.join("cgroup.type").exists();
    if !is_root {
        let members = read("cgroup.procs")?;
        if !members.lines().eq([own.to_string()]) {
            return None;
        }
        move_down(folder, own).ok()?;
    }
    if NEEDED.into_iter().any(|name| hand_on(folder, name).is_err()) {
        if !is_root {
            move_back(folder, own);
        }
        return None;
    }
    let cpu = offers("cpu") && hand_on(folder, "cpu").is_ok();
    Some(Hierarchy::Unified { folder: folder.to_owned(), cpu })
}

fn hand_on(folder: &Path, controller: &str) -> io::Result<()> {
    fs::write(folder.join("cgroup.subtree_control"), format!("+{controller}"))
}

fn move_down(folder: &Path, own: u32) -> io::Result<()> {
    let leaf = folder.join(LEAF);
    match fs::create_dir(&leaf) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::write(leaf.join("cgroup.procs"), own.to_string())
}

fn move_back(folder: &Path, own: u32) {
    let _stays = fs::write(folder.join("cgroup.procs"), own.to_string());
    let _stays = fs::remove_dir(folder.join(LEAF));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that looks like a group with these controllers and processes.
    fn group(controllers: &str, processes: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("cgroup.controllers", controllers),
            ("cgroup.procs", processes),
            ("cgroup.type", "domain\n"),
            ("cgroup.subtree_control", ""),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_of_its_own_is_divided_and_the_supervisor_moves_down() {
        let folder = group("cpu memory pids\n", "41\n");
        let expect = Hierarchy::Unified { folder: folder.path().to_owned(), cpu: true };
        assert_eq!(divide(folder.path(), 41), Some(expect));
        let moved = folder.path().join(LEAF).join("cgroup.procs");
        assert_eq!(fs::read_to_string(moved).unwrap(), "41");
        let without = group("memory pids\n", "41\n");
        let expect = Hierarchy::Unified { folder: without.path().to_owned(), cpu: false };
        assert_eq!(divide(without.path(), 41), Some(expect));
    }

    #[test]
    fn nothing_is_done_where_others_live_or_a_controller_is_missing() {
        for (controllers, processes) in
            [("memory pids\n", "41\n42\n"), ("memory\n", "41\n"), ("memory pids\n", "0\n")]
        {
            let folder = group(controllers, processes);
            assert_eq!(divide(folder.path(), 41), None, "{controllers} {processes}");
            assert!(!folder.path().join(LEAF).exists());
        }
    }

    #[test]
    fn the_host_s_root_is_divided_without_moving_anybody() {
        let folder = group("cpu memory pids\n", "1\n2\n41\n");
        fs::remove_file(folder.path().join("cgroup.type")).unwrap();
        assert!(divide(folder.path(), 41).is_some());
        assert!(!folder.path().join(LEAF).exists());
    }

    #[test]
    fn a_refusal_leaves_the_supervisor_where_it_was() {
        let folder = group("memory pids\n", "41\n");
        fs::remove_file(folder.path().join("cgroup.subtree_control")).unwrap();
        fs::create_dir(folder.path().join("cgroup.subtree_control")).unwrap();
        assert_eq!(divide(folder.path(), 41), None);
        assert_eq!(fs::read_to_string(folder.path().join("cgroup.procs")).unwrap(), "41");
    }
}
