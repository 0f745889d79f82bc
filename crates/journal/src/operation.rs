//! An operation: the records and view changes that are written together or not at all.
//!
//! `Plan` is what can be worked out before an operation reaches the writer (limits, payload digests,
//! external payloads), so that producers do it in parallel and one bad operation fails alone.

use std::sync::Arc;

use crate::artifact::{ArtifactError, ArtifactStore};
use crate::digest::{Digest, payload_digest_of};
use crate::error::Refusal;
use crate::record::{Draft, LogId, PAYLOAD_INLINE_BYTES_MAX, PayloadRef, Timestamp, check_draft};
use crate::store::Reserve;

/// Most drafts in one operation; more refuse it.
pub const DRAFTS_MAX: usize = 4096;

/// Most view changes in one operation; more refuse it.
pub const CHANGES_MAX: usize = 65_536;

/// Longest key of a view row, in bytes.
pub const KEY_BYTES_MAX: usize = 1024;

/// Largest value of a view row, in bytes.
pub const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// Most bytes of inline payloads, keys and values in one operation.
pub const OPERATION_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Headers and row overhead of one record, for the size of a group.
const RECORD_OVERHEAD_BYTES: usize = 400;

/// Records of one log and the view changes that follow from them, committed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The log the records are appended to.
    pub log: LogId,
    /// The records, in order; at least one, because views may hold nothing the log does not imply.
    pub drafts: Vec<Draft>,
    /// The view changes, in order.
    pub changes: Vec<Change>,
}

/// One change of a view row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// A view declared when the store was opened.
    pub view: &'static str,
    /// The row's key, 1 to [`KEY_BYTES_MAX`] bytes.
    pub key: Vec<u8>,
    /// The row's new value, at most [`VALUE_BYTES_MAX`] bytes; `None` removes the row.
    pub value: Option<Vec<u8>>,
}

/// Proof that an operation is durable. Only the store can make one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an acknowledgement is made from this token"]
pub struct Committed {
    log: LogId,
    first: u64,
    last: u64,
    leaf: Digest,
    time: Timestamp,
}

impl Committed {
    pub(crate) const fn new(
        log: LogId,
        first: u64,
        last: u64,
        leaf: Digest,
        time: Timestamp,
    ) -> Self {
        Self { log, first, last, leaf, time }
    }

    /// The log appended to.
    #[must_use]
    pub const fn log(&self) -> &LogId {
        &self.log
    }

    /// Sequence of the operation's first record.
    #[must_use]
    pub const fn first(&self) -> u64 {
        self.first
    }

    /// Sequence of the operation's last record.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Leaf of the last record.
    #[must_use]
    pub const fn leaf(&self) -> Digest {
        self.leaf
    }

    /// Recorded time of the last record.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.time
    }
}

/// Where payloads go that are too large for a row, and the room that is kept for them on a full disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outside<'a> {
    pub(crate) artifacts: Option<&'a ArtifactStore>,
    pub(crate) reserve: Option<&'a Reserve>,
}

impl Outside<'_> {
    /// Stores a payload; on a full disk once more in the room of the reserve, as a commit does.
    fn put(self, payload: &[u8]) -> Result<Digest, Refusal> {
        let store =
            self.artifacts.ok_or_else(|| invalid("there is no artifact store for its payload"))?;
        let stored = match (store.put(payload), self.reserve) {
            (Err(error), Some(reserve)) if error.is_full() => {
                reserve.spend_for(|| store.put(payload))
            }
            (stored, _) => stored,
        };
        stored.map_err(refused)
    }
}

fn refused(error: ArtifactError) -> Refusal {
    if error.is_full() { Refusal::DiskFull } else { Refusal::Artifact(Arc::new(error)) }
}

/// An operation's payload references and size, worked out before it is queued.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) payloads: Vec<PayloadRef>,
    pub(crate) bytes: usize,
}

impl Plan {
    /// Checks every limit, then hashes payloads and stores the external ones.
    pub(crate) fn new(
        operation: &Operation,
        views: &[&'static str],
        outside: Outside<'_>,
    ) -> Result<Self, Refusal> {
        let bytes = check(operation, views)?;
        let payloads = operation
            .drafts
            .iter()
            .map(|draft| payload_ref(&draft.payload, outside))
            .collect::<Result<_, _>>()?;
        Ok(Self { payloads, bytes })
    }
}

fn check(operation: &Operation, views: &[&'static str]) -> Result<usize, Refusal> {
    let Operation { drafts, changes, .. } = operation;
    if drafts.is_empty() {
        return Err(invalid("it has no records"));
    }
    if drafts.len() > DRAFTS_MAX {
        return Err(invalid(&format!("{} records are above {DRAFTS_MAX}", drafts.len())));
    }
    if changes.len() > CHANGES_MAX {
        return Err(invalid(&format!("{} changes are above {CHANGES_MAX}", changes.len())));
    }
    let mut bytes = 0;
    for draft in drafts {
        check_draft(draft).map_err(Refusal::Invalid)?;
        bytes += RECORD_OVERHEAD_BYTES + draft.payload.len().min(PAYLOAD_INLINE_BYTES_MAX);
    }
    for change in changes {
        bytes += check_change(change, views)?;
    }
    if bytes > OPERATION_BYTES_MAX {
        return Err(invalid(&format!("{bytes} bytes are above {OPERATION_BYTES_MAX}")));
    }
    Ok(bytes)
}

pub(crate) fn check_change(change: &Change, views: &[&'static str]) -> Result<usize, Refusal> {
    let Change { view, key, value } = change;
    let value_len = value.as_ref().map_or(0, Vec::len);
    if !views.contains(view) {
        return Err(invalid(&format!("view `{view}` is not declared")));
    }
    if !(1..=KEY_BYTES_MAX).contains(&key.len()) {
        return Err(invalid(&format!("key of {} bytes in view `{view}`", key.len())));
    }
    if value_len > VALUE_BYTES_MAX {
        return Err(invalid(&format!("value of {value_len} bytes in view `{view}`")));
    }
    Ok(key.len() + value_len)
}

fn payload_ref(payload: &[u8], outside: Outside<'_>) -> Result<PayloadRef, Refusal> {
    let artifact =
        if payload.len() <= PAYLOAD_INLINE_BYTES_MAX { None } else { Some(outside.put(payload)?) };
    let len = u64::try_from(payload.len()).unwrap_or(u64::MAX);
    Ok(PayloadRef { len, digest: payload_digest_of(payload), artifact })
}

fn invalid(detail: &str) -> Refusal {
    Refusal::Invalid(detail.to_owned())
}
