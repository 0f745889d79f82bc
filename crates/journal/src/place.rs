//! Where a database lives: on a real disk, or on a simulated one under a named SQLite VFS.
//!
//! Weaker durability exists only in the simulated variant, so no configuration of a real database
//! can ask for it. Opening itself is in `store`.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::artifact::ArtifactStore;

/// How a commit is flushed on a simulated disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Every commit is flushed before it is acknowledged (`synchronous=FULL`); what disks always get.
    Full,
    /// Commits are not flushed (`synchronous=NORMAL`): the negative control of the simulator.
    Unflushed,
}

/// Where the database file is and what surrounds it.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    },
}

impl Placement {
    /// Opens a connection to `path` with the flags and this placement's VFS.
    pub(crate) fn connect(&self, path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        match self {
            Self::Disk => Connection::open_with_flags(path, flags),
            Self::Simulated { vfs, .. } => {
                Connection::open_with_flags_and_vfs(path, flags, vfs.as_str())
            }
        }
    }

    /// The artifact store that belongs to the database at `path`, where there is one.
    pub(crate) fn artifacts(&self, path: &Path) -> Option<ArtifactStore> {
        match self {
            Self::Disk => Some(ArtifactStore::beside(path)),
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

/// The path of `database` with `suffix` appended to its file name.
pub(crate) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
