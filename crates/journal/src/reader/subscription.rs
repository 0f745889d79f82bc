//! Following a log: every record once, in order, from a cursor on.
//!
//! Nothing is buffered or pushed: a subscription reads what lies after its cursor, and waiting is
//! only about when to look. So it cannot miss, repeat or fall out of a buffer, however slow it is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Notice, Reader};
use crate::error::ReadError;
use crate::record::{LogId, Record};

/// How often a log that another process writes is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A place in a log and the means to read on from it.
#[derive(Debug)]
pub struct Subscription {
    reader: Reader,
    log: LogId,
    cursor: u64,
    /// Rung by the writer of this process; silent when another process writes.
    notice: Arc<Notice>,
    /// The longest wait for the notice before looking anyway.
    interval: Duration,
    /// The database's version when everything up to it had been read.
    drained_at: Option<i64>,
}

impl Reader {
    /// Follows `log` from after the sequence `cursor` (0: from the first record).
    #[must_use]
    pub fn subscribe(self, log: LogId, cursor: u64) -> Subscription {
        let (notice, interval) = (Arc::default(), POLL_INTERVAL);
        Subscription { reader: self, log, cursor, notice, interval, drained_at: None }
    }
}

impl Subscription {
    pub(crate) fn with_notice(mut self, notice: Arc<Notice>) -> Self {
        (self.notice, self.interval) = (notice, Duration::MAX);
        self
    }

    /// The last sequence handed out; subscribe from here to continue elsewhere.
    #[must_use]
    pub const fn cursor(&self) -> u64 {
        self.cursor
    }

    /// The next records, at most `limit`; empty when there are none yet. Does not wait.
    ///
    /// # Errors
    /// When a record cannot be read; the cursor stays before it.
    pub fn poll(&mut self, limit: usize) -> Result<Vec<Record>, ReadError> {
        // Read before looking: a commit after this line changes the version seen next time.
        let version = self.reader.data_version()?;
        if self.drained_at == Some(version) {
            return Ok(Vec::new());
        }
        let records = self.reader.by_log(&self.log, self.cursor, limit)?;
        match records.last() {
            Some(record) => self.cursor = record.header.sequence,
            None if limit > 0 => self.drained_at = Some(version),
            None => {}
        }
        Ok(records)
    }

    /// The next records, at most `limit`, waiting up to `patience` for the first; empty afterwards.
    ///
    /// # Errors
    /// When a record cannot be read; the cursor stays before it.
    pub fn wait(&mut self, limit: usize, patience: Duration) -> Result<Vec<Record>, ReadError> {
        let start = Instant::now();
        loop {
            let seen = self.notice.seen();
            let records = self.poll(limit)?;
            let left = patience.saturating_sub(start.elapsed());
            if !records.is_empty() || left.is_zero() {
                return Ok(records);
            }
            self.notice.wait(seen, left.min(self.interval));
        }
    }
}
