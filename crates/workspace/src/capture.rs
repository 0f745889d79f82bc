//! From an overlay's two layers to a changeset: the upper layer says what was written.
//!
//! The upper layer is hostile. It is read only after everything that could write it is dead,
//! beneath its own descriptor, and everything that a merge would refuse is refused here already,
//! all of it in one answer. Nothing is written but blobs. `layer` reads one entry of the upper
//! layer, `walk` compares the layers, `rename` finds what only moved.

mod layer;
mod rename;
mod walk;

use std::io;
use std::os::fd::BorrowedFd;
use std::time::SystemTime;

use serde::Serialize;

use crate::blobs::Blobs;
use crate::changeset::{Changeset, ChangesetError, ENTRIES_MAX, FILE_BYTES_MAX};
use crate::path::NameFault;

/// Refusals listed in one answer; further ones are only counted by being left out.
pub const REFUSED_MAX: usize = 100;

/// An overlay whose program has ended.
#[derive(Clone, Copy, Debug)]
pub struct Layers<'a> {
    /// What was written, with `user.overlay.*` attributes.
    pub upper: BorrowedFd<'a>,
    /// The project below it.
    pub lower: BorrowedFd<'a>,
    /// When the program began. A touched file of the project that changed since is marked stale,
    /// because the program may have seen what was there before. `None` if nobody else can write.
    pub began: Option<SystemTime>,
}

/// How much a capture may look at. Reaching a limit refuses the whole workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureLimits {
    /// Entries of the upper layer, and of deleted folders of the project.
    pub entries: usize,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of all files together, before and after.
    pub total_bytes: u64,
}

impl Default for CaptureLimits {
    /// 100 000 entries, 1 GiB in one file, 4 GiB in all.
    fn default() -> Self {
        Self { entries: ENTRIES_MAX, file_bytes: 1 << 30, total_bytes: FILE_BYTES_MAX }
    }
}

/// Why a workspace did not become a changeset.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// It holds what is never merged; each with its place.
    #[error("{} in the workspace cannot become a change, first {}", count(.0), first(.0))]
    Refused(Vec<Refused>),
    /// A limit on the whole was reached.
    #[error("the workspace has more than {limit} {what}; let the step write less or elsewhere")]
    Limit {
        /// The unit.
        what: &'static str,
        /// How many were allowed.
        limit: u64,
    },
    /// A layer or the blobs could not be read or written.
    #[error("`{path}` cannot be captured")]
    Io {
        /// Escaped.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What was put together breaks a rule of changesets.
    #[error("what the program left is no valid change")]
    Invalid(#[from] ChangesetError),
}

/// An entry that is never merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Relative to the project, escaped.
    pub path: String,
    /// Why.
    pub reason: RefusedBecause,
}

/// Why an entry is never merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum RefusedBecause {
    /// The name.
    #[error(transparent)]
    Name(NameFault),
    /// A device that is no whiteout.
    #[error("it is a device")]
    Device,
    /// A FIFO.
    #[error("it is a FIFO")]
    Fifo,
    /// A socket.
    #[error("it is a socket")]
    Socket,
    /// Setuid, setgid or sticky.
    #[error("mode {0:o} has a setuid, setgid or sticky bit")]
    Mode(u32),
    /// A link with an absolute target, or one that leads up and out, also through other links.
    #[error("the link leads out of the project")]
    LinkOut,
    /// A link whose target is no plain text.
    #[error("the link's target is not plain text")]
    LinkTarget,
    /// An overlay attribute that takes content from elsewhere.
    #[error("the overlay attribute `{0}` takes content or names from elsewhere")]
    Overlay(&'static str),
    /// Not to be told from another name on some file systems.
    #[error("`{0}` is the same name to file systems that ignore case or normalise names")]
    Collides(String),
    /// The permission to read it was taken away.
    #[error("it cannot be read; the program took the permission away")]
    Unreadable,
    /// More bytes than one file may have.
    #[error("it has {0} bytes, more than the limit of one file")]
    TooLarge(u64),
    /// What is in its place in the project cannot be described and so not be restored.
    #[error("what the project has there is no file, folder or link with plain names")]
    OddInProject,
}

/// Compares the layers and puts the content of every written file into `sink`.
///
/// The project is only read. Fails with everything that was refused, never with a part.
pub fn capture(
    layers: &Layers<'_>,
    limits: &CaptureLimits,
    sink: &mut dyn Blobs,
) -> Result<Changeset, CaptureError> {
    let mut entries = walk::walk(layers, limits, sink)?;
    rename::mark(&mut entries);
    Ok(Changeset::new(entries)?)
}

fn count(refused: &[Refused]) -> String {
    match refused.len() {
        1 => "one entry".to_owned(),
        REFUSED_MAX => format!("{REFUSED_MAX} entries or more"),
        more => format!("{more} entries"),
    }
}

fn first(refused: &[Refused]) -> String {
    refused.first().map_or_else(String::new, |one| format!("`{}`: {}", one.path, one.reason))
}
