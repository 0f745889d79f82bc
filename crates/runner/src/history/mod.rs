//! Reading what happened: runs, steps, logs, receipts — from the journal, whoever owns it.
//!
//! Lists come from views; a single run is folded from its own records, so what is shown is what was recorded.
//! Nothing here writes.

mod approval;
mod beside;
mod calls;
mod log;
mod run;
mod ticket;

use std::path::Path;
use std::sync::Arc;

use engine::policy::Explanation;
use engine::run::{Digest, Micros, RunId, RunSummary, Submission};
use journal::{LogId, OpenError, Order, ReadError, Reader, Scan};

use crate::layout::Layout;
use crate::node::log as project_log;
use crate::owner::quota;
use crate::projection::{self, Charged};

pub use approval::{AnswerTold, ApprovalState, ApprovalTold, approvals_of};
pub use beside::{MergeTold, Reached};
pub use calls::{Calls, Decided, Missed};
pub use log::Logs;
pub use run::{Recorded, RunHistory};

/// Runs looked through at a time.
const PAGE: usize = 500;

/// A run that holds an idempotency key, with what it was submitted with.
pub(crate) type Holder = (RunId, Arc<Submission>);

/// Why history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The journal cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The journal cannot be read.
    #[error("the journal cannot be read")]
    Read(#[from] ReadError),
    /// No run has this id or begins like this.
    #[error("no run `{0}`")]
    NoRun(String),
    /// No request for an approval has this id, or no open one or several begin like this.
    #[error("no approval `{0}`")]
    NoApproval(String),
    /// No ticket on record begins like this.
    #[error("no ticket on record begins with `{0}`")]
    NoTicket(String),
    /// Several runs or tickets begin like this.
    #[error("`{prefix}` is the beginning of {count} ids or more")]
    Ambiguous {
        /// As given.
        prefix: String,
        /// How many were found before looking stopped.
        count: usize,
    },
    /// A row of what is used of limits cannot be read.
    #[error("what is used of limits cannot be read: {0}")]
    Charge(String),
    /// A record of a call is none.
    #[error("record {sequence} is not a call and its decision")]
    NoCall {
        /// Its sequence.
        sequence: u64,
    },
    /// The policy that decided a call is not on record, or this version reads it otherwise.
    #[error("the policy that decided record {sequence} cannot be loaded")]
    NoPolicy {
        /// The record's sequence.
        sequence: u64,
    },
    /// The records of a run contradict each other or its document.
    #[error("the records of run `{run}` do not fold: {reason}")]
    Broken {
        /// The run.
        run: RunId,
        /// What does not fit.
        reason: String,
    },
}

/// A reader of one project's journal.
#[derive(Debug)]
pub struct History {
    reader: Reader,
    log: LogId,
}

impl History {
    /// Opens a project's journal for reading.
    ///
    /// # Errors
    /// When there is none or it cannot be read.
    pub fn open(layout: &Layout) -> Result<Self, HistoryError> {
        Self::at(&layout.journal())
    }

    /// Opens the journal at `path` for reading.
    ///
    /// # Errors
    /// As [`History::open`].
    pub fn at(path: &Path) -> Result<Self, HistoryError> {
        Ok(Self { reader: Reader::open(path)?, log: project_log() })
    }

    /// The journal's reader, for records as such.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The journal's reader itself, for following the log.
    #[must_use]
    pub fn into_reader(self) -> Reader {
        self.reader
    }

    /// The project's log.
    #[must_use]
    pub fn log(&self) -> &LogId {
        &self.log
    }

    /// The latest runs, newest first, that `wanted` lets through.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn runs(
        &self,
        limit: usize,
        wanted: impl Fn(&RunSummary) -> bool,
    ) -> Result<Vec<RunSummary>, HistoryError> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let scan = Scan { prefix: Vec::new(), after: after.take(), order: Order::NewestFirst };
            let rows = self.reader.view_scan(projection::RUN, &scan, PAGE)?;
            let Some((last, _)) = rows.last() else { return Ok(found) };
            after = Some(last.clone());
            let parsed = rows.iter().filter_map(|(_, value)| serde_json::from_slice(value).ok());
            for summary in parsed.filter(|summary| wanted(summary)) {
                found.push(summary);
                if found.len() >= limit {
                    return Ok(found);
                }
            }
        }
    }

    /// Whether a part of a run ran without a sandbox.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn is_unsafe(&self, run: RunId) -> Result<bool, HistoryError> {
        match self.reader.view_get(projection::UNSAFE_RUN, &run.0) {
            Ok(row) => Ok(row.is_some()),
            // A journal that was last written before there was such a mode.
            Err(ReadError::NoSuchView(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Runs that have not ended, oldest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn open_runs(&self) -> Result<Vec<RunId>, HistoryError> {
        let (mut found, mut scan) = (Vec::new(), Scan::default());
        loop {
            let rows =
                self.reader.view_scan(projection::OPEN_RUN, &scan, journal::PAGE_RECORDS_MAX)?;
            let Some((last, _)) = rows.last() else { return Ok(found) };
            scan.after = Some(last.clone());
            found.extend(rows.into_iter().filter_map(|(key, _)| Some(RunId(key.try_into().ok()?))));
        }
    }

    /// What attempts have taken of limits, oldest first.
    ///
    /// # Errors
    /// When the journal cannot be read, or a row of it.
    pub fn charges(&self) -> Result<Vec<Charged>, HistoryError> {
        let (mut charged, mut scan) = (Vec::new(), Scan::default());
        loop {
            let rows = match self.reader.view_scan(projection::CHARGE, &scan, PAGE) {
                // A journal that was last written before there were limits.
                Err(ReadError::NoSuchView(_)) => return Ok(charged),
                rows => rows?,
            };
            let Some((last, _)) = rows.last() else { return Ok(charged) };
            scan.after = Some(last.clone());
            for (_, row) in &rows {
                let row = serde_json::from_slice(row);
                charged.push(row.map_err(|error| HistoryError::Charge(error.to_string()))?);
            }
        }
    }

    /// `explanation` with what calls of `principal`, each the first of a run, have left of every limit at `now`.
    ///
    /// # Errors
    /// When the journal cannot be read, or what is used of limits is not known.
    pub fn weigh(
        &self,
        explanation: Explanation,
        principal: &str,
        now: Micros,
    ) -> Result<Explanation, HistoryError> {
        if explanation.decision.charges.is_empty() {
            return Ok(explanation);
        }
        let live = self.open_runs()?.into_iter().collect();
        let ledger = quota::ledger(self.charges()?, &live).map_err(HistoryError::Charge)?;
        let account = quota::account(RunId::NIL, principal);
        Ok(explanation.weighed(&ledger, &account, quota::micros(now)))
    }

    /// The run whose id is or begins with `prefix`; the latest run without one.
    ///
    /// # Errors
    /// [`HistoryError::NoRun`] and [`HistoryError::Ambiguous`], besides reading.
    pub fn find(&self, prefix: Option<&str>) -> Result<RunId, HistoryError> {
        let Some(prefix) = prefix else {
            let latest = self.runs(1, |_| true)?;
            return latest
                .first()
                .map(|run| run.id)
                .ok_or_else(|| HistoryError::NoRun("latest".to_owned()));
        };
        if let Ok(whole) = prefix.parse::<RunId>() {
            let there = self.summary(whole)?.map(|run| run.id);
            return there.ok_or_else(|| HistoryError::NoRun(prefix.to_owned()));
        }
        let begins = |run: &RunSummary| {
            let id = run.id.to_string();
            id.starts_with(prefix)
                || id.strip_prefix("run_").is_some_and(|bare| bare.starts_with(prefix))
        };
        let found = if prefix.is_empty() { Vec::new() } else { self.runs(2, begins)? };
        match found.as_slice() {
            [only] => Ok(only.id),
            [] => Err(HistoryError::NoRun(prefix.to_owned())),
            several => {
                Err(HistoryError::Ambiguous { prefix: prefix.to_owned(), count: several.len() })
            }
        }
    }

    /// A recorded document of a view, by digest.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn document(&self, view: &str, digest: Digest) -> Result<Option<String>, HistoryError> {
        text(&self.reader, view, digest)
    }
}

pub(crate) fn text(
    reader: &Reader,
    view: &str,
    digest: Digest,
) -> Result<Option<String>, HistoryError> {
    let row = reader.view_get(view, &digest.0)?;
    Ok(row.and_then(|bytes| String::from_utf8(bytes).ok()))
}

/// The run that holds an idempotency key.
pub(crate) fn holder(
    reader: &Reader,
    principal: &str,
    key: &str,
) -> Result<Option<Holder>, HistoryError> {
    let row = reader.view_get(projection::RUN_KEY, &projection::key_row(principal, key))?;
    let Some(run) = row.and_then(|bytes| bytes.try_into().ok()).map(RunId) else { return Ok(None) };
    let submission = run::submission(reader, &project_log(), run)?;
    Ok(Some((run, submission)))
}
