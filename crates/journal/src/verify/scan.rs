//! The scan: decode, hash and compare every record of a stretch, without allocation per record.
//!
//! A scanner has its own connection, so several work in parallel. It reports the first finding of a
//! chunk and the chunk's ends; `join` checks that chunks follow on each other.

use std::path::Path;

use rusqlite::{ErrorCode, OptionalExtension as _, Row};

use super::Verification;
use super::fault::{Fault, FaultReason, Finding, VerifyError};
use crate::archive::{self, ArchiveError};
use crate::artifact::ArtifactError;
use crate::checkpoint::Checkpoint;
use crate::digest::{Digest, leaf_of, payload_digest_of};
use crate::error::ReadError;
use crate::place::Placement;
use crate::reader::{Reader, blob};
use crate::record::{HeaderView, LogId, LogNumber, PayloadRef, SEQUENCE_MAX, Timestamp};
use crate::store::{read_checkpoints, read_kept};
use crate::tlog::Frontier;

/// Page cache of a scanner, in KiB: pages are read once, so a small one is quickest.
const CACHE_KIB: i64 = 512;

/// Reads one log for verification.
pub(super) struct Scanner {
    reader: Reader,
    log: LogId,
    number: Option<LogNumber>,
    placement: Placement,
}

/// What was found in one chunk.
pub(super) struct Chunk {
    from: u64,
    /// `prev_leaf` and time of the first record and leaf and time of the last, if they were reached.
    ends: Option<((Digest, Timestamp), (Digest, Timestamp))>,
    summary: Summary,
    pub(super) finding: Option<Finding>,
}

/// How much was verified.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Summary {
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// Payloads read from artifacts.
    pub(super) artifacts: u64,
}

impl Scanner {
    pub(super) fn open(verification: &Verification) -> Result<Self, VerifyError> {
        let Verification { path, placement, log, .. } = verification;
        let reader = Reader::open_at(path, placement)?;
        let settings = reader.connection().pragma_update(None, "cache_size", -CACHE_KIB);
        settings.map_err(ReadError::from)?;
        let number = reader.number(log)?;
        Ok(Self { reader, log: log.clone(), number, placement: placement.clone() })
    }

    pub(super) const fn log(&self) -> &LogId {
        &self.log
    }

    /// The log's last sequence; 0 when it has no records.
    pub(super) fn last(&self) -> Result<u64, VerifyError> {
        let Some(number) = self.number else { return Ok(0) };
        let sql = "SELECT id FROM event WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT 1";
        let range = (number.row(1), number.row(SEQUENCE_MAX));
        let row = self.reader.connection().query_row(sql, range, |row| row.get(0)).optional();
        let row: Option<i64> = row.map_err(|error| self.unreadable(1, error))?;
        Ok(row.map_or(0, LogNumber::sequence))
    }

    /// The checkpoints kept beside the database.
    pub(super) fn kept_aside(&self) -> Result<Vec<Checkpoint>, VerifyError> {
        kept_aside(&self.reader, &self.placement)
    }

    /// The leaf of a record, computed from its stored header; zero before the first.
    pub(super) fn leaf(&self, sequence: u64) -> Result<Digest, VerifyError> {
        if sequence == 0 {
            return Ok(Digest::ZERO);
        }
        self.header(sequence)?
            .map(|header| leaf_of(&header))
            .ok_or_else(|| self.fault(sequence, FaultReason::Missing).into())
    }

    /// What a record links to, if it is there and readable.
    pub(super) fn prev_leaf(&self, sequence: u64) -> Option<Digest> {
        let header = self.header(sequence).ok()??;
        HeaderView::decode(&header).ok().map(|view| view.prev_leaf)
    }

    /// Checks that the log still says what a checkpoint says.
    pub(super) fn compare(&self, kept: &Checkpoint, last: u64) -> Result<(), VerifyError> {
        if kept.sequence > last {
            let reason = FaultReason::Truncated { expected: kept.sequence };
            return Err(self.fault(last + 1, reason).into());
        }
        if self.leaf(kept.sequence)? == kept.leaf {
            return Ok(());
        }
        let reason = FaultReason::Replaced("a checkpoint names another leaf here");
        Err(self.fault(kept.sequence, reason).into())
    }

    /// The tree over the log that is kept beside the database, if one was built.
    pub(super) fn kept_tree(&self) -> Result<Option<Frontier>, VerifyError> {
        let path = self.placement.checkpoint_path(self.reader.path());
        let kept = path.as_deref().map_or_else(|| Ok(Vec::new()), read_kept)?;
        let own = kept.into_iter().find(|kept| kept.checkpoint.log == self.log);
        Ok(own.map(|kept| kept.tree).filter(|tree| tree.size() > 0))
    }

    /// Checks that the log's tree had these roots at these sizes, which ascend.
    pub(super) fn compare_roots(
        &self,
        roots: &[(u64, Digest)],
        last: u64,
    ) -> Result<(), VerifyError> {
        let mut tree = Frontier::default();
        for (size, root) in roots {
            if *size > last {
                let reason = FaultReason::Truncated { expected: *size };
                return Err(self.fault(last + 1, reason).into());
            }
            self.grow(&mut tree, *size)?;
            if tree.root() != *root {
                let reason = FaultReason::Replaced("a checkpoint was signed over other records");
                return Err(self.fault(*size, reason).into());
            }
        }
        Ok(())
    }

    fn grow(&self, tree: &mut Frontier, size: u64) -> Result<(), VerifyError> {
        while tree.size() < size {
            let before = tree.size();
            let wanted = usize::try_from(size - before).unwrap_or(usize::MAX);
            for header in self.reader.headers(&self.log, before, wanted)? {
                tree.push(leaf_of(&header));
            }
            if tree.size() == before {
                return Err(self.fault(before + 1, FaultReason::Missing).into());
            }
        }
        Ok(())
    }

    /// Verifies the records `from..=to`.
    pub(super) fn chunk(&self, from: u64, to: u64) -> Chunk {
        let mut chunk = Chunk { from, ends: None, summary: Summary::default(), finding: None };
        chunk.finding = self.walk(&mut chunk, to).err();
        chunk
    }

    fn walk(&self, chunk: &mut Chunk, to: u64) -> Result<(), Finding> {
        let Some(number) = self.number else { return Ok(()) };
        let sql = "SELECT id, stream, leaf, header, payload FROM event \
                   WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
        let mut expected = chunk.from;
        let failed = |sequence, error| Finding::from(self.unreadable(sequence, error));
        let connection = self.reader.connection();
        let mut statement =
            connection.prepare_cached(sql).map_err(|error| failed(expected, error))?;
        let range = (number.row(chunk.from), number.row(to));
        let mut rows = statement.query(range).map_err(|error| failed(expected, error))?;
        while let Some(row) = rows.next().map_err(|error| failed(expected, error))? {
            self.record(row, expected, chunk)?;
            expected += 1;
        }
        if expected <= to {
            return Err(Finding::Bad { sequence: expected, reason: FaultReason::Missing });
        }
        Ok(())
    }

    /// Verifies one row, which should hold the record `expected`, and moves the chunk's end.
    fn record(&self, row: &Row<'_>, expected: u64, chunk: &mut Chunk) -> Result<(), Finding> {
        let bad = |reason| Finding::Bad { sequence: expected, reason };
        let column = |index| {
            row.get_ref(index).map_err(|error| Finding::from(self.unreadable(expected, error)))
        };
        let id = column(0)?.as_i64().unwrap_or_default();
        if LogNumber::sequence(id) != expected {
            return Err(bad(FaultReason::Missing));
        }
        let bytes = blob(column(3)?);
        let leaf = leaf_of(bytes);
        if blob(column(2)?) != leaf.as_bytes() {
            let stored = <[u8; 32]>::try_from(blob(column(2)?)).map_or(Digest::ZERO, Digest::new);
            return Err(bad(FaultReason::Leaf { leaf: stored }));
        }
        let view = HeaderView::decode(bytes).map_err(|error| bad(FaultReason::Header(error)))?;
        if view.sequence != expected {
            return Err(Finding::Elsewhere { row: expected, header: view.sequence });
        }
        if view.tenant != self.log.tenant() || view.shard != self.log.shard() {
            return Err(bad(FaultReason::Displaced("the header names another log")));
        }
        if blob(column(1)?) != view.stream {
            return Err(bad(FaultReason::Displaced("the stream column is not the header's")));
        }
        self.payload(&view.payload, column(4)?.as_blob().ok(), (id, bytes, expected))?;
        let begin = match &chunk.ends {
            None => (view.prev_leaf, view.time),
            Some((begin, end)) => {
                follows(end, (view.prev_leaf, view.time), expected)?;
                *begin
            }
        };
        chunk.ends = Some((begin, (leaf, view.time)));
        chunk.summary.records += 1;
        chunk.summary.artifacts += u64::from(view.payload.artifact.is_some());
        chunk.summary.bytes += view.payload.len + u64::try_from(bytes.len()).unwrap_or(0);
        Ok(())
    }

    fn payload(
        &self,
        expected: &PayloadRef,
        inline: Option<&[u8]>,
        (id, header, sequence): (i64, &[u8], u64),
    ) -> Result<(), Finding> {
        let bad = || Finding::Bad { sequence, reason: FaultReason::Payload };
        let matches = |payload: &[u8]| {
            u64::try_from(payload.len()).is_ok_and(|len| len == expected.len)
                && payload_digest_of(payload) == expected.digest
        };
        match (expected.artifact, inline) {
            (None, Some(payload)) if matches(payload) => Ok(()),
            (None, None) => match self.reader.archived(id) {
                Ok(found) if found.header == header && matches(&found.payload) => Ok(()),
                // Then it is as if someone had removed it.
                Ok(_) | Err(ArchiveError::Unlisted) => Err(bad()),
                Err(error) => {
                    Err(Finding::Bad { sequence, reason: FaultReason::Archive(error.to_string()) })
                }
            },
            (None, _) | (Some(_), Some(_)) => Err(bad()),
            (Some(digest), None) => match self.reader.artifacts().map(|store| store.get(digest)) {
                Some(Ok(payload)) if matches(&payload) => Ok(()),
                Some(Err(ArtifactError::Io { path, source })) => {
                    let reason = format!("`{}`: {source}", path.display());
                    Err(Finding::Bad { sequence, reason: FaultReason::Unreadable(reason) })
                }
                _ => Err(bad()),
            },
        }
    }

    fn header(&self, sequence: u64) -> Result<Option<Vec<u8>>, VerifyError> {
        let Some(number) = self.number else { return Ok(None) };
        let sql = "SELECT header FROM event WHERE id = ?1";
        self.reader
            .connection()
            .query_row(sql, [number.row(sequence)], |row| Ok(blob(row.get_ref(0)?).to_vec()))
            .optional()
            .map_err(|error| self.unreadable(sequence, error))
    }

    fn fault(&self, sequence: u64, reason: FaultReason) -> Fault {
        Fault { log: self.log.clone(), sequence, reason }
    }

    /// A damaged page is a finding about the record it should hold; other failures say nothing.
    fn unreadable(&self, sequence: u64, error: rusqlite::Error) -> VerifyError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                self.fault(sequence, FaultReason::Unreadable(error.to_string())).into()
            }
            _ => VerifyError::Read(error.into()),
        }
    }
}

/// Whether a record with the given link and time may stand after one with `end`.
fn follows(
    end: &(Digest, Timestamp),
    (prev_leaf, time): (Digest, Timestamp),
    sequence: u64,
) -> Result<(), Finding> {
    if prev_leaf != end.0 {
        return Err(Finding::Unlinked { sequence });
    }
    if time <= end.1 {
        return Err(Finding::Bad { sequence, reason: FaultReason::Time });
    }
    Ok(())
}

/// Joins the chunks of a log, in order, after a record with the leaf `seed`.
pub(super) fn join(seed: Digest, chunks: impl Iterator<Item = Chunk>) -> Result<Summary, Finding> {
    let mut end = (seed, Timestamp::MIN);
    let mut total = Summary::default();
    for chunk in chunks {
        if let Some((begin, last)) = chunk.ends {
            follows(&end, begin, chunk.from)?;
            end = last;
        }
        if let Some(finding) = chunk.finding {
            return Err(finding);
        }
        total.records += chunk.summary.records;
        total.bytes += chunk.summary.bytes;
        total.artifacts += chunk.summary.artifacts;
    }
    Ok(total)
}

/// The checkpoints beside a reader's database.
pub(super) fn kept_aside(
    reader: &Reader,
    placement: &Placement,
) -> Result<Vec<Checkpoint>, VerifyError> {
    let path = placement.checkpoint_path(reader.path());
    Ok(path.as_deref().map_or_else(|| Ok(Vec::new()), |path: &Path| read_checkpoints(path))?)
}

/// All logs the database lists, whether or not they have records.
pub(super) fn registered(reader: &Reader) -> Result<Vec<LogId>, VerifyError> {
    let sql = "SELECT tenant, shard FROM log ORDER BY id";
    let mut statement = reader.connection().prepare_cached(sql).map_err(ReadError::from)?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u16>(1)?)))
        .map_err(ReadError::from)?;
    let mut logs = Vec::new();
    for row in rows {
        let (tenant, shard) = row.map_err(ReadError::from)?;
        // A name no writer makes: its records are then those of no log, and the first is named.
        let log = LogId::new(&tenant, shard).map_err(|_| stray(1))?;
        logs.push(log);
    }
    Ok(logs)
}

/// Checks that every record belongs to a listed log: one seek per log and one for each gap.
pub(super) fn check_strays(reader: &Reader) -> Result<(), VerifyError> {
    let sql = "SELECT min(id) FROM event WHERE id > ?1";
    let connection = reader.connection();
    let mut after = i64::MIN;
    loop {
        let row: Option<i64> =
            connection.query_row(sql, [after], |row| row.get(0)).map_err(ReadError::from)?;
        let Some(row) = row else { return Ok(()) };
        let number = LogNumber::of(row).ok_or_else(|| stray(LogNumber::sequence(row)))?;
        let listed = connection
            .prepare_cached("SELECT 1 FROM log WHERE id = ?1")
            .and_then(|mut statement| statement.exists([number.0]))
            .map_err(ReadError::from)?;
        if !listed || LogNumber::sequence(row) == 0 {
            return Err(stray(LogNumber::sequence(row)).into());
        }
        after = number.row(SEQUENCE_MAX);
    }
}

/// Checks that every segment is the file that was sealed and has the records it is listed for.
pub(super) fn check_segments(reader: &Reader, logs: &[LogId]) -> Result<(), VerifyError> {
    let Some(shelf) = reader.shelf() else { return Ok(()) };
    for listed in archive::listed(reader.connection()).map_err(ReadError::from)? {
        if let Err(error) = shelf.check(&listed) {
            let number = LogNumber::of(listed.first).map_or(0, |number| number.0);
            let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
            let log = index.and_then(|index| logs.get(index)).cloned().unwrap_or_default();
            let sequence = LogNumber::sequence(listed.first);
            let reason = FaultReason::Archive(error.to_string());
            return Err(Fault { log, sequence, reason }.into());
        }
    }
    Ok(())
}

fn stray(sequence: u64) -> Fault {
    Fault { log: LogId::default(), sequence, reason: FaultReason::Stray }
}
