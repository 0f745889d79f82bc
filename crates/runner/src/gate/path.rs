//! Paths of a call in the one form everything after the gate uses.
//!
//! A project path becomes relative to the project root, without `.`, `..` or doubled slashes. A mount source is
//! resolved on disk (symbolic links followed) and becomes relative when it lies in the project, absolute
//! otherwise. What policy matched is therefore what runs.

use std::path::{Component, Path, PathBuf};

/// Why a path is refused before policy is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path leaves the project root.
    #[error("path `{0}` leaves the project root")]
    Leaves(String),
    /// The path holds a NUL byte.
    #[error("path `{0}` holds a NUL byte")]
    Nul(String),
    /// A mount source does not exist or cannot be reached.
    #[error("mount source `{path}` cannot be used: {reason}")]
    Source {
        /// As written.
        path: String,
        /// What the system said.
        reason: String,
    },
}

/// `written` as a path relative to `root`, purely by its text; `.` is the root itself.
///
/// # Errors
/// [`PathError::Leaves`] for an absolute path outside `root` or one that climbs out of it.
pub(super) fn beneath(root: &Path, written: &str) -> Result<String, PathError> {
    let leaves = || PathError::Leaves(written.to_owned());
    if written.contains('\0') {
        return Err(PathError::Nul(written.escape_default().to_string()));
    }
    let path = Path::new(written);
    let inner =
        if path.is_absolute() { path.strip_prefix(root).map_err(|_| leaves())? } else { path };
    let mut parts: Vec<&str> = Vec::new();
    for component in inner.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_str().ok_or_else(leaves)?),
            Component::ParentDir => {
                parts.pop().ok_or_else(leaves)?;
            }
            Component::RootDir | Component::Prefix(_) => return Err(leaves()),
        }
    }
    Ok(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}

/// A mount source resolved on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// Where it is, absolute, without symbolic links.
    pub(super) path: PathBuf,
    /// What policy sees: relative to the project when inside it, absolute otherwise.
    pub(super) shown: String,
}

/// Resolves a mount source; `~/` is the caller's home folder, relative paths start at the project root.
///
/// # Errors
/// [`PathError::Source`] when it does not exist, [`PathError::Nul`] when no system call could take it.
pub(super) fn source(root: &Path, home: Option<&Path>, written: &str) -> Result<Source, PathError> {
    if written.contains('\0') {
        return Err(PathError::Nul(written.escape_default().to_string()));
    }
    let start = match (written.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ if written == "~" => home.unwrap_or(root).to_path_buf(),
        _ => root.join(written),
    };
    let path = start.canonicalize().map_err(|error| PathError::Source {
        path: written.to_owned(),
        reason: error.to_string(),
    })?;
    let shown = match path.strip_prefix(root) {
        Ok(inner) if inner.as_os_str().is_empty() => ".".to_owned(),
        Ok(inner) => inner.to_string_lossy().into_owned(),
        Err(_) => path.to_string_lossy().into_owned(),
    };
    Ok(Source { path, shown })
}

/// `written` with `~` spelled out, for a source that is not there.
#[must_use]
pub(super) fn told(home: Option<&Path>, written: &str) -> String {
    match (written.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest).to_string_lossy().into_owned(),
        _ => written.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: &str, expect: Result<&str, PathError>) {
        assert_eq!(beneath(Path::new("/p/root"), written), expect.map(str::to_owned));
    }

    #[test]
    fn a_path_has_one_form() {
        check("docs/./a//b.md", Ok("docs/a/b.md"));
        check("docs/x/../a.md", Ok("docs/a.md"));
        check("/p/root/docs", Ok("docs"));
        check(".", Ok("."));
        check("docs/..", Ok("."));
    }

    #[test]
    fn a_path_that_leaves_is_refused() {
        for written in ["..", "docs/../../x", "/etc/passwd", "/p/root-evil/x", "/p/root/../x"] {
            check(written, Err(PathError::Leaves(written.to_owned())));
        }
        assert!(matches!(beneath(Path::new("/p"), "a\0b"), Err(PathError::Nul(_))));
    }

    #[test]
    fn a_link_in_a_mount_source_is_followed_before_anyone_decides() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::os::unix::fs::symlink("real", root.join("link")).unwrap();
        let found = source(&root, None, "link").unwrap();
        assert_eq!(found, Source { path: root.join("real"), shown: "real".to_owned() });
        let home = root.join("real");
        assert_eq!(source(Path::new("/usr"), Some(&home), "~").unwrap().path, home);
        assert!(matches!(source(&root, None, "absent"), Err(PathError::Source { .. })));
    }
}
