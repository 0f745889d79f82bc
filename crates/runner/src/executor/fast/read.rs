//! `fs.read`: the text of one file, cut at the limit and said so.
//! Bytes that are not text are refused rather than guessed at; artifacts are for those.

use std::path::Path;

use serde_json::{Value, json};

use super::beginning::{self, Beginning};
use super::{FastError, beneath};

pub(super) fn call(root: &Path, path: &str, largest: Option<u64>) -> Result<Value, FastError> {
    let failed = |source| FastError::Read { path: path.to_owned(), source };
    let file = beneath::open(root, path)?;
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(FastError::Kind { path: path.to_owned(), wanted: "file" });
    }
    let most = largest.unwrap_or(u64::MAX);
    match beginning::of(file, most).map_err(failed)? {
        Beginning::TooLarge => {
            let size = about.len();
            Err(FastError::TooLarge { path: path.to_owned(), size, largest: most })
        }
        Beginning::Read { bytes, cut } => {
            let text = decode(bytes, cut).ok_or_else(|| FastError::Binary(path.to_owned()))?;
            Ok(json!({ "text": text, "size": about.len(), "truncated": cut }))
        }
    }
}

/// UTF-8 text; a character split by the cut is dropped rather than called binary.
fn decode(bytes: Vec<u8>, truncated: bool) -> Option<String> {
    match String::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) => {
            let split = truncated && error.utf8_error().error_len().is_none();
            let valid = error.utf8_error().valid_up_to();
            let mut bytes = error.into_bytes();
            bytes.truncate(valid);
            if split { String::from_utf8(bytes).ok() } else { None }
        }
    }
}
