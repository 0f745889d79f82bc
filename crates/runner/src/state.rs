//! Whether a state folder is this user's own, and everything in it that we use is what its name says.
//!
//! A repository can bring a state folder, and with it symbolic links under our names. What they lead to would be
//! emptied, resized or removed in good faith, so nothing is used before none was found. Contents are not judged here.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::layout::LayoutError;

/// What the names of the journal's files begin with.
const FILES: &str = "palisade.db";

/// The other names in a state folder that are ours, and how many levels of folders below each are looked at: as deep
/// as we open, rename or remove something by a name that can be known before.
const NAMES: [(&str, u32); 10] = [
    ("anchors.git", 1),
    ("archive", 1),
    ("artifacts", 2),
    ("empty", 1),
    ("keys", 2),
    ("merges", 2),
    ("openings", 1),
    ("peer.sock", 0),
    ("secrets", 1),
    ("tiles", 4),
];

/// Refuses a folder that is a link, belongs to somebody else, or has a link in the place of something of ours.
///
/// One that is not there passes, and so does what is no folder: making it fails.
pub(crate) fn check(folder: &Path) -> Result<(), LayoutError> {
    let Ok(found) = fs::symlink_metadata(folder) else { return Ok(()) };
    if found.is_symlink() {
        return Err(LayoutError::Link { path: folder.to_path_buf() });
    }
    let owner = found.uid();
    if found.is_dir() && owner != geteuid().as_raw() && owner != 0 {
        return Err(LayoutError::Foreign { path: folder.to_path_buf(), owner });
    }
    match link_among_ours(folder) {
        Some(path) => Err(LayoutError::Link { path }),
        None => Ok(()),
    }
}

fn link_among_ours(folder: &Path) -> Option<PathBuf> {
    let levels = |name: &str| {
        let known = NAMES.iter().find(|(known, _)| *known == name).map(|(_, levels)| *levels);
        known.or_else(|| name.starts_with(FILES).then_some(0))
    };
    // A folder that cannot be read says so at its first use.
    let mut entries = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    entries.find_map(|entry| link_in(&entry, levels(entry.file_name().to_str()?)?))
}

/// The first link at an entry or so many levels below it.
fn link_in(entry: &fs::DirEntry, levels: u32) -> Option<PathBuf> {
    let kind = entry.file_type().ok()?;
    if kind.is_symlink() {
        return Some(entry.path());
    }
    let below = levels.checked_sub(1).filter(|_| kind.is_dir())?;
    fs::read_dir(entry.path()).ok()?.filter_map(Result::ok).find_map(|entry| link_in(&entry, below))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    #[test]
    fn a_link_in_the_place_of_something_of_ours_is_found() {
        for name in [
            "palisade.db",
            "palisade.db-wal",
            "palisade.db.lock",
            "palisade.db.reserve",
            "palisade.db.checkpoint.new",
            "peer.sock",
            "anchors.git",
            "archive/writing",
            "artifacts",
            "artifacts/tmp",
            "artifacts/sha256/ab",
            "empty",
            "keys/node.ed25519",
            "merges/run.step.1",
            "secrets/name",
            "tiles/log/default/0/checkpoint",
            "tiles/server/entries",
        ] {
            let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let place = folder.path().join(name);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            assert!(check(folder.path()).is_ok(), "{name}");
            symlink(elsewhere.path(), &place).unwrap();
            match check(folder.path()) {
                Err(LayoutError::Link { path }) => assert_eq!(path, place),
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_folder_that_is_a_link_or_somebody_elses_is_refused_and_other_names_are_the_users() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let state = folder.path().join("state");
        assert!(check(&state).is_ok(), "there is none yet");
        symlink(elsewhere.path(), &state).unwrap();
        assert!(matches!(check(&state), Err(LayoutError::Link { .. })));
        assert!(check(&state.join("below")).is_ok(), "links above are the user's own");
        symlink("/nowhere", elsewhere.path().join("notes")).unwrap();
        assert!(check(elsewhere.path()).is_ok());
        if geteuid().is_root() {
            chown(elsewhere.path(), Some(12_345), None).unwrap();
            let found = check(elsewhere.path());
            assert!(matches!(found, Err(LayoutError::Foreign { owner: 12_345, .. })), "{found:?}");
        }
    }
}
