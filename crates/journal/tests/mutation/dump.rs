//! What a database says, read by SQLite alone: every row of every table, the schema, the file's own marks.
//!
//! It shares nothing with the code under test. The owner's epoch is left out: any value is as good as another,
//! because the next owner raises what it finds.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

/// Rows by table and row key, as text.
pub(crate) type Dump = BTreeMap<String, BTreeMap<String, String>>;

/// Everything, or why it cannot be read.
pub(crate) fn dump(database: &Path) -> Result<Dump, String> {
    read(database).map_err(|error| error.to_string())
}

fn read(database: &Path) -> rusqlite::Result<Dump> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut all = Dump::new();
    let schema = rows(&connection, "SELECT name, type, tbl_name, sql FROM sqlite_schema")?;
    let tables = rows(&connection, "SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    all.insert("sqlite_schema".to_owned(), schema);
    for mark in ["user_version", "application_id", "encoding"] {
        let value: Value = connection.query_row(&format!("PRAGMA {mark}"), [], |row| row.get(0))?;
        let row = [(mark.to_owned(), format!("{value:?}"))];
        all.entry("file".to_owned()).or_default().extend(row);
    }
    for table in tables.keys() {
        let name = table.trim_start_matches("Text(\"").trim_end_matches("\")");
        let columns = if name == "owner" { "only_row" } else { "*" };
        let sql = format!("SELECT {columns} FROM \"{name}\" NOT INDEXED");
        all.insert(name.to_owned(), rows(&connection, &sql)?);
    }
    // An index must give the same rows as the table it is of.
    let indexed = "SELECT id, stream FROM event INDEXED BY event_stream WHERE stream >= x''";
    let no_index = |error: rusqlite::Error| BTreeMap::from([(String::new(), error.to_string())]);
    all.insert("event_stream".to_owned(), rows(&connection, indexed).unwrap_or_else(no_index));
    Ok(all)
}

fn rows(connection: &Connection, sql: &str) -> rusqlite::Result<BTreeMap<String, String>> {
    let mut statement = connection.prepare(sql)?;
    let columns = statement.column_count();
    let mut found = BTreeMap::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let values: Vec<Value> =
            (0..columns).map(|index| row.get(index)).collect::<Result<_, _>>()?;
        let key = format!("{:?}", values[0]);
        // A key that comes twice must not hide its first row.
        let twin = if found.contains_key(&key) { format!("{key} again") } else { key };
        found.insert(twin, format!("{values:?}"));
    }
    Ok(found)
}

/// The tables that differ, each with the keys of its rows that do.
pub(crate) fn differing(before: &Dump, after: &Dump) -> BTreeMap<String, Vec<String>> {
    let empty = BTreeMap::new();
    let mut found = BTreeMap::new();
    for table in before.keys().chain(after.keys()) {
        let (old, new) = (before.get(table).unwrap_or(&empty), after.get(table).unwrap_or(&empty));
        let keys = old.keys().chain(new.keys()).filter(|key| old.get(*key) != new.get(*key));
        let keys: Vec<String> = keys.cloned().collect();
        if !keys.is_empty() {
            found.insert(table.clone(), keys);
        }
    }
    found
}

/// The first event of a log, by id, that is not as it was: in a scan, and each asked for alone. The two differ
/// where a page above the rows is bad.
pub(crate) fn first_bad(database: &Path, before: &Dump, log: i64) -> Vec<i64> {
    let ids: Vec<i64> = event_ids(before).into_iter().filter(|id| id >> 40 == log).collect();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let Ok(connection) = Connection::open_with_flags(database, flags) else {
        return ids.first().copied().into_iter().collect();
    };
    let scan = format!(
        "SELECT * FROM event NOT INDEXED WHERE id > {} AND id < {} ORDER BY id",
        log << 40,
        (log + 1) << 40
    );
    let (scanned, _) = given(&connection, &scan);
    let in_order = scanned.iter().zip(&ids);
    let is_good = |(key, row): &(String, String)| before["event"].get(key) == Some(row);
    let agreeing = in_order.take_while(|(row, id)| event_id(&row.0) == Some(**id) && is_good(row));
    let agreeing = agreeing.count();
    let mut found: Vec<i64> = ids.get(agreeing).copied().into_iter().collect();
    // One too many after the last, or where a gap is left before it.
    found.extend(scanned.get(agreeing).and_then(|(key, _)| event_id(key)));
    if scanned.len() > ids.len() || agreeing == ids.len() {
        found.extend(ids.last().map(|last| last + 1));
    }
    let alone = |id: &&i64| {
        let (rows, sound) =
            given(&connection, &format!("SELECT * FROM event NOT INDEXED WHERE id = {id}"));
        !sound || rows.len() != 1 || !is_good(&rows[0])
    };
    found.extend(ids.iter().find(alone));
    found
}

/// The rows a query gives before it ends or fails, and whether it came to its end.
fn given(connection: &Connection, sql: &str) -> (Vec<(String, String)>, bool) {
    let mut found = Vec::new();
    let mut take = || -> rusqlite::Result<()> {
        let mut statement = connection.prepare(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let values: Vec<Value> =
                (0..columns).map(|index| row.get(index)).collect::<Result<_, _>>()?;
            found.push((format!("{:?}", values[0]), format!("{values:?}")));
        }
        Ok(())
    };
    let sound = take().is_ok();
    (found, sound)
}

/// The ids of all events.
pub(crate) fn event_ids(dump: &Dump) -> Vec<i64> {
    dump["event"].keys().filter_map(|key| event_id(key)).collect()
}

/// The id in a row's key.
pub(crate) fn event_id(key: &str) -> Option<i64> {
    key.strip_prefix("Integer(")?.split(')').next()?.parse().ok()
}
