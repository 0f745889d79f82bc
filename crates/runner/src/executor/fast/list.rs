//! `fs.list`: the entries of one folder, sorted by name.
//! It does not look below the folder; that is `walk`'s part.

use std::path::Path;

use rustix::fs::{Dir, FileType};
use serde_json::{Value, json};

use super::{FastError, RESULT_ENTRIES, Until, beneath};

pub(super) fn call(root: &Path, path: &str, until: &Until) -> Result<Value, FastError> {
    let mut entries = entries(root, path, until)?;
    let truncated = entries.len() > RESULT_ENTRIES;
    entries.truncate(RESULT_ENTRIES);
    let listed: Vec<Value> = entries
        .into_iter()
        .map(|(name, kind)| json!({ "name": name, "kind": kind_name(kind) }))
        .collect();
    Ok(json!({ "entries": listed, "truncated": truncated }))
}

/// Names and kinds in one folder, sorted; names that are not UTF-8 are shown with replacement characters.
pub(super) fn entries(
    root: &Path,
    path: &str,
    until: &Until,
) -> Result<Vec<(String, FileType)>, FastError> {
    let file = beneath::open(root, path)?;
    let wrong = || FastError::Kind { path: path.to_owned(), wanted: "folder" };
    let failed =
        |error: rustix::io::Errno| FastError::Read { path: path.to_owned(), source: error.into() };
    if !file
        .metadata()
        .map_err(|source| FastError::Read { path: path.to_owned(), source })?
        .is_dir()
    {
        return Err(wrong());
    }
    let mut found = Vec::new();
    for (place, entry) in Dir::read_from(&file).map_err(failed)?.enumerate() {
        until.check_at(place)?;
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            found.push((name, entry.file_type()));
        }
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(found)
}

pub(super) fn kind_name(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "file",
        FileType::Directory => "folder",
        FileType::Symlink => "link",
        _ => "other",
    }
}
