//! Archived records: sealed into files beside the database, where they go on being read and verified.
//!
//! `segment` is the format of a file, `shelf` the folder of them, `seal` moves records there. Headers stay in
//! the database and remain what everything is held against; nothing is deleted, payloads change their place.

mod seal;
mod segment;
mod shelf;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub use seal::{SealError, Sealing};
pub(crate) use segment::Archived;
pub(crate) use shelf::{Shelf, described, listed};

use crate::digest::Digest;
use crate::record::LogId;

/// Most records of a segment.
pub const SEGMENT_RECORDS_MAX: u64 = 16_384;

/// A segment ends with the record that brings its payloads to this many bytes.
pub const SEGMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// One sealed range of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The log.
    pub log: LogId,
    /// Its first record.
    pub first: u64,
    /// Its last record.
    pub last: u64,
    /// What the first record links to: the leaf before it.
    pub prev_leaf: Digest,
    /// The leaf of the last record.
    pub leaf: Digest,
    /// Bytes of the file; 0 when it is missing.
    pub file_bytes: u64,
    /// SHA-256 of the file, which is also its name.
    pub digest: Digest,
}

/// Why an archived payload cannot be had.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// No segment is listed that has it.
    #[error("no segment has it")]
    Unlisted,
    /// The file is not there.
    #[error("segment `{}` is missing", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file is not the one that was sealed, or not a segment.
    #[error("segment `{}` is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The file system failed.
    #[error("segment `{}` cannot be used", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The list of segments cannot be read.
    #[error(transparent)]
    List(#[from] rusqlite::Error),
}
