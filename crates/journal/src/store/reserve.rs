//! Room kept for a full disk: a file beside the database that is given up when a commit, or a payload kept outside
//! of the database, finds no room.
//!
//! What it makes room for is the outcomes of calls that run already; whoever accepts new ones looks at
//! [`Stats::reserve_spent`](super::Stats::reserve_spent) and refuses them until there is room again.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::plain;

/// Bytes of the reserve: some hundreds of outcomes at their largest.
const RESERVE_BYTES: u64 = 4 * 1024 * 1024;

/// The file, or that there is none any more. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Reserve(Arc<Mutex<Held>>);

#[derive(Debug)]
struct Held {
    path: PathBuf,
    held: bool,
}

impl Reserve {
    /// Takes the room, or has none when the disk is already full.
    pub(super) fn take(path: PathBuf) -> Self {
        let reserve = Self(Arc::new(Mutex::new(Held { path, held: false })));
        reserve.renew();
        reserve
    }

    /// Takes the room again where it was given up and there is some by now; not while somebody uses it.
    pub(super) fn renew(&self) {
        let Ok(mut reserve) = self.0.try_lock() else { return };
        if reserve.held {
            return;
        }
        reserve.held = fill(&reserve.path).is_ok();
        if !reserve.held {
            drop(std::fs::remove_file(&reserve.path));
        }
    }

    /// Gives the room up; whether there was any.
    pub(super) fn spend(&self) -> bool {
        self.lock().give_up()
    }

    /// Does what needs room once the reserve is given up, by this or an earlier call; it is not taken again meanwhile.
    pub(crate) fn spend_for<T>(&self, act: impl FnOnce() -> T) -> T {
        let mut reserve = self.lock();
        reserve.give_up();
        act()
    }

    /// Whether the room was given up, or could not be taken.
    pub(crate) fn is_spent(&self) -> bool {
        !self.lock().held
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn give_up(&mut self) -> bool {
        let had = std::mem::take(&mut self.held);
        had && std::fs::remove_file(&self.path).is_ok()
    }
}

fn fill(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let file = plain::open(options.write(true).create(true).truncate(false).mode(0o600), path)?;
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
