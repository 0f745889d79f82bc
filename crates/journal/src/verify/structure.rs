//! The file around the records: its schema, its b-trees, its list of logs and of migrations.
//!
//! Records carry their own hashes; this finds what they cannot show, such as a dropped trigger, an index
//! that hides rows, or a page that belongs to nothing. Which record is bad is in `scan`.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use rusqlite::Connection;
use thiserror::Error;

use crate::error::ReadError;
use crate::reader::Reader;
use crate::store::{reference, view_table};

/// Damage outside of the records.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{place}: {detail}")]
pub struct StructureFault {
    /// Where.
    pub place: FilePlace,
    /// What is wrong.
    pub detail: String,
    /// Whether every record had been verified before it was found.
    pub records_verified: bool,
}

/// A place in the database file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilePlace {
    /// A page, from 1. Its first byte is `(page - 1) * page size`.
    Page(u32),
    /// A table, index or trigger, or a row of one.
    Object(String),
}

impl fmt::Display for FilePlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page(page) => write!(formatter, "page {page}"),
            Self::Object(name) => write!(formatter, "`{name}`"),
        }
    }
}

impl StructureFault {
    /// A fault of a table, index or trigger, in a file whose records verify.
    #[must_use]
    pub fn object(name: impl Into<String>, detail: impl Into<String>) -> Self {
        let place = FilePlace::Object(name.into());
        Self { place, detail: detail.into(), records_verified: true }
    }

    /// Damage that SQLite reported; a report without a page is about the first, where all reading starts.
    pub(super) fn reported(detail: &str) -> Self {
        let mut words = detail.split(|c: char| !c.is_ascii_alphanumeric());
        let mut page = None;
        while let Some(word) = words.next() {
            if word.eq_ignore_ascii_case("page") {
                page = words.next().and_then(|number| number.parse().ok());
                if page.is_some() {
                    break;
                }
            }
        }
        // "… missing from index NAME", "… value in TABLE.COLUMN", "… order for TABLE": the last word is a name.
        let names = [" index ", " in ", " for "].iter().any(|word| detail.contains(word));
        let last = detail.split_whitespace().last().filter(|_| names);
        let object = last.and_then(|name| name.split('.').next());
        let object = if detail.contains(": migration ") { Some("migration") } else { object };
        let place = match (page, object) {
            (Some(page), _) => FilePlace::Page(page),
            (None, Some(name)) => FilePlace::Object(name.to_owned()),
            (None, None) => FilePlace::Page(1),
        };
        Self { place, detail: detail.to_owned(), records_verified: true }
    }
}

/// What a check of the structure came to.
pub(super) type Checked = Result<Result<(), StructureFault>, ReadError>;

/// Compares the schema with the one this program makes, and lets SQLite walk every page.
pub(super) fn check(reader: &Reader, views: &[&str]) -> Checked {
    let connection = reader.connection();
    if let Some(fault) = walk(connection) {
        return Ok(Err(fault));
    }
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let expected = reference(version, views)?;
    let parts = [
        migrations(connection, &expected)?,
        logs(connection)?,
        owner(connection)?,
        kept_twice(connection, version)?,
    ];
    for part in parts {
        if part.is_err() {
            return Ok(part);
        }
    }
    objects(connection, &expected, views)
}

/// SQLite's own walk over all pages, indexes and constraints; table by table where the whole fails.
pub(super) fn walk(connection: &Connection) -> Option<StructureFault> {
    match complaint(connection, "PRAGMA integrity_check(1)") {
        Ok(None) => None,
        Ok(Some(complaint)) => Some(StructureFault::reported(&complaint)),
        Err(error) => {
            let tables = tables(connection).unwrap_or_default();
            let bad = tables.iter().find(|table| {
                let sql = format!("PRAGMA integrity_check('{}')", table.replace('\'', "''"));
                !matches!(complaint(connection, &sql), Ok(None))
            });
            Some(match bad {
                Some(table) => StructureFault::object(table, error.to_string()),
                None => StructureFault::reported(&error.to_string()),
            })
        }
    }
}

/// The first page that is missing where a file is shorter than its first page says.
///
/// Reads the file past SQLite, so only for one that SQLite would not open: closing it drops this process's
/// locks on it.
pub(super) fn cut_off(database: &Path) -> Option<StructureFault> {
    let mut header = [0; 100];
    File::open(database).and_then(|mut file| file.read_exact(&mut header)).ok()?;
    if !header.starts_with(b"SQLite format 3\0") {
        return None;
    }
    let size = u64::from(u16::from_be_bytes(*header.get(16..18)?.first_chunk()?));
    // The format spells 65 536 as 1.
    let size = if size == 1 { 65_536 } else { size };
    let pages = u64::from(u32::from_be_bytes(*header.get(28..32)?.first_chunk()?));
    let length = std::fs::metadata(database).ok()?.len();
    let whole = length.checked_div(size)?;
    let page = u32::try_from(whole.saturating_add(1)).ok()?;
    (whole < pages).then(|| StructureFault {
        place: FilePlace::Page(page),
        detail: format!("the file ends before it, but page 1 says that it has {pages} pages"),
        records_verified: false,
    })
}

fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// The first thing a check of SQLite complains of.
fn complaint(connection: &Connection, check: &str) -> rusqlite::Result<Option<String>> {
    let said: String = connection.query_row(check, [], |row| row.get(0))?;
    Ok((said != "ok").then_some(said))
}

/// Name and definition of every object.
fn listed(connection: &Connection) -> Result<BTreeSet<(String, String, String)>, ReadError> {
    let sql = "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let sql: String = row.get(3)?;
        let kind = format!("{} on {}", row.get::<_, String>(0)?, row.get::<_, String>(2)?);
        let name: String = row.get(1)?;
        let sql = as_made(&name, sql);
        Ok((name, kind, sql))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A definition as it was written: a table that got its name by renaming, as a rebuilt view does, has it in quotes.
fn as_made(name: &str, sql: String) -> String {
    let quoted = format!("CREATE TABLE \"{name}\"");
    match sql.strip_prefix(&quoted).filter(|_| name.starts_with(&view_table(""))) {
        Some(rest) => format!("CREATE TABLE {name}{rest}"),
        None => sql,
    }
}

fn objects(connection: &Connection, expected: &Connection, views: &[&str]) -> Checked {
    let expected = listed(expected)?;
    let found = listed(connection)?;
    // A view this database does not have yet has no rows; whether it should is for `views` to say.
    let not_yet = |name: &str| views.iter().any(|view| view_table(view) == name);
    let known: BTreeSet<&String> = found.iter().map(|(name, ..)| name).collect();
    let missing =
        expected.difference(&found).find(|(name, ..)| known.contains(name) || !not_yet(name));
    Ok(match (missing, found.difference(&expected).next()) {
        (Some((name, ..)), _) if !known.contains(name) => {
            Err(StructureFault::object(name, "missing from the schema"))
        }
        (Some((name, ..)), _) => {
            Err(StructureFault::object(name, "its definition is not the one that was made"))
        }
        (None, Some((name, ..))) => {
            Err(StructureFault::object(name, "no part of a journal's schema"))
        }
        (None, None) => Ok(()),
    })
}

fn migrations(connection: &Connection, expected: &Connection) -> Checked {
    let rows = |connection: &Connection| -> rusqlite::Result<Vec<(u32, String, Vec<u8>)>> {
        let sql = "SELECT version, name, checksum FROM migration ORDER BY version";
        let mut statement = connection.prepare(sql)?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
    };
    if rows(connection)? == rows(expected)? {
        return Ok(Ok(()));
    }
    Ok(Err(StructureFault::object("migration", "its rows are not those of this schema version")))
}

/// Logs count from 1 without gaps, and each has records.
fn logs(connection: &Connection) -> Checked {
    let sql = "SELECT id, EXISTS (SELECT 1 FROM event WHERE event.id \
               BETWEEN (log.id << 40) + 1 AND ((log.id + 1) << 40) - 1) FROM log ORDER BY id";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut expected = 1_i64;
    while let Some(row) = rows.next()? {
        let (id, has_records): (i64, bool) = (row.get(0)?, row.get(1)?);
        if id != expected {
            let detail = format!("log {expected} is missing from the list");
            return Ok(Err(StructureFault::object("log", detail)));
        }
        if !has_records {
            let detail = format!("log {id} is listed and has no records");
            return Ok(Err(StructureFault::object("log", detail)));
        }
        expected += 1;
    }
    Ok(Ok(()))
}

/// There is one row about the owner. That its epoch is none from before is for whoever reads epochs from records.
fn owner(connection: &Connection) -> Checked {
    let sql = "SELECT count(*), coalesce(max(only_row), 0) FROM owner";
    let found: (u32, i64) = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if found == (1, 1) {
        return Ok(Ok(()));
    }
    Ok(Err(StructureFault::object("owner", "it has not the one row it was made with")))
}

/// The first version of the schema with an archive.
const WITH_ARCHIVE: u32 = 2;

/// A payload that was archived is in its segment and nowhere else.
fn kept_twice(connection: &Connection, version: u32) -> Checked {
    if version < WITH_ARCHIVE {
        return Ok(Ok(()));
    }
    let sql = "SELECT event.id FROM segment JOIN event \
               ON event.id BETWEEN segment.first AND segment.last \
               WHERE event.payload IS NOT NULL ORDER BY event.id LIMIT 1";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(Ok(())) };
    let detail = format!("row {} has a payload that was archived", row.get::<_, i64>(0)?);
    Ok(Err(StructureFault::object("event", detail)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_of_sqlite_becomes_a_place() {
        let check = |complaint: &str, expect: FilePlace| {
            assert_eq!(StructureFault::reported(complaint).place, expect, "{complaint}");
        };
        check("Tree 5 page 12 cell 3: Rowid 7 out of order", FilePlace::Page(12));
        check("Page 9: never used", FilePlace::Page(9));
        check(
            "row 12 missing from index event_stream",
            FilePlace::Object("event_stream".to_owned()),
        );
        check(
            "row not in PRIMARY KEY order for view_runs",
            FilePlace::Object("view_runs".to_owned()),
        );
        check(
            "database is damaged: migration 1 is not the one of this program",
            FilePlace::Object("migration".to_owned()),
        );
        check("malformed database schema (x)", FilePlace::Page(1));
    }
}
