//! What steps changed in their workspaces: kept, recorded, shown, and brought into the project when somebody asks.
//!
//! After a step `capture` keeps what was asked for and makes the body of its record; `merge` is the call that
//! writes into the project, through the gate and on record like any other. Comparing and writing are the crate
//! `workspace`'s; nothing here opens a file of the project.

mod blobs;
pub(crate) mod capture;
mod merge;
mod unfinished;

use engine::run::Digest;
use engine::workflow::Changes;
use journal::{ArtifactError, ArtifactStore};
use serde::{Deserialize, Serialize};

pub use merge::{Auto, Include, MergeRefused, Merging, Outcome, Wanted};
pub use unfinished::Unfinished;
pub use workspace::{ChangeKind, Changeset, Entry, Merged, RelPath};

/// What a step changed, as its record tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The step.
    pub step: String,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The artifact with the list of changes; none where they could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changeset: Option<Digest>,
    /// How many of each kind.
    #[serde(default)]
    pub counts: Counts,
    /// What is kept beside the list.
    pub kept: Changes,
    /// The artifact with the unified diff, where one is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<PatchRef>,
    /// Changes a person should see before they reach the project.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flagged>,
    /// Why the changes, or a part of what was asked for, are not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Changes by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// New paths.
    pub added: u64,
    /// Other content.
    pub modified: u64,
    /// Gone.
    pub deleted: u64,
    /// Only other permission bits.
    pub mode: u64,
    /// Another kind of thing in their place.
    pub replaced: u64,
    /// Moved.
    pub renamed: u64,
}

impl Counts {
    fn of(changes: &Changeset) -> Self {
        let mut counts = Self::default();
        for entry in changes.entries() {
            let slot = match entry.kind() {
                ChangeKind::Added => &mut counts.added,
                ChangeKind::Modified => &mut counts.modified,
                ChangeKind::Deleted => &mut counts.deleted,
                ChangeKind::Mode => &mut counts.mode,
                ChangeKind::Replaced => &mut counts.replaced,
                ChangeKind::Renamed => &mut counts.renamed,
            };
            *slot += 1;
        }
        counts
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        [self.added, self.modified, self.deleted, self.mode, self.replaced, self.renamed]
            .iter()
            .sum()
    }
}

/// A kept unified diff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchRef {
    /// The artifact.
    pub digest: Digest,
    /// Lines added.
    pub added: u64,
    /// Lines removed.
    pub removed: u64,
    /// Files that are only named, because they are binary or large.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_shown: Vec<String>,
}

/// A change a person should see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flagged {
    /// Path in the project.
    pub path: String,
    /// `executes_later` or `sensitive`.
    pub kind: String,
    /// The rule, for machines.
    pub rule: String,
    /// What it means, for people.
    pub why: String,
}

/// Why what a step changed cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReadBackError {
    /// It was not kept.
    #[error("the changes of step `{0}` were not kept")]
    NotKept(String),
    /// The store does not give it back as it was.
    #[error("the changes cannot be read back")]
    Store(#[from] ArtifactError),
    /// The list is not one.
    #[error("the list of changes is not valid")]
    Changeset(#[from] workspace::ChangesetError),
}

impl Told {
    /// The list of changes.
    ///
    /// # Errors
    /// When it is not there as recorded.
    pub fn list(&self, artifacts: &ArtifactStore) -> Result<Changeset, ReadBackError> {
        let digest = self.changeset.ok_or_else(|| ReadBackError::NotKept(self.step.clone()))?;
        let bytes = artifacts.get(journal::Digest::new(digest.0))?;
        Ok(Changeset::from_json(&bytes)?)
    }

    /// The unified diff; its lines are those of the files.
    ///
    /// # Errors
    /// When none was kept, or it is not there as recorded.
    pub fn diff(&self, artifacts: &ArtifactStore) -> Result<Vec<u8>, ReadBackError> {
        let patch = self.patch.as_ref();
        let patch = patch.ok_or_else(|| ReadBackError::NotKept(self.step.clone()))?;
        Ok(artifacts.get(journal::Digest::new(patch.digest.0))?)
    }
}
