//! The journal as an audit log: verifying it, rebuilding what is derived from it, copying it.
//!
//! Verification reads stored bytes only and needs no owner. A rebuild needs the owner lock.
//! `signed` is what strangers are shown, `anchor` puts it where this machine cannot change it, by `git` or in a file.
//! `known` is what the records say was signed, `epochs` that no fence was given out twice, `disclosure` proves what a value
//! was that no record has. `owner` has a process that owns the project do what only the owner can, `restore` makes a
//! journal of a backup. `search` finds records, `ndjson` and `ocsf` write them for other programs, `archive` seals the
//! old ones.

mod anchor;
mod archive;
mod disclosure;
mod epochs;
mod git;
mod known;
mod named;
mod ndjson;
mod ocsf;
mod owner;
mod restore;
#[cfg(test)]
mod sample;
mod search;
mod signed;

use std::num::NonZeroUsize;
use std::path::Path;

use journal::{ArtifactStore, BackedUp, Reader};

use self::epochs::Epochs;
use self::named::Named;
use crate::layout::Layout;
use crate::projection::{Fold, VIEWS};

pub use anchor::{AnchorError, Anchored, Target, anchor};
pub use archive::{Archived, Due, SealFailure, archive, segments};
pub use disclosure::{
    DiscloseError, Disclosure, DisclosureError, Erased, Revealed, disclose, erase,
};
pub(crate) use epochs::rises;
pub(crate) use known::{Told, changes as signed_changes, rows as signed_rows};
pub use ndjson::line;
pub use ocsf::{OCSF_VERSION, event};
pub(crate) use owner::Clerk;
pub use restore::{RestoreError, Restored, restore};
pub use search::Search;
pub use signed::{Signed, SignedError, public_key};
pub(crate) use signed::{found, notary};

pub use journal::tlog::{
    KeyTextError, NodeKeyError, Note, NoteError, ProofError, Proved, ShelfError, Shown, Tree,
    TreeHead, VerifierKey, WitnessError, verified, verify_proof,
};
pub use journal::{
    BackupError, Checkpoint, CheckpointError, Fault, Filter, LogId, OpenError, Order, Range,
    ReadError, RebuildError, Rebuilt, Record, RestoreError as RestoreFailure, Segment,
    Subscription, Verification, Verified, VerifyError,
};

/// Which part to verify, and against what.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The part of the log.
    pub range: Range,
    /// Checkpoints kept elsewhere.
    pub checkpoints: Vec<Checkpoint>,
    /// Signed checkpoints kept elsewhere, verified.
    pub signed: Vec<TreeHead>,
    /// Signed checkpoints of a log of logs kept elsewhere, each verified with its key: all that had been entered by then
    /// is compared.
    pub logs: Vec<(VerifierKey, TreeHead)>,
}

impl Scope {
    /// Every record, against the checkpoint beside the journal alone.
    #[must_use]
    pub fn whole() -> Self {
        let (checkpoints, signed, logs) = (Vec::new(), Vec::new(), Vec::new());
        Self { range: Range::Whole, checkpoints, signed, logs }
    }
}

/// Verifies a project's journal on all processors; a whole one also against everything that was signed here.
///
/// # Errors
/// [`VerifyError::Fault`] names the first bad record; the others mean that nothing was found out.
pub fn verify(layout: &Layout, scope: Scope) -> Result<Verified, VerifyError> {
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let whole = scope.range == Range::Whole;
    let (mut signed, mut lost, mut unproved) = (scope.signed, None, 0);
    for logs in scope.logs {
        match signed::heads_of(layout, logs) {
            Ok(heads) => signed.extend(heads),
            Err(error) => lost = lost.or(Some(VerifyError::Signed(error))),
        }
    }
    if whole {
        let (found, missing) = signed::all(layout);
        signed.extend(found.heads);
        unproved = found.unproved;
        lost = lost.or(missing);
    }
    let verification = Verification {
        range: scope.range,
        checkpoints: scope.checkpoints,
        signed,
        threads,
        ..Verification::new(layout.journal())
    };
    let found = if whole { inspected(layout, &verification)? } else { verification.run()? };
    // A fault in the records says more, so this is told only where there is none.
    lost.map_or(Ok(Verified { unproved, ..found }), Err)
}

/// Whole means every log of the file, the file around them, the views made of them, the artifacts they name.
fn inspected(layout: &Layout, verification: &Verification) -> Result<Verified, VerifyError> {
    // What is something else, or of a newer version, is not a damaged journal, unless what lies beside it says that
    // there was one.
    match Reader::open(layout.journal()) {
        Err(error @ OpenError::Newer { .. }) => return Err(error.into()),
        Err(error @ OpenError::NotAPalisadeDatabase { .. }) if !layout.has_evidence() => {
            return Err(error.into());
        }
        _ => {}
    }
    let (mut fold, mut named, mut epochs) = (Fold::default(), Named::default(), Epochs::default());
    let verified = journal::inspect(verification, VIEWS, |record| {
        named.take(record);
        epochs.take(record);
        fold.take(record)
    })?;
    epochs.check(&Reader::open(layout.journal())?)?;
    let found = match verified.into_iter().find(|log| log.log == verification.log) {
        Some(found) => found,
        None => verification.run()?,
    };
    let artifacts = named.check(&ArtifactStore::beside(&layout.journal()))?;
    Ok(Verified { artifacts: found.artifacts.saturating_add(artifacts), ..found })
}

/// Recreates every view from the records.
///
/// # Errors
/// When another process owns the project or the records cannot be read; the views are then as they were.
pub fn rebuild(layout: &Layout) -> Result<Rebuilt, RebuildError> {
    let mut fold = Fold::default();
    journal::rebuild(journal::Options::new(layout.journal(), VIEWS), |record| fold.take(record))
}

/// Compares every view with what the records imply, and changes nothing.
///
/// # Errors
/// [`VerifyError::View`] names the first row that differs; the others as for [`verify`].
pub fn check_views(layout: &Layout) -> Result<(), VerifyError> {
    verify(layout, Scope::whole()).map(|_| ())
}

/// Copies the journal with its artifacts into the new folder `destination`, while it is in use.
///
/// # Errors
/// When the destination exists or cannot be written; nothing existing is overwritten.
pub fn backup(layout: &Layout, destination: &Path) -> Result<BackedUp, BackupError> {
    journal::backup(&layout.journal(), Some(&layout.tiles()), destination)
}
