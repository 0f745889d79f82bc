//! The name of a log (tenant and shard) and its place in the event table.
//!
//! A log is one hash chain. The event table holds all logs of a database; the row id is the log's
//! number in the upper bits and the sequence in the lower ones, so each log is one contiguous range.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// Longest tenant name, in bytes.
pub const TENANT_BYTES_MAX: usize = 64;

/// Largest sequence of a log (2^40 − 1); a log that reaches it refuses to append.
pub const SEQUENCE_MAX: u64 = (1 << 40) - 1;

/// Most logs in one database; a further tenant is refused.
pub(crate) const LOGS_MAX: u32 = 1 << 20;

/// Names a log: the tenant it belongs to and the shard (0 in an embedded deployment).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    tenant: Arc<str>,
    shard: u16,
}

impl LogId {
    /// Names the log of `tenant` and `shard`.
    ///
    /// # Errors
    /// When the tenant is not 1–[`TENANT_BYTES_MAX`] characters of `a-z 0-9 . _ -`.
    pub fn new(tenant: &str, shard: u16) -> Result<Self, LogIdError> {
        if is_tenant(tenant) {
            Ok(Self { tenant: Arc::from(tenant), shard })
        } else {
            Err(LogIdError { text: tenant.chars().take(80).collect() })
        }
    }

    /// The tenant's name.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The shard's number.
    #[must_use]
    pub const fn shard(&self) -> u16 {
        self.shard
    }
}

impl Default for LogId {
    /// Tenant `default`, shard 0.
    fn default() -> Self {
        Self { tenant: Arc::from("default"), shard: 0 }
    }
}

fn is_tenant(text: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    (1..=TENANT_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

impl fmt::Display for LogId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.tenant, self.shard)
    }
}

/// The text names no log.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a log name of the form `tenant/shard`")]
pub struct LogIdError {
    text: String,
}

impl FromStr for LogId {
    type Err = LogIdError;

    /// Reads the form of `Display`: `tenant/shard`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || LogIdError { text: text.chars().take(80).collect() };
        let (tenant, shard) = text.split_once('/').ok_or_else(refused)?;
        Self::new(tenant, shard.parse().map_err(|_| refused())?)
    }
}

/// A log's number inside one database (1 to [`LOGS_MAX`]): the upper bits of its rows' ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LogNumber(pub(crate) u32);

impl LogNumber {
    const SEQUENCE_BITS: u32 = 40;

    /// The row id of `sequence` in this log; callers keep sequences within [`SEQUENCE_MAX`].
    pub(crate) fn row(self, sequence: u64) -> i64 {
        let low = i64::try_from(sequence.min(SEQUENCE_MAX)).unwrap_or(i64::MAX);
        i64::from(self.0) << Self::SEQUENCE_BITS | low
    }

    /// The sequence stored under a row id of this log.
    pub(crate) fn sequence(row: i64) -> u64 {
        row.cast_unsigned() & SEQUENCE_MAX
    }

    /// The number of the log a row id belongs to; `None` for ids no writer makes.
    pub(crate) fn of(row: i64) -> Option<Self> {
        u32::try_from(row >> Self::SEQUENCE_BITS)
            .ok()
            .filter(|n| (1..=LOGS_MAX).contains(n))
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_are_strict() {
        for good in ["default/0", "a/65535", "x-1.y_z/3"] {
            assert_eq!(good.parse::<LogId>().unwrap().to_string(), good);
        }
        for bad in ["", "default", "/0", "A/0", "a/65536", "a/-1", "a b/0", "é/0"] {
            assert!(bad.parse::<LogId>().is_err(), "{bad}");
        }
        assert!(LogId::new(&"a".repeat(64), 0).is_ok());
        assert!(LogId::new(&"a".repeat(65), 0).is_err());
    }

    #[test]
    fn row_ids_split_into_log_and_sequence() {
        for (number, sequence) in [(1, 1), (1, SEQUENCE_MAX), (LOGS_MAX, 7)] {
            let row = LogNumber(number).row(sequence);
            assert_eq!(LogNumber::sequence(row), sequence);
            assert_eq!(LogNumber::of(row), Some(LogNumber(number)));
        }
        assert_eq!(LogNumber::of(5), None);
        assert_eq!(LogNumber::of(-1), None);
    }
}
