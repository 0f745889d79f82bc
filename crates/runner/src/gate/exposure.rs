//! Whether a folder shown to a program would show keys with it, or the state of this project or another one.
//!
//! Policy decides about the path of a mount; what it lies in and what lies below it is looked at here, so that no
//! other name for a folder, and no folder further up, brings along what a built-in rule protects.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::mounted::Mounted;
use crate::layout::{STATE_FILES, STATE_FOLDER};

/// Folders that hold keys.
const KEY_FOLDERS: [&str; 3] = [".ssh", ".gnupg", ".aws"];
/// How deep below a mount's source key folders are looked for: a home folder, and the folder of all homes.
const DEPTH: usize = 2;
/// Most entries looked at in one folder; one with more is treated as exposing something.
const ENTRIES: usize = 10_000;

/// What mounting `source` would show that must stay hidden, in words; `None` when nothing is. All are absolute; `state`
/// is where the project's state is kept. What cannot be told counts as shown.
pub(super) fn of((project, state): (&Path, &Path), source: &Path) -> Option<String> {
    if project.starts_with(source) {
        let why = "it holds the project's state folder, which is hidden in the workspace alone";
        return Some(why.to_owned());
    }
    if let Some(found) = source.ancestors().find(|above| is_state(above, state)) {
        return Some(format!("`{}` is a state folder", found.display()));
    }
    let state = state.canonicalize().unwrap_or_else(|_| state.to_path_buf());
    if state.ancestors().any(|above| above == source || same(above, source)) {
        return Some("it holds the project's state folder, which is nowhere shown".to_owned());
    }
    let mounted = match Mounted::now() {
        Ok(mounted) => mounted,
        Err(error) => return Some(format!("it cannot be told what is mounted there: {error}")),
    };
    if mounted.shows(source, &state) {
        return Some("the project's state folder is mounted there too".to_owned());
    }
    if let Some(point) = mounted.processes(source) {
        return Some(format!("`{}` shows the processes of this machine", point.display()));
    }
    below(source, (&state, DEPTH))
}

/// Whether a folder is where `state` is, or looks like anybody's state folder.
fn is_state(folder: &Path, state: &Path) -> bool {
    let named = folder.file_name().is_some_and(|name| name.eq_ignore_ascii_case(STATE_FOLDER));
    named
        || folder == state
        || same(folder, state)
        || STATE_FILES.iter().any(|file| folder.join(file).symlink_metadata().is_ok())
}

/// Whether two paths lead to one folder, however they are spelled.
fn same(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    identity(one).is_some_and(|found| identity(other) == Some(found))
}

fn below(folder: &Path, (state, depth): (&Path, usize)) -> Option<String> {
    let unread = || Some(format!("`{}` cannot be looked through", folder.display()));
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotADirectory | ErrorKind::NotFound) => {
            return None;
        }
        Err(_) if is_closed(folder) => return None,
        Err(_) => return unread(),
    };
    for (count, entry) in entries.enumerate() {
        if count >= ENTRIES {
            let folder = folder.display();
            return Some(format!("`{folder}` has too many entries to be looked through"));
        }
        let Ok((kind, entry)) = entry.and_then(|entry| Ok((entry.file_type()?, entry))) else {
            return unread();
        };
        if !kind.is_dir() {
            continue;
        }
        let path = entry.path();
        let name = entry.file_name();
        if KEY_FOLDERS.iter().any(|key| name.eq_ignore_ascii_case(key)) || is_state(&path, state) {
            return Some(format!("`{}` lies below it", path.display()));
        }
        if depth > 1
            && let Some(found) = below(&path, (state, depth - 1))
        {
            return Some(found);
        }
    }
    None
}

/// Whether a folder is somebody else's and cannot even be entered: then a program of this user finds nothing in it.
/// One that can be entered and not listed shows whatever can be guessed by name.
fn is_closed(folder: &Path) -> bool {
    let foreign = |found: fs::Metadata| found.uid() != rustix::process::geteuid().as_raw();
    let entered = accessat(CWD, folder, Access::EXEC_OK, AtFlags::EACCESS);
    folder.symlink_metadata().is_ok_and(foreign) && entered == Err(rustix::io::Errno::ACCESS)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    use super::*;

    /// A folder with homes, a project whose state is elsewhere, and somebody else's state folder.
    fn place() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for path in [
            "home/alice/.ssh",
            "home/bob/work",
            "home/carol/.SSH",
            "work/project/docs",
            "work/project/.palisade",
            "work/other/deep/.palisade/keys",
            "kept/deep/er/state/keys",
            "served/theirs/keys",
            "stored/theirs/keys",
        ] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        fs::write(root.join("stored/theirs/palisade.db"), "").unwrap();
        drop(UnixListener::bind(root.join("served/theirs/peer.sock")).unwrap());
        symlink("theirs", root.join("stored/link")).unwrap();
        (folder, root)
    }

    #[test]
    fn a_folder_that_shows_keys_or_any_state_is_found_from_above_and_from_within() {
        let (_folder, root) = place();
        let check = |source: &str, exposes: bool| {
            let (project, state) = (root.join("work/project"), root.join("kept/deep/er/state"));
            let found = of((&project, &state), &root.join(source));
            assert_eq!(found.is_some(), exposes, "{source}: {found:?}");
        };
        check("home", true);
        check("home/alice", true);
        check("home/carol", true);
        check("work", true);
        check("work/project", true);
        check("work/project/.palisade", true);
        check("work/other", true);
        check("work/other/deep/.palisade/keys", true);
        check("kept", true);
        check("kept/deep/er", true);
        check("kept/deep/er/state", true);
        check("kept/deep/er/state/keys", true);
        check("stored", true);
        check("stored/theirs/palisade.db", true);
        check("served", true);
        check("served/theirs/keys", true);
        // Controls: what lies beside all of that.
        check("home/bob", false);
        check("work/project/docs", false);
    }

    #[test]
    fn a_folder_that_cannot_be_looked_through_counts_as_showing_something() {
        let (_folder, root) = place();
        let check = |mode: u32, expect: bool| {
            let closed = root.join("home/bob/work");
            fs::set_permissions(&closed, fs::Permissions::from_mode(mode)).unwrap();
            let (project, state) = (root.join("work/project"), root.join("kept/deep/er/state"));
            let found = of((&project, &state), &root.join("home/bob"));
            assert_eq!(found.is_some(), expect, "{mode:o}: {found:?}");
            fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        };
        check(0o700, false);
        // Nothing is closed to root.
        let closed = !rustix::process::geteuid().is_root();
        check(0o100, closed);
        check(0o000, closed);
    }
}
