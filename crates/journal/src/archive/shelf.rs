//! The folder of segment files beside a database, and reading one record out of them.
//!
//! Files are named by their digest, written once, and compared with that digest before anything in them is
//! decompressed. It deletes nothing but temporary files an earlier process left.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _};
use sha2::{Digest as _, Sha256};

use super::segment::{Archived, Block, BlockError, FIRST_LINE, next_block};
use super::{ArchiveError, Segment};
use crate::artifact::sync_folder;
use crate::digest::{Digest, leaf_of, payload_digest_of};
use crate::error::ReadError;
use crate::plain;
use crate::record::{HeaderView, LogId, LogNumber};

/// Name of a file that is being written.
const TEMPORARY: &str = "writing";

/// The segments of one database. One thread's: it keeps the block it read last.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
    open: RefCell<Option<Opened>>,
}

/// A segment file that was compared with its digest, and the block read from it last.
#[derive(Debug)]
struct Opened {
    digest: Digest,
    file: BufReader<File>,
    block: Option<Block>,
}

/// A row of the list of segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) digest: Digest,
}

impl Shelf {
    /// The shelf of the database at `database`: `archive` in the same folder.
    pub(crate) fn beside(database: &Path) -> Self {
        Self { folder: database.with_file_name("archive"), open: RefCell::new(None) }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a segment's file is, whether or not it exists.
    pub(crate) fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(format!("{digest}.segment"))
    }

    /// One archived record, as the segment has it; whether it is genuine is for the caller to compare.
    pub(crate) fn get(&self, connection: &Connection, id: i64) -> Result<Archived, ArchiveError> {
        let listed = listed_at(connection, id)?.ok_or(ArchiveError::Unlisted)?;
        let path = self.path(listed.digest);
        let sequence = LogNumber::sequence(id);
        let mut open = self.open.borrow_mut();
        if open.as_ref().is_none_or(|opened| opened.digest != listed.digest) {
            *open = Some(self.opened(listed.digest)?);
        }
        let opened = open.as_mut().ok_or(ArchiveError::Unlisted)?;
        opened.record(sequence).map_err(|error| located(&path, error))
    }

    /// Compares a file with its digest, and its records' range with what is listed.
    pub(crate) fn check(&self, listed: &Listed) -> Result<(), ArchiveError> {
        let path = self.path(listed.digest);
        let mut opened = self.opened(listed.digest)?;
        let mut next = LogNumber::sequence(listed.first);
        while let Some(block) =
            next_block(&mut opened.file, next).map_err(|error| located(&path, error))?
        {
            if block.first != next {
                return Err(damaged(&path, "it begins with another record than is listed"));
            }
            next = block.end();
        }
        if next != LogNumber::sequence(listed.last).saturating_add(1) {
            return Err(damaged(&path, "it ends with another record than is listed"));
        }
        Ok(())
    }

    /// Decodes every record of a new segment and holds it against its own hashes and the chain it was taken from.
    pub(super) fn read_back(&self, segment: &Segment) -> Result<(), ArchiveError> {
        let path = self.path(segment.digest);
        let other = || damaged(&path, "its records do not read back as they were written");
        let mut opened = self.opened(segment.digest)?;
        let mut before = segment.prev_leaf;
        for sequence in segment.first..=segment.last {
            let record = opened.record(sequence).map_err(|error| located(&path, error))?;
            let view = HeaderView::decode(&record.header).map_err(|_| other())?;
            let is_payload = view.payload.artifact.is_some()
                || payload_digest_of(&record.payload) == view.payload.digest;
            if view.prev_leaf != before || !is_payload {
                return Err(other());
            }
            before = leaf_of(&record.header);
        }
        if before == segment.leaf { Ok(()) } else { Err(other()) }
    }

    fn opened(&self, digest: Digest) -> Result<Opened, ArchiveError> {
        let path = self.path(digest);
        let failed = |source| ArchiveError::Io { path: path.clone(), source };
        let mut file = plain::open(OpenOptions::new().read(true), &path).map_err(|error| {
            match error.kind() {
                io::ErrorKind::NotFound => ArchiveError::Missing { path: path.clone() },
                _ => failed(error),
            }
        })?;
        let mut hasher = Sha256::new();
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let count = file.read(&mut chunk).map_err(failed)?;
            match chunk.get(..count) {
                Some(bytes) if !bytes.is_empty() => hasher.update(bytes),
                _ => break,
            }
        }
        if Digest::new(hasher.finalize().into()) != digest {
            return Err(damaged(&path, "its content is not what its name says"));
        }
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut file = BufReader::new(file);
        let mut first = vec![0; FIRST_LINE.len()];
        file.read_exact(&mut first).map_err(failed)?;
        if first != FIRST_LINE {
            return Err(damaged(&path, "it does not begin as one"));
        }
        Ok(Opened { digest, file, block: None })
    }

    /// A new temporary file; one of an earlier process is begun anew, as only the owner writes.
    pub(super) fn temporary(&self) -> Result<(PathBuf, File), ArchiveError> {
        let path = self.folder.join(TEMPORARY);
        let failed = |source| ArchiveError::Io { path: path.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(failed)?;
        plain::check(&self.folder).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = plain::open(&mut options, &path).map_err(failed)?;
        Ok((path, file))
    }

    /// Gives a written and flushed file its name, durably.
    pub(super) fn publish(&self, temporary: &Path, digest: Digest) -> Result<(), ArchiveError> {
        let target = self.path(digest);
        let failed = |source| ArchiveError::Io { path: target.clone(), source };
        // A file of this name has this content: an earlier try that was not recorded.
        fs::rename(temporary, &target).map_err(failed)?;
        sync_folder(&self.folder)
            .and_then(|()| sync_folder(self.folder.parent().unwrap_or(&self.folder)))
            .map_err(|error| failed(io::Error::other(error)))
    }

    /// Copies a segment into another shelf, durably, comparing it with its digest on the way.
    pub(crate) fn copy_to(&self, target: &Self, digest: Digest) -> Result<(), ArchiveError> {
        let mut opened = self.opened(digest)?;
        let (path, mut file) = target.temporary()?;
        let failed = |source| ArchiveError::Io { path: path.clone(), source };
        opened.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        io::copy(&mut opened.file, &mut file).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        target.publish(&path, digest)
    }
}

impl Opened {
    fn record(&mut self, sequence: u64) -> Result<Archived, BlockError> {
        if let Some(found) = self.block.as_ref().and_then(|block| block.get(sequence)) {
            return Ok(found.clone());
        }
        // Reading goes on where it stands, unless the record lies before that.
        if self.block.take().is_none_or(|block| block.first > sequence) {
            let start = u64::try_from(FIRST_LINE.len()).unwrap_or(0);
            self.file.seek(SeekFrom::Start(start))?;
        }
        self.block = next_block(&mut self.file, sequence)?;
        let found = self.block.as_ref().and_then(|block| block.get(sequence));
        found.cloned().ok_or(BlockError::Bytes("it does not have the record it is listed for"))
    }
}

fn located(path: &Path, error: BlockError) -> ArchiveError {
    match error {
        BlockError::Io(source) => ArchiveError::Io { path: path.to_owned(), source },
        BlockError::Bytes(what) => damaged(path, what),
    }
}

fn damaged(path: &Path, what: &'static str) -> ArchiveError {
    ArchiveError::Damaged { path: path.to_owned(), what }
}

/// The segment that is listed as having an event; none in a database from before there were any.
fn listed_at(connection: &Connection, id: i64) -> Result<Option<Listed>, ArchiveError> {
    if !connection.table_exists(None, "segment")? {
        return Ok(None);
    }
    let sql =
        "SELECT first, last, digest FROM segment WHERE first <= ?1 ORDER BY first DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row([id], row).optional()?;
    Ok(found.filter(|listed| listed.last >= id))
}

/// Every segment, in order of its records.
pub(crate) fn listed(connection: &Connection) -> Result<Vec<Listed>, rusqlite::Error> {
    if !connection.table_exists(None, "segment")? {
        return Ok(Vec::new());
    }
    let sql = "SELECT first, last, digest FROM segment ORDER BY first";
    connection.prepare_cached(sql)?.query_map([], row)?.collect()
}

/// What is known of a listed segment: its ends by the headers in the database, its length by the file.
pub(crate) fn described(
    connection: &Connection,
    shelf: &Shelf,
    logs: &HashMap<u32, LogId>,
    listed: &Listed,
) -> Result<Segment, ReadError> {
    let sql = "SELECT header FROM event WHERE id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut header = |id: i64| statement.query_row([id], |row| row.get::<_, Vec<u8>>(0));
    let log = LogNumber::of(listed.first).and_then(|number| logs.get(&number.0));
    let log = log.cloned().unwrap_or_default();
    let (first, last) = (LogNumber::sequence(listed.first), LogNumber::sequence(listed.last));
    let decoded = HeaderView::decode(&header(listed.first)?).map(|view| view.prev_leaf);
    let prev_leaf = decoded.map_err(|source| ReadError::Header {
        log: log.clone(),
        sequence: first,
        source,
    })?;
    let leaf = leaf_of(&header(listed.last)?);
    let file_bytes = fs::metadata(shelf.path(listed.digest)).map_or(0, |found| found.len());
    Ok(Segment { log, first, last, prev_leaf, leaf, file_bytes, digest: listed.digest })
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Listed> {
    Ok(Listed { first: row.get(0)?, last: row.get(1)?, digest: Digest::new(row.get(2)?) })
}
