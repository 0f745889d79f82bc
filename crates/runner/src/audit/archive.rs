//! Retention: records that are old enough, or too many, go into the archive. None is deleted.
//!
//! How a range is sealed is the journal's; here is which one, and the record that says so.

use engine::run::Micros;
use journal::{LogId, OpenError, Options, Reader, SealError, Sealing, Segment, Store};
use serde_json::json;

use crate::clock;
use crate::layout::Layout;
use crate::projection::VIEWS;
use crate::record;

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

/// Seals what is due, one segment for each commit, and gives the room back to the file system.
///
/// # Errors
/// When another process owns the project, or a segment cannot be sealed; those before it are.
pub fn archive(layout: &Layout, due: Due) -> Result<Archived, SealFailure> {
    let options =
        Options { access: journal::Access::Existing, ..Options::new(layout.journal(), VIEWS) };
    let mut store = Store::open(options)?;
    let before_us = match due {
        Due::Before(moment) => moment.0,
        Due::Beyond(_) => i64::MAX,
    };
    let sealing = Sealing { log: LogId::default(), before_us };
    let mut segments = Vec::new();
    // Each manifest is a record too; the range ends with what was there at the start.
    let end = store.head(&sealing.log).map_or(0, |(sequence, _)| sequence);
    loop {
        let enough = match due {
            Due::Before(_) => false,
            Due::Beyond(bytes) => store.used_bytes()? <= bytes,
        };
        let reached = segments.last().is_some_and(|segment: &Segment| segment.last >= end);
        if enough || reached {
            break;
        }
        let Some(segment) = store.seal(&sealing, manifest)? else { break };
        segments.push(segment);
    }
    if !segments.is_empty() {
        store.compact()?;
    }
    store.close()?;
    let size = Reader::open(layout.journal())?.size().map_err(SealFailure::Read)?;
    Ok(Archived { segments, database_bytes: size.database_bytes })
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
}
