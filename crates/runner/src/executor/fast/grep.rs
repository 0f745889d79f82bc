//! `search.grep`: lines that match a regular expression, in files below a folder or in a given text.
//!
//! The expressions are linear-time; there is no backtracking to exploit. Files that are not UTF-8 are searched as
//! bytes and shown with replacement characters.

use std::path::Path;

use regex::bytes::{Regex, RegexBuilder};
use serde_json::{Value, json};

use super::beginning::{self, Beginning};
use super::walk::{self, Walked};
use super::{Allowed, FastError, LINE_BYTES, RESULT_BYTES, RESULT_ENTRIES, Until, beneath};

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
    let mut found = Found { expression, until, lines: Vec::new(), shown: 0, cut: false };
    match within {
        Within::Text(text) => found.search(None, text.as_bytes())?,
        Within::Files(path) => found.below(root, path, allowed.file)?,
    }
    let mut lines = found.lines;
    let truncated = found.cut || lines.len() > RESULT_ENTRIES;
    lines.truncate(RESULT_ENTRIES);
    Ok(json!({ "matches": lines.len(), "lines": lines, "truncated": truncated }))
}

fn files(root: &Path, path: &str, until: &Until) -> Result<Walked, FastError> {
    match walk::files(root, path, until) {
        Err(FastError::Kind { .. }) => Ok(Walked { files: vec![path.to_owned()], cut: false }),
        other => other,
    }
}

/// The beginning of a file; nothing of one that is no file or larger than allowed.
fn contents(root: &Path, path: &str, largest: u64) -> Result<Option<(Vec<u8>, bool)>, FastError> {
    let failed = |source| FastError::Read { path: path.to_owned(), source };
    let file = beneath::open(root, path)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Ok(None);
    }
    match beginning::of(file, largest).map_err(failed)? {
        Beginning::TooLarge => Ok(None),
        Beginning::Read { bytes, cut } => Ok(Some((bytes, cut))),
    }
}

/// The lines found so far, and for what.
struct Found<'a> {
    expression: Regex,
    until: &'a Until,
    lines: Vec<Value>,
    /// Bytes of the lines found.
    shown: usize,
    /// Whether something was not looked at or not shown.
    cut: bool,
}

impl Found<'_> {
    /// Whether there is one more than is listed.
    fn is_full(&self) -> bool {
        self.lines.len() > RESULT_ENTRIES || self.shown > RESULT_BYTES
    }

    /// Searches the files below `path` that `allowed` gives a size for. One that cannot be read is not searched, which
    /// is said.
    fn below(
        &mut self,
        root: &Path,
        path: &str,
        allowed: &mut dyn FnMut(&str) -> Option<u64>,
    ) -> Result<(), FastError> {
        let walked = files(root, path, self.until)?;
        self.cut |= walked.cut;
        for file in walked.files {
            self.until.check()?;
            if self.is_full() {
                self.cut = true;
                break;
            }
            let Some(largest) = allowed(&file) else { continue };
            // Whoever was asked may have taken their time.
            self.until.check()?;
            match contents(root, &file, largest) {
                Ok(None) => {}
                Ok(Some((bytes, cut))) => {
                    self.cut |= cut;
                    self.search(Some(&file), &bytes)?;
                }
                Err(_) => self.cut = true,
            }
        }
        Ok(())
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
                self.cut = true;
                return Ok(());
            }
            if self.expression.is_match(line) {
                let shown = line.get(..LINE_BYTES).unwrap_or(line);
                self.cut |= shown.len() < line.len();
                self.shown = self.shown.saturating_add(shown.len());
                let text = String::from_utf8_lossy(shown);
                self.lines.push(json!({ "file": file, "line": index + 1, "text": text }));
            }
        }
        Ok(())
    }
}
