//! What a program changed: for every touched path, what was there before and what is there after.
//!
//! A changeset is a value that may come from anywhere, so it can only be made through the checks
//! here (`check`): whoever holds one knows that its names are plain, nothing lies below a file,
//! and no link leads out by what the changeset itself says. What the project looks like is not
//! known here; that is compared by `merge`.

pub(crate) mod check;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::path::RelPath;

pub use check::{ChangesetError, EntryFault};

/// The form of the JSON; another number is not read.
pub const VERSION: u32 = 1;
/// Entries of one changeset; a program that touches more is refused at capture.
pub const ENTRIES_MAX: usize = 100_000;
/// Bytes of one file, before or after.
pub const FILE_BYTES_MAX: u64 = 4 << 30;
/// Bytes of a changeset as JSON; more is not parsed.
pub const JSON_BYTES_MAX: usize = 128 << 20;
/// Bytes of a symbolic link's target; what Linux allows.
pub const TARGET_BYTES_MAX: usize = 4095;

/// The difference between a project and what a program made of it, sorted by path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Wire", try_from = "Wire")]
pub struct Changeset {
    entries: Vec<Entry>,
}

/// One touched path. Everything below a folder that went away has an entry of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Where.
    pub path: RelPath,
    /// What the project held; `None` if nothing.
    pub before: Option<Node>,
    /// What the program left; `None` if nothing.
    pub after: Option<Node>,
    /// The deleted file this new one certainly is: the only two with exactly this content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<RelPath>,
    /// The project's file changed while the program ran, so nobody knows what the program saw.
    /// Such an entry is shown and never merged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
}

/// What can be at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Node {
    /// A regular file.
    File {
        /// Of its content.
        digest: Digest,
        /// In bytes.
        size: u64,
        /// Permission bits. Only what was there before may have more than `0o777`.
        mode: u32,
    },
    /// A symbolic link.
    Symlink {
        /// As it is written; after, it never leads out of the project.
        target: String,
    },
    /// A folder; what is in it has entries of its own.
    Folder {
        /// Permission bits. Only what was there before may have more than `0o777`.
        mode: u32,
    },
}

/// What happened to a path, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Nothing was there before.
    Added,
    /// It is gone.
    Deleted,
    /// A file with another content, or a link with another target.
    Modified,
    /// Only the permission bits differ.
    Mode,
    /// A file, a link or a folder in the place of another kind.
    Replaced,
    /// Added, and certainly one of the deleted files.
    Renamed,
}

/// The JSON of a changeset.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    version: u32,
    entries: Vec<Entry>,
}

impl Changeset {
    /// Sorts the entries and takes them if every rule holds.
    pub fn new(mut entries: Vec<Entry>) -> Result<Self, ChangesetError> {
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        check::check(&entries)?;
        Ok(Self { entries })
    }

    /// Reads what [`to_json`](Self::to_json) wrote, or anything else, with the same checks.
    pub fn from_json(json: &[u8]) -> Result<Self, ChangesetError> {
        if json.len() > JSON_BYTES_MAX {
            return Err(ChangesetError::JsonTooLarge(json.len()));
        }
        serde_json::from_slice(json).map_err(ChangesetError::Json)
    }

    /// The versioned JSON form: the same changeset gives the same bytes.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Every touched path, sorted; a folder comes before what is in it.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Nothing was changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry of a path.
    #[must_use]
    pub fn get(&self, path: &RelPath) -> Option<&Entry> {
        let at = self.entries.binary_search_by(|entry| entry.path.cmp(path)).ok()?;
        self.entries.get(at)
    }

    /// The same without `path` and what is below it, for what whoever built the sandbox put there.
    pub fn without(&self, path: &RelPath) -> Result<Self, ChangesetError> {
        let keep = |entry: &&Entry| !entry.path.is_within(path);
        let mut entries: Vec<Entry> = self.entries.iter().filter(keep).cloned().collect();
        for entry in &mut entries {
            entry.renamed_from.take_if(|from| from.is_within(path));
        }
        Self::new(entries)
    }
}

impl Entry {
    /// An entry without further claims.
    #[must_use]
    pub const fn new(path: RelPath, before: Option<Node>, after: Option<Node>) -> Self {
        Self { path, before, after, renamed_from: None, stale: false }
    }

    /// What happened, in one word.
    #[must_use]
    pub fn kind(&self) -> ChangeKind {
        match (&self.before, &self.after) {
            (None, _) if self.renamed_from.is_some() => ChangeKind::Renamed,
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Deleted,
            (Some(before), Some(after)) if !before.is_like(after) => ChangeKind::Replaced,
            (Some(before), Some(after)) if before.has_content_of(after) => ChangeKind::Mode,
            _ => ChangeKind::Modified,
        }
    }
}

impl Node {
    /// The permission bits of a file or folder.
    #[must_use]
    pub const fn mode(&self) -> Option<u32> {
        match self {
            Self::File { mode, .. } | Self::Folder { mode } => Some(*mode),
            Self::Symlink { .. } => None,
        }
    }

    /// Whether it is a folder.
    #[must_use]
    pub const fn is_folder(&self) -> bool {
        matches!(self, Self::Folder { .. })
    }

    /// Whether both are files, or links, or folders.
    fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Whether nothing but permission bits can differ.
    fn has_content_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File { digest: one, .. }, Self::File { digest: two, .. }) => one == two,
            (Self::Symlink { target: one }, Self::Symlink { target: two }) => one == two,
            (Self::Folder { .. }, Self::Folder { .. }) => true,
            _ => false,
        }
    }
}

impl From<Changeset> for Wire {
    fn from(changes: Changeset) -> Self {
        Self { version: VERSION, entries: changes.entries }
    }
}

impl TryFrom<Wire> for Changeset {
    type Error = ChangesetError;

    fn try_from(wire: Wire) -> Result<Self, Self::Error> {
        if wire.version != VERSION {
            return Err(ChangesetError::Version(wire.version));
        }
        Self::new(wire.entries)
    }
}
