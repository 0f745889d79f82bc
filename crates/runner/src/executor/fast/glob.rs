//! `search.glob`: paths below a folder that match a pattern.
//! The pattern is `globset`'s, with `*` staying inside one folder; files the decision excludes are not listed.

use std::path::Path;

use globset::GlobBuilder;
use serde_json::{Value, json};

use super::{Allowed, FastError, RESULT_ENTRIES, walk};

pub(super) fn call(
    root: &Path,
    path: &str,
    pattern: &str,
    allowed: Allowed<'_>,
) -> Result<Value, FastError> {
    let matcher = GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .map_err(|error| FastError::Pattern {
            pattern: pattern.to_owned(),
            reason: error.to_string(),
        })?
        .compile_matcher();
    let mut paths = Vec::new();
    let walked = walk::files(root, path, allowed.until)?;
    for file in walked.files {
        allowed.until.check()?;
        if paths.len() > RESULT_ENTRIES {
            break;
        }
        if matcher.is_match(&file) && (allowed.file)(&file).is_some() {
            paths.push(file);
        }
    }
    let truncated = walked.cut || paths.len() > RESULT_ENTRIES;
    paths.truncate(RESULT_ENTRIES);
    Ok(json!({ "matches": paths.len(), "paths": paths, "truncated": truncated }))
}
