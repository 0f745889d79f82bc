//! Every regular file below a folder, in a stable order, without following links.
//!
//! The state folder and `.git` are left out: the first is never readable by a tool, the second is not what a
//! search means.

use std::path::Path;

use rustix::fs::FileType;

use super::{FastError, Until, list};

/// Most files one walk visits; a larger tree is searched in parts.
pub(super) const WALK_FILES: usize = 200_000;

/// Relative paths of the files below `start`, sorted within each folder. Unreadable folders are passed over.
pub(super) fn files(root: &Path, start: &str, until: &Until) -> Result<Vec<String>, FastError> {
    let mut found = Vec::new();
    let mut open = vec![(start.to_owned(), list::entries(root, start, until)?)];
    while let Some((folder, entries)) = open.pop() {
        for (name, kind) in entries {
            let path = if folder == "." { name.clone() } else { format!("{folder}/{name}") };
            match kind {
                FileType::RegularFile if found.len() < WALK_FILES => found.push(path),
                FileType::Directory if name != ".git" && name != crate::layout::STATE_FOLDER => {
                    until.check()?;
                    if let Ok(inner) = list::entries(root, &path, until) {
                        open.push((path, inner));
                    }
                }
                _ => {}
            }
        }
    }
    // A folder that was cut short is not one that cannot be read.
    until.check()?;
    found.sort();
    Ok(found)
}
