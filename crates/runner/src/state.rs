//! Whether a state folder is this user's own, and everything in it that we use is what its name says.
//!
//! A repository can bring a state folder, and with it symbolic links under our names. What they lead to would be
//! emptied, resized or removed in good faith, so nothing is used before none was found. Contents are not judged here.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::process::geteuid;

use crate::layout::{
    ANCHORS, EMPTY, JOURNAL, KEYS, LayoutError, MERGES, OPENINGS, PEER, SECRETS, TILES,
};

/// The names in a state folder that are ours beside the journal's files, and how many levels of folders below each
/// are looked at: as deep as we open, rename or remove something by a name that can be known before.
const NAMES: [(&str, u32); 10] = [
    (ANCHORS, 1),
    ("archive", 1),
    ("artifacts", 2),
    (EMPTY, 1),
    (KEYS, 2),
    (MERGES, 2),
    (OPENINGS, 1),
    (PEER, 0),
    (SECRETS, 1),
    (TILES, 4),
];

/// Refuses a folder that is a link, belongs to somebody else, or has a link in the place of something of ours.
///
/// One that is not there passes, and so does what is no folder: making it fails. What cannot be looked at does not.
pub(crate) fn check(folder: &Path) -> Result<(), LayoutError> {
    let Some(found) = present(folder, fs::symlink_metadata(folder))? else { return Ok(()) };
    if found.is_symlink() {
        return Err(LayoutError::Link { path: folder.to_path_buf() });
    }
    if !found.is_dir() {
        return Ok(());
    }
    let owner = found.uid();
    if is_foreign(owner, geteuid().as_raw()) {
        return Err(LayoutError::Foreign { path: folder.to_path_buf(), owner });
    }
    for entry in entries(folder)? {
        if let Some(levels) = entry.file_name().to_str().and_then(levels) {
            no_link(&entry, levels)?;
        }
    }
    Ok(())
}

/// Whether a state folder is neither our own nor root's, who could change ours as well.
fn is_foreign(owner: u32, own: u32) -> bool {
    owner != own && owner != 0
}

/// How many levels below a name of ours are looked at; `None` for a name that is the user's.
fn levels(name: &str) -> Option<u32> {
    let known = NAMES.iter().find(|(known, _)| *known == name).map(|(_, levels)| *levels);
    known.or_else(|| name.starts_with(JOURNAL).then_some(0))
}

/// Refuses a link at an entry or so many levels below it.
fn no_link(entry: &fs::DirEntry, levels: u32) -> Result<(), LayoutError> {
    let path = entry.path();
    match present(&path, entry.file_type())? {
        Some(kind) if kind.is_symlink() => Err(LayoutError::Link { path }),
        Some(kind) if kind.is_dir() => match levels.checked_sub(1) {
            Some(levels) => entries(&path)?.iter().try_for_each(|entry| no_link(entry, levels)),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Everything in a folder; nothing where it is gone by now.
fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, LayoutError> {
    let found = present(folder, fs::read_dir(folder).and_then(Iterator::collect))?;
    Ok(found.unwrap_or_default())
}

/// What was found at a path; `None` where there is nothing.
fn present<T>(path: &Path, found: io::Result<T>) -> Result<Option<T>, LayoutError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(source) => Err(LayoutError::Unread { path: path.to_path_buf(), source }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

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
        // Root's folder, which is every other user's to use.
        assert!(check(Path::new("/usr")).is_ok());
        for (owner, own, foreign) in [
            (1000, 1000, false),
            (0, 1000, false),
            (0, 0, false),
            (1001, 1000, true),
            (1000, 0, true),
        ] {
            assert_eq!(is_foreign(owner, own), foreign, "{owner} at {own}");
        }
        if geteuid().is_root() {
            chown(elsewhere.path(), Some(12_345), None).unwrap();
            let found = check(elsewhere.path());
            assert!(matches!(found, Err(LayoutError::Foreign { owner: 12_345, .. })), "{found:?}");
        } else {
            eprintln!("NOT TRIED: a state folder of another user: only root can make one");
        }
    }

    #[test]
    fn what_cannot_be_looked_at_is_refused_and_what_is_not_there_is_not() {
        for (kind, passes) in [
            (ErrorKind::NotFound, true),
            (ErrorKind::NotADirectory, true),
            (ErrorKind::PermissionDenied, false),
            (ErrorKind::Other, false),
        ] {
            let found = present::<()>(Path::new("keys"), Err(kind.into()));
            assert_eq!(found.is_ok(), passes, "{kind}: {found:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("keys/deep")).unwrap();
        assert!(check(folder.path()).is_ok(), "the control");
        // No system takes such a name, so that nobody knows what is there.
        let long = folder.path().join("x".repeat(300));
        assert!(matches!(check(&long), Err(LayoutError::Unread { path, .. }) if path == long));
        if geteuid().is_root() {
            return eprintln!("NOT TRIED: a closed folder: root can look into every one");
        }
        let keys = folder.path().join("keys");
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o300)).unwrap();
        assert!(
            matches!(check(folder.path()), Err(LayoutError::Unread { path, .. }) if path == keys)
        );
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o700)).unwrap();
    }
}
