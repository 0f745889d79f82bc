//! What verification reports: the first bad record and why, or that it could not look.
//! Deciding which record is to blame is in `blame`, exit codes and words for people elsewhere.

use thiserror::Error;

use super::blame;
use super::scan::Scanner;
use super::structure::StructureFault;
use super::views::ViewFault;
use crate::digest::Digest;
use crate::error::{OpenError, ReadError};
use crate::record::{DecodeError, LogId};
use crate::tlog::{NodeKeyError, WitnessError};

/// The first bad record of a log.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("record {sequence} of `{log}`: {reason}")]
pub struct Fault {
    /// The log.
    pub log: LogId,
    /// Its first bad record: changed, missing, or standing where another should.
    pub sequence: u64,
    /// What is wrong with it.
    pub reason: FaultReason,
}

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FaultReason {
    /// There is no such record, but later ones.
    #[error("missing although later records exist")]
    Missing,
    /// The log ends before it, but a checkpoint says that it existed.
    #[error("missing: the log ends before it, but a checkpoint says it reached {expected}")]
    Truncated {
        /// The checkpoint's sequence.
        expected: u64,
    },
    /// The row holds another record's header, or its columns contradict it.
    #[error("its row holds something else: {0}")]
    Displaced(&'static str),
    /// The header bytes are not a header.
    #[error("its header is not readable: {0}")]
    Header(DecodeError),
    /// The header bytes do not hash to the stored leaf.
    #[error("its header was changed: the hash is not its leaf {leaf}")]
    Leaf {
        /// The leaf stored with the record.
        leaf: Digest,
    },
    /// The payload bytes do not hash to the header's digest, or are not there.
    #[error("its payload was changed or removed")]
    Payload,
    /// An artifact it names is missing, unreadable, or has another content than it had.
    #[error("it names {what}, and {why}")]
    Artifact {
        /// What it is to the record, with its file.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// It was archived, and its segment is missing or damaged.
    #[error("it is archived: {0}")]
    Archive(String),
    /// The record is consistent in itself but not what its neighbours or a checkpoint link to.
    #[error("it was replaced: {0}")]
    Replaced(&'static str),
    /// It says what an earlier record rules out.
    #[error("it contradicts an earlier record: {0}")]
    Contradicts(String),
    /// Its time is not after its predecessor's.
    #[error("its time is not after the record before it")]
    Time,
    /// The database's pages that hold it cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// It belongs to a log the database does not list.
    #[error("it belongs to no log of the database")]
    Stray,
}

/// Why verification did not end in [`Verified`](super::Verified).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A bad record was found.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The file around the records is damaged.
    #[error(transparent)]
    Structure(#[from] StructureFault),
    /// A view is not what the records imply.
    #[error(transparent)]
    View(#[from] ViewFault),
    /// What was signed is not all there, or is not what it was.
    #[error(transparent)]
    Signed(#[from] WitnessError),
    /// What was signed cannot be held against the key that signed it.
    #[error(transparent)]
    Key(#[from] NodeKeyError),
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database cannot be read for a reason that says nothing about its records.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Something found during a scan, before it is decided which record is to blame.
#[derive(Debug)]
pub(super) enum Finding {
    /// The record itself is bad.
    Bad { sequence: u64, reason: FaultReason },
    /// The record's header names another sequence than its row.
    Elsewhere { row: u64, header: u64 },
    /// The record's `prev_leaf` is not the leaf before it.
    Unlinked { sequence: u64 },
    /// Reading failed for another reason.
    Failed(VerifyError),
}

impl Finding {
    /// Decides which record is the first bad one.
    pub(super) fn blamed(self, scanner: &Scanner) -> VerifyError {
        let (sequence, reason) = match self {
            Self::Bad { sequence, reason } => (sequence, reason),
            Self::Elsewhere { row, header } => blame::elsewhere(row, header),
            Self::Unlinked { sequence } => blame::unlinked(scanner, sequence),
            Self::Failed(error) => return error,
        };
        VerifyError::Fault(Fault { log: scanner.log().clone(), sequence, reason })
    }
}

impl From<VerifyError> for Finding {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Fault(fault) => {
                Self::Bad { sequence: fault.sequence, reason: fault.reason }
            }
            other => Self::Failed(other),
        }
    }
}
