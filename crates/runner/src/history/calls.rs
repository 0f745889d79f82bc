//! Calls on record: what policy saw, newest first, to be decided again under other rules.
//! Records from before calls were kept hold none.

use engine::run::Micros;
use journal::{Filter, Order};

use super::{History, HistoryError};
use crate::record::{CALL_KIND, DecidedCall};

/// Records read at a time.
const PAGE: usize = 500;

/// Which calls.
#[derive(Debug, Clone, Copy)]
pub struct Calls {
    /// Not before this.
    pub since: Option<Micros>,
    /// At most this many.
    pub limit: usize,
}

impl History {
    /// The newest calls that policy decided, newest first.
    ///
    /// # Errors
    /// When the journal cannot be read, or a record of a call is not one.
    pub fn calls(&self, wanted: Calls) -> Result<Vec<DecidedCall>, HistoryError> {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let filter = Filter {
                kind_prefix: CALL_KIND.to_owned(),
                order: Order::NewestFirst,
                from_us: wanted.since.map(|since| since.0),
                before,
                ..Filter::default()
            };
            let page = self.reader.filter(&self.log, &filter, PAGE)?;
            let Some(last) = page.last() else { return Ok(found) };
            before = Some(last.header.sequence);
            for record in &page {
                if found.len() >= wanted.limit {
                    return Ok(found);
                }
                let call = serde_json::from_slice(&record.payload);
                let sequence = record.header.sequence;
                found.push(call.map_err(|_| HistoryError::NoCall { sequence })?);
            }
        }
    }
}
