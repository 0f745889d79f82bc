//! The checkpoint file beside the database: how long each log was when it was last written.
//!
//! It is replaced as a whole and not flushed, because it may only ever lag behind what is durable.
//! An empty or missing file says nothing; a damaged one or a journal shorter than it stops the start.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::checkpoint::Checkpoint;
use crate::error::OpenError;
use crate::place::beside;

/// Largest checkpoint file read, in bytes (some 200 bytes per log).
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Replaces the file at `path`.
pub(crate) fn write_checkpoints(path: &Path, checkpoints: &[Checkpoint]) -> io::Result<()> {
    let temporary = beside(path, ".new");
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(Checkpoint::write_all(checkpoints).as_bytes())?;
    fs::rename(&temporary, path)
}

/// Reads the file at `path`; a missing or empty one holds no checkpoints.
pub(crate) fn read_checkpoints(path: &Path) -> Result<Vec<Checkpoint>, OpenError> {
    let io_error = |source| OpenError::Io { path: path.to_owned(), source };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error(error)),
        Ok(found) if found.len() > FILE_BYTES_MAX => {
            return Err(io_error(io::Error::from(io::ErrorKind::FileTooLarge)));
        }
        Ok(_) => {}
    }
    let text = fs::read_to_string(path).map_err(io_error)?;
    Checkpoint::parse_all(&text)
        .map_err(|source| OpenError::Checkpoint { path: path.to_owned(), source })
}
