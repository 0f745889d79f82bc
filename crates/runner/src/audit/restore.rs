//! Restoring: a backup becomes the journal of a project that has none, checked whole before it counts.
//!
//! The journal it was taken from may go on somewhere. So the restored one begins a generation of its own: its epoch
//! jumps, and with it every fence it grants, and the record of the jump is its first. Keys are in no backup; this is
//! another node from here on, whose signatures nobody can take for those of the former one.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use journal::{Generation, LogId, Operation, Restoring, VerifyError};
use serde_json::json;

use super::{Scope, verify};
use crate::layout::{Layout, LayoutError};
use crate::projection::VIEWS;
use crate::{clock, record};

/// How many epochs a restored journal is ahead of its backup at least, and less than twice as many at most. Each
/// opening for writing takes one: at one a second the former journal takes more than a year for so many.
const EPOCHS_AHEAD: u64 = 1 << 25;

/// The highest epoch a journal is restored to; fences have 32 bits for it, and these are left to count on.
const EPOCH_MOST: u64 = u32::MAX as u64 - EPOCHS_AHEAD;

/// Files of a project that are kept beside its journal and are no state: they stay.
const KEPT: &[&str] = &["policy.yaml", ".gitignore"];

/// A backup that became a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Records of the backup.
    pub records: u64,
    /// Artifacts that were copied.
    pub artifacts: usize,
    /// The epoch in the backup.
    pub before: u64,
    /// The epoch from here on.
    pub epoch: u64,
    /// Sequence of the record that says so.
    pub receipt: u64,
}

/// Why nothing was restored; the project is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The state folder cannot be used.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The backup does not verify.
    #[error("the backup does not verify")]
    Unsound(#[source] VerifyError),
    /// It cannot be copied, or the copy not be made a journal.
    #[error(transparent)]
    Journal(#[from] journal::RestoreError),
    /// The machine refuses something.
    #[error("the journal cannot be restored: {0}")]
    System(String),
}

/// Makes the backup in the folder `backup` the journal of a project that has no state.
///
/// # Errors
/// See [`RestoreError`]; nothing of it is left then.
pub fn restore(layout: &Layout, backup: &Path) -> Result<Restored, RestoreError> {
    layout.check()?;
    let from = layout.clone().with_state(backup.to_path_buf());
    let jump = EPOCHS_AHEAD + random()? % EPOCHS_AHEAD;
    parent_of(layout.state())?;
    let mut restoring = Restoring::copy(&from.journal(), &from.tiles(), layout.state(), KEPT)?;
    // The copy is checked, because it is what counts from then on.
    let copy = layout.clone().with_state(restoring.folder().to_path_buf());
    let verified = verify(&copy, Scope::whole()).map_err(RestoreError::Unsound)?;
    let note = |generation: &Generation| noted(generation, backup);
    let (generation, committed) = restoring.fence(VIEWS, (jump, EPOCH_MOST), note)?;
    let artifacts = restoring.artifacts();
    restoring.publish()?;
    let Generation { before, epoch, .. } = generation;
    Ok(Restored { records: verified.last, artifacts, before, epoch, receipt: committed.last() })
}

/// Two journals restored from one backup are as far from each other as chance has it.
fn random() -> Result<u64, RestoreError> {
    clock::entropy().map_err(|error| RestoreError::System(error.to_string()))
}

/// The state folder is put together beside its place, so the folder around it has to be there.
fn parent_of(state: &Path) -> Result<(), RestoreError> {
    let Some(parent) = state.parent() else { return Ok(()) };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(parent)
        .map_err(|source| LayoutError::State { path: PathBuf::from(parent), source }.into())
}

/// The record of it.
fn noted(generation: &Generation, backup: &Path) -> Operation {
    let ends = generation.checkpoints.iter().map(|end| {
        json!({ "log": end.log.to_string(), "sequence": end.sequence, "leaf": end.leaf.to_string() })
    });
    let body = json!({
        "type": record::RESTORED_KIND,
        "backup": backup.display().to_string(),
        "before": generation.before,
        "epoch": generation.epoch,
        "checkpoints": ends.collect::<Vec<_>>(),
    });
    let drafts = vec![record::node_draft(record::RESTORED_KIND, &body, clock::now())];
    Operation { log: LogId::default(), drafts, changes: Vec::new() }
}
