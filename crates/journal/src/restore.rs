//! Restoring: a backup becomes a journal again, of a generation that the one it was taken from cannot reach.
//!
//! Everything is copied into a folder beside the new one, whose name ends in `.unfinished`; there the caller checks it,
//! and there its epoch is raised far beyond what the former owner will ever count to, on record. That it gets its name
//! is the last act, so what has this name is whole. Nothing existing is overwritten, and no key is copied.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use thiserror::Error;

use crate::backup::{self, BackupError, Copied};
use crate::checkpoint::Checkpoint;
use crate::error::{CommitError, OpenError, Refusal, StorageError};
use crate::operation::{Committed, Operation};
use crate::place::beside;
use crate::reader::Reader;
use crate::store::{Access, Options, Store};

/// A copy of a backup on its way to becoming a journal; nothing of it is left when it is dropped before that.
#[derive(Debug)]
pub struct Restoring {
    folder: PathBuf,
    target: PathBuf,
    database: PathBuf,
    artifacts: usize,
    keep: &'static [&'static str],
    done: bool,
}

/// What the restored journal goes on from, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// The epoch in the backup.
    pub before: u64,
    /// The epoch from here on.
    pub epoch: u64,
    /// Where the logs of the backup end.
    pub checkpoints: Vec<Checkpoint>,
}

/// Why nothing was restored.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// The backup cannot be read, or not be copied.
    #[error(transparent)]
    Copy(#[from] BackupError),
    /// Something is in the place of the journal.
    #[error("`{path}` exists; restoring overwrites nothing")]
    Occupied {
        /// What is there.
        path: PathBuf,
    },
    /// The copy cannot be opened for writing.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The epochs are used up.
    #[error("epoch {before} of the backup cannot be raised far enough")]
    Epoch {
        /// The epoch in the backup.
        before: u64,
    },
    /// The copy cannot be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The record of it cannot be written.
    #[error("the journal could not be written")]
    Commit(#[from] CommitError),
    /// The file system cannot put a folder in the place of another at once.
    #[error("`{path}` is there, and this file system cannot put a folder in its place at once")]
    NoExchange {
        /// The folder.
        path: PathBuf,
    },
    /// The target cannot be written.
    #[error("`{path}` cannot be written")]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

impl Restoring {
    /// Copies the backup whose database is `backup`, with what was signed in the folder `signed` beside it, to become
    /// the folder `target`. That may be there already with files named in `keep`, which stay, and nothing else.
    ///
    /// # Errors
    /// [`RestoreError::Occupied`] when something is there; when the backup cannot be read or the copy not be written.
    pub fn copy(
        backup: &Path,
        signed: &Path,
        target: &Path,
        keep: &'static [&'static str],
    ) -> Result<Self, RestoreError> {
        let target = backup::plain(target);
        vacant(&target, keep)?;
        let reader = Reader::open(backup).map_err(BackupError::from)?;
        let folder = backup::begin(&target)?;
        let mut restoring =
            Self { folder, target, database: PathBuf::new(), artifacts: 0, keep, done: false };
        let folder = &restoring.folder;
        if let Some(name) = reader.path().file_name() {
            // What is beside the backup says how long it has to be; its copy is held against it.
            let (from, to) = (beside(reader.path(), SIDE), beside(&folder.join(name), SIDE));
            copy_if_there(&from, &to).map_err(|source| failed(&from, source))?;
        }
        let copied = backup::copy_all(&reader, Some(signed), folder)?;
        let Copied { reader: copy, database, artifacts } = copied;
        drop(copy);
        (restoring.database, restoring.artifacts) = (database, artifacts);
        Ok(restoring)
    }

    /// Where the copy is until it is published.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Artifacts that were copied.
    #[must_use]
    pub const fn artifacts(&self) -> usize {
        self.artifacts
    }

    /// Begins a generation: raises the epoch by `by`, to `most` at the most, and appends the record of it.
    ///
    /// # Errors
    /// [`RestoreError::Epoch`] where the epochs are used up; when the copy cannot be written.
    pub fn fence(
        &mut self,
        views: &'static [&'static str],
        (by, most): (u64, u64),
        record: impl FnOnce(&Generation) -> Operation,
    ) -> Result<(Generation, Committed), RestoreError> {
        let access = Access::Existing;
        let mut store = Store::open(Options { access, ..Options::new(&self.database, views) })?;
        // Opening has raised it by one.
        let before = store.epoch().saturating_sub(1);
        let checkpoints = store.checkpoints();
        let raised = store.raise_epoch(by, most)?.ok_or(RestoreError::Epoch { before })?;
        let generation = Generation { before, epoch: raised, checkpoints };
        let answers = store.commit_batch(&[record(&generation)]);
        let committed = answers.into_iter().next().unwrap_or(Err(Refusal::Stopped.into()))?;
        store.close()?;
        Ok((generation, committed))
    }

    /// Gives the copy its name, durably, with the files that are kept of what was there. All of it or nothing.
    ///
    /// # Errors
    /// [`RestoreError::Occupied`] when something has come into its place meanwhile.
    pub fn publish(mut self) -> Result<(), RestoreError> {
        if fs::symlink_metadata(&self.target).is_err() {
            backup::finish(&self.folder, &self.target)?;
            self.done = true;
            return Ok(());
        }
        for name in self.keep {
            let (from, to) = (self.target.join(name), self.folder.join(name));
            copy_if_there(&from, &to).map_err(|source| failed(&to, source))?;
        }
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| failed(&self.folder, source))?;
        self.exchange()?;
        // From here on the folder of the unfinished name is the one that was there.
        self.done = true;
        // Whoever made a journal there in the last moment keeps it.
        if let Err(error) = vacant(&self.folder, self.keep) {
            self.exchange()?;
            self.done = false;
            return Err(error);
        }
        let left = self.keep.iter().map(|name| self.folder.join(name));
        left.for_each(|copied| drop(fs::remove_file(copied)));
        drop(fs::remove_dir(&self.folder));
        Ok(backup::sync_beside(&self.target)?)
    }

    /// Lets the two folders change their names at once.
    fn exchange(&self) -> Result<(), RestoreError> {
        match renameat_with(CWD, &self.folder, CWD, &self.target, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(()),
            Err(Errno::INVAL | Errno::NOSYS) => {
                Err(RestoreError::NoExchange { path: self.target.clone() })
            }
            Err(errno) => Err(failed(&self.target, errno.into())),
        }
    }
}

impl Drop for Restoring {
    fn drop(&mut self) {
        if !self.done {
            // What cannot be removed is named as unfinished, and stops the next attempt.
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}

/// What the name of the checkpoint file ends in.
const SIDE: &str = ".checkpoint";

/// Refuses a place with anything in it but ordinary files of these names.
fn vacant(target: &Path, keep: &[&str]) -> Result<(), RestoreError> {
    let occupied = |path: &Path| RestoreError::Occupied { path: path.to_owned() };
    match fs::symlink_metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed(target, source)),
        Ok(found) if !found.is_dir() => return Err(occupied(target)),
        Ok(_) => {}
    }
    for entry in fs::read_dir(target).map_err(|source| failed(target, source))? {
        let entry = entry.map_err(|source| failed(target, source))?;
        let name = entry.file_name();
        let kept = keep.iter().any(|kept| name == OsStr::new(kept));
        if !kept || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            return Err(occupied(&entry.path()));
        }
    }
    Ok(())
}

/// Copies a file with its mode, durably; one that is not there is passed over.
fn copy_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::copy(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        copied => copied.and_then(|_| File::open(to)?.sync_all()),
    }
}

fn failed(path: &Path, source: io::Error) -> RestoreError {
    RestoreError::Io { path: path.to_owned(), source }
}
