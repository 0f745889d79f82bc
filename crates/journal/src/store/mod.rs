//! The store: one connection that appends groups of operations, each group in one flushed commit.
//!
//! Synchronous and single-threaded; `writer` puts a thread and queues around it, the simulator drives
//! it directly. `open` makes one, `rewrite` clears what a failed flush left, `group` writes, `tips`
//! holds the heads of the chains, `wal` bounds the write-ahead log. After a storage failure a store refuses everything until it is reopened;
//! a failed flush is never retried.

mod connection;
mod group;
mod open;
mod owner;
mod reserve;
mod rewrite;
mod schema;
mod side;
mod tips;
mod wal;

use std::path::PathBuf;

use rusqlite::{Connection, ErrorCode};

pub(crate) use connection::{classify, configure_reader, reading_flags, refuse_quoted_text};
pub(crate) use open::check_sqlite;
pub(crate) use reserve::Reserve;
pub(crate) use rewrite::rewrite;
pub(crate) use schema::identify;

pub use schema::SCHEMA_VERSION;
pub(crate) use schema::{reference, view_table, view_table_sql};
pub(crate) use side::{
    Trees, read_checkpoints, read_kept, write_checkpoints, write_checkpoints_durably,
};
pub(crate) use wal::WalKeeper;
pub use wal::{WAL_PAGES_MAX, WAL_PAGES_RESTART, WAL_PAGES_SOFT, WalState};

use self::owner::OwnerLock;
use self::tips::Tips;
use self::wal::WalGauge;
use crate::archive::Shelf;
use crate::artifact::ArtifactStore;
use crate::checkpoint::Checkpoint;
use crate::digest::Digest;
use crate::error::{CommitError, Refusal, StorageError};
use crate::operation::{Committed, Operation, Outside, Plan};
use crate::place::Placement;
use crate::record::{LogId, LogNumber};

/// What to do when there is no database yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Make one, with its folder.
    Create,
    /// Refuse with [`OpenError::Missing`](crate::OpenError::Missing).
    Existing,
}

/// How to open a journal for writing.
#[derive(Debug, Clone)]
pub struct Options {
    /// The database file. Lock, checkpoint file and artifacts are kept beside it.
    pub path: PathBuf,
    /// What to do when it does not exist.
    pub access: Access,
    /// Where it lives.
    pub placement: Placement,
    /// Names of the views operations may change; tables of new names are made. `a-z 0-9 _`.
    pub views: &'static [&'static str],
}

impl Options {
    /// A database on a real disk, made when missing.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, views: &'static [&'static str]) -> Self {
        Self { path: path.into(), access: Access::Create, placement: Placement::Disk, views }
    }
}

/// What a store has done since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Groups committed; each is exactly one flush of the write-ahead log.
    pub commits: u64,
    /// Operations in them.
    pub operations: u64,
    /// Records in them.
    pub records: u64,
    /// Header and inline payload bytes in them.
    pub bytes: u64,
    /// Checkpoints this store ran itself, each with flushes of its own.
    pub checkpoints: u64,
    /// Length of the write-ahead log in pages after the last commit.
    pub wal_pages: u32,
    /// The disk was full and the room kept for that is used up: accept nothing new.
    pub reserve_spent: bool,
}

/// The write side of a database; see the module.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    placement: Placement,
    views: &'static [&'static str],
    artifacts: Option<ArtifactStore>,
    tips: Tips,
    trees: Trees,
    epoch: u64,
    wal: WalGauge,
    reserve: Option<Reserve>,
    stats: Stats,
    stopped: bool,
    // Held until the store is gone; declared last so that the connection closes first.
    _lock: Option<OwnerLock>,
}

impl Store {
    /// Commits all valid operations as one group and answers each, in order.
    ///
    /// An operation that breaks a limit is refused alone. When the group cannot be written, all of
    /// its operations get the same answer and the chain stands where it stood.
    pub fn commit_batch(
        &mut self,
        operations: &[Operation],
    ) -> Vec<Result<Committed, CommitError>> {
        let plans: Vec<Result<Plan, Refusal>> = operations
            .iter()
            .map(|operation| Plan::new(operation, self.views, self.outside()))
            .collect();
        let group: Vec<(&Operation, &Plan)> = operations
            .iter()
            .zip(&plans)
            .filter_map(|(operation, plan)| plan.as_ref().ok().map(|plan| (operation, plan)))
            .collect();
        let mut written = self.commit_group(&group).into_iter();
        plans
            .iter()
            .map(|plan| match plan {
                Err(refusal) => Err(refusal.clone().into()),
                Ok(_) => written.next().unwrap_or(Err(Refusal::Stopped.into())),
            })
            .collect()
    }

    /// The fence of this opening: raised by one each time the database is opened for writing.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Raises the fence by `by`, durably; at most to `most`. `None` where that is not enough, and then nothing changed.
    ///
    /// # Errors
    /// When it cannot be written, or somebody else owns the database by now.
    pub(crate) fn raise_epoch(&mut self, by: u64, most: u64) -> Result<Option<u64>, StorageError> {
        let Some(epoch) = self.epoch.checked_add(by).filter(|epoch| *epoch <= most) else {
            return Ok(None);
        };
        let sql = "UPDATE owner SET epoch = ?1 WHERE only_row = 1 AND epoch = ?2 RETURNING epoch";
        let epochs = (epoch.cast_signed(), self.epoch.cast_signed());
        let raised: i64 = self.connection.query_row(sql, epochs, |row| row.get(0))?;
        self.epoch = raised.cast_unsigned();
        Ok(Some(self.epoch))
    }

    /// Sequence and leaf of a log's last record; `None` for a log without records.
    #[must_use]
    pub fn head(&self, log: &LogId) -> Option<(u64, Digest)> {
        self.tips.get(log).map(|tip| (tip.sequence, tip.leaf))
    }

    /// Whether a storage failure ended this store; it must be dropped and opened again.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// What this store has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let reserve_spent = self.reserve.as_ref().is_some_and(Reserve::is_spent);
        Stats { wal_pages: self.wal.pages(), reserve_spent, ..self.stats }
    }

    /// The artifact store beside the database; `None` on a simulated disk.
    #[must_use]
    pub const fn artifacts(&self) -> Option<&ArtifactStore> {
        self.artifacts.as_ref()
    }

    /// Where payloads go that are too large for a row.
    pub(crate) const fn outside(&self) -> Outside<'_> {
        Outside { artifacts: self.artifacts.as_ref(), reserve: self.reserve.as_ref() }
    }

    /// A checkpoint of every log as it stands after the last commit.
    #[must_use]
    pub fn checkpoints(&self) -> Vec<Checkpoint> {
        self.tips.checkpoints()
    }

    /// Copies the write-ahead log into the database as far as readers allow; flushes both.
    ///
    /// # Errors
    /// When a write or flush fails; the store has stopped then.
    pub fn checkpoint(&mut self) -> Result<WalState, StorageError> {
        self.stats.checkpoints += 1;
        wal::passive(&self.connection).inspect_err(|_| self.stopped = true)
    }

    /// Bytes of the database's pages that hold something.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn used_bytes(&self) -> Result<u64, StorageError> {
        let number = |sql: &str| -> rusqlite::Result<u64> {
            self.connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
        };
        let pages = number("PRAGMA page_count")?.saturating_sub(number("PRAGMA freelist_count")?);
        Ok(pages.saturating_mul(number("PRAGMA page_size")?))
    }

    /// Writes the database anew without its free pages; needs that much room once more meanwhile.
    ///
    /// # Errors
    /// When it cannot be written; it is then as it was. Where room was missing the store goes on, else it has stopped.
    pub fn compact(&mut self) -> Result<(), StorageError> {
        if self.stopped {
            return Ok(());
        }
        // Its pages may leave memory before it commits: an interrupted one is rolled back as a whole. The new
        // database is built in a file, because it may be larger than memory.
        let set = |name, value: &str| self.connection.pragma_update(None, name, value);
        let compacted = set("cache_spill", "ON")
            .and_then(|()| set("temp_store", "FILE"))
            .and_then(|()| self.connection.execute_batch("VACUUM"));
        let usual = set("temp_store", "MEMORY").and_then(|()| set("cache_spill", "OFF"));
        let goes_on = usual.is_ok() && self.connection.is_autocommit();
        if let Err(error) = compacted.and(usual) {
            let full = error.sqlite_error_code() == Some(ErrorCode::DiskFull);
            self.stopped = !(full && goes_on);
            return Err(error.into());
        }
        let truncated = wal::truncate(&self.connection).inspect_err(|_| self.stopped = true);
        // The log is measured anew by the next commit; what it was is no reason to refuse that.
        self.wal.forget();
        truncated.map(|_| ())
    }

    /// Closes in good order: empties the write-ahead log and writes the checkpoint file.
    ///
    /// Dropping a store instead is safe and is what a crash looks like to the next opening.
    ///
    /// # Errors
    /// When a write or flush fails; everything committed is still in the write-ahead log.
    pub fn close(self) -> Result<(), StorageError> {
        if self.stopped {
            return Ok(());
        }
        wal::truncate(&self.connection)?;
        if let Some(path) = self.placement.checkpoint_path(&self.path) {
            // The file is a second line of defence: failing to write it loses nothing committed.
            let _ = write_checkpoints(&path, self.checkpoints(), &self.trees);
        }
        Ok(())
    }

    pub(crate) fn shelf(&self) -> Option<Shelf> {
        self.placement.shelf(&self.path)
    }

    /// A log's number in row ids; `None` for a log without records.
    pub(crate) fn number(&self, log: &LogId) -> Option<LogNumber> {
        self.tips.get(log).map(|tip| tip.number)
    }

    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) const fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    pub(crate) const fn views(&self) -> &'static [&'static str] {
        self.views
    }

    /// The trees over the logs as they were when they were last kept.
    pub(crate) const fn trees(&self) -> &Trees {
        &self.trees
    }

    /// Takes what the signer has built since, to be kept at closing.
    pub(crate) fn keep_trees(&mut self, trees: Trees) {
        self.trees = trees;
    }

    pub(crate) fn stop(&mut self) {
        self.stopped = true;
    }
}
