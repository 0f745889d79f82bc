//! The database's schema: numbered migrations with checksums, and one table per view.
//!
//! A file that is not ours is recognised before anything in it is changed; a newer one is refused.
//! Every released version has a golden database in `tests/fixtures` that must keep opening.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _};

use super::connection::{classify, refuse_quoted_text};
use crate::digest::Digest;
use crate::error::OpenError;

/// The schema version this program writes and the newest it reads.
pub const SCHEMA_VERSION: u32 = 2;

/// "PALI": marks the file as ours in SQLite's header.
const APPLICATION_ID: i64 = 0x5041_4c49;

/// Longest view name, in bytes.
const VIEW_NAME_BYTES_MAX: usize = 40;

struct Migration {
    version: u32,
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: [Migration; 2] = [
    Migration {
        version: 1,
        name: "journal",
        sql: include_str!("../../migrations/0001-journal.sql"),
    },
    Migration {
        version: 2,
        name: "archive",
        sql: include_str!("../../migrations/0002-archive.sql"),
    },
];

const MIGRATION_TABLE: &str = "CREATE TABLE migration (
    version  INTEGER PRIMARY KEY,
    name     TEXT NOT NULL,
    checksum BLOB NOT NULL
) STRICT";

/// The schema version of a file of ours; 0 for an empty file. Changes nothing.
pub(crate) fn identify(connection: &Connection, path: &Path) -> Result<u32, OpenError> {
    let number = |sql: &str| {
        connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .map_err(|error| classify(path, error))
    };
    let objects = number("SELECT count(*) FROM sqlite_schema")?;
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    if objects == 0 && application == 0 && version == 0 {
        return Ok(0);
    }
    if application != APPLICATION_ID {
        return Err(OpenError::NotAPalisadeDatabase { path: path.to_owned() });
    }
    match u32::try_from(version) {
        Ok(found) if found > SCHEMA_VERSION => Err(match newest_migration(connection) {
            Some(newest) if newest == found => {
                OpenError::Newer { found, supported: SCHEMA_VERSION }
            }
            _ => OpenError::Corrupt { detail: format!("no migration made schema version {found}") },
        }),
        Ok(found) if found > 0 => check_migrations(connection, found).map(|()| found),
        _ => Err(OpenError::Corrupt { detail: format!("schema version is {version}") }),
    }
}

/// The version of the last migration on record; `None` where that cannot be read.
fn newest_migration(connection: &Connection) -> Option<u32> {
    connection.query_row("SELECT max(version) FROM migration", [], |row| row.get(0)).ok()
}

fn check_migrations(connection: &Connection, version: u32) -> Result<(), OpenError> {
    for migration in MIGRATIONS.iter().filter(|migration| migration.version <= version) {
        let sql = "SELECT checksum FROM migration WHERE version = ?1";
        let recorded: Option<Vec<u8>> = connection
            .query_row(sql, [migration.version], |row| row.get(0))
            .optional()
            .map_err(|error| OpenError::Corrupt { detail: error.to_string() })?;
        if recorded.as_deref() != Some(Digest::of(migration.sql.as_bytes()).as_bytes()) {
            let detail = format!("migration {} is not the one of this program", migration.version);
            return Err(OpenError::Corrupt { detail });
        }
    }
    Ok(())
}

/// An empty database in memory with the schema of `version` and the tables of `views`: what is expected.
pub(crate) fn reference(version: u32, views: &[&str]) -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    refuse_quoted_text(&connection)?;
    advance(&connection, 0, version)?;
    make_views(&connection, views)?;
    Ok(connection)
}

/// Brings the schema from `version` to [`SCHEMA_VERSION`]; the caller holds the transaction.
pub(super) fn migrate(connection: &Connection, version: u32) -> rusqlite::Result<()> {
    advance(connection, version, SCHEMA_VERSION)
}

/// Brings the schema from one version to another.
fn advance(connection: &Connection, from: u32, to: u32) -> rusqlite::Result<()> {
    if from >= to {
        return Ok(());
    }
    if from == 0 {
        connection.execute_batch(MIGRATION_TABLE)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    let due = |migration: &&Migration| migration.version > from && migration.version <= to;
    for migration in MIGRATIONS.iter().filter(due) {
        connection.execute_batch(migration.sql)?;
        let checksum = Digest::of(migration.sql.as_bytes());
        connection.execute(
            "INSERT INTO migration (version, name, checksum) VALUES (?1, ?2, ?3)",
            (migration.version, migration.name, checksum.as_bytes().as_slice()),
        )?;
    }
    connection.pragma_update(None, "user_version", to)
}

/// Makes the tables of views that do not exist yet; the caller holds the transaction.
pub(super) fn make_views(connection: &Connection, views: &[&str]) -> rusqlite::Result<()> {
    views.iter().try_for_each(|view| {
        connection.execute_batch(&view_table_sql("IF NOT EXISTS", &view_table(view)))
    })
}

/// The statement that makes a view's table under the name `table`.
pub(crate) fn view_table_sql(condition: &str, table: &str) -> String {
    format!(
        "CREATE TABLE {condition} {table} \
         (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID"
    )
}

/// The table of a view; names are checked at opening, so the result needs no quoting.
pub(crate) fn view_table(view: &str) -> String {
    format!("view_{view}")
}

/// Refuses view names that could not stand in SQL as they are.
pub(super) fn check_view_names(views: &[&str]) -> Result<(), OpenError> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    let good =
        |name: &str| (1..=VIEW_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed);
    match views.iter().find(|name| !good(name)) {
        Some(name) => Err(OpenError::ViewName { name: (*name).to_owned() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_without_gaps_up_to_the_version() {
        let versions: Vec<u32> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        assert_eq!(versions, (1..=SCHEMA_VERSION).collect::<Vec<_>>());
    }

    #[test]
    fn view_names_are_words() {
        for good in ["runs", "open_steps", "a1"] {
            assert!(check_view_names(&[good]).is_ok(), "{good}");
        }
        for bad in ["", "Runs", "a b", "x;drop", "ä", &"a".repeat(41)] {
            assert!(check_view_names(&[bad]).is_err(), "{bad}");
        }
    }
}
