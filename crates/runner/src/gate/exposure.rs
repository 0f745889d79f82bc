//! Whether a folder shown to a program would show keys or the project's own state with it.
//!
//! Policy decides about the path of a mount; what lies below it is looked at here, so that a folder further up
//! cannot bring along what a built-in rule protects.

use std::fs;
use std::path::Path;

use crate::layout::STATE_FOLDER;

/// Folders that hold keys.
const KEY_FOLDERS: [&str; 3] = [".ssh", ".gnupg", ".aws"];
/// How deep below a mount's source key folders are looked for: a home folder, and the folder of all homes.
const DEPTH: usize = 2;
/// Most entries looked at in one folder; one with more is treated as exposing something.
const ENTRIES: usize = 10_000;

/// What mounting `source` would show that must stay hidden, in words; `None` when nothing is.
pub(super) fn of(project: &Path, source: &Path) -> Option<String> {
    if project.starts_with(source) {
        return Some(format!("it holds the project, and with it `{STATE_FOLDER}`"));
    }
    keys_below(source, DEPTH)
}

fn keys_below(folder: &Path, depth: usize) -> Option<String> {
    // What cannot be listed by us cannot be listed by the program either: it runs as the same user.
    let entries = fs::read_dir(folder).ok()?;
    for (count, entry) in entries.flatten().enumerate() {
        if count >= ENTRIES {
            return Some(format!(
                "`{}` has too many entries to be looked through",
                folder.display()
            ));
        }
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        if KEY_FOLDERS.iter().any(|name| entry.file_name() == *name)
            || entry.file_name() == STATE_FOLDER
        {
            return Some(format!("`{}` lies below it", path.display()));
        }
        if depth > 1
            && let Some(found) = keys_below(&path, depth - 1)
        {
            return Some(found);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_above_keys_or_the_project_exposes_them() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("home/alice/.ssh")).unwrap();
        fs::create_dir_all(root.join("home/bob/work")).unwrap();
        fs::create_dir_all(root.join("work/project")).unwrap();
        let check = |source: &str, exposes: bool| {
            let found = of(&root.join("work/project"), &root.join(source));
            assert_eq!(found.is_some(), exposes, "{source}: {found:?}");
        };
        check("home", true);
        check("home/alice", true);
        check("home/bob", false);
        check("work", true);
        check("work/project", true);
        check("work/project/docs", false);
    }
}
