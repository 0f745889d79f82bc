//! The errors at the crate's border: opening, committing, reading.
//!
//! They sit together because every operation of the crate ends in one of the three. Each message is
//! a fragment; what to do about it is [`OpenError::hint`]. Verification has its own in `verify`.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::archive::ArchiveError;
use crate::artifact::ArtifactError;
use crate::checkpoint::CheckpointError;
use crate::record::{DecodeError, LogId};
use crate::tlog::PublishedError;

/// A failure reported by SQLite; shared by all operations of the group it ended.
#[derive(Debug, Clone, Error)]
#[error("storage failed: {0}")]
pub struct StorageError(#[source] Arc<rusqlite::Error>);

impl StorageError {
    /// SQLite's extended result code, where the failure came from SQLite.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.0.sqlite_error().map(|error| error.extended_code)
    }

    pub(crate) fn primary(&self) -> Option<rusqlite::ErrorCode> {
        self.0.sqlite_error_code()
    }
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        Self(Arc::new(error))
    }
}

/// Why a journal could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process (or handle) owns the database.
    #[error("database is in use by process {}", pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string()))]
    Busy {
        /// The owner, as it wrote itself into the lock file.
        pid: Option<u32>,
    },
    /// The database was written by a newer version.
    #[error("database has schema version {found}, this program supports up to {supported}")]
    Newer {
        /// Version in the database.
        found: u32,
        /// Newest version this program knows.
        supported: u32,
    },
    /// The file is something else.
    #[error("`{path}` is not a Palisade database")]
    NotAPalisadeDatabase {
        /// The file.
        path: PathBuf,
    },
    /// There is no database and none was to be created.
    #[error("there is no database at `{path}`")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file or its folder cannot be written.
    #[error("`{path}` cannot be written")]
    Unwritable {
        /// What was refused.
        path: PathBuf,
        /// The system's reason, where there is one beyond a read-only database.
        #[source]
        source: Option<io::Error>,
    },
    /// A link stands where a file or folder of the database should be; nothing was changed.
    #[error("`{path}` is a symbolic link, and a journal uses nothing a link leads to")]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// The database contradicts itself.
    #[error("database is damaged: {detail}")]
    Corrupt {
        /// What was found.
        detail: String,
    },
    /// The log ends before its last checkpoint: it was truncated or replaced by an older copy.
    #[error("log `{log}` ends at {found} but its checkpoint says {expected}")]
    BehindCheckpoint {
        /// The log.
        log: LogId,
        /// Last sequence present.
        found: u64,
        /// Last sequence according to the checkpoint.
        expected: u64,
    },
    /// The checkpoint file beside the database is not readable as one.
    #[error("checkpoint file `{path}` is damaged")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: CheckpointError,
    },
    /// A signed checkpoint of this node cannot be read, so nothing can be signed after it.
    #[error("signed checkpoint cannot be read")]
    Published(#[from] PublishedError),
    /// The linked SQLite lacks the fix of the write-ahead-log reset race.
    #[error("SQLite {found} is older than 3.51.3")]
    SqliteTooOld {
        /// Version found.
        found: &'static str,
    },
    /// A view's name is not a lowercase word.
    #[error("view name `{name}` is not a-z 0-9 _ of at most 40 characters")]
    ViewName {
        /// The name.
        name: String,
    },
    /// The write-ahead log cannot be flushed, so nothing appended to it would be safe.
    #[error("write-ahead log `{path}` cannot be made durable")]
    LogNotDurable {
        /// The log.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// SQLite failed otherwise.
    #[error("database cannot be opened")]
    Storage(#[from] StorageError),
    /// The file system failed otherwise.
    #[error("`{path}` cannot be used")]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

impl OpenError {
    /// What the user can do about it, where there is something to say.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Busy { .. } => Some("stop the other process, or use a command that only reads"),
            Self::Newer { .. } => Some("use the version that wrote the database, or a newer one"),
            Self::NotAPalisadeDatabase { .. } => Some("choose another path; the file is unchanged"),
            Self::Unwritable { .. } => {
                Some("check owner and permissions of the file and its folder")
            }
            Self::Link { .. } => Some(
                "whoever made the folder put it there: look where it leads, and remove it; to keep the \
                 state elsewhere name the real folder",
            ),
            Self::Corrupt { .. } => Some("run `palisade audit verify`, then restore a backup"),
            Self::BehindCheckpoint { .. } => Some(
                "records were removed or an older copy was put back; restore the newest copy, or \
                 move the checkpoint file, `tiles` and the node's key away to accept the loss: what \
                 goes on is then another log",
            ),
            Self::Checkpoint { .. } => Some("move the checkpoint file away after looking at it"),
            Self::Published(_) => {
                Some("put back the checkpoint; `palisade audit verify` says whether it still holds")
            }
            Self::LogNotDurable { .. } => {
                Some("check the disk; the journal is unchanged and opens when it can be written")
            }
            Self::Missing { .. } => Some(
                "run something first, or name the folder with the journal; `palisade journal restore` makes one of \
                 a backup",
            ),
            Self::SqliteTooOld { .. }
            | Self::ViewName { .. }
            | Self::Storage(_)
            | Self::Io { .. } => None,
        }
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

/// Why nothing of an operation was written; it may be submitted again when the reason is gone.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The operation breaks a limit or a rule.
    #[error("operation is invalid: {0}")]
    Invalid(String),
    /// The disk is full; earlier records are safe and appending works again when there is room.
    #[error("disk is full")]
    DiskFull,
    /// A foreign process holds the database's write lock.
    #[error("database is locked by a foreign writer")]
    Locked,
    /// A long-lived foreign reader keeps the write-ahead log from being reused.
    #[error("write-ahead log has reached {pages} pages because a reader holds it")]
    LogPinned {
        /// Its length.
        pages: u32,
    },
    /// A later owner has opened the database.
    #[error("database has a newer owner: epoch {found} instead of {own}")]
    Deposed {
        /// Epoch of this handle.
        own: u64,
        /// Epoch in the database.
        found: u64,
    },
    /// An external payload could not be stored.
    #[error("payload could not be stored: {0}")]
    Artifact(#[source] Arc<ArtifactError>),
    /// SQLite failed before anything was made durable.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// An earlier storage failure ended this handle; the database must be reopened.
    #[error("journal stopped after a storage failure and must be reopened")]
    Stopped,
    /// The journal was closed.
    #[error("journal is closed")]
    Closed,
}

/// Why a commit gave no [`Committed`](crate::Committed) token.
#[derive(Debug, Clone, Error)]
pub enum CommitError {
    /// Nothing was written.
    #[error("not committed")]
    NotCommitted(#[source] Refusal),
    /// The flush failed: after reopening, the operation is either there completely or not at all.
    #[error("outcome of the commit is unknown")]
    Indeterminate(#[source] StorageError),
}

impl From<Refusal> for CommitError {
    fn from(refusal: Refusal) -> Self {
        Self::NotCommitted(refusal)
    }
}

/// Why a record or view row could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// SQLite failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A stored header cannot be decoded.
    #[error("record {sequence} of `{log}` has no readable header")]
    Header {
        /// The log.
        log: LogId,
        /// The record.
        sequence: u64,
        /// What is wrong.
        #[source]
        source: DecodeError,
    },
    /// A payload differs from what its header says, or is missing.
    #[error("payload of record {sequence} of `{log}` is not what its header says")]
    Payload {
        /// The log.
        log: LogId,
        /// The record.
        sequence: u64,
        /// The artifact store's reason, for an external payload.
        #[source]
        source: Option<ArtifactError>,
    },
    /// A payload was archived and its segment does not give it.
    #[error("payload of record {sequence} of `{log}` is not to be had")]
    Archive {
        /// The log.
        log: LogId,
        /// The record.
        sequence: u64,
        /// The archive's reason.
        #[source]
        source: ArchiveError,
    },
    /// The record after a cursor is not the next one.
    #[error("record {sequence} of `{log}` is missing")]
    Gap {
        /// The log.
        log: LogId,
        /// The missing record.
        sequence: u64,
    },
    /// A header is not the one that was written: its hash or its link to the record before differs.
    #[error("record {sequence} of `{log}` was changed")]
    Changed {
        /// The log.
        log: LogId,
        /// The record, or the one after it.
        sequence: u64,
    },
    /// The view was never declared in this database.
    #[error("there is no view `{0}`")]
    NoSuchView(String),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}
