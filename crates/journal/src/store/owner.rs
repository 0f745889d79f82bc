//! The owner lock: one process writes a database at a time.
//!
//! An exclusive `flock` on a file beside the database that holds the owner's process id. The kernel
//! releases it when the last copy of the descriptor is gone, so a crash leaves nothing to clean up;
//! the file itself stays. It never touches the database file, whose own locks are SQLite's.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::error::OpenError;
use crate::place::beside;
use crate::plain;

/// Bytes read of a lock file; a process id is shorter.
const PID_BYTES_MAX: u64 = 32;

/// Ownership of a database; released on drop.
#[derive(Debug)]
pub(super) struct OwnerLock {
    _file: File,
}

impl OwnerLock {
    /// Takes the lock of `database` or says who holds it, without waiting.
    pub(super) fn take(database: &Path) -> Result<Self, OpenError> {
        let path = beside(database, ".lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = plain::open(&mut options, &path)
            .map_err(|source| OpenError::Unwritable { path: path.clone(), source: Some(source) })?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(OpenError::Busy { pid: holder(&file) });
            }
            Err(errno) => return Err(OpenError::Io { path, source: errno.into() }),
        }
        // The id is a courtesy to whoever finds the database busy; the lock holds without it.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

fn holder(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
