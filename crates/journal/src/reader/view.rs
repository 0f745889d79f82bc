//! Reading views: one row by key, or a bounded scan in key order.
//!
//! Views are folded from the log in the same commit; what keys and values mean is the caller's.

use rusqlite::OptionalExtension as _;

use super::{Order, PAGE_RECORDS_MAX, Reader};
use crate::error::ReadError;
use crate::store::view_table;

/// Which rows of a view to return; the default is all, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scan {
    /// Only keys that start with this.
    pub prefix: Vec<u8>,
    /// Only keys beyond this one in the scan's direction: the last key of the page before.
    pub after: Option<Vec<u8>>,
    /// Ascending or descending keys.
    pub order: Order,
}

/// The key and the value of a view's row.
pub type ViewRow = (Vec<u8>, Vec<u8>);

impl Reader {
    /// The value under a key.
    ///
    /// # Errors
    /// When there is no such view or it cannot be read.
    pub fn view_get(&self, view: &str, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let sql = format!("SELECT value FROM {} WHERE key = ?1", self.table(view)?);
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement.query_row([key], |row| row.get(0)).optional()?)
    }

    /// The first `limit` rows of a scan (at most [`PAGE_RECORDS_MAX`]), as key and value.
    ///
    /// # Errors
    /// When there is no such view or it cannot be read.
    pub fn view_scan(
        &self,
        view: &str,
        scan: &Scan,
        limit: usize,
    ) -> Result<Vec<ViewRow>, ReadError> {
        let table = self.table(view)?;
        let (first, end) = bounds(scan);
        let order = match scan.order {
            Order::OldestFirst => "ASC",
            Order::NewestFirst => "DESC",
        };
        let upper = if end.is_some() { "key < ?2" } else { "?2 IS NULL" };
        let sql = format!(
            "SELECT key, value FROM {table} WHERE key >= ?1 AND {upper} ORDER BY key {order} LIMIT ?3"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let limit = i64::try_from(limit.min(PAGE_RECORDS_MAX)).unwrap_or(i64::MAX);
        let rows =
            statement.query_map((first, end, limit), |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How many rows a view has.
    ///
    /// # Errors
    /// When there is no such view or it cannot be read.
    pub fn view_len(&self, view: &str) -> Result<u64, ReadError> {
        let sql = format!("SELECT count(*) FROM {}", self.table(view)?);
        let count: i64 = self.connection.prepare_cached(&sql)?.query_row([], |row| row.get(0))?;
        Ok(count.cast_unsigned())
    }

    /// The table of a view that exists.
    fn table(&self, view: &str) -> Result<String, ReadError> {
        let table = view_table(view);
        let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        if statement.exists([&table])?
            && view.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric())
        {
            Ok(table)
        } else {
            Err(ReadError::NoSuchView(view.chars().take(80).collect()))
        }
    }
}

/// The first key of a scan and the first key beyond it.
fn bounds(scan: &Scan) -> (Vec<u8>, Option<Vec<u8>>) {
    let (first, end) = (scan.prefix.clone(), end_of_prefix(&scan.prefix));
    match (&scan.after, scan.order) {
        (None, _) => (first, end),
        // The next possible key after `after` is `after` with a zero byte appended.
        (Some(after), Order::OldestFirst) => (first.max([after.as_slice(), &[0]].concat()), end),
        (Some(after), Order::NewestFirst) => {
            (first, Some(end.map_or_else(|| after.clone(), |end| end.min(after.clone()))))
        }
    }
}

/// The smallest key above every key that starts with `prefix`; `None` when there is none.
fn end_of_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_above_all_its_keys() {
        let check = |prefix: &[u8], expect: Option<&[u8]>| {
            assert_eq!(end_of_prefix(prefix).as_deref(), expect, "{prefix:?}");
        };
        check(b"", None);
        check(b"a", Some(b"b"));
        check(b"a\xff", Some(b"b"));
        check(b"\xff\xff", None);
    }
}
