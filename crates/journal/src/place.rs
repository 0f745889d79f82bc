//! Where a database lives: on a real disk, or on a simulated one under a named SQLite VFS.
//!
//! Weaker durability exists only in the simulated variant, so no configuration of a real database
//! can ask for it. Opening itself is in `store`.

use std::path::{Path, PathBuf};
use std::{fs, io};

use rusqlite::{Connection, OpenFlags};

use crate::archive::Shelf;
use crate::artifact::ArtifactStore;
use crate::error::OpenError;
use crate::plain;
use crate::store::rewrite;

/// Writes a file's bytes again in place and flushes it; a missing or empty file is left alone.
///
/// An error stops the opening of the database whose write-ahead log the file is.
pub type Rewrite = fn(&Path) -> io::Result<()>;

/// How a commit is flushed on a simulated disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Every commit is flushed before it is acknowledged (`synchronous=FULL`); what disks always get.
    Full,
    /// Commits are not flushed (`synchronous=NORMAL`): the negative control of the simulator.
    Unflushed,
}

/// Where the database file is and what surrounds it.
#[derive(Debug, Clone)]
pub enum Placement {
    /// A real file: owner lock, private permissions, artifact store and checkpoint file beside it.
    Disk,
    /// A file of the registered SQLite VFS `vfs`: no lock, no permissions, no side files, and
    /// payloads above the inline limit are refused because there is no artifact store.
    Simulated {
        /// Name under which the VFS was registered.
        vfs: String,
        /// How commits are flushed.
        durability: Durability,
        /// How the write-ahead log is made durable before anything is appended to it.
        rewrite: Rewrite,
    },
}

impl Placement {
    /// Opens a connection to `path` with the flags and this placement's VFS.
    pub(crate) fn connect(&self, path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        match self {
            Self::Disk => {
                let flags = flags | OpenFlags::SQLITE_OPEN_NOFOLLOW;
                Connection::open_with_flags(beyond_links(path), flags)
            }
            Self::Simulated { vfs, .. } => {
                Connection::open_with_flags_and_vfs(path, flags, vfs.as_str())
            }
        }
    }

    /// Refuses a database where a link stands in the place of one of its files or folders, before any is used.
    pub(crate) fn refuse_links(&self, path: &Path) -> Result<(), OpenError> {
        if let Self::Simulated { .. } = self {
            return Ok(());
        }
        let files = BESIDE.iter().map(|suffix| beside(path, suffix));
        let folders = FOLDERS.iter().map(|name| path.with_file_name(name));
        match files.chain(folders).find(|place| plain::is_link(place)) {
            Some(path) => Err(OpenError::Link { path }),
            None => Ok(()),
        }
    }

    /// Makes the write-ahead log of the database at `path` durable as it reads now.
    ///
    /// The caller holds SQLite's write lock, so that nobody appends meanwhile.
    pub(crate) fn rewrite_log(&self, path: &Path) -> Result<(), OpenError> {
        let rewrite = match self {
            Self::Disk => rewrite,
            Self::Simulated { rewrite, .. } => *rewrite,
        };
        let log = self
            .log_path(path)
            .map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        rewrite(&log).map_err(|source| OpenError::LogNotDurable { path: log, source })
    }

    /// Where SQLite keeps the write-ahead log: beside the file in the folder that links may lead to.
    fn log_path(&self, path: &Path) -> io::Result<PathBuf> {
        match self {
            Self::Disk => Ok(beside(&fs::canonicalize(path)?, "-wal")),
            Self::Simulated { .. } => Ok(beside(path, "-wal")),
        }
    }

    /// The artifact store that belongs to the database at `path`, where there is one.
    pub(crate) fn artifacts(&self, path: &Path) -> Option<ArtifactStore> {
        match self {
            Self::Disk => Some(ArtifactStore::beside(path)),
            Self::Simulated { .. } => None,
        }
    }

    /// The archived records of the database at `path`, where there can be some.
    pub(crate) fn shelf(&self, path: &Path) -> Option<Shelf> {
        match self {
            Self::Disk => Some(Shelf::beside(path)),
            Self::Simulated { .. } => None,
        }
    }

    /// The file that keeps room for a full disk, where there is one.
    pub(crate) fn reserve_path(&self, path: &Path) -> Option<PathBuf> {
        match self {
            Self::Disk => Some(beside(path, ".reserve")),
            Self::Simulated { .. } => None,
        }
    }

    /// The checkpoint file kept beside the database at `path`, where there is one.
    pub(crate) fn checkpoint_path(&self, path: &Path) -> Option<PathBuf> {
        match self {
            Self::Disk => Some(beside(path, ".checkpoint")),
            Self::Simulated { .. } => None,
        }
    }
}

/// What the names of the files of one database end in: SQLite's, then ours.
const BESIDE: [&str; 8] =
    ["", "-wal", "-shm", "-journal", ".lock", ".reserve", ".checkpoint", ".checkpoint.new"];

/// Folders beside a database in which it makes, renames and removes files, and one such file.
const FOLDERS: [&str; 5] =
    ["artifacts", "artifacts/tmp", "artifacts/sha256", "archive", "archive/writing"];

/// The path without links in it but for the last name, which is then refused where it is one.
fn beyond_links(path: &Path) -> PathBuf {
    let folder = path.parent().and_then(|folder| fs::canonicalize(folder).ok());
    match folder.zip(path.file_name()) {
        Some((folder, name)) => folder.join(name),
        None => path.to_owned(),
    }
}

/// The path of `database` with `suffix` appended to its file name.
pub(crate) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use rusqlite::OpenFlags;

    use super::Placement;

    #[test]
    fn the_log_is_where_sqlite_keeps_it_also_in_a_linked_folder() {
        let (place, links) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = links.path().join("folder");
        std::os::unix::fs::symlink(place.path(), &folder).unwrap();
        let (file, link) = (place.path().join("file.db"), folder.join("file.db"));
        let connection = Placement::Disk.connect(&link, OpenFlags::default()).unwrap();
        connection.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (a)").unwrap();
        for path in [&file, &link] {
            let log = Placement::Disk.log_path(path).unwrap();
            assert!(std::fs::metadata(&log).unwrap().len() > 0, "{log:?}");
        }
    }

    #[test]
    fn a_linked_database_is_not_opened() {
        let place = tempfile::tempdir().unwrap();
        let (file, link) = (place.path().join("file.db"), place.path().join("link.db"));
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(Placement::Disk.connect(&link, OpenFlags::default()).is_err());
        assert!(!file.exists());
        // The control: the file itself is.
        let connection = Placement::Disk.connect(&file, OpenFlags::default()).unwrap();
        connection.execute_batch("CREATE TABLE t (a)").unwrap();
        assert!(Placement::Disk.connect(&link, OpenFlags::default()).is_err());
    }
}
