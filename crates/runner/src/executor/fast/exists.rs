//! `fs.exists`: whether a path is there, without saying more than its kind.
//! A path that cannot be reached without a link is an error, not an absence.

use std::path::Path;

use serde_json::{Value, json};

use super::FastError;
use super::beneath::{self, OpenError};

pub(super) fn call(root: &Path, path: &str) -> Result<Value, FastError> {
    match beneath::open(root, path) {
        Ok(file) => {
            let about = file
                .metadata()
                .map_err(|source| FastError::Read { path: path.to_owned(), source })?;
            let kind = if about.is_dir() {
                "folder"
            } else if about.is_file() {
                "file"
            } else {
                "other"
            };
            Ok(json!({ "exists": true, "kind": kind }))
        }
        Err(OpenError::Missing(_)) => Ok(json!({ "exists": false })),
        Err(error) => Err(error.into()),
    }
}
