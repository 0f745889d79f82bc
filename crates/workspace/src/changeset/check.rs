//! The rules every changeset keeps, whoever made it.
//!
//! Only what the changeset itself says is judged. Whether it fits a project is `merge`'s question.

use std::collections::HashMap;

use super::{ENTRIES_MAX, Entry, FILE_BYTES_MAX, Node, TARGET_BYTES_MAX, VERSION};
use crate::link;
use crate::path::{RelPath, fold};

/// Permission bits a program may leave.
const MODE_AFTER: u32 = 0o777;
/// Permission bits a project may have.
const MODE_BEFORE: u32 = 0o7777;

/// Why something is no changeset.
#[derive(Debug, thiserror::Error)]
pub enum ChangesetError {
    /// Another program wrote it, or a newer Palisade.
    #[error("changesets of version {0} cannot be read, only of version {VERSION}")]
    Version(u32),
    /// No JSON, or not of this form.
    #[error("the changeset cannot be read")]
    Json(#[source] serde_json::Error),
    /// So long that it is not parsed.
    #[error("the changeset has {0} bytes of JSON, {max} at most", max = super::JSON_BYTES_MAX)]
    JsonTooLarge(usize),
    /// More entries than a changeset may have.
    #[error("the changeset has {0} entries, {ENTRIES_MAX} at most")]
    TooMany(usize),
    /// An entry that breaks a rule.
    #[error("`{path}`: {fault}")]
    Entry {
        /// Which entry.
        path: RelPath,
        /// Which rule.
        fault: EntryFault,
    },
}

/// The rule an entry breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    /// Two entries for one path.
    #[error("it is listed twice")]
    Twice,
    /// Nothing before and nothing after, or the same.
    #[error("nothing is changed")]
    Unchanged,
    /// There cannot be anything below what is no folder.
    #[error("it lies below `{0}`, which is no folder then")]
    BelowNoFolder(RelPath),
    /// Setuid, setgid or sticky after, or bits no file has.
    #[error("mode {0:o} is refused; setuid, setgid and sticky bits are never merged")]
    Mode(u32),
    /// Larger than a file may be.
    #[error("{0} bytes are too many, {FILE_BYTES_MAX} at most")]
    TooLarge(u64),
    /// An empty target, one too long, or one with a control character.
    #[error("the link's target is not plain text of 1 to {TARGET_BYTES_MAX} bytes")]
    Target,
    /// The link leads out of the project.
    #[error("the link leads out of the project")]
    LeadsOut,
    /// Another entry has the same name to a file system that ignores case or normalises.
    #[error("`{0}` is the same name to file systems that ignore case or normalise names")]
    Collides(RelPath),
    /// What it claims to be renamed from is no deleted file of that content.
    #[error("it is not a renaming of `{0}`")]
    NotRenamed(RelPath),
}

/// Judges sorted entries.
pub(super) fn check(entries: &[Entry]) -> Result<(), ChangesetError> {
    if entries.len() > ENTRIES_MAX {
        return Err(ChangesetError::TooMany(entries.len()));
    }
    let known: HashMap<&str, &Entry> =
        entries.iter().map(|entry| (entry.path.as_str(), entry)).collect();
    let mut folded: HashMap<String, &Entry> = HashMap::new();
    let mut last: Option<&RelPath> = None;
    for entry in entries {
        let fault = |fault| ChangesetError::Entry { path: entry.path.clone(), fault };
        if last == Some(&entry.path) {
            return Err(fault(EntryFault::Twice));
        }
        last = Some(&entry.path);
        of_entry(entry).map_err(fault)?;
        of_place(entry, &known).map_err(fault)?;
        if entry.after.is_some()
            && let Some(twin) = folded.insert(fold(entry.path.as_str()), entry)
            // Two names that were both there before are the project's own business.
            && (twin.before.is_none() || entry.before.is_none())
        {
            return Err(fault(EntryFault::Collides(twin.path.clone())));
        }
    }
    Ok(())
}

/// What can be said of an entry alone.
fn of_entry(entry: &Entry) -> Result<(), EntryFault> {
    if entry.before == entry.after {
        return Err(EntryFault::Unchanged);
    }
    for (node, bits) in [(&entry.before, MODE_BEFORE), (&entry.after, MODE_AFTER)] {
        let Some(node) = node else { continue };
        if let Some(mode) = node.mode().filter(|mode| mode & !bits != 0) {
            return Err(EntryFault::Mode(mode));
        }
        match node {
            Node::File { size, .. } if *size > FILE_BYTES_MAX => {
                return Err(EntryFault::TooLarge(*size));
            }
            Node::Symlink { target } if !is_target(target) => return Err(EntryFault::Target),
            _ => {}
        }
    }
    Ok(())
}

/// Whether a link's target can be written down and shown.
pub(crate) fn is_target(target: &str) -> bool {
    (1..=TARGET_BYTES_MAX).contains(&target.len()) && !target.chars().any(char::is_control)
}

/// What can be said of an entry among the others.
fn of_place(entry: &Entry, known: &HashMap<&str, &Entry>) -> Result<(), EntryFault> {
    for folder in entry.path.ancestors() {
        let Some(above) = known.get(folder.as_str()) else { continue };
        let lost = |node: &Option<Node>, place: &Option<Node>| {
            node.is_some() && !place.as_ref().is_some_and(Node::is_folder)
        };
        if lost(&entry.before, &above.before) || lost(&entry.after, &above.after) {
            return Err(EntryFault::BelowNoFolder(folder));
        }
    }
    if let Some(from) = &entry.renamed_from {
        let source = known.get(from.as_str()).filter(|source| source.after.is_none());
        let same = source.and_then(|source| source.before.as_ref()).is_some_and(|before| {
            entry.before.is_none()
                && entry.after.as_ref().is_some_and(|after| {
                    matches!(after, Node::File { .. }) && before.has_content_of(after)
                })
        });
        if !same {
            return Err(EntryFault::NotRenamed(from.clone()));
        }
    }
    if let Some(Node::Symlink { target }) = &entry.after {
        let view = |path: &str| match known.get(path)?.after.as_ref()? {
            Node::Symlink { target } => Some(target.clone()),
            _ => None,
        };
        if link::leads_out(&entry.path, target, &view) {
            return Err(EntryFault::LeadsOut);
        }
    }
    Ok(())
}
