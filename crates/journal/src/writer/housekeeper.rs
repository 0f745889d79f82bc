//! The housekeeper: background checkpoints of the write-ahead log, and the checkpoint file.
//!
//! Both are slow and neither may delay a commit, so they have their own thread and connection. Orders
//! coalesce: only the newest state matters. A failed flush here stops the journal like any other.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use crate::checkpoint::Checkpoint;
use crate::error::OpenError;
use crate::place::Placement;
use crate::store::{Store, WAL_PAGES_SOFT, WalKeeper, write_checkpoints};

/// Records between two writes of the checkpoint file.
const CHECKPOINT_RECORDS: u64 = 1000;

#[derive(Debug, Default)]
struct Orders {
    checkpoints: Option<Vec<Checkpoint>>,
    wal: bool,
    stop: bool,
}

#[derive(Debug, Default)]
struct Desk {
    orders: Mutex<Orders>,
    bell: Condvar,
    failed: AtomicBool,
}

/// The writer's side: decides when there is work.
#[derive(Debug)]
pub(super) struct Housekeeper {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
    records_seen: u64,
    pages_seen: u32,
}

impl Housekeeper {
    /// Starts the thread; a simulated disk has none, and its driver runs checkpoints itself.
    pub(super) fn start(store: &Store, placement: &Placement) -> Result<Self, OpenError> {
        let desk = Arc::new(Desk::default());
        let thread = match placement.checkpoint_path(store.path()) {
            None => None,
            Some(file) => {
                let keeper = WalKeeper::open(store.path(), placement)?;
                let desk = Arc::clone(&desk);
                let work = move || while work_once(&desk, &keeper, &file) {};
                let spawned = Builder::new().name("journal-housekeeper".to_owned()).spawn(work);
                let path = store.path().to_owned();
                Some(spawned.map_err(|source| OpenError::Io { path, source })?)
            }
        };
        Ok(Self { desk, thread, records_seen: 0, pages_seen: 0 })
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
        if wal || checkpoints.is_some() {
            self.order(|orders| {
                orders.wal |= wal;
                orders.checkpoints = checkpoints.or(orders.checkpoints.take());
            });
        }
    }

    /// Ends the thread and waits for it.
    pub(super) fn stop(&mut self) {
        self.order(|orders| orders.stop = true);
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook and leaves nothing half done here.
            let _ = thread.join();
        }
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.desk.orders.lock().unwrap_or_else(PoisonError::into_inner));
        self.desk.bell.notify_one();
    }
}

impl Drop for Housekeeper {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits for orders and carries them out; `false` when it was told to stop.
fn work_once(desk: &Desk, keeper: &WalKeeper, file: &Path) -> bool {
    let mut orders = desk.orders.lock().unwrap_or_else(PoisonError::into_inner);
    while !orders.stop && !orders.wal && orders.checkpoints.is_none() {
        orders = desk.bell.wait(orders).unwrap_or_else(PoisonError::into_inner);
    }
    if orders.stop {
        return false;
    }
    let now = std::mem::take(&mut *orders);
    drop(orders);
    if let Some(checkpoints) = now.checkpoints {
        // A second line of defence: failing to write it loses nothing, and the next order tries again.
        let _ = write_checkpoints(file, &checkpoints);
    }
    if now.wal && keeper.checkpoint().is_err() {
        desk.failed.store(true, Ordering::Release);
    }
    true
}
