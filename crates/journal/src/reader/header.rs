//! Reading headers alone, as the tree over a log needs them.
//!
//! Each is held against its stored leaf and its place in the chain, so that no tree is ever built, and
//! no checkpoint signed, over a record that was changed after it was written.

use super::{PAGE_RECORDS_MAX, Reader, blob};
use crate::digest::{Digest, leaf_of};
use crate::error::ReadError;
use crate::record::{HeaderView, LogId, LogNumber, SEQUENCE_MAX};

impl Reader {
    /// The stored headers of a log after a cursor (0: from the first), at most [`PAGE_RECORDS_MAX`].
    ///
    /// # Errors
    /// When one cannot be read, is missing, or is not what was written.
    pub(crate) fn headers(
        &self,
        log: &LogId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, ReadError> {
        let Some(number) = self.number(log)? else { return Ok(Vec::new()) };
        let sql = "SELECT id, leaf, header FROM event \
                   WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        let limit = i64::try_from(limit.min(PAGE_RECORDS_MAX)).unwrap_or(i64::MAX);
        let range = (number.row(after), number.row(SEQUENCE_MAX), limit);
        let mut rows = statement.query(range)?;
        let mut headers = Vec::new();
        let mut last: Option<Digest> = None;
        while let Some(row) = rows.next()? {
            let sequence = after.saturating_add(1).saturating_add(headers.len() as u64);
            if LogNumber::sequence(row.get(0)?) != sequence {
                return Err(ReadError::Gap { log: log.clone(), sequence });
            }
            let header = blob(row.get_ref(2)?);
            let view = HeaderView::decode(header).map_err(|source| ReadError::Header {
                log: log.clone(),
                sequence,
                source,
            })?;
            let leaf = leaf_of(header);
            let linked = last.is_none_or(|last| last == view.prev_leaf);
            if blob(row.get_ref(1)?) != leaf.as_bytes() || view.sequence != sequence || !linked {
                return Err(ReadError::Changed { log: log.clone(), sequence });
            }
            last = Some(leaf);
            headers.push(header.to_vec());
        }
        Ok(headers)
    }
}
