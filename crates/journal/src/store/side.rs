//! The checkpoint file beside the database: how long each log was when it was last written, and the
//! tree over it as far as it has been signed.
//!
//! It is replaced as a whole. Without signatures it is not flushed, because it may only ever lag behind
//! what is durable; before a checkpoint is signed it is, so that no two inconsistent ones ever are.
//! An empty or missing file says nothing; a damaged one or a journal shorter than it stops the start.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::checkpoint::{Checkpoint, Kept};
use crate::error::OpenError;
use crate::place::beside;
use crate::plain;
use crate::record::LogId;
use crate::tlog::Frontier;

/// Largest checkpoint file read, in bytes (some 200 bytes per log, 3 KiB with its tree).
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The trees over the logs, as far as they have been built.
pub(crate) type Trees = BTreeMap<LogId, Frontier>;

/// Replaces the file at `path`.
pub(crate) fn write_checkpoints(
    path: &Path,
    checkpoints: Vec<Checkpoint>,
    trees: &Trees,
) -> io::Result<()> {
    replace(path, checkpoints, trees, |_| Ok(()))
}

/// Replaces the file at `path` and flushes it and its folder: what is signed after this is on record.
pub(crate) fn write_checkpoints_durably(
    path: &Path,
    checkpoints: Vec<Checkpoint>,
    trees: &Trees,
) -> io::Result<()> {
    replace(path, checkpoints, trees, File::sync_all)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

fn replace(
    path: &Path,
    checkpoints: Vec<Checkpoint>,
    trees: &Trees,
    flush: fn(&File) -> io::Result<()>,
) -> io::Result<()> {
    let with_tree = |checkpoint: Checkpoint| {
        let tree = trees.get(&checkpoint.log).cloned().unwrap_or_default();
        Kept { checkpoint, tree }
    };
    let entries: Vec<Kept> = checkpoints.into_iter().map(with_tree).collect();
    let temporary = beside(path, ".new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = plain::open(&mut options, &temporary)?;
    file.write_all(Kept::write_all(&entries).as_bytes())?;
    flush(&file)?;
    fs::rename(&temporary, path)
}

/// Reads the checkpoints of the file at `path`; a missing or empty one holds none.
pub(crate) fn read_checkpoints(path: &Path) -> Result<Vec<Checkpoint>, OpenError> {
    Ok(read_kept(path)?.into_iter().map(|kept| kept.checkpoint).collect())
}

/// Reads the whole file at `path`; a missing or empty one holds nothing.
pub(crate) fn read_kept(path: &Path) -> Result<Vec<Kept>, OpenError> {
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
    Kept::parse_all(&text).map_err(|source| OpenError::Checkpoint { path: path.to_owned(), source })
}
