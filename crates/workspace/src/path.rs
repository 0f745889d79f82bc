//! Names a change may have: relative, plain text, the same on every file system that keeps them.
//!
//! A path here says nothing about what exists; opening it safely is the business of `beneath`.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

/// Bytes of one name; what Linux file systems allow.
pub const NAME_BYTES_MAX: usize = 255;
/// Bytes of a whole path; longer ones cannot be opened.
pub const PATH_BYTES_MAX: usize = 4000;
/// Names in one path, which is how deep folders are looked into.
pub const DEPTH_MAX: usize = 64;
/// The project's own state: no sandbox sees it and no change may touch it.
pub(crate) const RESERVED: &str = ".palisade";

/// A path below the root of a project: names joined by `/`, each of them acceptable.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RelPath(String);

/// Why a name is not acceptable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum NameFault {
    /// Nothing, or an empty name between two slashes.
    #[error("the name is empty")]
    Empty,
    /// It starts at the root of the file system.
    #[error("the path is absolute")]
    Absolute,
    /// `.` or `..`.
    #[error("`.` and `..` lead elsewhere")]
    Dots,
    /// Not UTF-8.
    #[error("the name is not UTF-8")]
    NotText,
    /// A control character, also NUL and line breaks.
    #[error("the name holds a control character")]
    Control,
    /// A character nobody sees, or one that turns the direction of the text around.
    #[error("the name holds a character nobody can see")]
    Invisible,
    /// Other file systems drop trailing dots and spaces and would read another name.
    #[error("the name ends with a dot or a space")]
    TrailingDotOrSpace,
    /// `.palisade`, however it is spelled.
    #[error("`.palisade` belongs to the project's own state")]
    Reserved,
    /// More than [`NAME_BYTES_MAX`] or [`PATH_BYTES_MAX`] bytes.
    #[error("the name is longer than {NAME_BYTES_MAX} bytes, or the path than {PATH_BYTES_MAX}")]
    TooLong,
    /// More than [`DEPTH_MAX`] names.
    #[error("the path is deeper than {DEPTH_MAX} names")]
    TooDeep,
}

impl RelPath {
    /// Takes a path if every rule holds.
    pub fn new(text: impl Into<String>) -> Result<Self, NameFault> {
        let text = text.into();
        if text.starts_with('/') {
            return Err(NameFault::Absolute);
        }
        if text.len() > PATH_BYTES_MAX {
            return Err(NameFault::TooLong);
        }
        if text.split('/').count() > DEPTH_MAX {
            return Err(NameFault::TooDeep);
        }
        text.split('/').try_for_each(check_name)?;
        Ok(Self(text))
    }

    /// The path of `name` in `folder`, or at the top.
    pub fn join(folder: Option<&Self>, name: &[u8]) -> Result<Self, NameFault> {
        let name = std::str::from_utf8(name).map_err(|_| NameFault::NotText)?;
        if name.contains('/') {
            return Err(NameFault::Dots);
        }
        match folder {
            None => Self::new(name),
            Some(folder) => Self::new(format!("{folder}/{name}")),
        }
    }

    /// The whole path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names from the top down.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The folder it is in; `None` at the top.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(folder, _)| Self(folder.to_owned()))
    }

    /// Every folder it is in, nearest first.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), Self::parent)
    }

    /// Whether it is `folder` or lies below it.
    #[must_use]
    pub fn is_within(&self, folder: &Self) -> bool {
        self.0.strip_prefix(&folder.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// A folder comes directly before what is in it.
impl Ord for RelPath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.names().cmp(other.names())
    }
}

impl PartialOrd for RelPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl From<RelPath> for String {
    fn from(path: RelPath) -> Self {
        path.0
    }
}

impl TryFrom<String> for RelPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text.clone()).map_err(|fault| format!("`{}`: {fault}", escape(text.as_bytes())))
    }
}

fn check_name(name: &str) -> Result<(), NameFault> {
    match name {
        "" => Err(NameFault::Empty),
        "." | ".." => Err(NameFault::Dots),
        _ if name.len() > NAME_BYTES_MAX => Err(NameFault::TooLong),
        _ if name.chars().any(char::is_control) => Err(NameFault::Control),
        _ if name.chars().any(is_invisible) => Err(NameFault::Invisible),
        _ if name.ends_with(['.', ' ']) => Err(NameFault::TrailingDotOrSpace),
        _ if fold(name) == RESERVED => Err(NameFault::Reserved),
        _ => Ok(()),
    }
}

/// Characters of no width, and those that change the direction of what follows: with them a name
/// looks like another one.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The form in which two names are one name to a file system that ignores case or normalises.
pub(crate) fn fold(name: &str) -> String {
    let upper: String = name.nfd().flat_map(char::to_uppercase).collect();
    upper.chars().flat_map(char::to_lowercase).nfc().collect()
}

/// Any name as plain text on one line: what is not printable is written as an escape.
#[must_use]
pub fn escape(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                c if c.is_control() => text.extend(c.escape_default()),
                c if is_invisible(c) => text.extend(c.escape_unicode()),
                c => text.push(c),
            }
        }
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{DEPTH_MAX, NameFault, RelPath, escape, fold};

    fn check(text: &str, expect: Result<(), NameFault>) {
        assert_eq!(RelPath::new(text).map(|_| ()), expect, "{text:?}");
    }

    #[test]
    fn only_plain_relative_names_are_paths() {
        for good in ["a", "a/b", ".git", "a b", "ä/é", "...x", "-rf", "a\\b", "\u{1f600}", "x~1"]
        {
            check(good, Ok(()));
        }
        for bad in ["", "a//b", "a/"] {
            check(bad, Err(NameFault::Empty));
        }
        check("/a", Err(NameFault::Absolute));
        for bad in [".", "..", "a/../b", "../a", "a/.", "a/.."] {
            check(bad, Err(NameFault::Dots));
        }
        for bad in ["a\nb", "a\0b", "\u{1b}[2J", "a\u{85}b"] {
            check(bad, Err(NameFault::Control));
        }
        for bad in ["a\u{200d}b", "\u{202e}a", "\u{feff}a"] {
            check(bad, Err(NameFault::Invisible));
        }
        for bad in ["a.", "a ", "a./b", "..."] {
            check(bad, Err(NameFault::TrailingDotOrSpace));
        }
        for bad in [".palisade", "a/.palisade/b", ".PALISADE", ".Pali\u{17f}ade"] {
            check(bad, Err(NameFault::Reserved));
        }
        check(&"a".repeat(256), Err(NameFault::TooLong));
        check(&"a/".repeat(3000), Err(NameFault::TooLong));
        check(&vec!["a"; DEPTH_MAX].join("/"), Ok(()));
        check(&vec!["a"; DEPTH_MAX + 1].join("/"), Err(NameFault::TooDeep));
    }

    #[test]
    fn names_that_some_file_system_takes_for_one_fold_to_one() {
        for (one, other) in [("README", "readme"), ("é", "e\u{301}"), ("stra\u{df}e", "STRASSE")] {
            assert_eq!(fold(one), fold(other));
        }
        assert_ne!(fold("a"), fold("b"));
    }

    #[test]
    fn a_folder_comes_before_what_is_in_it() {
        let mut paths = ["a-b", "a/b", "a", "a/b/c"].map(|text| RelPath::new(text).unwrap());
        paths.sort();
        assert_eq!(paths.map(String::from), ["a", "a/b", "a/b/c", "a-b"]);
    }

    #[test]
    fn any_name_is_shown_on_one_line() {
        assert_eq!(escape(b"a\nb\xff\x1b[m"), "a\\nb\\xff\\u{1b}[m");
        assert_eq!(escape("\u{202e}ä".as_bytes()), "\\u{202e}ä");
    }
}
