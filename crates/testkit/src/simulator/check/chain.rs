//! Rule: the chain has no gap, links up, verifies, and still holds every acknowledged record.
//! What the records mean is not looked at here; see `fold` for that.

use super::super::{Control, JOURNAL, placement};
use super::{Rule, Violation, broken};
use journal::{Digest, LogId, PAGE_RECORDS_MAX, Reader, Record, Verification};

/// Every record of a log, oldest first.
pub(in crate::simulator) fn read(reader: &Reader, log: &LogId) -> Result<Vec<Record>, Violation> {
    let mut records: Vec<Record> = Vec::new();
    loop {
        let after = records.last().map_or(0, |record| record.header.sequence);
        let page = reader
            .by_log(log, after, PAGE_RECORDS_MAX)
            .map_err(|error| broken(Rule::Chain, error.to_string()))?;
        if page.is_empty() {
            return Ok(records);
        }
        records.extend(page);
    }
}

/// Sequences without gaps from 1, each header naming the leaf before it.
pub(in crate::simulator) fn judge(records: &[Record]) -> Result<(), Violation> {
    let mut last = Digest::ZERO;
    for (expected, record) in (1..).zip(records) {
        let found = record.header.sequence;
        if found != expected || record.header.prev_leaf != last {
            return Err(broken(Rule::Chain, format!("record {found} does not follow")));
        }
        last = record.leaf;
    }
    Ok(())
}

/// The journal's own verification agrees.
pub(in crate::simulator) fn verified(
    control: Control,
    records: &[Record],
) -> Result<(), Violation> {
    let verification = Verification { placement: placement(control), ..Verification::new(JOURNAL) };
    match verification.run() {
        Ok(verified) if verified.records == records.len() as u64 => Ok(()),
        Ok(verified) => Err(broken(Rule::Chain, format!("{} records verified", verified.records))),
        Err(error) => Err(broken(Rule::Chain, error.to_string())),
    }
}

/// The record acknowledged under `sequence` is there, and is the same one where its leaf is known.
pub(in crate::simulator) fn present(
    records: &[Record],
    sequence: u64,
    leaf: Option<Digest>,
) -> Result<(), Violation> {
    let index = usize::try_from(sequence.saturating_sub(1)).unwrap_or(usize::MAX);
    match records.get(index) {
        Some(record) if leaf.is_none_or(|leaf| leaf == record.leaf) => Ok(()),
        Some(_) => Err(broken(Rule::Durable, format!("acknowledged record {sequence} is another"))),
        None => Err(broken(Rule::Durable, format!("acknowledged record {sequence} is gone"))),
    }
}
