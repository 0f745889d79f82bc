//! Retention: records that are old enough, or too many, go into the archive. None is deleted.
//!
//! How a range is sealed is the journal's; here is which one, and the record that says so.

use std::time::{Duration, Instant};

use engine::run::Micros;
use journal::{LogId, OpenError, Options, Reader, SealError, Sealing, Segment, Store};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::owner::{self, Clerk};
use crate::layout::Layout;
use crate::peer::ClientError;
use crate::projection::VIEWS;
use crate::{cause, clock, record};

/// How long an owner seals for one request before it says that there is more; whoever asked waits longer.
const ARCHIVE_TIME: Duration = Duration::from_secs(20);

/// Event type of the record that lists a sealed range, in the commit that seals it.
const ARCHIVED_KIND: &str = "journal.archived";

/// Which records are to be archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Those recorded before this moment.
    Before(Micros),
    /// The oldest, until what the database uses is at most so many bytes.
    Beyond(u64),
}

/// What was archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// The new segments.
    pub segments: Vec<Segment>,
    /// Bytes of the database file afterwards.
    pub database_bytes: u64,
}

/// Seals what is due, one segment for each commit, and gives the room back to the file system. Where another process
/// owns the project, that one does it between its commits, a few seconds at a time.
///
/// # Errors
/// When a segment cannot be sealed; those before it are.
pub fn archive(layout: &Layout, due: Due) -> Result<Archived, SealFailure> {
    let options =
        Options { access: journal::Access::Existing, ..Options::new(layout.journal(), VIEWS) };
    let mut store = match Store::open(options) {
        Ok(store) => store,
        Err(busy @ OpenError::Busy { .. }) => return by_owner(layout, due, busy),
        Err(error) => return Err(error.into()),
    };
    let mut segments = Vec::new();
    // Each manifest is a record too; the range ends with what was there at the start.
    let end = end(&store);
    while segments.last().is_none_or(|segment: &Segment| segment.last < end) {
        let Some(segment) = seal(&mut store, due)? else { break };
        segments.push(segment);
    }
    if !segments.is_empty() {
        store.compact()?;
    }
    store.close()?;
    Ok(Archived { segments, database_bytes: database_bytes(layout)? })
}

/// The last record of the log that is archived.
fn end(store: &Store) -> u64 {
    store.head(&LogId::default()).map_or(0, |(sequence, _)| sequence)
}

/// Seals one segment, where one is due.
fn seal(store: &mut Store, due: Due) -> Result<Option<Segment>, SealFailure> {
    let before_us = match due {
        Due::Before(moment) => moment.0,
        Due::Beyond(bytes) if store.used_bytes()? <= bytes => return Ok(None),
        Due::Beyond(_) => i64::MAX,
    };
    let sealing = Sealing { log: LogId::default(), before_us };
    Ok(store.seal(&sealing, manifest)?)
}

fn database_bytes(layout: &Layout) -> Result<u64, SealFailure> {
    Ok(Reader::open(layout.journal())?.size().map_err(SealFailure::Read)?.database_bytes)
}

/// Has the process that owns the project archive, until nothing more of what was there is due.
fn by_owner(layout: &Layout, due: Due, busy: OpenError) -> Result<Archived, SealFailure> {
    let before = segments(layout)?.len();
    let mut end = None;
    loop {
        let (before_us, max_bytes) = match due {
            Due::Before(moment) => (Some(moment.0), None),
            Due::Beyond(bytes) => (None, Some(bytes)),
        };
        let asked = json!({ "before_us": before_us, "max_bytes": max_bytes, "end": end });
        let answer = match owner::ask(layout, owner::ARCHIVE, asked) {
            Err(ClientError::NoOwner) => return Err(busy.into()),
            answer => owner::read::<Sealed>(answer?)?,
        };
        end = Some(answer.end);
        if !answer.more {
            break;
        }
    }
    let segments = segments(layout)?.into_iter().skip(before).collect();
    Ok(Archived { segments, database_bytes: database_bytes(layout)? })
}

/// What one request to archive came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sealed {
    /// Segments that were made.
    pub(crate) segments: usize,
    /// Records in them.
    pub(crate) records: u64,
    /// The last record that may be archived for it.
    pub(crate) end: u64,
    /// Whether it has to be asked again, with this end, for the rest.
    pub(crate) more: bool,
    /// Why the room could not be given back to the file system; new records use it.
    pub(crate) kept_room: Option<String>,
}

impl Clerk<'_> {
    /// Seals what is due up to the record `end`, or of what is there now, for [`ARCHIVE_TIME`] at most; with the last of
    /// it room is given back to the file system. Commits wait for one segment, or for that.
    ///
    /// # Errors
    /// See [`SealFailure`]; what was sealed is.
    pub(crate) fn archive(&self, due: Due, given: Option<u64>) -> Result<Sealed, SealFailure> {
        let begun = Instant::now();
        let there = self.journal.with_store(|store| end(store)).ok_or(SealFailure::Ending)?;
        let end = given.map_or(there, |given| given.min(there));
        let mut sealed = Sealed { segments: 0, records: 0, end, more: false, kept_room: None };
        let mut last = 0;
        while last < end {
            if begun.elapsed() >= ARCHIVE_TIME {
                return Ok(Sealed { more: true, ..sealed });
            }
            let made = self.journal.with_store(move |store| seal_until(store, due, end));
            let Some(segment) = made.ok_or(SealFailure::Ending)?? else { break };
            last = segment.last;
            sealed.segments += 1;
            sealed.records += segment.last.saturating_sub(segment.first).saturating_add(1);
        }
        if sealed.segments > 0 {
            let compacted = self.journal.with_store(Store::compact).ok_or(SealFailure::Ending)?;
            sealed.kept_room = compacted.err().map(|error| cause::line(&error));
        }
        Ok(sealed)
    }
}

/// As [`seal`], where the next segment begins at `end` or before.
fn seal_until(store: &mut Store, due: Due, end: u64) -> Result<Option<Segment>, SealFailure> {
    let reader = Reader::open(store.path())?;
    let sealed = reader.segments().map_err(SealFailure::Read)?;
    match sealed.last() {
        Some(segment) if segment.last >= end => Ok(None),
        _ => seal(store, due),
    }
}

fn manifest(segment: &Segment) -> journal::Draft {
    let body = json!({
        "log": segment.log.to_string(),
        "first": segment.first,
        "last": segment.last,
        "prev_leaf": segment.prev_leaf.to_string(),
        "leaf": segment.leaf.to_string(),
        "file": segment.digest.to_string(),
        "file_bytes": segment.file_bytes,
    });
    record::node_draft(ARCHIVED_KIND, &body, clock::now())
}

/// Every segment of a project's archive, in order.
///
/// # Errors
/// When the journal cannot be read.
pub fn segments(layout: &Layout) -> Result<Vec<Segment>, SealFailure> {
    Reader::open(layout.journal())?.segments().map_err(SealFailure::Read)
}

/// Why archiving ended.
#[derive(Debug, thiserror::Error)]
pub enum SealFailure {
    /// The journal cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read.
    #[error(transparent)]
    Read(journal::ReadError),
    /// A range was not sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database cannot be written.
    #[error(transparent)]
    Storage(#[from] journal::StorageError),
    /// The process that owns the project did not do it.
    #[error(transparent)]
    Owner(#[from] ClientError),
    /// The journal has ended, or too many wait for the same.
    #[error("the process is ending")]
    Ending,
}
