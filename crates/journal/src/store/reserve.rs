//! Room kept for a full disk: a file beside the database that is given up when a commit finds no room.
//!
//! What it makes room for is the outcomes of calls that run already; whoever accepts new ones looks at
//! [`Stats::reserve_spent`](super::Stats::reserve_spent) and refuses them until there is room again.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// Bytes of the reserve: some hundreds of outcomes at their largest.
const RESERVE_BYTES: u64 = 4 * 1024 * 1024;

/// The file, or that there is none any more.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    held: bool,
}

impl Reserve {
    /// Takes the room, or has none when the disk is already full.
    pub(super) fn take(path: PathBuf) -> Self {
        let mut reserve = Self { path, held: false };
        reserve.renew();
        reserve
    }

    /// Takes the room again where it was given up and there is some by now.
    pub(super) fn renew(&mut self) {
        if self.held {
            return;
        }
        self.held = fill(&self.path).is_ok();
        if !self.held {
            drop(std::fs::remove_file(&self.path));
        }
    }

    /// Gives the room up; whether there was any.
    pub(super) fn spend(&mut self) -> bool {
        let had = std::mem::take(&mut self.held);
        had && std::fs::remove_file(&self.path).is_ok()
    }

    /// Whether the room was given up, or could not be taken.
    pub(super) const fn is_spent(&self) -> bool {
        !self.held
    }
}

fn fill(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES) {
        // A file system that cannot promise room is made to give it.
        Err(Errno::OPNOTSUPP) => write(file),
        other => Ok(other?),
    }
}

fn write(mut file: File) -> io::Result<()> {
    static CHUNK: [u8; 64 * 1024] = [0; 64 * 1024];
    let chunks = RESERVE_BYTES / 65_536;
    (0..chunks).try_for_each(|_| file.write_all(&CHUNK))?;
    file.sync_all()
}
