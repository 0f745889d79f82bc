//! Opening paths beneath the project root, and only there.
//!
//! The kernel resolves the path (`openat2` with `RESOLVE_BENEATH`, no symbolic or magic links), so there is no
//! window between a check and a use. Nothing here decides whether a caller may read.

use std::fs::File;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// Why a path could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing is there.
    #[error("`{0}` does not exist")]
    Missing(String),
    /// A link on the way, or a way out of the root.
    #[error("`{0}` is reached through a link or leaves the project root")]
    Escapes(String),
    /// Anything else the system said.
    #[error("`{path}` cannot be opened: {reason}")]
    System {
        /// Relative path.
        path: String,
        /// What the system said.
        reason: String,
    },
}

/// Opens `path` (relative to `root`) for reading.
///
/// # Errors
/// See [`OpenError`]; a FIFO or device does not block, because the file is opened non-blocking.
pub(super) fn open(root: &Path, path: &str) -> Result<File, OpenError> {
    let system =
        |error: Errno| OpenError::System { path: path.to_owned(), reason: error.to_string() };
    let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, root, folder, Mode::empty()).map_err(system)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(&root, path, flags, Mode::empty(), resolve) {
        Ok(descriptor) => Ok(File::from(descriptor)),
        Err(Errno::NOENT | Errno::NOTDIR) => Err(OpenError::Missing(path.to_owned())),
        Err(Errno::XDEV | Errno::LOOP) => Err(OpenError::Escapes(path.to_owned())),
        Err(error) => Err(system(error)),
    }
}
