//! The write-ahead log's length: measured at every commit, kept bounded by checkpoints.
//!
//! Three thresholds. From `WAL_PAGES_SOFT` the writer's housekeeper copies pages in the background.
//! From `WAL_PAGES_RESTART` the store finishes that copy itself between two groups, so that the log
//! starts over. At `WAL_PAGES_MAX`, which only a reader that never lets go can cause, commits are refused.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode, MAIN_DB};

use super::connection::{configure_log, configure_writer, writing_flags};
use crate::error::StorageError;
use crate::place::Placement;

/// Pages (4 KiB) between two background checkpoints.
pub const WAL_PAGES_SOFT: u32 = 1024;

/// Pages at which the writer finishes a checkpoint itself.
pub const WAL_PAGES_RESTART: u32 = 2048;

/// Pages (1 GiB) at which commits are refused until the reader that pins the log lets go.
pub const WAL_PAGES_MAX: u32 = 262_144;

/// What a checkpoint achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalState {
    /// Pages in the write-ahead log.
    pub pages: u32,
    /// How many of them are in the database file now.
    pub checkpointed: u32,
}

/// The log's length after the last commit, and when to try a restart next.
#[derive(Debug)]
pub(super) struct WalGauge {
    pages: Arc<AtomicU32>,
    restart_at: u32,
}

impl WalGauge {
    /// Measures `connection` from now on; takes the place of SQLite's automatic checkpoints.
    pub(super) fn attach(connection: &mut Connection) -> rusqlite::Result<Self> {
        let pages = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&pages);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count| {
            seen.store(u32::try_from(count).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self { pages, restart_at: WAL_PAGES_RESTART })
    }

    pub(super) fn pages(&self) -> u32 {
        self.pages.load(Ordering::Relaxed)
    }

    /// Says that nothing is known of the length until the next commit.
    pub(super) fn forget(&self) {
        self.pages.store(0, Ordering::Relaxed);
    }

    /// Whether the store should run a checkpoint now; spaces its tries while a reader is in the way.
    pub(super) fn restart_is_due(&mut self) -> bool {
        let pages = self.pages();
        if pages < WAL_PAGES_RESTART {
            self.restart_at = WAL_PAGES_RESTART;
        }
        let due = pages >= self.restart_at;
        if due {
            self.restart_at = pages.saturating_add(WAL_PAGES_SOFT);
        }
        due
    }
}

/// Runs a checkpoint that waits for nobody.
pub(super) fn passive(connection: &Connection) -> Result<WalState, StorageError> {
    run(connection, CheckpointMode::PASSIVE)
}

/// Empties the log if no reader is in the way.
pub(super) fn truncate(connection: &Connection) -> Result<WalState, StorageError> {
    run(connection, CheckpointMode::TRUNCATE)
}

fn run(connection: &Connection, mode: CheckpointMode) -> Result<WalState, StorageError> {
    match connection.wal_checkpoint_v2(Some(MAIN_DB), mode) {
        Ok((pages, done)) => Ok(WalState {
            pages: u32::try_from(pages).unwrap_or(0),
            checkpointed: u32::try_from(done).unwrap_or(0),
        }),
        // Another checkpoint is under way, a reader holds on, or the database has no room to grow: not now is
        // not a failure, because the log keeps everything.
        Err(error)
            if matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseBusy | ErrorCode::DiskFull)
            ) =>
        {
            Ok(WalState { pages: 0, checkpointed: 0 })
        }
        Err(error) => Err(error.into()),
    }
}

/// A second connection that runs checkpoints off the writer's thread.
#[derive(Debug)]
pub(crate) struct WalKeeper(Connection);

impl WalKeeper {
    pub(crate) fn open(path: &Path, placement: &Placement) -> Result<Self, StorageError> {
        let connection = placement.connect(path, writing_flags())?;
        configure_writer(&connection, placement)?;
        configure_log(&connection, placement)?;
        Ok(Self(connection))
    }

    pub(crate) fn checkpoint(&self) -> Result<WalState, StorageError> {
        passive(&self.0)
    }
}
