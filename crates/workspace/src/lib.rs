//! What a program changed in its workspace, and how that reaches the project: diff, merge, undo.
//!
//! Pure bookkeeping over two open folders. It runs nothing and decides nothing about permission.
//!
//! The way through: `capture` (an overlay's layers → `changeset` and `blobs`) → `patch` (for
//! people), `flags` and `auto` (what a person must see) → `merge` (into the project, logged) →
//! `undo`. `beneath` is the only way to open anything, and it follows no link.

mod auto;
mod beneath;
mod blobs;
mod capture;
mod changeset;
mod digest;
mod flags;
mod link;
mod merge;
mod patch;
mod path;

pub use auto::{AUTO_LINES_MAX, Reason, auto};
pub use blobs::{Blobs, MemoryBlobs};
pub use capture::{
    CaptureError, CaptureLimits, Layers, REFUSED_MAX, Refused, RefusedBecause, capture,
};
pub use changeset::{
    ChangeKind, Changeset, ChangesetError, ENTRIES_MAX, Entry, EntryFault, FILE_BYTES_MAX,
    JSON_BYTES_MAX, Node, TARGET_BYTES_MAX, VERSION,
};
pub use digest::Digest;
pub use flags::{Flag, FlagKind, flags, flags_page};
pub use merge::{
    Act, Conflict, ConflictKind, LogFolder, MergeError, MergeLog, MergeState, Merged, Record,
    StateFault, merge, resume, state, undo,
};
pub use patch::{
    PATCH_BYTES_MAX, PATCH_FILE_BYTES_MAX, PATCH_FILE_LINES_MAX, PATCH_LINES_MAX, Patch,
    PatchError, patch,
};
pub use path::{DEPTH_MAX, NAME_BYTES_MAX, NameFault, PATH_BYTES_MAX, RelPath, escape};
