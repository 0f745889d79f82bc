//! The housekeeper: background checkpoints of the write-ahead log, the checkpoint file, and signing.
//!
//! All are slow and none may delay a commit or another, so there are two threads with connections of their
//! own: one for the write-ahead log, one for checkpoints, which are in `signing`. Orders coalesce: only the
//! newest state matters. A failed flush of the write-ahead log stops the journal like any other; what could
//! not be signed is told, and tried once more when the journal is closed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use super::signing::Room;
use crate::checkpoint::Checkpoint;
use crate::error::OpenError;
use crate::place::Placement;
use crate::store::{Store, Trees, WAL_PAGES_SOFT, WalKeeper};
use crate::tlog::Signer;

/// Records between two writes of the checkpoint file, and after which a signature is due.
const CHECKPOINT_RECORDS: u64 = 1000;

/// How the journal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Everything acknowledged is durable: the last checkpoints are signed.
    Orderly,
    /// Something failed, or nobody said: nothing more is signed.
    Abrupt,
}

/// Told whether everything is signed, else why not.
pub(super) type Asked = SyncSender<Result<(), String>>;

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Orders {
    pub(super) checkpoints: Option<Vec<Checkpoint>>,
    /// When the oldest record that is not signed was committed, as far as the signing thread has noticed.
    pub(super) unsigned_since: Option<Instant>,
    /// Who wants all of it signed now, and waits for what came of it.
    pub(super) asked: Vec<Asked>,
    wal: bool,
    pub(super) stop: Option<Ending>,
}

/// What the writer and the two threads see of each other.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) orders: Mutex<Orders>,
    pub(super) bell: Condvar,
    failed: AtomicBool,
    /// Whether the signing thread knows that there are records it has not signed.
    pub(super) told: AtomicBool,
    pub(super) unsigned: Mutex<Option<String>>,
}

/// The writer's side: decides when there is work.
#[derive(Debug)]
pub(super) struct Housekeeper {
    desk: Arc<Desk>,
    wal: Option<JoinHandle<()>>,
    signing: Option<JoinHandle<Option<Trees>>>,
    signs: bool,
    records_seen: u64,
    pages_seen: u32,
}

impl Housekeeper {
    /// Starts the threads; a simulated disk has none, and its driver runs checkpoints itself.
    pub(super) fn start(
        store: &Store,
        placement: &Placement,
        signer: Option<Signer>,
    ) -> Result<Self, OpenError> {
        let desk = Arc::new(Desk::default());
        let signs = signer.is_some();
        let mut started =
            Self { desk, wal: None, signing: None, signs, records_seen: 0, pages_seen: 0 };
        let Some(file) = placement.checkpoint_path(store.path()) else { return Ok(started) };
        let failed = |source| OpenError::Io { path: store.path().to_owned(), source };
        let mut keeper = WalKeeper::open(store.path(), placement)?;
        let desk = Arc::clone(&started.desk);
        let work = move || while keep_wal(&desk, &mut keeper) {};
        let spawned = Builder::new().name("journal-housekeeper".to_owned()).spawn(work);
        started.wal = Some(spawned.map_err(failed)?);
        let room = Room::new(Arc::clone(&started.desk), file, signer);
        let spawned = Builder::new().name("journal-signer".to_owned()).spawn(|| room.work());
        started.signing = Some(spawned.map_err(failed)?);
        Ok(started)
    }

    /// Whether a background flush failed, after which nothing more may be written.
    pub(super) fn has_failed(&self) -> bool {
        self.desk.failed.load(Ordering::Acquire)
    }

    /// Orders what a commit has made due.
    pub(super) fn after_commit(&mut self, store: &Store) {
        let stats = store.stats();
        let checkpoints = (stats.records >= self.records_seen + CHECKPOINT_RECORDS).then(|| {
            self.records_seen = stats.records;
            store.checkpoints()
        });
        // The log starts over by itself after a complete checkpoint.
        self.pages_seen = self.pages_seen.min(stats.wal_pages);
        let wal = stats.wal_pages >= self.pages_seen + WAL_PAGES_SOFT;
        if wal {
            self.pages_seen = stats.wal_pages;
        }
        let first = self.signs && !self.desk.told.swap(true, Ordering::AcqRel);
        if wal || first || checkpoints.is_some() {
            self.order(|orders| {
                orders.wal |= wal;
                orders.checkpoints = checkpoints.or(orders.checkpoints.take());
                if first {
                    orders.unsigned_since = Some(Instant::now());
                }
            });
        }
    }

    /// Has everything that is committed signed at once, the log of logs too.
    pub(super) fn sign(&self, asked: Asked) {
        // Where nobody signs, whoever asked is let go of.
        if self.signing.is_some() {
            self.order(|orders| orders.asked.push(asked));
        }
    }

    /// Ends the threads and waits for them; what is given back are the trees that were grown.
    pub(super) fn stop(&mut self, ending: Ending) -> Option<Trees> {
        self.order(|orders| orders.stop = Some(ending));
        // A panic there has been reported by the panic hook and leaves nothing half done here.
        let _ = self.wal.take().map(JoinHandle::join);
        self.signing.take()?.join().ok()?
    }

    /// Why the newest records are not signed, when that was tried and failed.
    pub(super) fn unsigned(&self) -> Option<String> {
        self.desk.unsigned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.desk.orders.lock().unwrap_or_else(PoisonError::into_inner));
        self.desk.bell.notify_all();
    }
}

impl Drop for Housekeeper {
    fn drop(&mut self) {
        self.stop(Ending::Abrupt);
    }
}

/// Waits until the write-ahead log is to be checkpointed and does it; `false` when told to stop.
fn keep_wal(desk: &Desk, keeper: &mut WalKeeper) -> bool {
    let mut orders = desk.orders.lock().unwrap_or_else(PoisonError::into_inner);
    while orders.stop.is_none() && !orders.wal {
        orders = desk.bell.wait(orders).unwrap_or_else(PoisonError::into_inner);
    }
    if orders.stop.is_some() {
        return false;
    }
    orders.wal = false;
    drop(orders);
    if keeper.checkpoint().is_err() {
        desk.failed.store(true, Ordering::Release);
    }
    true
}
