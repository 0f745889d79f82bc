//! What a server reads back from the journal: open runs, their documents, holders of keys.
//!
//! The reading side of a recovery, over the simulated disk. It decides nothing.

use super::check::{Rule, Violation, broken, chain};
use super::server::Halt;
use super::{Control, JOURNAL, placement};
use engine::run::{Digest, Event, Fact, RunId, Submission};
use journal::{LogId, PAGE_RECORDS_MAX, Reader, Record, Scan};
use runner::projection::{self, Charged, Document};
use runner::record::event_of;
use std::sync::Arc;

/// A run that has not ended, as recorded.
pub(super) struct Recalled {
    pub(super) document: Document,
    pub(super) events: Vec<Event>,
}

/// A reader of the journal of one server.
pub(super) struct Recall {
    reader: Reader,
    log: LogId,
}

impl Recall {
    pub(super) fn open(control: Control) -> Result<Self, Halt> {
        let reader = Reader::open_at(JOURNAL, &placement(control)).map_err(storage)?;
        Ok(Self { reader, log: LogId::default() })
    }

    /// Every run that has not ended, by id.
    pub(super) fn open_runs(&self) -> Result<Vec<Recalled>, Halt> {
        let rows = self.reader.view_scan(projection::OPEN_RUN, &Scan::default(), PAGE_RECORDS_MAX);
        let keys = rows.map_err(storage)?.into_iter();
        keys.filter_map(|(key, _)| key.try_into().ok()).map(|id| self.run(RunId(id))).collect()
    }

    fn run(&self, run: RunId) -> Result<Recalled, Halt> {
        let records = self.reader.by_stream(&self.log, &run.0, 0, PAGE_RECORDS_MAX);
        let events: Vec<Event> = records.map_err(storage)?.iter().filter_map(event_of).collect();
        let missing = || broken(Rule::Fold, format!("`{run}` has no submission or no document"));
        let digest = events.iter().find_map(submission).ok_or_else(missing)?.workflow;
        let text = self.text(digest)?.ok_or_else(missing)?;
        Ok(Recalled {
            document: Document { digest, name: "recorded.yaml".to_owned(), text },
            events,
        })
    }

    /// The recorded text of a workflow.
    pub(super) fn text(&self, workflow: Digest) -> Result<Option<String>, Halt> {
        let row = self.reader.view_get(projection::WORKFLOW, &workflow.0).map_err(storage)?;
        Ok(row.and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    /// The run that has a principal's key, with what it was submitted with.
    pub(super) fn holder(
        &self,
        principal: &str,
        key: &str,
    ) -> Result<Option<(RunId, Arc<Submission>)>, Halt> {
        let row = projection::key_row(principal, key);
        let held = self.reader.view_get(projection::RUN_KEY, &row).map_err(storage)?;
        let Some(run) = held.and_then(|bytes| bytes.try_into().ok()).map(RunId) else {
            return Ok(None);
        };
        let records = self.reader.by_stream(&self.log, &run.0, 0, 1).map_err(storage)?;
        let first = records.iter().find_map(event_of);
        Ok(first.as_ref().and_then(submission).map(|submission| (run, Arc::clone(submission))))
    }

    /// What attempts have taken of limits.
    pub(super) fn charges(&self) -> Result<Vec<Charged>, Halt> {
        let rows = self.reader.view_scan(projection::CHARGE, &Scan::default(), PAGE_RECORDS_MAX);
        let rows = rows.map_err(storage)?.into_iter();
        let parsed = rows.map(|(_, row)| serde_json::from_slice(&row));
        parsed
            .map(|row| row.map_err(|error| broken(Rule::Fold, error.to_string()).into()))
            .collect()
    }

    /// Every record, oldest first.
    pub(super) fn records(&self) -> Result<Vec<Record>, Violation> {
        chain::read(&self.reader, &self.log)
    }

    /// The reader, for judges.
    pub(super) const fn reader(&self) -> &Reader {
        &self.reader
    }
}

fn submission(event: &Event) -> Option<&Arc<Submission>> {
    match &event.fact {
        Fact::RunSubmitted(submission) => Some(submission),
        _ => None,
    }
}

fn storage(error: impl std::fmt::Display) -> Halt {
    Halt::Storage(error.to_string())
}
