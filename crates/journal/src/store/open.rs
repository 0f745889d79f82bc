//! Opening a database for writing: lock, file, identity, log, migrations, ownership, tips.
//!
//! Each step refuses with its own error before the next one changes anything. A database that does
//! not end where its checkpoint file says is not opened.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::connection::{classify, configure_log, configure_writer, writing_flags};
use super::owner::OwnerLock;
use super::reserve::Reserve;
use super::side::{Trees, read_kept};
use super::tips::{Tip, Tips};
use super::wal::WalGauge;
use super::{Access, Options, Stats, Store, schema};
use crate::checkpoint::Checkpoint;
use crate::digest::{Digest, leaf_of};
use crate::error::OpenError;
use crate::place::Placement;
use crate::record::{HeaderView, LogId, LogNumber, SEQUENCE_MAX, Timestamp};

/// The first SQLite version in which resetting the write-ahead log cannot lose pages.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

impl Store {
    /// Opens a database for writing and becomes its owner.
    ///
    /// # Errors
    /// When another process owns it, it is not ours, newer, damaged, shorter than its checkpoint
    /// file says, or cannot be written; see [`OpenError`].
    pub fn open(options: Options) -> Result<Self, OpenError> {
        check_sqlite()?;
        schema::check_view_names(options.views)?;
        let Options { access, placement, views, .. } = options;
        let (path, lock) = match placement {
            Placement::Disk => prepare_disk(&options.path, access)?,
            Placement::Simulated { .. } => (options.path, None),
        };
        let refused = |error| classify(&path, error);
        make_log_durable(&path, &placement, access)?;
        let (mut connection, version) = connect(&path, &placement, access)?;
        configure_log(&connection, &placement).map_err(refused)?;
        let epoch = own(&mut connection, version, views).map_err(refused)?;
        let wal = WalGauge::attach(&mut connection).map_err(refused)?;
        let tips = read_tips(&connection).map_err(|error| detailed(&path, error))?;
        let mut trees = Trees::new();
        if let Some(file) = placement.checkpoint_path(&path) {
            for kept in read_kept(&file)? {
                compare(&connection, &tips, &kept.checkpoint)?;
                trees.insert(kept.checkpoint.log, kept.tree);
            }
        }
        let artifacts = placement.artifacts(&path);
        if let Some(store) = &artifacts {
            // Leftovers cost only room; a folder that cannot be read shows itself at the first use.
            let _ = store.sweep();
        }
        let reserve = placement.reserve_path(&path).map(Reserve::take);
        let stats = Stats::default();
        Ok(Self {
            connection,
            path,
            placement,
            views,
            artifacts,
            tips,
            trees,
            epoch,
            wal,
            reserve,
            stats,
            stopped: false,
            _lock: lock,
        })
    }

    /// The database file, as an absolute path on a real disk.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

pub(crate) fn check_sqlite() -> Result<(), OpenError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(OpenError::SqliteTooOld { found: rusqlite::version() });
    }
    Ok(())
}

/// Makes folder and file with private permissions where they are missing, and takes the lock.
fn prepare_disk(path: &Path, access: Access) -> Result<(PathBuf, Option<OwnerLock>), OpenError> {
    let path = std::path::absolute(path)
        .map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
    Placement::Disk.refuse_links(&path)?;
    let exists = path.exists();
    if !exists && access == Access::Existing {
        return Err(OpenError::Missing { path });
    }
    let refused =
        |path: &Path, source| OpenError::Unwritable { path: path.to_owned(), source: Some(source) };
    if let Some(folder) = path.parent() {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(folder).map_err(|e| refused(folder, e))?;
    }
    let lock = OwnerLock::take(&path)?;
    if !exists {
        // SQLite would use the umask. Nobody has the new file open, so closing it drops no locks.
        let mut file = OpenOptions::new();
        match file.write(true).create_new(true).mode(0o600).open(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(refused(&path, error));
            }
            _ => {}
        }
    }
    Ok((path, Some(lock)))
}

/// Connects to a file that is ours, or empty and to become ours, without changing it.
fn connect(
    path: &Path,
    placement: &Placement,
    access: Access,
) -> Result<(Connection, u32), OpenError> {
    let refused = |error| classify(path, error);
    let connection = placement.connect(path, writing_flags()).map_err(refused)?;
    configure_writer(&connection, placement).map_err(refused)?;
    let version = schema::identify(&connection, path)?;
    if version == 0 && access == Access::Existing {
        return Err(OpenError::NotAPalisadeDatabase { path: path.to_owned() });
    }
    if connection.is_readonly("main").map_err(refused)? {
        return Err(OpenError::Unwritable { path: path.to_owned(), source: None });
    }
    Ok((connection, version))
}

/// Sees to it that a log which an earlier process left is on the disk as it reads.
///
/// Only the log of a file known to be ours is touched, and only under SQLite's write lock, which
/// keeps foreign writers away. The connection that holds it has read the log before and is closed,
/// so that the one which stays recovers from what is durable.
fn make_log_durable(path: &Path, placement: &Placement, access: Access) -> Result<(), OpenError> {
    let (mut connection, version) = connect(path, placement, access)?;
    if version == 0 {
        // Nothing was ever committed, and a log without commits is begun anew.
        return Ok(());
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| classify(path, error))?;
    placement.rewrite_log(path)?;
    drop(transaction);
    Ok(())
}

/// Migrates, makes missing views and raises the epoch, in one transaction.
fn own(connection: &mut Connection, version: u32, views: &[&'static str]) -> rusqlite::Result<u64> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    schema::migrate(&transaction, version)?;
    schema::make_views(&transaction, views)?;
    let sql = "UPDATE owner SET epoch = epoch + 1 WHERE only_row = 1 RETURNING epoch";
    let epoch: i64 = transaction.query_row(sql, [], |row| row.get(0))?;
    transaction.commit()?;
    Ok(epoch.cast_unsigned())
}

/// A database error, or a finding about a record.
enum Finding {
    Storage(rusqlite::Error),
    Damage(String),
}

impl From<rusqlite::Error> for Finding {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error)
    }
}

fn detailed(path: &Path, finding: Finding) -> OpenError {
    match finding {
        Finding::Storage(error) => classify(path, error),
        Finding::Damage(detail) => OpenError::Corrupt { detail },
    }
}

fn read_tips(connection: &Connection) -> Result<Tips, Finding> {
    let mut tips = Tips::empty();
    let mut logs = connection.prepare("SELECT id, tenant, shard FROM log ORDER BY id")?;
    let rows =
        logs.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?)))?;
    for (place, row) in (1_u32..).zip(rows) {
        let (id, tenant, shard): (u32, String, u16) = row?;
        let log = LogId::new(&tenant, shard).map_err(|error| Finding::Damage(error.to_string()))?;
        if id != place {
            return Err(Finding::Damage(format!("log {place} is missing from the list of logs")));
        }
        let (tip, time) = read_tip(connection, &log, LogNumber(id))?;
        tips.found(log, tip, time);
    }
    Ok(tips)
}

fn read_tip(
    connection: &Connection,
    log: &LogId,
    number: LogNumber,
) -> Result<(Tip, Timestamp), Finding> {
    let sql =
        "SELECT id, leaf, header FROM event WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((number.row(1), number.row(SEQUENCE_MAX)))?;
    let Some(row) = rows.next()? else {
        return Err(Finding::Damage(format!("log `{log}` has no records")));
    };
    let sequence = LogNumber::sequence(row.get(0)?);
    let leaf: [u8; 32] = row.get(1)?;
    let header: Vec<u8> = row.get(2)?;
    let damage = |what: &str| Finding::Damage(format!("record {sequence} of `{log}` {what}"));
    let view = HeaderView::decode(&header).map_err(|error| damage(&error.to_string()))?;
    if leaf_of(&header) != Digest::new(leaf) || view.sequence != sequence {
        return Err(damage("does not match its hash"));
    }
    Ok((Tip { number, sequence, leaf: Digest::new(leaf) }, view.time))
}

fn compare(connection: &Connection, tips: &Tips, kept: &Checkpoint) -> Result<(), OpenError> {
    let Checkpoint { log, sequence, leaf } = kept;
    let found = tips.get(log).map_or(0, |tip| tip.sequence);
    let Some(tip) = tips.get(log).filter(|_| found >= *sequence) else {
        return Err(OpenError::BehindCheckpoint { log: log.clone(), found, expected: *sequence });
    };
    let stored: Option<[u8; 32]> = connection
        .query_row("SELECT leaf FROM event WHERE id = ?1", [tip.number.row(*sequence)], |row| {
            row.get(0)
        })
        .optional()?;
    if stored == Some(*leaf.as_bytes()) {
        return Ok(());
    }
    let detail = format!("record {sequence} of `{log}` is not the one its checkpoint names");
    Err(OpenError::Corrupt { detail })
}
