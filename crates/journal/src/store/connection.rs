//! Connections: the settings every one of ours has, and what SQLite's failures to open mean.
//!
//! Durability of a real database is decided here and nowhere else.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use crate::error::OpenError;
use crate::place::{Durability, Placement};

/// How long a foreign process may hold a lock before we give up. Ours never hold one that long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Page cache of the writer, in KiB (negative means KiB to SQLite).
const WRITER_CACHE_KIB: i64 = 32 * 1024;

/// Statements kept prepared per connection.
const STATEMENTS_MAX: usize = 64;

pub(crate) fn writing_flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
}

pub(crate) fn reading_flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY
}

/// Settings that hold for reading and writing and change nothing in the file.
fn configure(connection: &Connection, placement: &Placement) -> rusqlite::Result<()> {
    let patience = match placement {
        Placement::Disk => BUSY_TIMEOUT,
        Placement::Simulated { .. } => Duration::ZERO,
    };
    connection.busy_timeout(patience)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    refuse_quoted_text(connection)?;
    // A failed flush must not be followed by a checkpoint just because the handle goes away.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

/// A word in double quotes is a name and never a text, in statements and in the schema alike.
pub(crate) fn refuse_quoted_text(connection: &Connection) -> rusqlite::Result<()> {
    for setting in [DbConfig::SQLITE_DBCONFIG_DQS_DML, DbConfig::SQLITE_DBCONFIG_DQS_DDL] {
        connection.set_db_config(setting, false)?;
    }
    Ok(())
}

/// Settings of a reader.
pub(crate) fn configure_reader(
    connection: &Connection,
    placement: &Placement,
) -> rusqlite::Result<()> {
    configure(connection, placement)?;
    connection.pragma_update(None, "query_only", true)
}

/// Settings of a writer that are safe before the file is known to be ours.
pub(crate) fn configure_writer(
    connection: &Connection,
    placement: &Placement,
) -> rusqlite::Result<()> {
    configure(connection, placement)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "recursive_triggers", true)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    // Nothing may reach the file before COMMIT, so that an earlier error means nothing was written.
    connection.pragma_update(None, "cache_spill", false)
}

/// Settings of a writer that change the file: the write-ahead log and how it is flushed.
pub(crate) fn configure_log(
    connection: &Connection,
    placement: &Placement,
) -> rusqlite::Result<()> {
    use_write_ahead_log(connection)?;
    let synchronous = match placement {
        Placement::Disk | Placement::Simulated { durability: Durability::Full, .. } => "FULL",
        Placement::Simulated { durability: Durability::Unflushed, .. } => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))
}

/// Switches to a write-ahead log, or fails: a rollback journal would lose commits, because its removal
/// is not flushed.
fn use_write_ahead_log(connection: &Connection) -> rusqlite::Result<()> {
    let mut pragma = connection.prepare("PRAGMA journal_mode = WAL")?;
    // The answer comes before the change is committed, so the statement is run to its end.
    let modes: Vec<String> = pragma.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    if modes == ["wal"] {
        return Ok(());
    }
    // SQLite says what the mode is instead, but not why.
    let detail = format!("journal mode stays {modes:?}");
    Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR), Some(detail)))
}

/// What a failure of SQLite means while a database is opened.
pub(crate) fn classify(path: &Path, error: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::NotAPalisadeDatabase { path },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Corrupt { detail: error.to_string() },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Busy { pid: None },
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            OpenError::Unwritable { path, source: None }
        }
        _ => OpenError::Storage(error.into()),
    }
}
