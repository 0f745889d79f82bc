//! Where a node's signed checkpoints are: one file for each log, and one for the log of logs.
//!
//! `<folder>/log/<tenant>/<shard>/checkpoint` and `<folder>/server/checkpoint`, with the tiles of each
//! beside it. Each is replaced whole; reading needs no owner.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::evidence::{ProofError, verified};
use super::head::TreeHead;
use super::logs::{KEPT, count};
use super::note::{Note, VerifierKey};
use super::shelf::{Flush, ShelfError};
use crate::record::LogId;

/// How often entries are copied anew when their owner replaces them meanwhile, which is once an hour.
const COPIES_MOST: u32 = 3;

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

    /// The folder of it all.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
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
        for folder in self.logs()? {
            all.extend(read(&folder, key)?);
        }
        all.sort_unstable_by(|a, b| a.1.origin.cmp(&b.1.origin));
        Ok(all)
    }

    /// What the newest checkpoints of all logs say, whichever node they are of; those of `key`'s are verified.
    pub(super) fn lying(&self, key: &VerifierKey) -> Result<Vec<TreeHead>, PublishedError> {
        let mut all = Vec::new();
        for folder in self.logs()? {
            all.extend(lying(&folder, Some(key))?);
        }
        Ok(all)
    }

    /// The folders of all logs that were ever signed.
    pub(super) fn logs(&self) -> Result<Vec<PathBuf>, PublishedError> {
        let mut all = Vec::new();
        for tenant in listed(&self.folder.join("log"))? {
            all.extend(listed(&tenant)?);
        }
        Ok(all)
    }

    /// Copies what cannot be made again: every signed checkpoint, and the entries of the log of logs.
    ///
    /// The checkpoint of the log of logs comes before its entries, which only grow. Tiles are not copied.
    pub(super) fn copy_to(&self, target: &Self) -> Result<(), ShelfError> {
        let all = self.logs().map_err(unreadable)?;
        for from in all.iter().chain([&self.of_logs()]) {
            let Ok(inside) = from.strip_prefix(&self.folder) else { continue };
            copy(&from.join(CHECKPOINT), &target.folder.join(inside).join(CHECKPOINT))?;
        }
        let (from, to) = (self.of_logs().join(KEPT), target.of_logs().join(KEPT));
        let signed = signed_size(&target.of_logs())?;
        for _ in 0..COPIES_MOST {
            copy_below(&from, &to)?;
            // A bundle that was replaced by a longer one between looking and copying is looked for again.
            if count(&to)? >= signed {
                return Ok(());
            }
        }
        Err(ShelfError::Kept(from))
    }
}

/// Copies everything signed in one folder into another; a folder that is not there has nothing.
pub(crate) fn copy_signed(from: &Path, to: &Path) -> Result<(), ShelfError> {
    Published::at(from).copy_to(&Published::at(to))
}

/// The size in a checkpoint, not verified; 0 where there is none.
fn signed_size(folder: &Path) -> Result<u64, ShelfError> {
    let path = folder.join(CHECKPOINT);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        other => other.map_err(|source| ShelfError::Io { path: path.clone(), source })?,
    };
    let head = text.parse().ok().and_then(|note: Note| note.unverified().parse().ok());
    head.map(|head: TreeHead| head.size).ok_or(ShelfError::Damaged(path))
}

fn unreadable(error: PublishedError) -> ShelfError {
    match error {
        PublishedError::Io { path, source } => ShelfError::Io { path, source },
        PublishedError::Damaged { path, .. } => ShelfError::Damaged(path),
    }
}

fn copy_below(from: &Path, to: &Path) -> Result<(), ShelfError> {
    for path in listed(from).map_err(unreadable)? {
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            copy_below(&path, &to.join(name))?;
        } else {
            copy(&path, &to.join(name))?;
        }
    }
    Ok(())
}

/// Copies a file whole; one that is gone meanwhile has a longer one in its place.
fn copy(from: &Path, to: &Path) -> Result<(), ShelfError> {
    match fs::read(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(ShelfError::Io { path: from.to_owned(), source }),
        Ok(bytes) => super::shelf::replace(to, &bytes, Flush::Yes),
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

/// The file with the newest signed checkpoint in the folder of one log.
pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join(CHECKPOINT)
}

/// The note in the folder of one log, of which nothing was verified.
fn note(folder: &Path) -> Result<Option<Note>, PublishedError> {
    let path = file(folder);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(PublishedError::Io { path, source }),
        Ok(text) => text,
    };
    match text.parse() {
        Err(error) => Err(PublishedError::Damaged { path, source: ProofError::Note(error) }),
        Ok(note) => Ok(Some(note)),
    }
}

/// The checkpoint in the folder of one log; `None` when there is none, or it is of another node.
pub(super) fn read(folder: &Path, key: &VerifierKey) -> Result<Option<Signed>, PublishedError> {
    let Some(note) = note(folder)? else { return Ok(None) };
    match verified(&note, key) {
        Ok(head) => Ok(Some((note, head))),
        Err(ProofError::OtherLog { .. }) => Ok(None),
        Err(source) => Err(PublishedError::Damaged { path: file(folder), source }),
    }
}

/// What the checkpoint in the folder of one log says: verified where it is of `key`'s node, else as it is written.
pub(super) fn lying(
    folder: &Path,
    key: Option<&VerifierKey>,
) -> Result<Option<TreeHead>, PublishedError> {
    let Some(note) = note(folder)? else { return Ok(None) };
    let proved = match key.map(|key| verified(&note, key)) {
        None | Some(Err(ProofError::OtherLog { .. })) => {
            note.unverified().parse().map_err(ProofError::Head)
        }
        Some(proved) => proved,
    };
    match proved {
        Ok(head) => Ok(Some(head)),
        Err(source) => Err(PublishedError::Damaged { path: file(folder), source }),
    }
}

/// Replaces the checkpoint in the folder of one log; durable when this returns.
pub(super) fn write(folder: &Path, note: &Note) -> Result<(), ShelfError> {
    super::shelf::replace(&file(folder), note.to_string().as_bytes(), Flush::Yes)
}
