//! What the steps of a run printed, in the order it was recorded.
//! Pieces are handed out as recorded; joining and colouring them is the reader's business.

use engine::run::RunId;
use journal::Record;

use super::{History, HistoryError};
use crate::executor::{LOG_KIND, Piece};

/// Records read at a time.
const PAGE: usize = 500;

/// Pieces of output of one run, read as they are asked for.
#[derive(Debug)]
pub struct Logs<'a> {
    history: &'a History,
    run: RunId,
    step: Option<String>,
    after: u64,
    page: std::vec::IntoIter<Record>,
}

impl History {
    /// What the run's steps printed; only `step`'s where one is named.
    #[must_use]
    pub fn logs(&self, run: RunId, step: Option<String>) -> Logs<'_> {
        Logs { history: self, run, step, after: 0, page: Vec::new().into_iter() }
    }
}

impl Iterator for Logs<'_> {
    type Item = Result<Piece, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            for record in self.page.by_ref() {
                self.after = record.header.sequence;
                if let Some(piece) = piece(&record)
                    .filter(|piece| self.step.as_ref().is_none_or(|step| *step == piece.step))
                {
                    return Some(Ok(piece));
                }
            }
            let reader = self.history.reader();
            match reader.by_stream(self.history.log(), &self.run.0, self.after, PAGE) {
                Ok(page) if page.is_empty() => return None,
                Ok(page) => self.page = page.into_iter(),
                Err(error) => return Some(Err(error.into())),
            }
        }
    }
}

fn piece(record: &Record) -> Option<Piece> {
    (record.header.kind == LOG_KIND).then(|| serde_json::from_slice(&record.payload).ok())?
}
