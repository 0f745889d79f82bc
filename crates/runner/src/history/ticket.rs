//! Tickets on record, found by the beginning of their id.
//! Records hold ids and never texts; one that was narrowed is on record once it is used.

use engine::run::Micros;
use journal::{Filter, Order};
use serde::Deserialize;
use ticket::{Id, LIFE_MAX};

use super::{History, HistoryError};
use crate::clock;
use crate::tickets::ledger::{ISSUED_KIND, REDEEMED_KIND};

/// Records read at a time.
const PAGE: usize = 500;

/// What records of tickets have in common.
#[derive(Deserialize)]
struct Named {
    ticket: String,
}

impl History {
    /// The ticket whose id begins with `prefix`, among those that may still be valid: no ticket lives longer than
    /// [`LIFE_MAX`].
    ///
    /// # Errors
    /// [`HistoryError::NoTicket`] and [`HistoryError::Ambiguous`], besides reading.
    pub fn ticket(&self, prefix: &str) -> Result<Id, HistoryError> {
        let mut found: Option<Id> = None;
        for kind in [ISSUED_KIND, REDEEMED_KIND] {
            self.tickets(kind, prefix, &mut |id| match found {
                Some(other) if other != id => {
                    Err(HistoryError::Ambiguous { prefix: prefix.to_owned(), count: 2 })
                }
                Some(_) => Ok(()),
                None => {
                    found = Some(id);
                    Ok(())
                }
            })?;
        }
        found.ok_or_else(|| HistoryError::NoTicket(prefix.to_owned()))
    }

    fn tickets(
        &self,
        kind: &str,
        prefix: &str,
        each: &mut dyn FnMut(Id) -> Result<(), HistoryError>,
    ) -> Result<(), HistoryError> {
        let Micros(now) = clock::now();
        let life = i64::try_from(LIFE_MAX.as_micros()).unwrap_or(i64::MAX);
        let mut filter = Filter {
            kind_prefix: kind.to_owned(),
            order: Order::NewestFirst,
            from_us: Some(now.saturating_sub(life)),
            ..Filter::default()
        };
        loop {
            let page = self.reader.filter(&self.log, &filter, PAGE)?;
            let Some(last) = page.last() else { return Ok(()) };
            filter.before = Some(last.header.sequence);
            for record in &page {
                let named: Option<Named> = serde_json::from_slice(&record.payload).ok();
                let id = named.filter(|named| named.ticket.starts_with(prefix));
                if let Some(id) = id.and_then(|named| named.ticket.parse().ok()) {
                    each(id)?;
                }
            }
        }
    }
}
