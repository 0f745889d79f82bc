//! Records that match: by kind, principal, run, time and text, one page in memory at a time.
//!
//! Archived records are read like the others. It decides nothing about how a record is shown.

use engine::run::RunId;
use journal::{Filter, LogId, Order, ReadError, Reader, Record};

/// Records looked at for one page.
const PAGE: usize = 1_000;

/// What to look for; the default is every record.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Only kinds that start with this.
    pub kind: String,
    /// Only records of this principal.
    pub principal: Option<String>,
    /// Only records of this run.
    pub run: Option<RunId>,
    /// Only records from this microsecond on.
    pub since_us: Option<i64>,
    /// Only records before this microsecond.
    pub until_us: Option<i64>,
    /// Only records with this in their payload, as bytes.
    pub text: Option<String>,
    /// Only sequences after this one.
    pub after: u64,
    /// Direction.
    pub order: Order,
}

impl Search {
    /// Calls `each` with every page of matches, in order, until it says `false` or there are no more.
    ///
    /// # Errors
    /// When a record cannot be read or is not what its header says.
    pub fn pages(
        &self,
        reader: &Reader,
        log: &LogId,
        mut each: impl FnMut(Vec<Record>) -> bool,
    ) -> Result<(), ReadError> {
        let mut filter = Filter {
            kind_prefix: self.kind.clone(),
            principal: self.principal.clone(),
            stream: self.run.map(|run| run.0),
            from_us: self.since_us,
            until_us: self.until_us,
            after: self.after,
            before: None,
            order: self.order,
        };
        loop {
            let mut page = reader.filter(log, &filter, PAGE)?;
            let Some(last) = page.last().map(|record| record.header.sequence) else {
                return Ok(());
            };
            match self.order {
                Order::OldestFirst => filter.after = last,
                Order::NewestFirst => filter.before = Some(last),
            }
            if let Some(text) = &self.text {
                page.retain(|record| contains(&record.payload, text.as_bytes()));
            }
            if !page.is_empty() && !each(page) {
                return Ok(());
            }
        }
    }
}

fn contains(payload: &[u8], text: &[u8]) -> bool {
    text.is_empty() || payload.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::contains;

    #[test]
    fn text_is_found_as_bytes() {
        assert!(contains(b"{\"path\":\"a.txt\"}", b"a.txt"));
        assert!(contains(b"", b""));
        assert!(!contains(b"ab", b"abc"));
        assert!(!contains(b"A", b"a"), "what was recorded is matched as it was recorded");
    }
}
