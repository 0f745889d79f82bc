//! A changeset as a unified diff in git's form, for people and for `git apply`.
//!
//! Text is shown as lines, anything else only named. What git cannot say (folders, other
//! permission bits than executable) stands in lines before the first file, which git skips. The
//! text is what files hold: whoever shows it on a terminal escapes it.

mod lines;
mod quote;

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::BorrowedFd;

use serde::Serialize;

use crate::beneath;
use crate::blobs::{self, Blobs};
use crate::changeset::{Changeset, Entry, Node};
use crate::digest::Digest;
use crate::path::RelPath;
use lines::Hunks;
use quote::quoted;

/// Bytes of a file that is shown as lines; a larger one is only named.
pub const PATCH_FILE_BYTES_MAX: u64 = 1 << 20;
/// Lines of a file, before and after together, that are compared; one of more is only named.
/// Files made to be slow to compare take a second or two at this.
pub const PATCH_FILE_LINES_MAX: u64 = 100_000;
/// Lines of all files together that are compared; further files are only named.
pub const PATCH_LINES_MAX: u64 = 400_000;
/// Bytes of a patch; further files are only named.
pub const PATCH_BYTES_MAX: usize = 16 << 20;

/// A unified diff and what it amounts to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Patch {
    /// The diff. Its lines are those of the files and need not be UTF-8.
    pub text: Vec<u8>,
    /// Lines added.
    pub added: u64,
    /// Lines removed.
    pub removed: u64,
    /// Files that are only named: binary, or beyond a limit.
    pub not_shown: Vec<RelPath>,
}

/// Why there is no patch.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// The project is no longer what the changeset was captured against.
    #[error("`{0}` changed in the project since the change was captured")]
    Changed(RelPath),
    /// A content could not be read.
    #[error("`{path}` cannot be read")]
    Io {
        /// Which entry.
        path: RelPath,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Writes the diff of every entry: what was there before from the project, which must not have
/// changed since, and what is there after from the blobs.
pub fn patch(
    changes: &Changeset,
    before: BorrowedFd<'_>,
    blobs: &dyn Blobs,
) -> Result<Patch, PatchError> {
    let mut writer = Writer { before, blobs, patch: Patch::default(), lines_left: PATCH_LINES_MAX };
    for entry in changes.entries() {
        if let Some(remark) = remark(entry) {
            writer.line(&remark);
        }
    }
    let moved: HashSet<&RelPath> =
        changes.entries().iter().filter_map(|entry| entry.renamed_from.as_ref()).collect();
    for entry in changes.entries().iter().filter(|entry| !moved.contains(&entry.path)) {
        writer.entry(changes, entry)?;
    }
    Ok(writer.patch)
}

/// What git has no words for.
fn remark(entry: &Entry) -> Option<String> {
    let path = quoted("", &entry.path);
    match (&entry.before, &entry.after) {
        (Some(Node::Folder { mode: one }), Some(Node::Folder { mode: two })) => {
            Some(format!("folder {path}: mode {one:03o} becomes {two:03o}"))
        }
        (_, Some(Node::Folder { mode })) => Some(format!("folder {path}: new, mode {mode:03o}")),
        (Some(Node::Folder { .. }), _) => Some(format!("folder {path}: deleted")),
        (Some(Node::File { mode: one, .. }), Some(Node::File { mode: two, .. }))
            if one != two && git_mode(*one) == git_mode(*two) =>
        {
            Some(format!("file {path}: mode {one:03o} becomes {two:03o}"))
        }
        (None, Some(Node::File { mode, .. })) if !matches!(mode, 0o644 | 0o755) => {
            Some(format!("file {path}: mode {mode:03o}"))
        }
        _ => None,
    }
}

const fn git_mode(mode: u32) -> &'static str {
    if mode & 0o100 == 0 { "100644" } else { "100755" }
}

struct Writer<'a> {
    before: BorrowedFd<'a>,
    blobs: &'a dyn Blobs,
    patch: Patch,
    lines_left: u64,
}

/// One side of a file's diff.
struct Side {
    mode: &'static str,
    /// `None` if it is too large.
    content: Option<Vec<u8>>,
    digest: Digest,
}

impl Writer<'_> {
    fn entry(&mut self, changes: &Changeset, entry: &Entry) -> Result<(), PatchError> {
        let source = entry.renamed_from.as_ref().and_then(|from| changes.get(from));
        let from = source.map_or(entry, |source| source);
        let before = self.before(from)?;
        let after = self.after(entry)?;
        match (before, after) {
            // Git takes a file and a link for two different things.
            (Some(before), Some(after)) if !before.is_like(&after) => {
                self.file(from, entry, (Some(before), None));
                self.file(entry, entry, (None, Some(after)));
            }
            (None, None) => {}
            sides => self.file(from, entry, sides),
        }
        Ok(())
    }

    fn before(&self, entry: &Entry) -> Result<Option<Side>, PatchError> {
        let failed = |source| PatchError::Io { path: entry.path.clone(), source };
        match &entry.before {
            Some(Node::Symlink { target }) => Ok(Some(Side::link(target))),
            Some(Node::File { digest, size, mode }) => {
                if *size > PATCH_FILE_BYTES_MAX {
                    return Ok(Some(Side {
                        mode: git_mode(*mode),
                        content: None,
                        digest: *digest,
                    }));
                }
                let (file, _) = beneath::file(self.before, entry.path.as_str())
                    .map_err(|_| PatchError::Changed(entry.path.clone()))?;
                let content = read_some(file, *size).map_err(failed)?;
                if Digest::of(&content) != *digest {
                    return Err(PatchError::Changed(entry.path.clone()));
                }
                let mode = git_mode(*mode);
                Ok(Some(Side { mode, content: Some(content), digest: *digest }))
            }
            _ => Ok(None),
        }
    }

    fn after(&self, entry: &Entry) -> Result<Option<Side>, PatchError> {
        match &entry.after {
            Some(Node::Symlink { target }) => Ok(Some(Side::link(target))),
            Some(Node::File { digest, size, mode }) => {
                let content = (*size <= PATCH_FILE_BYTES_MAX)
                    .then(|| blobs::read(self.blobs, digest, *size))
                    .transpose()
                    .map_err(|source| PatchError::Io { path: entry.path.clone(), source })?;
                Ok(Some(Side { mode: git_mode(*mode), content, digest: *digest }))
            }
            _ => Ok(None),
        }
    }

    /// Writes header and lines of one file.
    fn file(&mut self, from: &Entry, to: &Entry, sides: (Option<Side>, Option<Side>)) {
        let (a, b) = (quoted("a/", &from.path), quoted("b/", &to.path));
        let (before, after) = sides;
        let seen = |side: &Option<Side>| side.as_ref().map(|side| (side.mode, side.digest));
        if from.path == to.path && seen(&before) == seen(&after) {
            // Only bits differ that git has no words for; they were remarked upon.
            return;
        }
        self.line(&format!("diff --git {a} {b}"));
        match (&before, &after) {
            (None, Some(after)) => self.line(&format!("new file mode {}", after.mode)),
            (Some(before), None) => self.line(&format!("deleted file mode {}", before.mode)),
            (Some(before), Some(after)) if before.mode != after.mode => {
                self.line(&format!("old mode {}", before.mode));
                self.line(&format!("new mode {}", after.mode));
            }
            _ => {}
        }
        if from.path != to.path {
            self.line("similarity index 100%");
            self.line(&format!("rename from {}", quoted("", &from.path)));
            self.line(&format!("rename to {}", quoted("", &to.path)));
        }
        if before.as_ref().map(|side| side.digest) != after.as_ref().map(|side| side.digest) {
            let (before, after) = (before.as_ref(), after.as_ref());
            let a = if before.is_some() { a } else { "/dev/null".to_owned() };
            let b = if after.is_some() { b } else { "/dev/null".to_owned() };
            self.content(to, (a, b), (before, after));
        }
    }

    fn content(
        &mut self,
        entry: &Entry,
        (a, b): (String, String),
        (before, after): (Option<&Side>, Option<&Side>),
    ) {
        let text = |side: Option<&Side>| match side {
            None => Some(Vec::new()),
            Some(side) => side.content.clone().filter(|content| !content.contains(&0)),
        };
        let shown = match (text(before), text(after)) {
            (Some(before), Some(after)) => self.hunks(&before, &after),
            _ => None,
        };
        match shown {
            Some(hunks) if self.patch.text.len() + hunks.text.len() <= PATCH_BYTES_MAX => {
                if !hunks.text.is_empty() {
                    self.line(&format!("--- {a}"));
                    self.line(&format!("+++ {b}"));
                    self.patch.text.extend(hunks.text);
                }
                self.patch.added += hunks.added;
                self.patch.removed += hunks.removed;
            }
            _ => {
                // Git only takes the next line for a part of a file if one like this precedes it.
                let short = |side: Option<&Side>| {
                    side.map_or_else(
                        || "0".repeat(12),
                        |side| format!("{:.12}", side.digest.to_string()),
                    )
                };
                self.line(&format!("index {}..{}", short(before), short(after)));
                self.line(&format!("Binary files {a} and {b} differ"));
                self.patch.not_shown.push(entry.path.clone());
            }
        }
    }

    /// `None` if comparing could take too long.
    fn hunks(&mut self, before: &[u8], after: &[u8]) -> Option<Hunks> {
        let count = lines::count(before, after);
        self.lines_left = self.lines_left.checked_sub(count)?;
        (count <= PATCH_FILE_LINES_MAX).then(|| lines::hunks(before, after))
    }

    fn line(&mut self, text: &str) {
        self.patch.text.extend_from_slice(text.as_bytes());
        self.patch.text.push(b'\n');
    }
}

impl Side {
    /// Git keeps a link as a file that holds its target.
    fn link(target: &str) -> Self {
        let content = target.as_bytes().to_vec();
        Self { mode: "120000", digest: Digest::of(&content), content: Some(content) }
    }

    fn is_like(&self, other: &Self) -> bool {
        (self.mode == "120000") == (other.mode == "120000")
    }
}

fn read_some(file: File, size: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(size.saturating_add(1)).read_to_end(&mut content)?;
    Ok(content)
}
