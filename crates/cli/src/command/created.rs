//! Files that a person names for what a command makes: evidence, exports, artifacts. They are made anew, readable by
//! their owner alone, and nothing is ever overwritten.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::exit::Exit;
use crate::failure::Failure;

/// An empty new file.
///
/// # Errors
/// When something is there already, or nothing can be made there.
pub(super) fn create(path: &Path) -> Result<File, Failure> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => unwritten(path, &error),
    })
}

/// A new file with this in it, durable. What could not be written whole is taken away again.
///
/// # Errors
/// As [`create`].
pub(super) fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let mut file = create(path)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(|error| {
        drop(std::fs::remove_file(path));
        unwritten(path, &error)
    })
}

/// Refuses a place where something is, before the work that is to be written there.
///
/// # Errors
/// When something is there already.
pub(super) fn vacant(path: &Path) -> Result<(), Failure> {
    if path.symlink_metadata().is_ok() { Err(exists(path)) } else { Ok(()) }
}

fn exists(path: &Path) -> Failure {
    Failure::new(Exit::Conflict, format!("`{}` exists", path.display()))
        .because("nothing is overwritten")
        .fix("name a file that does not exist")
}

/// A file that cannot be written.
pub(super) fn unwritten(path: &Path, error: &Error) -> Failure {
    Failure::new(Exit::Failure, format!("`{}` cannot be written", path.display()))
        .because(error.to_string())
        .fix("name a file in a folder that can be written and has room")
}
