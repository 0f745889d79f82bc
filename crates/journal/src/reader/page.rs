//! Pages of records: by log, by stream, by filter.
//!
//! A page is bounded in records and bytes and is read in one short transaction; the caller continues
//! from the last sequence it got. Long filters scan in spans so that no transaction becomes long.

use rusqlite::types::ValueRef;
use rusqlite::{Params, Row};

use super::Reader;
use crate::digest::{leaf_of, payload_digest_of};
use crate::error::ReadError;
use crate::record::{Header, HeaderView, LogId, LogNumber, Record, SEQUENCE_MAX};

/// Most records one call returns, whatever its limit says.
pub const PAGE_RECORDS_MAX: usize = 10_000;

/// A page ends with the record that brings its payloads to this many bytes.
pub const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Most rows a filter looks at in one transaction.
const SPAN_RECORDS: u64 = 50_000;

/// Direction of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Ascending.
    #[default]
    OldestFirst,
    /// Descending.
    NewestFirst,
}

/// Which records of a log to return; the default is all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Only kinds that start with this.
    pub kind_prefix: String,
    /// Only records of this principal.
    pub principal: Option<String>,
    /// Only records of this stream.
    pub stream: Option<[u8; 16]>,
    /// Only recorded times from this microsecond on.
    pub from_us: Option<i64>,
    /// Only recorded times before this microsecond.
    pub until_us: Option<i64>,
    /// Only sequences after this one (0: from the first).
    pub after: u64,
    /// Only sequences before this one.
    pub before: Option<u64>,
    /// Direction.
    pub order: Order,
}

impl Reader {
    /// One record; `None` when the log does not reach that far.
    ///
    /// # Errors
    /// When it cannot be read or differs from its header.
    pub fn get(&self, log: &LogId, sequence: u64) -> Result<Option<Record>, ReadError> {
        let mut records = self.by_log(log, sequence.saturating_sub(1), 1)?;
        Ok(records.pop().filter(|record| record.header.sequence == sequence))
    }

    /// The records of a log after a cursor (0: from the first), in order without gaps.
    ///
    /// # Errors
    /// When a record cannot be read, differs from its header, or is missing.
    pub fn by_log(&self, log: &LogId, after: u64, limit: usize) -> Result<Vec<Record>, ReadError> {
        let Some(number) = self.number(log)? else { return Ok(Vec::new()) };
        let sql = "SELECT id, header, payload FROM event \
                   WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";
        let last = number.row(SEQUENCE_MAX);
        let records = self.page(log, sql, (number.row(after), last, clamp(limit)))?;
        let found = records.iter().map(|record| record.header.sequence);
        match found.zip(after.saturating_add(1)..).find(|(found, expected)| found != expected) {
            Some((_, sequence)) => Err(ReadError::Gap { log: log.clone(), sequence }),
            None => Ok(records),
        }
    }

    /// The records of a stream after a sequence (0: from the first), in order.
    ///
    /// # Errors
    /// When a record cannot be read or differs from its header.
    pub fn by_stream(
        &self,
        log: &LogId,
        stream: &[u8; 16],
        after: u64,
        limit: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let Some(number) = self.number(log)? else { return Ok(Vec::new()) };
        let sql = "SELECT id, header, payload FROM event \
                   WHERE stream = ?4 AND id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";
        let last = number.row(SEQUENCE_MAX);
        self.page(log, sql, (number.row(after), last, clamp(limit), stream.as_slice()))
    }

    /// The first `limit` records of a log that a filter lets through, in its order.
    ///
    /// # Errors
    /// When a record cannot be read or differs from its header.
    pub fn filter(
        &self,
        log: &LogId,
        filter: &Filter,
        limit: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let Some((number, mut first, mut last)) = self.span(log, filter)? else {
            return Ok(Vec::new());
        };
        let mut found = Found::new(limit);
        while first <= last && !found.is_full() {
            let (from, to) = match filter.order {
                Order::OldestFirst => (first, last.min(first.saturating_add(SPAN_RECORDS - 1))),
                Order::NewestFirst => (first.max(last.saturating_sub(SPAN_RECORDS - 1)), last),
            };
            self.scan_span(log, filter, (number.row(from), number.row(to)), &mut found)?;
            match filter.order {
                Order::OldestFirst => first = to + 1,
                Order::NewestFirst => last = from.saturating_sub(1),
            }
        }
        Ok(found.records)
    }

    /// The sequences a filter's cursor and time range leave, and the log's number.
    fn span(
        &self,
        log: &LogId,
        filter: &Filter,
    ) -> Result<Option<(LogNumber, u64, u64)>, ReadError> {
        let Some((number, head)) = self.number(log)?.zip(self.head(log)?) else { return Ok(None) };
        let mut first = filter.after.saturating_add(1);
        let mut last = filter.before.map_or(head.sequence, |before| before.saturating_sub(1));
        last = last.min(head.sequence);
        if let Some(from) = filter.from_us {
            first = first.max(self.first_at(log, number, (head.sequence, from))?);
        }
        if let Some(until) = filter.until_us {
            let beyond = self.first_at(log, number, (head.sequence, until))?;
            last = last.min(beyond.saturating_sub(1));
        }
        Ok((first <= last).then_some((number, first, last)))
    }

    /// The first sequence whose time is at or after `time_us`; recorded times never go backwards.
    fn first_at(
        &self,
        log: &LogId,
        number: LogNumber,
        (head, time_us): (u64, i64),
    ) -> Result<u64, ReadError> {
        let mut statement =
            self.connection.prepare_cached("SELECT header FROM event WHERE id = ?1")?;
        let (mut low, mut high) = (1, head + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let bytes: Vec<u8> = statement.query_row([number.row(middle)], |row| row.get(0))?;
            let view = HeaderView::decode(&bytes).map_err(|source| ReadError::Header {
                log: log.clone(),
                sequence: middle,
                source,
            })?;
            if view.time.micros < time_us { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    fn scan_span(
        &self,
        log: &LogId,
        filter: &Filter,
        (from, to): (i64, i64),
        found: &mut Found,
    ) -> Result<(), ReadError> {
        let order = match filter.order {
            Order::OldestFirst => "ASC",
            Order::NewestFirst => "DESC",
        };
        let only = if filter.stream.is_some() { "stream = ?3" } else { "?3 IS NULL" };
        let sql = format!(
            "SELECT id, header, payload FROM event \
             WHERE id BETWEEN ?1 AND ?2 AND {only} ORDER BY id {order}"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let stream = filter.stream.as_ref().map(<[u8; 16]>::as_slice);
        let mut rows = statement.query((from, to, stream))?;
        while let Some(row) = rows.next()? {
            if wanted(filter, row)? {
                found.add(self.record(log, row)?);
            }
            if found.is_full() {
                break;
            }
        }
        Ok(())
    }

    fn page(&self, log: &LogId, sql: &str, params: impl Params) -> Result<Vec<Record>, ReadError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut found = Found::new(PAGE_RECORDS_MAX);
        while let Some(row) = rows.next()? {
            found.add(self.record(log, row)?);
            if found.is_full() {
                break;
            }
        }
        Ok(found.records)
    }

    /// The record in a row of (id, header, payload), checked against its header.
    fn record(&self, log: &LogId, row: &Row<'_>) -> Result<Record, ReadError> {
        let sequence = LogNumber::sequence(row.get(0)?);
        let bytes = blob(row.get_ref(1)?);
        let header = Header::decode(bytes).map_err(|source| ReadError::Header {
            log: log.clone(),
            sequence,
            source,
        })?;
        if header.sequence != sequence || header.log != *log {
            return Err(ReadError::Gap { log: log.clone(), sequence });
        }
        let wrong = |source| ReadError::Payload { log: log.clone(), sequence, source };
        let payload = match (header.payload.artifact, &self.artifacts) {
            (None, _) => match row.get_ref(2)?.as_blob() {
                Ok(payload) => payload.to_vec(),
                Err(_) => self
                    .archived(row.get(0)?)
                    .map(|found| found.payload)
                    .map_err(|source| ReadError::Archive { log: log.clone(), sequence, source })?,
            },
            (Some(digest), Some(store)) => store.get(digest).map_err(|error| wrong(Some(error)))?,
            (Some(_), None) => return Err(wrong(None)),
        };
        if payload_digest_of(&payload) != header.payload.digest {
            return Err(wrong(None));
        }
        Ok(Record { leaf: leaf_of(bytes), header, payload })
    }
}

/// Records collected so far, against both limits.
struct Found {
    records: Vec<Record>,
    limit: usize,
    bytes: usize,
}

impl Found {
    fn new(limit: usize) -> Self {
        Self { records: Vec::new(), limit: limit.min(PAGE_RECORDS_MAX), bytes: 0 }
    }

    fn add(&mut self, record: Record) {
        self.bytes = self.bytes.saturating_add(record.payload.len());
        self.records.push(record);
    }

    fn is_full(&self) -> bool {
        self.records.len() >= self.limit || self.bytes >= PAGE_BYTES_MAX
    }
}

/// Whether a filter's kind and principal let a row through; an undecodable header passes, to be reported.
fn wanted(filter: &Filter, row: &Row<'_>) -> Result<bool, ReadError> {
    let Ok(view) = HeaderView::decode(blob(row.get_ref(1)?)) else { return Ok(true) };
    let principal = filter.principal.as_deref();
    Ok(view.kind.starts_with(&filter.kind_prefix)
        && principal.is_none_or(|principal| principal == view.principal))
}

fn clamp(limit: usize) -> i64 {
    i64::try_from(limit.min(PAGE_RECORDS_MAX)).unwrap_or(i64::MAX)
}

/// The bytes of a column; NULL and other kinds are empty, which no hash accepts.
pub(crate) fn blob(value: ValueRef<'_>) -> &[u8] {
    value.as_blob().unwrap_or_default()
}
