//! The housekeeper: background checkpoints of the write-ahead log, the checkpoint file, and signing.
//!
//! All are slow and none may delay a commit, so they have their own thread and connections. Orders
//! coalesce: only the newest state matters. A failed flush of the write-ahead log stops the journal like
//! any other; what could not be signed is told, and tried once more when the journal is closed.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::checkpoint::Checkpoint;
use crate::error::OpenError;
use crate::place::Placement;
use crate::store::{Store, Trees, WAL_PAGES_SOFT, WalKeeper, write_checkpoints};
use crate::tlog::Signer;

/// Records between two writes of the checkpoint file, and after which a signature is due.
const CHECKPOINT_RECORDS: u64 = 1000;

/// Longest time a record stays unsigned, when fewer than [`CHECKPOINT_RECORDS`] came.
const SIGN_AFTER: Duration = Duration::from_secs(1);

/// Shortest time between two signatures, so that their flushes leave the disk to the writer.
const SIGN_INTERVAL: Duration = Duration::from_millis(100);

/// The same after one that failed.
const SIGN_AGAIN: Duration = Duration::from_secs(60);

/// Time between two entries of the same log in the log of logs, while it grows.
const LOGS_INTERVAL: Duration = Duration::from_hours(1);

/// How the journal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Everything acknowledged is durable: the last checkpoints are signed.
    Orderly,
    /// Something failed, or nobody said: nothing more is signed.
    Abrupt,
}

#[derive(Debug, Default)]
struct Orders {
    checkpoints: Option<Vec<Checkpoint>>,
    /// When the oldest record that is not signed was committed, as far as this thread has noticed.
    unsigned_since: Option<Instant>,
    wal: bool,
    stop: Option<Ending>,
}

#[derive(Debug, Default)]
struct Desk {
    orders: Mutex<Orders>,
    bell: Condvar,
    failed: AtomicBool,
    /// Whether the thread knows that there are records it has not signed.
    told: AtomicBool,
    unsigned: Mutex<Option<String>>,
}

/// The writer's side: decides when there is work.
#[derive(Debug)]
pub(super) struct Housekeeper {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<Option<Trees>>>,
    signs: bool,
    records_seen: u64,
    pages_seen: u32,
}

impl Housekeeper {
    /// Starts the thread; a simulated disk has none, and its driver runs checkpoints itself.
    pub(super) fn start(
        store: &Store,
        placement: &Placement,
        signer: Option<Signer>,
    ) -> Result<Self, OpenError> {
        let desk = Arc::new(Desk::default());
        let signs = signer.is_some();
        let thread = match placement.checkpoint_path(store.path()) {
            None => None,
            Some(file) => {
                let keeper = WalKeeper::open(store.path(), placement)?;
                let signing = signer.map(|signer| Signing {
                    signer,
                    signed: None,
                    entered: None,
                    failed: false,
                });
                let mut room = Room { desk: Arc::clone(&desk), keeper, file, signing };
                let work = move || {
                    while room.work_once() {}
                    room.signing.map(|signing| signing.signer.into_trees())
                };
                let spawned = Builder::new().name("journal-housekeeper".to_owned()).spawn(work);
                let path = store.path().to_owned();
                Some(spawned.map_err(|source| OpenError::Io { path, source })?)
            }
        };
        Ok(Self { desk, thread, signs, records_seen: 0, pages_seen: 0 })
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

    /// Ends the thread and waits for it; what it gives back are the trees it has grown.
    pub(super) fn stop(&mut self, ending: Ending) -> Option<Trees> {
        self.order(|orders| orders.stop = Some(ending));
        // A panic there has been reported by the panic hook and leaves nothing half done here.
        self.thread.take()?.join().ok()?
    }

    /// Why the newest records are not signed, when that was tried and failed.
    pub(super) fn unsigned(&self) -> Option<String> {
        self.desk.unsigned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.desk.orders.lock().unwrap_or_else(PoisonError::into_inner));
        self.desk.bell.notify_one();
    }
}

impl Drop for Housekeeper {
    fn drop(&mut self) {
        self.stop(Ending::Abrupt);
    }
}

/// The signer, and when it signed.
struct Signing {
    signer: Signer,
    signed: Option<Instant>,
    entered: Option<Instant>,
    /// What failed a moment ago would most likely fail again, each time after reading much.
    failed: bool,
}

impl Signing {
    /// Signs the logs, and their log when that is due or the journal ends.
    fn sign(&mut self, ending: Option<Ending>) -> Result<(), String> {
        self.signed = Some(Instant::now());
        self.signer.sign().map_err(|error| error.to_string())?;
        let recent = self.entered.is_some_and(|entered| entered.elapsed() < LOGS_INTERVAL);
        if !recent || ending.is_some() {
            self.entered = Some(Instant::now());
            self.signer.sign_logs().map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// How long until the orders ask for a signature; `None` when they do not.
    fn due(&self, orders: &Orders) -> Option<Duration> {
        let waited = |since: Instant, long: Duration| long.saturating_sub(since.elapsed());
        let wanted = match (&orders.checkpoints, orders.unsigned_since) {
            (Some(_), _) => Duration::ZERO,
            (None, Some(since)) => waited(since, SIGN_AFTER),
            (None, None) => return None,
        };
        let interval = if self.failed { SIGN_AGAIN } else { SIGN_INTERVAL };
        let rest = self.signed.map_or(Duration::ZERO, |signed| waited(signed, interval));
        Some(wanted.max(rest))
    }
}

/// The thread's side.
struct Room {
    desk: Arc<Desk>,
    keeper: WalKeeper,
    file: PathBuf,
    signing: Option<Signing>,
}

impl Room {
    /// Waits for orders and carries them out; `false` when it was told to stop.
    fn work_once(&mut self) -> bool {
        let (wal, checkpoints, ending) = {
            let mut orders = self.wait();
            let sign_now = self.is_due(&orders);
            let checkpoints = if sign_now { orders.checkpoints.take() } else { None };
            if sign_now {
                orders.unsigned_since = None;
            }
            (std::mem::take(&mut orders.wal), (sign_now, checkpoints), orders.stop)
        };
        match (&mut self.signing, checkpoints, ending) {
            (_, _, Some(Ending::Abrupt)) | (None, (_, None), _) => {}
            (None, (_, Some(checkpoints)), _) => {
                // A second line of defence: failing to write it loses nothing, and the next order
                // tries again.
                let _ = write_checkpoints(&self.file, checkpoints, &Trees::new());
            }
            (Some(signing), (due, _), ending) if due || ending.is_some() => {
                // Records committed from here on are news.
                self.desk.told.store(false, Ordering::Release);
                let failed = signing.sign(ending).err();
                signing.failed = failed.is_some();
                *self.desk.unsigned.lock().unwrap_or_else(PoisonError::into_inner) = failed;
            }
            (Some(_), _, _) => {}
        }
        if ending.is_some() {
            return false;
        }
        if wal && self.keeper.checkpoint().is_err() {
            self.desk.failed.store(true, Ordering::Release);
        }
        true
    }

    fn is_due(&self, orders: &Orders) -> bool {
        match &self.signing {
            None => orders.checkpoints.is_some(),
            Some(signing) => signing.due(orders) == Some(Duration::ZERO),
        }
    }

    /// Waits until there is something to do.
    fn wait(&self) -> MutexGuard<'_, Orders> {
        let bell = &self.desk.bell;
        let mut orders = self.desk.orders.lock().unwrap_or_else(PoisonError::into_inner);
        while orders.stop.is_none() && !orders.wal && !self.is_due(&orders) {
            let due = self.signing.as_ref().and_then(|signing| signing.due(&orders));
            orders = match due {
                None => bell.wait(orders).unwrap_or_else(PoisonError::into_inner),
                Some(rest) => {
                    bell.wait_timeout(orders, rest).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        orders
    }
}
