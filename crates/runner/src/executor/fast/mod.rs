//! The fast path: read-only tools answered in this process.
//!
//! Every path is opened beneath the project root by the kernel. The tools write nothing, start nothing and follow
//! no links; what they may read was decided by the gate before. Each tool is one file.

mod beginning;
mod beneath;
mod exists;
mod glob;
mod grep;
mod list;
mod read;
mod until;
mod walk;

use std::path::Path;

use serde_json::Value;

use crate::tool;

pub use beneath::OpenError;
pub use until::{Stop, Until};

/// Largest text a fast-path tool reads from one file or returns, in bytes. Longer is cut and said so.
pub const TEXT_BYTES: u64 = 1024 * 1024;
/// Most entries one result lists. More are cut and said so.
pub const RESULT_ENTRIES: usize = 10_000;
/// Longest line a search shows, in bytes. Longer is cut and said so.
pub const LINE_BYTES: usize = 4096;
/// Most text of lines one search shows, in bytes. More is cut and said so.
pub const RESULT_BYTES: usize = 4 * 1024 * 1024;

/// Why a fast-path call failed.
#[derive(Debug, thiserror::Error)]
pub enum FastError {
    /// The path cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The path is not of the kind the tool reads.
    #[error("`{path}` is not a {wanted}")]
    Kind {
        /// Relative path.
        path: String,
        /// `file` or `folder`.
        wanted: &'static str,
    },
    /// The file is not UTF-8 text.
    #[error("`{0}` is not UTF-8 text")]
    Binary(String),
    /// The file is larger than the decision allows.
    #[error("`{path}` has {size} bytes, and the policy allows {largest}")]
    TooLarge {
        /// Relative path.
        path: String,
        /// Its size.
        size: u64,
        /// What is allowed.
        largest: u64,
    },
    /// The pattern cannot be compiled.
    #[error("pattern `{pattern}` is not valid: {reason}")]
    Pattern {
        /// As given.
        pattern: String,
        /// What the compiler said.
        reason: String,
    },
    /// Reading failed midway.
    #[error("`{path}` cannot be read")]
    Read {
        /// Relative path.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It did not end in time.
    #[error("longer than allowed")]
    TimedOut,
    /// It was asked to stop.
    #[error("stopped before it ended")]
    Cancelled,
    /// The tool is not a fast-path tool.
    #[error("`{0}` is not a read-only tool")]
    Unknown(String),
}

/// What a call may read beyond the path it was decided for, and until when.
pub struct Allowed<'a> {
    /// How large this file, relative to the root, may be, in bytes, for a search to look into it; nothing where it may
    /// not, whatever its size.
    pub file: &'a mut dyn FnMut(&str) -> Option<u64>,
    /// Largest file that may be read, in bytes.
    pub largest: Option<u64>,
    /// Until when it goes on.
    pub until: &'a Until,
}

/// Runs one read-only tool with validated, normalised `arguments` beneath `root`. What it finds too late is not given.
///
/// # Errors
/// See [`FastError`]; nothing has changed in any case.
pub fn call(
    root: &Path,
    name: &str,
    arguments: &Value,
    allowed: Allowed<'_>,
) -> Result<Value, FastError> {
    let text = |key: &str| arguments.get(key).and_then(Value::as_str);
    let path = text("path").unwrap_or(".");
    let until = allowed.until;
    until.check()?;
    beneath::no_state(root, path)?;
    let found = match name {
        tool::FS_READ => read::call(root, path, allowed.largest),
        tool::FS_LIST => list::call(root, path, until),
        tool::FS_EXISTS => exists::call(root, path),
        tool::SEARCH_GLOB => glob::call(root, path, text("pattern").unwrap_or_default(), allowed),
        tool::SEARCH_GREP => {
            let within = text("text").map_or(grep::Within::Files(path), grep::Within::Text);
            grep::call(root, &within, text("pattern").unwrap_or_default(), allowed)
        }
        _ => Err(FastError::Unknown(name.to_owned())),
    }?;
    until.check()?;
    Ok(found)
}
