//! Rebuilding every view from the log, byte for byte, and saying what was different.
//!
//! The views are folded into fresh tables in one transaction, compared with the present ones and put
//! in their place. Needs the owner lock, so no writer is running. What a view means is the projector's.

use rusqlite::{CachedStatement, Connection, TransactionBehavior};
use thiserror::Error;

use crate::error::{OpenError, ReadError, Refusal, StorageError};
use crate::operation::{Change, check_change};
use crate::reader::{PAGE_RECORDS_MAX, Reader};
use crate::record::{LogId, Record};
use crate::store::{Access, Options, Store, view_table, view_table_sql};

/// What a rebuild found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// Records folded, of all logs.
    pub records: u64,
    /// The views, in the order they were declared.
    pub views: Vec<ViewReport>,
}

/// How a view differed from what the log implies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewReport {
    /// The view.
    pub view: &'static str,
    /// Rows it has now.
    pub rows: u64,
    /// Rows that were missing.
    pub missing: u64,
    /// Rows that should not have been there.
    pub extra: u64,
    /// Rows that had another value.
    pub changed: u64,
}

impl ViewReport {
    /// Whether the view was already what the log implies.
    #[must_use]
    pub const fn is_identical(&self) -> bool {
        self.missing == 0 && self.extra == 0 && self.changed == 0
    }
}

/// Why a rebuild did not happen; the views are then as they were.
#[derive(Debug, Error)]
pub enum RebuildError {
    /// The database cannot be opened for writing.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A record cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The projector made a change no view accepts.
    #[error("projection of record {sequence} is refused")]
    Projection {
        /// The record.
        sequence: u64,
        /// What is wrong with the change.
        #[source]
        source: Refusal,
    },
    /// The database cannot be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for RebuildError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

/// Recreates the views `options` declares by folding every record through `projector`.
///
/// Records come in the order of their recorded time, which is the order they were committed in,
/// across all logs. The projector must make the changes that were committed with each record.
///
/// # Errors
/// When the database is in use or damaged, or a change is refused; nothing is changed then.
pub fn rebuild(
    options: Options,
    mut projector: impl FnMut(&Record) -> Vec<Change>,
) -> Result<Rebuilt, RebuildError> {
    let placement = options.placement.clone();
    let mut store = Store::open(Options { access: Access::Existing, ..options })?;
    let reader = Reader::open_at(store.path(), &placement)?;
    let views = store.views();
    let connection = store.connection_mut();
    // The whole rebuild is one transaction; its pages may leave memory before it commits.
    connection.pragma_update(None, "cache_spill", true)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for view in views {
        transaction.execute_batch(&view_table_sql("", &fresh_table(view)))?;
    }
    let records = fold(&transaction, &reader, views, &mut projector)?;
    let mut reports = Vec::with_capacity(views.len());
    for view in views {
        reports.push(compare(&transaction, view)?);
        let (old, new) = (view_table(view), fresh_table(view));
        transaction
            .execute_batch(&format!("DROP TABLE {old}; ALTER TABLE {new} RENAME TO {old}"))?;
    }
    transaction.commit()?;
    drop(reader);
    store.close()?;
    Ok(Rebuilt { records, views: reports })
}

pub(crate) fn fresh_table(view: &str) -> String {
    format!("fresh_{view}")
}

fn fold(
    connection: &Connection,
    reader: &Reader,
    views: &'static [&'static str],
    projector: &mut impl FnMut(&Record) -> Vec<Change>,
) -> Result<u64, RebuildError> {
    let mut merge = Merge::new(reader)?;
    let mut records = 0;
    while let Some(record) = merge.next()? {
        for change in projector(&record) {
            let sequence = record.header.sequence;
            check_change(&change, views)
                .map_err(|source| RebuildError::Projection { sequence, source })?;
            apply(connection, &change)?;
        }
        records += 1;
    }
    Ok(records)
}

pub(crate) fn apply(connection: &Connection, change: &Change) -> rusqlite::Result<()> {
    let table = fresh_table(change.view);
    let prepared =
        |sql: String| -> rusqlite::Result<CachedStatement<'_>> { connection.prepare_cached(&sql) };
    match &change.value {
        Some(value) => {
            prepared(format!("INSERT OR REPLACE INTO {table} (key, value) VALUES (?1, ?2)"))?
                .execute((change.key.as_slice(), value.as_slice()))?
        }
        None => prepared(format!("DELETE FROM {table} WHERE key = ?1"))?
            .execute([change.key.as_slice()])?,
    };
    Ok(())
}

fn compare(connection: &Connection, view: &'static str) -> rusqlite::Result<ViewReport> {
    let (old, new) = (view_table(view), fresh_table(view));
    let count = |sql: String| {
        connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
    };
    Ok(ViewReport {
        view,
        rows: count(format!("SELECT count(*) FROM {new}"))?,
        missing: count(format!(
            "SELECT count(*) FROM {new} WHERE key NOT IN (SELECT key FROM {old})"
        ))?,
        extra: count(format!(
            "SELECT count(*) FROM {old} WHERE key NOT IN (SELECT key FROM {new})"
        ))?,
        changed: count(format!(
            "SELECT count(*) FROM {new} JOIN {old} USING (key) WHERE {new}.value IS NOT {old}.value"
        ))?,
    })
}

/// Reads all logs as one sequence, ordered by recorded time.
pub(crate) struct Merge<'r> {
    reader: &'r Reader,
    logs: Vec<Lane>,
}

struct Lane {
    log: LogId,
    cursor: u64,
    page: std::vec::IntoIter<Record>,
    head: Option<Record>,
}

impl<'r> Merge<'r> {
    pub(crate) fn new(reader: &'r Reader) -> Result<Self, ReadError> {
        let mut merge = Self { reader, logs: Vec::new() };
        merge.resume()?;
        Ok(merge)
    }

    /// Takes up what was recorded since `next` came to its end.
    pub(crate) fn resume(&mut self) -> Result<(), ReadError> {
        for head in self.reader.logs()? {
            if !self.logs.iter().any(|lane| lane.log == head.log) {
                let page = Vec::new().into_iter();
                self.logs.push(Lane { log: head.log, cursor: 0, page, head: None });
            }
        }
        let ended = self.logs.iter_mut().filter(|lane| lane.head.is_none());
        for lane in ended {
            lane.advance(self.reader)?;
        }
        Ok(())
    }

    pub(crate) fn next(&mut self) -> Result<Option<Record>, ReadError> {
        let time = |lane: &&mut Lane| lane.head.as_ref().map(|record| record.header.time);
        let waiting = self.logs.iter_mut().filter(|lane| lane.head.is_some());
        let Some(lane) = waiting.min_by_key(time) else { return Ok(None) };
        let record = lane.head.take();
        lane.advance(self.reader)?;
        Ok(record)
    }
}

impl Lane {
    fn advance(&mut self, reader: &Reader) -> Result<(), ReadError> {
        self.head = self.page.next();
        if self.head.is_none() {
            self.page = reader.by_log(&self.log, self.cursor, PAGE_RECORDS_MAX)?.into_iter();
            self.head = self.page.next();
        }
        if let Some(record) = &self.head {
            self.cursor = record.header.sequence;
        }
        Ok(())
    }
}
