//! Where a node's signed checkpoints are: one file for each log, and one for the log of logs.
//!
//! `<folder>/log/<tenant>/<shard>/checkpoint` and `<folder>/server/checkpoint`, with the tiles of each
//! beside it. Each is replaced whole; reading needs no owner.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::evidence::{ProofError, verified};
use super::head::TreeHead;
use super::note::{Note, VerifierKey};
use super::shelf::{Flush, ShelfError};
use crate::record::LogId;

/// Name of the file with the newest signed checkpoint.
const CHECKPOINT: &str = "checkpoint";

/// Why a signed checkpoint could not be read.
#[derive(Debug, Error)]
pub enum PublishedError {
    /// The file cannot be used.
    #[error("`{path}` cannot be used")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// What is there is not a checkpoint of this node.
    #[error("`{path}` is not a checkpoint of this node")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ProofError,
    },
}

/// A signed checkpoint that was verified, and what it says.
pub(super) type Signed = (Note, TreeHead);

/// The folder of a node's signed checkpoints and tiles.
#[derive(Debug, Clone)]
pub(super) struct Published {
    folder: PathBuf,
}

impl Published {
    pub(super) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The folder of one log, laid out as C2SP wants it.
    pub(super) fn of_log(&self, log: &LogId) -> PathBuf {
        self.folder.join("log").join(log.tenant()).join(log.shard().to_string())
    }

    /// The folder of the log of logs.
    pub(super) fn of_logs(&self) -> PathBuf {
        self.folder.join("server")
    }

    /// The newest checkpoints of all logs, by origin; those of another node are not ours.
    pub(super) fn all(&self, key: &VerifierKey) -> Result<Vec<Signed>, PublishedError> {
        let mut all = Vec::new();
        for tenant in listed(&self.folder.join("log"))? {
            for shard in listed(&tenant)? {
                all.extend(read(&shard, key)?);
            }
        }
        all.sort_unstable_by(|a, b| a.1.origin.cmp(&b.1.origin));
        Ok(all)
    }
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>, PublishedError> {
    let io_error = |source| PublishedError::Io { path: folder.to_owned(), source };
    let listing = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(io_error)?,
    };
    listing.map(|entry| entry.map(|found| found.path()).map_err(io_error)).collect()
}

/// The checkpoint in the folder of one log; `None` when there is none, or it is of another node.
pub(super) fn read(folder: &Path, key: &VerifierKey) -> Result<Option<Signed>, PublishedError> {
    let path = folder.join(CHECKPOINT);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(PublishedError::Io { path, source }),
        Ok(text) => text,
    };
    let damaged = |source| PublishedError::Damaged { path, source };
    let note: Note = match text.parse() {
        Err(error) => return Err(damaged(ProofError::Note(error))),
        Ok(note) => note,
    };
    match verified(&note, key) {
        Ok(head) => Ok(Some((note, head))),
        Err(ProofError::OtherLog { .. }) => Ok(None),
        Err(error) => Err(damaged(error)),
    }
}

/// Replaces the checkpoint in the folder of one log; durable when this returns.
pub(super) fn write(folder: &Path, note: &Note) -> Result<(), ShelfError> {
    super::shelf::replace(&folder.join(CHECKPOINT), note.to_string().as_bytes(), Flush::Yes)
}

/// Adds bytes to the end of a file, which is cut to `length` before; durable when this returns.
pub(super) fn append(path: &Path, length: u64, bytes: &[u8]) -> Result<(), ShelfError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let appended = || -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).mode(0o600).open(path)?;
        file.set_len(length)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()
    };
    appended().map_err(|source| ShelfError::Io { path: path.to_owned(), source })
}
