//! A simulated disk under the real SQLite.
//!
//! `Disk` registers itself as SQLite's default file system for as long as it lives. What was not
//! synced is lost, torn or kept by `crash`, as the seed decides; faults are asked for one by one.
//! It is not a disk for data: it lives in memory and ends with the value.
//! The model is in `content` (one file), `medium` (the disk), `lock` and `shm`; SQLite's C
//! interface to it is in `vfs` and `file`, the only unsafe code of this crate.

mod content;
mod file;
mod lock;
mod medium;
mod shm;
mod vfs;

use crate::draw::Draw;
use medium::Medium;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The name under which SQLite knows the simulated file system.
pub const VFS_NAME: &str = "palisade-disk";

/// Where the virtual clock starts: 2026-01-01T00:00:00Z, in microseconds since the Unix epoch.
pub(crate) const EPOCH_MICROS: i64 = 1_767_225_600_000_000;

/// One disk at a time: SQLite's random numbers, which salt its log, belong to the process.
static TURN: Mutex<()> = Mutex::new(());

/// How much of what was not synced a power loss leaves. Drawn per crash by the simulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    /// Exactly what was synced.
    Nothing,
    /// Each sector with a probability of 50 %.
    Half,
    /// Each sector with a probability of 90 %.
    Most,
    /// All of it, as when only the process dies.
    Everything,
}

impl Survival {
    /// Every kind, for draws and tables.
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Half, Self::Most, Self::Everything];

    const fn percent(self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Half => 50,
            Self::Most => 90,
            Self::Everything => 100,
        }
    }

    const fn keeps(self, draw: &mut Draw) -> bool {
        draw.chance(self.percent())
    }
}

/// Whether a sync does what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Honesty {
    /// A finished sync is durable.
    #[default]
    Honest,
    /// A sync reports success and does nothing: the control that every durability check must see.
    Lying,
}

/// What the disk has done since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Operations that change something; the unit of `Disk::cut_power_after`.
    pub operations: u64,
    /// Writes.
    pub writes: u64,
    /// Syncs, failed ones included.
    pub syncs: u64,
    /// Syncs that `Disk::fail_sync_after` made fail.
    pub failed_syncs: u64,
    /// Crashes.
    pub crashes: u64,
}

/// A disk in memory, decided by its seed. While one lives, making another one waits; making a
/// second one in the same thread never returns.
#[derive(Debug)]
pub struct Disk {
    medium: Arc<Mutex<Medium>>,
    _turn: MutexGuard<'static, ()>,
}

impl Disk {
    /// An empty disk. SQLite's process-wide random generator starts anew from `seed`, so the
    /// same seed and the same calls give the same operations on the disk.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let medium = Arc::new(Mutex::new(Medium::new(seed)));
        vfs::insert(Arc::clone(&medium));
        Self { medium, _turn: turn }
    }

    /// Power loss, then power: unsynced sectors survive by `survival`, faults in waiting are
    /// forgotten (not the limit and not the honesty), and every open handle is dead for good.
    pub fn crash(&self, survival: Survival) {
        self.medium().crash(survival);
    }

    /// The process dies and the machine goes on: what was written stays readable, what was not
    /// synced stays pending, and every open handle is dead for good.
    pub fn restart(&self) {
        self.medium().restart();
    }

    /// Cuts the power when `operations` more changing operations have been done; that one and
    /// all later ones fail until `crash`.
    pub fn cut_power_after(&self, operations: u64) {
        self.medium().faults.cut = Some(operations);
    }

    /// Forgets every fault in waiting and lifts the limit; what went wrong stays wrong.
    pub fn heal(&self) {
        self.medium().faults.heal();
    }

    /// Whether the power is on.
    #[must_use]
    pub fn is_powered(&self) -> bool {
        self.medium().powered()
    }

    /// Fails one sync with an I/O error, after `syncs` more good ones. As on Linux, the data
    /// that should have been written stays readable and is lost at the next crash.
    pub fn fail_sync_after(&self, syncs: u64) {
        self.medium().faults.sync = Some(syncs);
    }

    /// Limits the sum of all files to `bytes`; `None` lifts the limit.
    pub fn limit(&self, bytes: Option<usize>) {
        self.medium().faults.capacity = bytes;
    }

    /// Decides whether syncs are honest from now on.
    pub fn set_honesty(&self, honesty: Honesty) {
        self.medium().faults.honesty = honesty;
    }

    /// Sets the clock that SQLite sees, in microseconds since the Unix epoch.
    pub fn set_time(&self, micros: i64) {
        self.medium().now = micros;
    }

    /// Bytes of all files together.
    #[must_use]
    pub fn used(&self) -> usize {
        self.medium().used()
    }

    /// What was done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.medium().counts
    }

    /// The SHA-256 of every operation so far, in order, with the bytes written.
    #[must_use]
    pub fn trace(&self) -> [u8; 32] {
        self.medium().trace()
    }

    fn medium(&self) -> MutexGuard<'_, Medium> {
        self.medium.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the file `path` of the disk that is inserted in its place again and syncs it: what the
/// journal does to its log on a real disk. A missing or empty file is left alone.
///
/// # Errors
/// When a fault of the disk says so, or no disk is inserted.
pub fn rewrite(path: &Path) -> io::Result<()> {
    let medium = vfs::current().ok_or(io::ErrorKind::NotFound)?;
    let name = path.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
    let result = medium.lock().unwrap_or_else(PoisonError::into_inner).rewrite(name);
    result.map_err(|failure| io::Error::other(format!("simulated failure: {failure:?}")))
}

impl Drop for Disk {
    fn drop(&mut self) {
        vfs::remove();
    }
}
