//! From a changeset to the project: all of it or, after `undo`, none of it.
//!
//! Everything is compared first; one difference and nothing is written. Then step by step, each
//! step in the log before the next begins, each replacing what it compared and nothing else.
//! Whatever stops a merge leaves a log from which `resume` completes it or `undo` takes it back.
//!
//! Whether the merge is allowed was decided before. `check` compares, `step` is the plan, `hand`
//! does one step, `log` and `folder` remember.

mod check;
mod folder;
mod hand;
mod log;
mod step;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::BorrowedFd;

use serde::Serialize;

use crate::blobs::Blobs;
use crate::changeset::{Changeset, Node};
use crate::path::RelPath;
use hand::Hand;
use log::Progress;
use step::Step;

pub use check::{Conflict, ConflictKind};
pub use folder::LogFolder;
pub use log::{Act, MergeLog, Record};

/// What a merge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Merged {
    /// Files and links put in place, also in the place of older ones.
    pub written: u64,
    /// Files and links taken away.
    pub removed: u64,
    /// Folders made, removed, or given other permission bits.
    pub folders: u64,
}

/// Why a merge, its continuation or its undoing did not happen or stopped.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The project is not what the changeset was captured against. Nothing was written.
    #[error("{}", conflicts(.0))]
    Conflicts(Vec<Conflict>),
    /// The project could not be compared. Nothing was written.
    #[error("`{path}` cannot be compared with the change")]
    Compare {
        /// Where.
        path: RelPath,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It stopped on the way. What was done is in the log: `resume` it or `undo` it.
    #[error("stopped at `{path}`: resume the merge or undo it")]
    Stopped {
        /// Where.
        path: RelPath,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody else wrote there at the same moment; what they wrote was left as it is. Resume
    /// will not go past this; undo what was done, or settle the place and then resume.
    #[error("`{0}`: somebody else changed it during the merge; what they wrote is untouched")]
    Overtaken(RelPath),
    /// A file to be written is not in the blobs as the changeset says. Nothing was written.
    #[error("the content of `{path}` is missing or damaged")]
    Content {
        /// Which entry.
        path: RelPath,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The log cannot be written or read.
    #[error("the merge's log failed")]
    Log(#[source] io::Error),
    /// The log does not allow this.
    #[error("{0}")]
    State(StateFault),
}

/// Why a log does not allow what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateFault {
    /// One log tells of one merge.
    #[error("this log already tells of a merge; use a new folder")]
    Used,
    /// There is nothing in it.
    #[error("this log tells of no merge")]
    Empty,
    /// It is complete.
    #[error("this merge is complete")]
    Complete,
    /// It was taken back.
    #[error("this merge was undone")]
    Undone,
    /// Taking it back has begun and must be completed.
    #[error("this merge is being undone; undo it again to complete that")]
    Undoing,
    /// It holds records no merge writes.
    #[error("this log makes no sense; it was changed by somebody else")]
    Senseless,
}

/// How far a merge has come, as its log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum MergeState {
    /// The log tells of none.
    Empty,
    /// It stopped; it can be resumed or undone.
    Stopped {
        /// Steps that are done.
        done: usize,
        /// Steps in all.
        of: usize,
    },
    /// All of it is in the project; it can be undone.
    Complete,
    /// Undoing it stopped; it can only be undone further.
    Undoing,
    /// The project is what it was before.
    Undone,
}

/// Reads how far the merge of a log has come. Nothing is changed.
pub fn state(log: &dyn MergeLog) -> Result<MergeState, MergeError> {
    match Progress::read(log) {
        Err(MergeError::State(StateFault::Empty)) => Ok(MergeState::Empty),
        Err(MergeError::State(StateFault::Undone)) => Ok(MergeState::Undone),
        Err(error) => Err(error),
        Ok(Progress { undoing: Some(_), .. }) => Ok(MergeState::Undoing),
        Ok(Progress { complete: true, .. }) => Ok(MergeState::Complete),
        Ok(Progress { changes, done, .. }) => {
            Ok(MergeState::Stopped { done, of: step::plan(&changes).len() })
        }
    }
}

/// Writes a changeset into the project beneath `root`.
///
/// What is replaced keeps its owner, access list and extended attributes; what is new gets the
/// owner of its folder if root merges. Times are those of the merge.
///
/// `log` must be empty. Errors before the first step leave the project untouched; later ones
/// (`Stopped`, `Overtaken`, `Log`) leave a merge to resume or undo.
pub fn merge(
    root: BorrowedFd<'_>,
    changes: &Changeset,
    blobs: &dyn Blobs,
    log: &mut dyn MergeLog,
) -> Result<Merged, MergeError> {
    if !log.records().map_err(MergeError::Log)?.is_empty() {
        return Err(MergeError::State(StateFault::Used));
    }
    let steps = step::plan(changes);
    refuse(check::before(root, changes, &steps))?;
    check::contents(&steps, &|digest| blobs.get(digest))?;
    hand::keep(root, changes, log)?;
    let id = log::new_id().map_err(MergeError::Log)?;
    let begin = Record::Begin { id: id.clone(), changes: changes.clone() };
    log.append(&begin).map_err(MergeError::Log)?;
    let mut hand = Hand { root, id: &id, blobs: Some(blobs), log };
    forward(&mut hand, &steps, 0)
}

/// Completes a merge that stopped, from the same blobs.
pub fn resume(
    root: BorrowedFd<'_>,
    blobs: &dyn Blobs,
    log: &mut dyn MergeLog,
) -> Result<Merged, MergeError> {
    let progress = Progress::read(log)?;
    match progress {
        Progress { undoing: Some(_), .. } => Err(MergeError::State(StateFault::Undoing)),
        Progress { complete: true, .. } => Err(MergeError::State(StateFault::Complete)),
        Progress { id, changes, done, .. } => {
            let steps = step::plan(&changes);
            let ahead = steps.get(done..).unwrap_or_default();
            check::contents(ahead, &|digest| blobs.get(digest))?;
            let mut hand = Hand { root, id: &id, blobs: Some(blobs), log };
            let done = settle(&mut hand, &steps, done)?;
            refuse(check::rest(root, &changes, &steps, done))?;
            forward(&mut hand, &steps, done)
        }
    }
}

/// Takes a merge back, complete or not, if the project is still what the merge left.
///
/// Anything that was changed since is listed and nothing is written. Stopped on the way, it is
/// continued by undoing again.
pub fn undo(root: BorrowedFd<'_>, log: &mut dyn MergeLog) -> Result<Merged, MergeError> {
    let Progress { id, changes, done, undoing, .. } = Progress::read(log)?;
    let steps = step::plan(&changes);
    let mut hand = Hand { root, id: &id, blobs: None, log };
    let (back, undone) = match undoing {
        Some((from, undone)) => (step::back(&steps, from), undone),
        None => {
            let done = settle_back(&mut hand, &steps, done)?;
            refuse(check::back(root, &changes, &steps, done))?;
            let back = step::back(&steps, done);
            check::contents(&back, &|digest| hand.log.kept(digest))?;
            hand.log.append(&Record::Undo { from: done }).map_err(MergeError::Log)?;
            (back, 0)
        }
    };
    let undone = settle_in(&mut hand, &back, undone, &|step| Record::Undone { step })?;
    for (number, step) in back.iter().enumerate().skip(undone) {
        hand.perform(step, number)?;
        hand.log.append(&Record::Undone { step: number }).map_err(MergeError::Log)?;
    }
    hand.log.append(&Record::TakenBack).map_err(MergeError::Log)?;
    Ok(Merged::of(&back))
}

/// Does the steps from `done` on, each in the log before the next begins.
fn forward(hand: &mut Hand<'_>, steps: &[Step], done: usize) -> Result<Merged, MergeError> {
    for (number, step) in steps.iter().enumerate().skip(done) {
        hand.perform(step, number)?;
        hand.log.append(&Record::Done { step: number }).map_err(MergeError::Log)?;
    }
    hand.log.append(&Record::Complete).map_err(MergeError::Log)?;
    Ok(Merged::of(steps))
}

/// Finds out what became of the step that was under way, and how many are done with it.
fn settle(hand: &mut Hand<'_>, steps: &[Step], done: usize) -> Result<usize, MergeError> {
    settle_in(hand, steps, done, &|step| Record::Done { step })
}

fn settle_in(
    hand: &mut Hand<'_>,
    steps: &[Step],
    done: usize,
    record: &dyn Fn(usize) -> Record,
) -> Result<usize, MergeError> {
    let Some(step) = steps.get(done) else { return Ok(done) };
    if !hand.settle(step, done)? {
        return Ok(done);
    }
    hand.log.append(&record(done)).map_err(MergeError::Log)?;
    Ok(done + 1)
}

/// The same before an undo, for which a step that cannot be completed any more was never done.
fn settle_back(hand: &mut Hand<'_>, steps: &[Step], done: usize) -> Result<usize, MergeError> {
    match settle(hand, steps, done) {
        Err(MergeError::Overtaken(_)) => Ok(done),
        other => other,
    }
}

/// A comparison that found anything ends the matter.
fn refuse(compared: Result<Vec<Conflict>, check::Uncompared>) -> Result<(), MergeError> {
    match compared {
        Ok(conflicts) if conflicts.is_empty() => Ok(()),
        Ok(conflicts) => Err(MergeError::Conflicts(conflicts)),
        Err(check::Uncompared { path, source }) => Err(MergeError::Compare { path, source }),
    }
}

impl Merged {
    fn of(steps: &[Step]) -> Self {
        let mut merged = Self::default();
        let mut folders = BTreeSet::new();
        for step in steps {
            match step {
                Step::Place { .. } | Step::Replace { .. } => merged.written += 1,
                Step::Remove { .. } => merged.removed += 1,
                Step::MakeFolder { path }
                | Step::RemoveFolder { path }
                | Step::SetMode { path, .. } => drop(folders.insert(path)),
            }
        }
        merged.folders = folders.len() as u64;
        merged
    }
}

fn conflicts(conflicts: &[Conflict]) -> String {
    let first = conflicts.first().map_or_else(String::new, ToString::to_string);
    match conflicts.len() {
        1 => first,
        more => format!("{more} conflicts, first {first}"),
    }
}

/// A node that is put in place as a whole.
fn is_placed(node: &Node) -> bool {
    !node.is_folder()
}
