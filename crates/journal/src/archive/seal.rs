//! Sealing: the oldest records of a log go into a segment file, and their payloads leave the database.
//!
//! The file is durable and read back before one commit lists it, takes the payloads out and appends the
//! manifest. A process that ends before that commit has changed nothing but left a file; after it, all is done.

use std::io::{self, BufWriter};
use std::path::PathBuf;

use thiserror::Error;

use super::segment::SegmentWriter;
use super::shelf::{Listed, Shelf};
use super::{ArchiveError, SEGMENT_BYTES_MAX, SEGMENT_RECORDS_MAX, Segment};
use crate::digest::{Digest, leaf_of, payload_digest_of};
use crate::error::{CommitError, Refusal, StorageError};
use crate::operation::{Operation, Plan};
use crate::reader::blob;
use crate::record::{Draft, HeaderView, LogId, LogNumber};
use crate::store::Store;

/// What to seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealing {
    /// The log.
    pub log: LogId,
    /// Only records recorded before this microsecond.
    pub before_us: i64,
}

/// Why nothing was sealed.
#[derive(Debug, Error)]
pub enum SealError {
    /// A record does not match its header or its neighbour; it stays where it is.
    #[error("record {sequence} of `{log}` is damaged")]
    Damaged {
        /// The log.
        log: LogId,
        /// The record.
        sequence: u64,
    },
    /// The segment cannot be written or read back.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The database cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The database did not take it.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A simulated disk has no archive.
    #[error("a simulated disk has no archive")]
    Simulated,
}

impl From<rusqlite::Error> for SealError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl Store {
    /// Seals the oldest records that are not archived yet, one segment of them, and says which.
    ///
    /// `manifest` makes the record that is appended in the same commit. `None`: nothing is due.
    ///
    /// # Errors
    /// When a record is damaged or a file or the database cannot be written; the records are then where
    /// they were. [`CommitError::Indeterminate`] as for every commit.
    pub fn seal(
        &mut self,
        sealing: &Sealing,
        manifest: impl FnOnce(&Segment) -> Draft,
    ) -> Result<Option<Segment>, SealError> {
        let shelf = self.shelf().ok_or(SealError::Simulated)?;
        let Some(written) = self.write_segment(&shelf, sealing)? else { return Ok(None) };
        shelf.publish(&written.temporary, written.segment.digest)?;
        // What cannot be read back is not sealed.
        shelf.check(&written.listed)?;
        shelf.read_back(&written.segment)?;
        self.commit_segment(&written, manifest(&written.segment))?;
        Ok(Some(written.segment))
    }

    /// Writes the segment's file and flushes it; the database is only read.
    fn write_segment(
        &self,
        shelf: &Shelf,
        sealing: &Sealing,
    ) -> Result<Option<Written>, SealError> {
        let Some(number) = self.number(&sealing.log) else { return Ok(None) };
        let connection = self.connection();
        let sql = "SELECT coalesce(max(last), ?1) FROM segment WHERE first BETWEEN ?1 AND ?2";
        let range = (number.row(0), number.row(crate::record::SEQUENCE_MAX));
        let after: i64 = connection.query_row(sql, range, |row| row.get(0))?;
        let first = LogNumber::sequence(after) + 1;
        let sql = "SELECT id, header, payload FROM event WHERE id > ?1 AND id <= ?2 ORDER BY id";
        let last = number.row(first.saturating_add(SEGMENT_RECORDS_MAX - 1));
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query((after, last))?;
        let mut range: Option<Range> = None;
        let mut target = None;
        while let Some(row) = rows.next()? {
            let sequence = range.as_ref().map_or(first, |range| range.last + 1);
            let damaged = || SealError::Damaged { log: sealing.log.clone(), sequence };
            let header = blob(row.get_ref(1)?);
            let view = HeaderView::decode(header).map_err(|_| damaged())?;
            let full = range.as_ref().is_some_and(|range| range.bytes >= SEGMENT_BYTES_MAX);
            if view.time.micros >= sealing.before_us || full {
                break;
            }
            let payload = row.get_ref(2)?.as_blob().ok();
            let links = range.as_ref().is_none_or(|range| range.leaf == view.prev_leaf);
            let is_payload = match view.payload.artifact {
                Some(_) => payload.is_none(),
                None => payload.is_some_and(|it| payload_digest_of(it) == view.payload.digest),
            };
            if number.row(sequence) != row.get::<_, i64>(0)? || !links || !is_payload {
                return Err(damaged());
            }
            let payload = payload.unwrap_or_default();
            let (_, writer) = match &mut target {
                Some(open) => open,
                empty => empty.insert(begin(shelf, first)?),
            };
            writer.add(header, payload).map_err(|error| failed(shelf, error))?;
            let range = range.get_or_insert_with(|| Range::from(view.prev_leaf));
            range.take(sequence, header, payload);
        }
        let Some((range, (temporary, writer))) = range.zip(target) else { return Ok(None) };
        let at = |error| failed(shelf, error);
        let (digest, file_bytes, file) = writer.finish().map_err(at)?;
        file.into_inner().map_err(|error| at(error.into_error()))?.sync_all().map_err(at)?;
        let listed = Listed { first: number.row(first), last: number.row(range.last), digest };
        let segment = Segment {
            log: sealing.log.clone(),
            first,
            last: range.last,
            prev_leaf: range.prev_leaf,
            leaf: range.leaf,
            file_bytes,
            digest,
        };
        Ok(Some(Written { temporary, listed, segment }))
    }

    /// Lists the segment, takes its payloads out of the database and appends the manifest, in one commit.
    fn commit_segment(&mut self, written: &Written, manifest: Draft) -> Result<(), SealError> {
        let log = written.segment.log.clone();
        let operation = Operation { log, drafts: vec![manifest], changes: Vec::new() };
        let plan = Plan::new(&operation, self.views(), self.outside());
        let plan = plan.map_err(CommitError::from)?;
        let Listed { first, last, digest } = &written.listed;
        let answers = self.commit_with(&[(&operation, &plan)], &|connection| {
            let sql = "INSERT INTO segment (first, last, digest) VALUES (?1, ?2, ?3)";
            connection.execute(sql, (first, last, digest.as_bytes().as_slice()))?;
            let sql = "UPDATE event SET payload = NULL \
                       WHERE id BETWEEN ?1 AND ?2 AND payload IS NOT NULL";
            connection.execute(sql, (first, last)).map(|_| ())
        });
        let answer = answers.into_iter().next().unwrap_or(Err(Refusal::Stopped.into()));
        answer.map(|_| ()).map_err(SealError::from)
    }
}

type Target = (PathBuf, SegmentWriter<BufWriter<std::fs::File>>);

fn begin(shelf: &Shelf, first: u64) -> Result<Target, SealError> {
    let (path, file) = shelf.temporary()?;
    let writer = SegmentWriter::new(BufWriter::new(file), first);
    Ok((path, writer.map_err(|error| failed(shelf, error))?))
}

fn failed(shelf: &Shelf, source: io::Error) -> SealError {
    ArchiveError::Io { path: shelf.folder().to_owned(), source }.into()
}

/// A segment whose file is durable and not yet listed.
struct Written {
    temporary: PathBuf,
    listed: Listed,
    segment: Segment,
}

/// What was read so far.
struct Range {
    last: u64,
    prev_leaf: Digest,
    leaf: Digest,
    bytes: u64,
}

impl Range {
    fn from(prev_leaf: Digest) -> Self {
        Self { last: 0, prev_leaf, leaf: prev_leaf, bytes: 0 }
    }

    fn take(&mut self, sequence: u64, header: &[u8], payload: &[u8]) {
        self.last = sequence;
        self.leaf = leaf_of(header);
        self.bytes += u64::try_from(header.len() + payload.len()).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Reader;
    use crate::record::Stream;
    use crate::store::Options;
    use crate::verify::verify_all;
    use crate::{Record, Verification};
    use std::path::Path;

    fn draft(number: u32) -> Draft {
        Draft {
            stream: Stream { class: "run".into(), id: [1; 16] },
            kind: "step.started".into(),
            time_us: i64::from(number),
            principal: "user".to_owned(),
            correlation: None,
            causation: None,
            trace: None,
            schema: Digest::ZERO,
            payload: format!("payload {number}").into_bytes(),
        }
    }

    fn open(database: &Path) -> Store {
        Store::open(Options::new(database, &[])).unwrap()
    }

    fn filled(database: &Path) -> Vec<Record> {
        let mut store = open(database);
        let drafts = (1..=50).map(draft).collect();
        let operation = Operation { log: LogId::default(), drafts, changes: Vec::new() };
        let _ = store.commit_batch(&[operation]).pop().unwrap().unwrap();
        store.close().unwrap();
        records(database)
    }

    fn records(database: &Path) -> Vec<Record> {
        Reader::open(database).unwrap().by_log(&LogId::default(), 0, 1000).unwrap()
    }

    /// Ends a process after so many of the steps of sealing: it is dropped, and the disk stays as it is.
    fn stopped_after(steps: u8, database: &Path) {
        let sealing = Sealing { log: LogId::default(), before_us: 40 };
        let mut store = open(database);
        let shelf = store.shelf().unwrap();
        if steps == 0 {
            // In the middle of writing: half a file under the temporary name.
            let (path, file) = shelf.temporary().unwrap();
            file.set_len(100).unwrap();
            assert!(path.exists());
            return;
        }
        let written = store.write_segment(&shelf, &sealing).unwrap().unwrap();
        if steps >= 2 {
            shelf.publish(&written.temporary, written.segment.digest).unwrap();
        }
        if steps >= 3 {
            // In the middle of the commit: everything written, and not committed.
            store.connection().execute_batch("BEGIN IMMEDIATE").unwrap();
            let sql = "INSERT INTO segment (first, last, digest) VALUES (?1, ?2, ?3)";
            let Listed { first, last, digest } = &written.listed;
            let row = (first, last, digest.as_bytes().as_slice());
            store.connection().execute(sql, row).unwrap();
            let sql = "UPDATE event SET payload = NULL WHERE id BETWEEN ?1 AND ?2";
            assert!(store.connection().execute(sql, (first, last)).unwrap() > 10);
        }
        if steps >= 4 {
            store.connection().execute_batch("ROLLBACK").unwrap();
            store.commit_segment(&written, draft(60)).unwrap();
        }
    }

    #[test]
    fn a_process_that_ends_while_sealing_has_sealed_all_or_nothing() {
        for steps in 0..=4 {
            let folder = tempfile::tempdir().unwrap();
            let database = folder.path().join("j.db");
            let before = filled(&database);
            stopped_after(steps, &database);
            let found = records(&database);
            verify_all(&Verification::new(&database)).unwrap();
            assert_eq!(found[..50], before, "after {steps} steps");
            let segments = Reader::open(&database).unwrap().segments().unwrap();
            let done = steps == 4;
            assert_eq!(segments.len(), usize::from(done), "after {steps} steps");
            assert_eq!(found.len(), 50 + usize::from(done), "the manifest is in the same commit");
            // And the next one goes on.
            let mut store = open(&database);
            let sealing = Sealing { log: LogId::default(), before_us: 40 };
            let next = store.seal(&sealing, |_| draft(70)).unwrap();
            assert_eq!(next.is_none(), done);
            drop(store);
            verify_all(&Verification::new(&database)).unwrap();
            assert_eq!(records(&database)[..50], before);
        }
    }
}
