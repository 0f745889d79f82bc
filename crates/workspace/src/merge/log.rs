//! What a merge remembers so that it can be completed or taken back after any interruption.
//!
//! A port: `folder` keeps it in files; tests keep it where they can stop it at any point.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};

use super::{MergeError, StateFault};
use crate::changeset::Changeset;
use crate::digest::Digest;

/// Where a merge writes down what it is about to do and what it has done.
pub trait MergeLog {
    /// Every record, oldest first.
    fn records(&self) -> io::Result<Vec<Record>>;

    /// Adds a record; it is durable when this returns.
    fn append(&mut self, record: &Record) -> io::Result<()>;

    /// Keeps a content that will be replaced or removed; it is durable when this returns.
    fn keep(&mut self, content: &mut dyn Read) -> io::Result<Digest>;

    /// Opens a content that was kept.
    fn kept(&self, digest: &Digest) -> io::Result<Box<dyn Read + '_>>;

    /// Asked before every single operation on the project. An error stops the merge at once,
    /// without any tidying, as a kill would; it can be resumed or undone later.
    fn before(&mut self, act: Act) -> io::Result<()> {
        let _ = act;
        Ok(())
    }
}

/// A single operation on the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A temporary file is created beside its place.
    Create,
    /// Its content is written.
    Write,
    /// Its owner and permission bits are set.
    Dress,
    /// A file or folder is made durable.
    Sync,
    /// A name is moved, or two are exchanged.
    Rename,
    /// What was moved aside is deleted, or a temporary file is.
    Unlink,
    /// A folder is made.
    MakeFolder,
    /// A folder is removed.
    RemoveFolder,
    /// A folder gets other permission bits.
    SetMode,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case", deny_unknown_fields)]
pub enum Record {
    /// A merge begins; everything it will replace has been kept.
    Begin {
        /// Names the temporary files.
        id: String,
        /// What is merged.
        changes: Changeset,
    },
    /// A step is done and durable.
    Done {
        /// Its number in the plan.
        step: usize,
    },
    /// Every step is done.
    Complete,
    /// Taking back begins.
    Undo {
        /// How many steps had been done.
        from: usize,
    },
    /// A step was taken back, durably.
    Undone {
        /// Its number in the plan of taking back.
        step: usize,
    },
    /// Everything was taken back.
    TakenBack,
}

/// What a log says about a merge.
pub(super) struct Progress {
    pub(super) id: String,
    pub(super) changes: Changeset,
    /// Steps that are done.
    pub(super) done: usize,
    pub(super) complete: bool,
    /// How many steps are to be taken back, and how many were.
    pub(super) undoing: Option<(usize, usize)>,
}

/// A new name for temporary files that nobody can have prepared for.
pub(super) fn new_id() -> io::Result<String> {
    let number = getrandom::u64().map_err(|error| io::Error::other(error.to_string()))?;
    Ok(format!("{number:016x}"))
}

impl Progress {
    /// Reads a log, which must tell of one merge that was not taken back entirely.
    pub(super) fn read(log: &dyn MergeLog) -> Result<Self, MergeError> {
        let mut records = log.records().map_err(MergeError::Log)?.into_iter();
        let fault = |fault| Err(MergeError::State(fault));
        let (id, changes) = match records.next() {
            None => return fault(StateFault::Empty),
            Some(Record::Begin { id, changes }) if is_id(&id) => (id, changes),
            Some(_) => return fault(StateFault::Senseless),
        };
        let steps = super::step::plan(&changes).len();
        let mut progress = Self { id, changes, done: 0, complete: false, undoing: None };
        for record in records {
            match (record, &mut progress) {
                (Record::Done { step }, Self { done, complete: false, undoing: None, .. })
                    if step == *done && step < steps =>
                {
                    *done += 1;
                }
                (
                    Record::Complete,
                    Self { done, complete: complete @ false, undoing: None, .. },
                ) if *done == steps => {
                    *complete = true;
                }
                (Record::Undo { from }, Self { done, undoing: undoing @ None, .. })
                    if from == *done =>
                {
                    *undoing = Some((from, 0));
                }
                (Record::Undone { step }, Self { undoing: Some((from, undone)), .. })
                    if step == *undone && step < *from =>
                {
                    *undone += 1;
                }
                (Record::TakenBack, Self { undoing: Some((from, undone)), .. })
                    if from == undone =>
                {
                    return fault(StateFault::Undone);
                }
                _ => return fault(StateFault::Senseless),
            }
        }
        Ok(progress)
    }
}

/// It becomes part of a file name.
fn is_id(id: &str) -> bool {
    id.len() == 16 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
