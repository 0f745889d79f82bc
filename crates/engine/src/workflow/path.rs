//! Rules for the paths and globs a document may name.
//!
//! Only the spelling is judged, without looking at any disk: the sandbox resolves paths again
//! beneath their root. What is refused here can never be right, so it is refused at load where
//! the text is known then, and before the call where it is not.

/// The longest path, in bytes (PATH_MAX of Linux, less its final zero).
pub(super) const PATH_BYTES_MAX: usize = 4095;

/// The longest name between two slashes, in bytes (NAME_MAX of Linux).
const NAME_BYTES_MAX: usize = 255;

/// Why a path or glob cannot be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing is named.
    #[error("is empty")]
    Empty,
    /// More than 4095 bytes, or a name of more than 255.
    #[error("is too long")]
    TooLong,
    /// The system's calls end at a zero byte.
    #[error("contains a zero byte")]
    Nul,
    /// It must stay inside the workspace.
    #[error("must be relative to the workspace")]
    Absolute,
    /// `..` climbs, `.` and `//` are second spellings of one path.
    #[error("must not contain `.`, `..` or empty parts")]
    Dots,
    /// A class or group of a glob does not end.
    #[error("has a `[` or `{{` that is not closed")]
    Unclosed,
}

/// A path of a file in the workspace: relative, in its one spelling.
pub(super) fn in_workspace(path: &str) -> Result<(), PathError> {
    bounded(path)?;
    if path.starts_with('/') {
        return Err(PathError::Absolute);
    }
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(PathError::Dots);
    }
    Ok(())
}

/// A glob of files in the workspace.
pub(super) fn glob(pattern: &str) -> Result<(), PathError> {
    in_workspace(pattern)?;
    let mut open = 0_usize;
    let mut class = false;
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            ']' => class = false,
            _ if class => {}
            '[' => class = true,
            '{' => open += 1,
            '}' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    if class || open > 0 { Err(PathError::Unclosed) } else { Ok(()) }
}

/// A path on the host: anything the system could open.
pub(super) fn on_host(path: &str) -> Result<(), PathError> {
    bounded(path)
}

/// A path inside the sandbox: absolute or relative to the workspace, never climbing.
pub(super) fn in_sandbox(path: &str) -> Result<(), PathError> {
    bounded(path)?;
    if path.split('/').any(|part| part == "..") { Err(PathError::Dots) } else { Ok(()) }
}

fn bounded(path: &str) -> Result<(), PathError> {
    if path.is_empty() {
        return Err(PathError::Empty);
    }
    if path.contains('\0') {
        return Err(PathError::Nul);
    }
    let long = path.len() > PATH_BYTES_MAX;
    if long || path.split('/').any(|part| part.len() > NAME_BYTES_MAX) {
        return Err(PathError::TooLong);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspace_paths_have_one_spelling() {
        let long = "a".repeat(256);
        let deep = "a/".repeat(2048) + "a";
        for (path, expected) in [
            ("a", Ok(())),
            ("notes/a b.md", Ok(())),
            (".hidden/..x", Ok(())),
            ("", Err(PathError::Empty)),
            ("/etc/passwd", Err(PathError::Absolute)),
            ("../a", Err(PathError::Dots)),
            ("a/../b", Err(PathError::Dots)),
            ("./a", Err(PathError::Dots)),
            ("a//b", Err(PathError::Dots)),
            ("a/", Err(PathError::Dots)),
            ("a\0b", Err(PathError::Nul)),
            (long.as_str(), Err(PathError::TooLong)),
            (deep.as_str(), Err(PathError::TooLong)),
        ] {
            assert_eq!(in_workspace(path), expected, "{path}");
        }
    }

    #[test]
    fn globs_are_closed() {
        for (pattern, expected) in [
            ("**/*.md", Ok(())),
            ("a/[!x]*.{md,txt}", Ok(())),
            ("a[", Err(PathError::Unclosed)),
            ("{a,b", Err(PathError::Unclosed)),
            ("a\\[", Ok(())),
            ("/tmp/*", Err(PathError::Absolute)),
        ] {
            assert_eq!(glob(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn sandbox_paths_do_not_climb() {
        assert_eq!(in_sandbox("/usr/share"), Ok(()));
        assert_eq!(in_sandbox("data"), Ok(()));
        assert_eq!(in_sandbox("/usr/../etc"), Err(PathError::Dots));
        assert_eq!(on_host("../sibling"), Ok(()));
    }
}
