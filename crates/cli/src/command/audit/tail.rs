//! `palisade audit tail`: the newest records, and those to come.
//! What one looks like is in `line`.

use std::time::Duration;

use runner::audit::{Filter, Order};

use super::{line, unreadable};
use crate::arguments::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::session;

/// New records read at a time.
const PAGE: usize = 1_000;
/// Longest wait for new records before looking again.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn run(global: &Global, count: u64, follow: bool) -> Result<Exit, Failure> {
    let (history, _) = session::history(global)?;
    let filter = Filter { order: Order::NewestFirst, ..Filter::default() };
    let wanted = usize::try_from(count).unwrap_or(usize::MAX);
    let mut latest = history
        .reader()
        .filter(history.log(), &filter, wanted)
        .map_err(|error| unreadable(&error))?;
    latest.reverse();
    for record in &latest {
        line::print(record, global.json);
    }
    if !follow {
        return Ok(Exit::Ok);
    }
    let log = history.log().clone();
    let cursor = match latest.last() {
        Some(record) => record.header.sequence,
        // Of those that are there already none was wanted.
        None => history
            .reader()
            .head(&log)
            .map_err(|error| unreadable(&error))?
            .map_or(0, |head| head.sequence),
    };
    let mut records = history.into_reader().subscribe(log, cursor);
    loop {
        for record in records.wait(PAGE, PATIENCE).map_err(|error| unreadable(&error))? {
            line::print(&record, global.json);
        }
        if output::closed() {
            return Ok(Exit::Ok);
        }
    }
}
