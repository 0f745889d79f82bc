//! The journal as an audit log: verifying it, rebuilding what is derived from it, copying it.
//!
//! Verification reads stored bytes only and needs no owner. A rebuild needs the owner lock.

use std::num::NonZeroUsize;
use std::path::Path;

use journal::BackedUp;

use crate::layout::Layout;
use crate::projection::{Fold, VIEWS};

pub use journal::{
    BackupError, Checkpoint, CheckpointError, Fault, Filter, Order, Range, ReadError, RebuildError,
    Rebuilt, Record, Subscription, Verification, Verified, VerifyError,
};

/// Which part to verify, and against what.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The part of the log.
    pub range: Range,
    /// Checkpoints kept elsewhere.
    pub checkpoints: Vec<Checkpoint>,
}

impl Scope {
    /// Every record, against the checkpoint beside the journal alone.
    #[must_use]
    pub fn whole() -> Self {
        Self { range: Range::Whole, checkpoints: Vec::new() }
    }
}

/// Verifies a project's journal on all processors.
///
/// # Errors
/// [`VerifyError::Fault`] names the first bad record; the others mean that nothing was found out.
pub fn verify(layout: &Layout, scope: Scope) -> Result<Verified, VerifyError> {
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let whole = scope.range == Range::Whole;
    let verification = Verification {
        range: scope.range,
        checkpoints: scope.checkpoints,
        threads,
        ..Verification::new(layout.journal())
    };
    if !whole {
        return verification.run();
    }
    // Whole means every log of the file, and that nothing lies outside of them.
    let verified = journal::verify_all(&verification)?;
    match verified.into_iter().find(|log| log.log == verification.log) {
        Some(found) => Ok(found),
        None => verification.run(),
    }
}

/// Recreates every view from the records.
///
/// # Errors
/// When another process owns the project or the records cannot be read; the views are then as they were.
pub fn rebuild(layout: &Layout) -> Result<Rebuilt, RebuildError> {
    let mut fold = Fold::default();
    journal::rebuild(journal::Options::new(layout.journal(), VIEWS), |record| fold.take(record))
}

/// Copies the journal with its artifacts into the new folder `destination`, while it is in use.
///
/// # Errors
/// When the destination exists or cannot be written; nothing existing is overwritten.
pub fn backup(layout: &Layout, destination: &Path) -> Result<BackedUp, BackupError> {
    journal::backup(&layout.journal(), destination)
}
