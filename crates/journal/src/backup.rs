//! Online backup: one consistent copy of the database, with its artifacts, in a new folder.
//!
//! The database is copied through SQLite's backup interface in one read transaction while writers
//! go on; artifacts are copied afterwards, so every one a copied record names is there. Nothing
//! existing is overwritten. The copy is opened like any other database; `restore` makes a journal of it. Signed checkpoints and the log of
//! logs are copied before the database, so that none says more than the copy has; keys are not copied.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use thiserror::Error;

use crate::archive::{self, ArchiveError};
use crate::artifact::{ArtifactError, ArtifactStore, sync_folder};
use crate::error::{OpenError, ReadError};
use crate::place::beside;
use crate::reader::Reader;
use crate::store::{Trees, refuse_quoted_text, write_checkpoints};
use crate::tlog::{self, ShelfError};

/// A finished backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// The copied database.
    pub database: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Records in it.
    pub records: u64,
    /// Artifacts copied.
    pub artifacts: usize,
}

/// What the name of a folder ends in while a backup is being made in it.
const UNFINISHED: &str = ".unfinished";

/// Why a backup was not made. What was already copied stays in a folder of its own, named as unfinished.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The destination exists.
    #[error("`{path}` exists; a backup overwrites nothing")]
    Exists {
        /// The destination.
        path: PathBuf,
    },
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database cannot be read, or its copy not written.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An artifact cannot be copied.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// Signed checkpoints or the log of logs cannot be copied.
    #[error(transparent)]
    Signed(#[from] ShelfError),
    /// A segment of archived records cannot be copied.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The destination cannot be written.
    #[error("`{path}` cannot be written")]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

/// Copies the database at `database` into the new folder `target`, durably.
///
/// Everything is copied into a folder beside it whose name ends in `.unfinished`; that it gets the name `target`
/// is the last act, so what has this name is whole.
///
/// The copy has the database's file name; artifacts and a checkpoint file are beside it as usual. What was
/// signed, in the folder `signed` of a [`Notary`](crate::tlog::Notary), goes into one of the same name.
///
/// # Errors
/// When `target` or the unfinished folder exists, or reading or writing fails.
pub fn backup(
    database: &Path,
    signed: Option<&Path>,
    target: &Path,
) -> Result<BackedUp, BackupError> {
    let reader = Reader::open(database)?;
    let target = &plain(target);
    if fs::symlink_metadata(target).is_ok() {
        return Err(BackupError::Exists { path: target.to_owned() });
    }
    let folder = &begin(target)?;
    let copied = copy_all(&reader, signed, folder)?;
    let heads = copied.reader.logs()?;
    let checkpoints = heads.iter().map(crate::reader::LogHead::checkpoint).collect();
    // Without trees: whoever signs for the copy builds them from its records.
    let side = beside(&copied.database, ".checkpoint");
    write_checkpoints(&side, checkpoints, &Trees::new()).map_err(|error| written(&side, error))?;
    sync_folder(folder)?;
    let bytes = fs::metadata(&copied.database).map_err(|error| written(&copied.database, error))?;
    let records = heads.iter().map(|head| head.sequence).sum();
    let Copied { reader: copy, database, artifacts } = copied;
    drop(copy);
    finish(folder, target)?;
    let database = database.file_name().map_or_else(|| target.clone(), |name| target.join(name));
    Ok(BackedUp { database, bytes: bytes.len(), records, artifacts })
}

/// A path without a slash at the end, which would make a name beside it one inside.
pub(crate) fn plain(path: &Path) -> PathBuf {
    path.components().collect()
}

/// Makes the folder beside `target` in which it is put together.
pub(crate) fn begin(target: &Path) -> Result<PathBuf, BackupError> {
    let folder = beside(target, UNFINISHED);
    match DirBuilder::new().mode(0o700).create(&folder) {
        Ok(()) => Ok(folder),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(BackupError::Exists { path: folder })
        }
        Err(error) => Err(written(&folder, error)),
    }
}

/// What was copied of a journal.
pub(crate) struct Copied {
    /// The copy.
    pub(crate) reader: Reader,
    /// Its file.
    pub(crate) database: PathBuf,
    /// Artifacts copied.
    pub(crate) artifacts: usize,
}

/// Copies everything that cannot be made again into `folder`: first what was signed, so that none of it says more than
/// the copied database has.
pub(crate) fn copy_all(
    reader: &Reader,
    signed: Option<&Path>,
    folder: &Path,
) -> Result<Copied, BackupError> {
    if let Some((signed, name)) =
        signed.and_then(|signed| signed.file_name().map(|it| (signed, it)))
    {
        tlog::copy(signed, &folder.join(name))?;
    }
    let name = reader.path().file_name().unwrap_or("journal.db".as_ref());
    let database = folder.join(name);
    copy_database(reader, &database)?;
    fs::set_permissions(&database, fs::Permissions::from_mode(0o600))
        .and_then(|()| File::open(&database)?.sync_all())
        .map_err(|error| written(&database, error))?;
    let artifacts = copy_artifacts(reader.artifacts(), &ArtifactStore::beside(&database))?;
    let copied = Reader::open(&database)?;
    copy_segments(reader, &copied)?;
    Ok(Copied { reader: copied, database, artifacts })
}

fn written(path: &Path, source: io::Error) -> BackupError {
    BackupError::Io { path: path.to_owned(), source }
}

/// Gives a finished backup its name, durably; what has that name by now is not replaced.
pub(crate) fn finish(folder: &Path, target: &Path) -> Result<(), BackupError> {
    match renameat_with(CWD, folder, CWD, target, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Err(BackupError::Exists { path: target.to_owned() }),
        // A file system that cannot promise it; a folder with something in it is not replaced there either.
        Err(Errno::INVAL | Errno::NOSYS) => {
            fs::rename(folder, target).map_err(|source| written(target, source))?
        }
        Err(errno) => return Err(written(target, errno.into())),
    }
    sync_beside(target)
}

/// Makes the name of `path` durable.
pub(crate) fn sync_beside(path: &Path) -> Result<(), BackupError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    Ok(sync_folder(parent.unwrap_or(Path::new(".")))?)
}

fn copy_database(reader: &Reader, copy: &Path) -> Result<(), ReadError> {
    let mut target = Connection::open(copy)?;
    refuse_quoted_text(&target)?;
    {
        let backup = Backup::new(reader.connection(), &mut target)?;
        // All pages in one step: a step that yields would start over at every commit of a writer.
        match backup.step(-1)? {
            StepResult::Done => {}
            _ => return Err(rusqlite::Error::InvalidQuery.into()),
        }
    }
    target.close().map_err(|(_, error)| error.into())
}

/// Copies the segments the copied database lists.
fn copy_segments(source: &Reader, target: &Reader) -> Result<(), BackupError> {
    let Some((from, to)) = source.shelf().zip(target.shelf()) else { return Ok(()) };
    let listed = archive::listed(target.connection()).map_err(ReadError::from)?;
    listed.iter().try_for_each(|it| Ok(from.copy_to(to, it.digest)?))
}

fn copy_artifacts(
    source: Option<&ArtifactStore>,
    target: &ArtifactStore,
) -> Result<usize, BackupError> {
    let Some(source) = source else { return Ok(0) };
    let listed = source.list()?;
    for artifact in &listed {
        let copied = target.put_reader(&mut source.open(artifact.digest)?, artifact.size)?;
        if copied.digest != artifact.digest {
            let (expected, found) = (artifact.digest, copied.digest);
            return Err(ArtifactError::Damaged { expected, found }.into());
        }
    }
    Ok(listed.len())
}
