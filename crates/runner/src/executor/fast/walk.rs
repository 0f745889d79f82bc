//! Every regular file below a folder, in a stable order, without following links.
//!
//! State folders and `.git` are left out: the first are never readable by a tool, the second is not what a
//! search means.

use std::path::Path;

use rustix::fs::FileType;

use super::{FastError, Until, list};
use crate::layout::{STATE_FILES, STATE_FOLDER};

/// Most files one walk visits; a larger tree is searched in parts.
pub(super) const WALK_FILES: usize = 200_000;

/// What a walk came by.
pub(super) struct Walked {
    /// Relative paths, sorted.
    pub(super) files: Vec<String>,
    /// Whether there is more: more files than one walk visits, or a folder that cannot be read.
    pub(super) cut: bool,
}

/// The files below `start`.
pub(super) fn files(root: &Path, start: &str, until: &Until) -> Result<Walked, FastError> {
    let (mut found, mut cut) = (Vec::new(), false);
    let mut open = vec![(start.to_owned(), list::entries(root, start, until)?)];
    while let Some((folder, entries)) = open.pop() {
        for (name, kind) in entries {
            let path = if folder == "." { name.clone() } else { format!("{folder}/{name}") };
            match kind {
                FileType::RegularFile if found.len() < WALK_FILES => found.push(path),
                FileType::Directory
                    if name != ".git" && !name.eq_ignore_ascii_case(STATE_FOLDER) =>
                {
                    until.check()?;
                    match list::entries(root, &path, until) {
                        Ok(inner) if is_state(&inner) => {}
                        Ok(inner) => open.push((path, inner)),
                        Err(_) => cut = true,
                    }
                }
                FileType::RegularFile => cut = true,
                _ => {}
            }
        }
    }
    // A folder that was cut short is not one that cannot be read.
    until.check()?;
    found.sort();
    Ok(Walked { files: found, cut })
}

/// Whether these are the entries of a state folder, whatever it is called.
fn is_state(entries: &[(String, FileType)]) -> bool {
    entries.iter().any(|(name, _)| STATE_FILES.contains(&name.as_str()))
}
