//! Reading a database while any process writes it: records, views, heads, sizes.
//!
//! Every call is one short read transaction with a bounded result, so a reader never pins the
//! write-ahead log. Records are checked against their headers as they are read; whether the chain
//! holds is for `verify`. `page` reads records, `view` reads views, `subscription` follows a log.

mod header;
mod notice;
mod page;
mod subscription;
mod view;

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _};

pub(crate) use notice::Notice;
pub(crate) use page::blob;
pub use page::{Filter, Order, PAGE_BYTES_MAX, PAGE_RECORDS_MAX};
pub use subscription::Subscription;
pub use view::{Scan, ViewRow};

use crate::archive::{self, ArchiveError, Archived, Segment, Shelf};
use crate::artifact::ArtifactStore;
use crate::checkpoint::Checkpoint;
use crate::digest::{Digest, leaf_of};
use crate::error::{OpenError, ReadError};
use crate::place::{Placement, beside};
use crate::record::{Header, LogId, LogNumber, SEQUENCE_MAX, Timestamp};
use crate::store::{check_sqlite, classify, configure_reader, identify, reading_flags};

/// A read-only connection to a database. Open one per thread.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
    artifacts: Option<ArtifactStore>,
    shelf: Option<Shelf>,
    numbers: RefCell<HashMap<LogId, LogNumber>>,
}

/// Where a log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHead {
    /// The log.
    pub log: LogId,
    /// Its last sequence, which is also the number of its records.
    pub sequence: u64,
    /// The last record's leaf.
    pub leaf: Digest,
    /// The last record's time.
    pub time: Timestamp,
}

impl LogHead {
    /// The head as a checkpoint to keep aside.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { log: self.log.clone(), sequence: self.sequence, leaf: self.leaf }
    }
}

/// How much a database holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Records in all logs.
    pub records: u64,
    /// Bytes of the database file.
    pub database_bytes: u64,
    /// Bytes of the write-ahead log's file; 0 on a simulated disk.
    pub wal_bytes: u64,
}

impl Reader {
    /// Opens the database at `path` for reading.
    ///
    /// # Errors
    /// When it is missing, not ours, newer than this program, or unreadable.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_at(path, &Placement::Disk)
    }

    /// Opens a database for reading wherever it lives.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open_at(path: impl AsRef<Path>, placement: &Placement) -> Result<Self, OpenError> {
        check_sqlite()?;
        let path = match placement {
            Placement::Disk => absolute(path.as_ref())?,
            Placement::Simulated { .. } => path.as_ref().to_owned(),
        };
        placement.refuse_links(&path)?;
        let refused = |error| unreadable(classify(&path, error));
        let connection = placement.connect(&path, reading_flags()).map_err(refused)?;
        configure_reader(&connection, placement).map_err(refused)?;
        // An empty database is one whose owner has not finished making it: there is nothing to read yet.
        if identify(&connection, &path).map_err(unreadable)? == 0 {
            return Err(OpenError::Missing { path });
        }
        let (artifacts, shelf) = (placement.artifacts(&path), placement.shelf(&path));
        Ok(Self { connection, path, artifacts, shelf, numbers: RefCell::default() })
    }

    /// Runs several reads on one state of the database. Keep it short: it holds the write-ahead log.
    ///
    /// # Errors
    /// When `reads` fails or the transaction cannot be started.
    pub fn consistent<T>(
        &self,
        reads: impl FnOnce(&Self) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let transaction = self.connection.unchecked_transaction()?;
        let result = reads(self);
        transaction.finish()?;
        result
    }

    /// All logs of the database that have records, in order of creation.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn logs(&self) -> Result<Vec<LogHead>, ReadError> {
        let mut statement =
            self.connection.prepare_cached("SELECT tenant, shard FROM log ORDER BY id")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        let names: Vec<(String, u16)> = rows.collect::<rusqlite::Result<_>>()?;
        let mut heads = Vec::with_capacity(names.len());
        for (tenant, shard) in names {
            // A name that no writer makes is tampering, which `verify_all` reports.
            let Ok(log) = LogId::new(&tenant, shard) else { continue };
            heads.extend(self.head(&log)?);
        }
        Ok(heads)
    }

    /// The epoch of the newest owner: how often the database was opened for writing.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn epoch(&self) -> Result<u64, ReadError> {
        let sql = "SELECT epoch FROM owner WHERE only_row = 1";
        let epoch: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        // A negative one is below all others.
        Ok(u64::try_from(epoch).unwrap_or(0))
    }

    /// Where a log ends; `None` when it has no records.
    ///
    /// # Errors
    /// When the database cannot be read or the last header is not one.
    pub fn head(&self, log: &LogId) -> Result<Option<LogHead>, ReadError> {
        let Some(number) = self.number(log)? else { return Ok(None) };
        let sql =
            "SELECT id, header FROM event WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((number.row(1), number.row(SEQUENCE_MAX)))?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let sequence = LogNumber::sequence(row.get(0)?);
        let bytes: Vec<u8> = row.get(1)?;
        let header = Header::decode(&bytes).map_err(|source| ReadError::Header {
            log: log.clone(),
            sequence,
            source,
        })?;
        let leaf = leaf_of(&bytes);
        Ok(Some(LogHead { log: log.clone(), sequence, leaf, time: header.time }))
    }

    /// How much the database holds.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn size(&self) -> Result<Size, ReadError> {
        let number = |sql: &str| {
            self.connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
        };
        let database_bytes = number("PRAGMA page_count")? * number("PRAGMA page_size")?;
        let records = self.logs()?.iter().map(|head| head.sequence).sum();
        // Only looked at by name: opening a second descriptor would drop SQLite's locks.
        let wal = std::fs::metadata(beside(&self.path, "-wal"));
        Ok(Size { records, database_bytes, wal_bytes: wal.map_or(0, |found| found.len()) })
    }

    /// All segments of archived records, in order.
    ///
    /// # Errors
    /// When the list, a file or the header of a segment's end cannot be read.
    pub fn segments(&self) -> Result<Vec<Segment>, ReadError> {
        let Some(shelf) = &self.shelf else { return Ok(Vec::new()) };
        let mut logs = HashMap::new();
        for head in self.logs()? {
            logs.extend(self.number(&head.log)?.map(|number| (number.0, head.log)));
        }
        let listed = archive::listed(&self.connection)?;
        listed.iter().map(|it| archive::described(&self.connection, shelf, &logs, it)).collect()
    }

    /// An archived record as its segment has it.
    pub(crate) fn archived(&self, id: i64) -> Result<Archived, ArchiveError> {
        self.shelf.as_ref().ok_or(ArchiveError::Unlisted)?.get(&self.connection, id)
    }

    pub(crate) const fn shelf(&self) -> Option<&Shelf> {
        self.shelf.as_ref()
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The artifact store beside the database; `None` on a simulated disk.
    #[must_use]
    pub const fn artifacts(&self) -> Option<&ArtifactStore> {
        self.artifacts.as_ref()
    }

    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// A number that differs from the last call's when another connection has committed since.
    pub(crate) fn data_version(&self) -> Result<i64, ReadError> {
        let mut statement = self.connection.prepare_cached("PRAGMA data_version")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    pub(crate) fn number(&self, log: &LogId) -> Result<Option<LogNumber>, ReadError> {
        if let Some(number) = self.numbers.borrow().get(log) {
            return Ok(Some(*number));
        }
        let sql = "SELECT id FROM log WHERE tenant = ?1 AND shard = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let found: Option<u32> =
            statement.query_row((log.tenant(), log.shard()), |row| row.get(0)).optional()?;
        let number = found.map(LogNumber);
        if let Some(number) = number {
            self.numbers.borrow_mut().insert(log.clone(), number);
        }
        Ok(number)
    }
}

/// To a reader a file that cannot be opened is unreadable, not unwritable. Reading may fail for want of
/// writing, though: SQLite makes its `-shm` file in the folder unless a writer has left one there.
fn unreadable(error: OpenError) -> OpenError {
    match error {
        OpenError::Unwritable { path, .. } => {
            let reason = "it, or the `-shm` file beside it, cannot be opened";
            OpenError::Io { path, source: std::io::Error::other(reason) }
        }
        other => other,
    }
}

/// The absolute form of a path that must name something.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, OpenError> {
    let io_error = |source| OpenError::Io { path: path.to_owned(), source };
    let path = std::path::absolute(path).map_err(io_error)?;
    match std::fs::metadata(&path) {
        Ok(_) => Ok(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(OpenError::Missing { path })
        }
        Err(source) => Err(OpenError::Io { path, source }),
    }
}
