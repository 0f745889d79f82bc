//! `search.grep`: lines that match a regular expression, in files below a folder or in a given text.
//!
//! The expressions are linear-time; there is no backtracking to exploit. Files that are not UTF-8 are searched as
//! bytes and shown with replacement characters.

use std::io::Read;
use std::path::Path;

use regex::bytes::{Regex, RegexBuilder};
use serde_json::{Value, json};

use super::{Allowed, FastError, RESULT_ENTRIES, TEXT_BYTES, Until, beneath, walk};

/// Largest compiled expression, in bytes.
const PATTERN_BYTES: usize = 1024 * 1024;

/// Where to look.
pub(super) enum Within<'a> {
    /// Below this path of the project, or in this one file.
    Files(&'a str),
    /// In this text.
    Text(&'a str),
}

pub(super) fn call(
    root: &Path,
    within: &Within<'_>,
    pattern: &str,
    allowed: Allowed<'_>,
) -> Result<Value, FastError> {
    let wrong = |error: regex::Error| FastError::Pattern {
        pattern: pattern.to_owned(),
        reason: error.to_string(),
    };
    let expression = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).build().map_err(wrong)?;
    let until = allowed.until;
    let mut found = Found { expression, until, lines: Vec::new() };
    match within {
        Within::Text(text) => found.search(None, text.as_bytes())?,
        Within::Files(path) => {
            for file in files(root, path, until)? {
                until.check()?;
                if found.is_full() {
                    break;
                }
                let Some(largest) = (allowed.file)(&file) else { continue };
                // Whoever was asked may have taken their time.
                until.check()?;
                if let Some(bytes) = contents(root, &file, largest) {
                    found.search(Some(&file), &bytes)?;
                }
            }
        }
    }
    let mut lines = found.lines;
    let truncated = lines.len() > RESULT_ENTRIES;
    lines.truncate(RESULT_ENTRIES);
    Ok(json!({ "matches": lines.len(), "lines": lines, "truncated": truncated }))
}

fn files(root: &Path, path: &str, until: &Until) -> Result<Vec<String>, FastError> {
    match walk::files(root, path, until) {
        Err(FastError::Kind { .. }) => Ok(vec![path.to_owned()]),
        other => other,
    }
}

/// The file's first [`TEXT_BYTES`]; one that went away meanwhile or is larger than allowed is passed over.
fn contents(root: &Path, path: &str, largest: u64) -> Option<Vec<u8>> {
    let file = beneath::open(root, path).ok()?;
    let about = file.metadata().ok()?;
    if !about.is_file() || about.len() > largest {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(TEXT_BYTES).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The lines found so far, and for what.
struct Found<'a> {
    expression: Regex,
    until: &'a Until,
    lines: Vec<Value>,
}

impl Found<'_> {
    /// Whether there is one more than is listed.
    fn is_full(&self) -> bool {
        self.lines.len() > RESULT_ENTRIES
    }

    fn search(&mut self, file: Option<&str>, bytes: &[u8]) -> Result<(), FastError> {
        if bytes.is_empty() {
            return Ok(());
        }
        // A final newline ends the last line; it does not begin another.
        let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        for (index, line) in body.split(|byte| *byte == b'\n').enumerate() {
            self.until.check_at(index)?;
            if self.is_full() {
                return Ok(());
            }
            if self.expression.is_match(line) {
                let text = String::from_utf8_lossy(line);
                self.lines.push(json!({ "file": file, "line": index + 1, "text": text }));
            }
        }
        Ok(())
    }
}
