//! Whether the views are what the records imply, without changing them: `rebuild` in a private database.
//!
//! Records are folded into a temporary database that SQLite keeps for this connection alone; then both are
//! walked in the order of their keys. Records that come meanwhile are folded in the same short transaction.

use std::cmp::Ordering;

use rusqlite::{Connection, Rows};
use thiserror::Error;

use super::fault::VerifyError;
use crate::digest::Digest;
use crate::error::ReadError;
use crate::operation::Change;
use crate::reader::{Reader, blob};
use crate::rebuild::{Merge, apply, fresh_table};
use crate::record::Record;
use crate::store::{refuse_quoted_text, view_table, view_table_sql};

/// A row of a view that is not what the records imply.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("view `{view}`, row {}: {difference}", shown(key))]
pub struct ViewFault {
    /// The view.
    pub view: String,
    /// The row's key.
    pub key: Vec<u8>,
    /// How it differs.
    pub difference: Difference,
}

/// How a row differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Difference {
    /// The records imply it and it is not there.
    #[error("missing")]
    Missing,
    /// It is there and no record implies it.
    #[error("implied by no record")]
    Extra,
    /// It has another value.
    #[error("another value than the records imply")]
    Changed,
}

/// A key for people: hexadecimal, or its digest where it is long.
fn shown(key: &[u8]) -> String {
    const SHOWN_BYTES: usize = 32;
    if key.len() > SHOWN_BYTES {
        return format!("with a key of SHA-256 {}", Digest::of(key));
    }
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Folds every record and compares what comes out with the views.
pub(super) fn check(
    reader: &Reader,
    views: &'static [&'static str],
    projector: &mut dyn FnMut(&Record) -> Vec<Change>,
) -> Result<(), VerifyError> {
    // An empty name is a database of this connection alone: in memory until it is large, then in a file
    // without a name.
    let fresh = Connection::open("").map_err(ReadError::from)?;
    refuse_quoted_text(&fresh).map_err(ReadError::from)?;
    fresh.execute_batch("PRAGMA journal_mode = OFF; BEGIN").map_err(ReadError::from)?;
    for view in views {
        let sql = view_table_sql("", &fresh_table(view));
        fresh.execute_batch(&sql).map_err(ReadError::from)?;
    }
    let mut merge = Merge::new(reader)?;
    let mut fold = |merge: &mut Merge<'_>| -> Result<(), ReadError> {
        while let Some(record) = merge.next()? {
            for change in projector(&record) {
                apply(&fresh, &change)?;
            }
        }
        Ok(())
    };
    fold(&mut merge)?;
    let found = reader.consistent(|reader| {
        merge.resume()?;
        fold(&mut merge)?;
        for view in views {
            if let Some(fault) = compare(reader.connection(), &fresh, view)? {
                return Ok(Some(fault));
            }
        }
        Ok(None)
    })?;
    found.map_or(Ok(()), |fault| Err(VerifyError::View(fault)))
}

type Row = Option<(Vec<u8>, Vec<u8>)>;

fn compare(
    stored: &Connection,
    fresh: &Connection,
    view: &str,
) -> Result<Option<ViewFault>, ReadError> {
    let query = |table: &str| format!("SELECT key, value FROM {table} ORDER BY key");
    let table = view_table(view);
    // A view that is not made yet has no rows.
    let source = if stored.table_exists(None, table.as_str())? {
        query(&table)
    } else {
        "SELECT NULL, NULL WHERE 0".to_owned()
    };
    let (mut have, mut want) =
        (stored.prepare(&source)?, fresh.prepare(&query(&fresh_table(view)))?);
    let (mut have, mut want) = (have.query([])?, want.query([])?);
    let (mut left, mut right) = (next(&mut have)?, next(&mut want)?);
    let fault = |key: &[u8], difference| {
        Some(ViewFault { view: view.to_owned(), key: key.to_vec(), difference })
    };
    loop {
        match (&left, &right) {
            (None, None) => return Ok(None),
            (Some((key, _)), None) => return Ok(fault(key, Difference::Extra)),
            (None, Some((key, _))) => return Ok(fault(key, Difference::Missing)),
            (Some((key, value)), Some((expected, wanted))) => match key.cmp(expected) {
                Ordering::Less => return Ok(fault(key, Difference::Extra)),
                Ordering::Greater => return Ok(fault(expected, Difference::Missing)),
                Ordering::Equal if value != wanted => {
                    return Ok(fault(key, Difference::Changed));
                }
                Ordering::Equal => {}
            },
        }
        (left, right) = (next(&mut have)?, next(&mut want)?);
    }
}

fn next(rows: &mut Rows<'_>) -> rusqlite::Result<Row> {
    rows.next()?.map_or(Ok(None), |row| {
        Ok(Some((blob(row.get_ref(0)?).to_vec(), blob(row.get_ref(1)?).to_vec())))
    })
}
