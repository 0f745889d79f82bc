//! Opening paths beneath the project root, and only there.
//!
//! The kernel resolves the path (`openat2` with `RESOLVE_BENEATH`, no symbolic or magic links), so there is no
//! window between a check and a use. A state folder is opened under no name. Nothing else here decides whether a caller
//! may read.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, statat};
use rustix::io::Errno;

use crate::layout::{STATE_FILES, STATE_FOLDER};

/// How every path is resolved.
const RESOLVE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
/// A folder that is only looked at.
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Why a path could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing is there.
    #[error("`{0}` does not exist")]
    Missing(String),
    /// A link on the way, or a way out of the root.
    #[error("`{0}` is reached through a link or leaves the project root")]
    Escapes(String),
    /// It leads into a state folder, of this project or another one.
    #[error("`{0}` leads into a state folder, which palisade alone reads")]
    State(String),
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
    let system = |error| of_system(path, error);
    let root = rustix::fs::openat(CWD, root, FOLDER, Mode::empty()).map_err(system)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    match rustix::fs::openat2(&root, path, flags, Mode::empty(), RESOLVE) {
        Ok(descriptor) => Ok(File::from(descriptor)),
        Err(Errno::NOENT | Errno::NOTDIR) => Err(OpenError::Missing(path.to_owned())),
        Err(Errno::XDEV | Errno::LOOP) => Err(OpenError::Escapes(path.to_owned())),
        Err(error) => Err(system(error)),
    }
}

/// That no folder on the way to `path`, and not `path` itself, is a state folder, whatever it is called.
///
/// # Errors
/// [`OpenError::State`]; or what the system says of a folder that cannot be looked at. What is not there passes.
pub(super) fn no_state(root: &Path, path: &str) -> Result<(), OpenError> {
    let system = |error| of_system(path, error);
    let mut folder = rustix::fs::openat(CWD, root, FOLDER, Mode::empty()).map_err(system)?;
    for part in Path::new(path).components().filter(|part| *part != Component::CurDir) {
        let name = part.as_os_str();
        folder = match rustix::fs::openat2(&folder, name, FOLDER, Mode::empty(), RESOLVE) {
            Ok(inner) => inner,
            // Opening it will say the same; a file is what its folder is.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::XDEV | Errno::LOOP) => return Ok(()),
            Err(error) => return Err(system(error)),
        };
        if name.eq_ignore_ascii_case(STATE_FOLDER) || holds_state(&folder) {
            return Err(OpenError::State(path.to_owned()));
        }
    }
    Ok(())
}

/// Whether a folder has what only state folders have. What cannot be told counts as had.
fn holds_state(folder: &OwnedFd) -> bool {
    STATE_FILES.iter().any(|name| {
        let found = statat(folder.as_fd(), *name, AtFlags::SYMLINK_NOFOLLOW);
        !matches!(found, Err(Errno::NOENT))
    })
}

fn of_system(path: &str, error: Errno) -> OpenError {
    OpenError::System { path: path.to_owned(), reason: error.to_string() }
}
