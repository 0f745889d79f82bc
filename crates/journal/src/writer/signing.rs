//! The thread that writes and signs checkpoints: when it is due, and what came of it.
//!
//! Growing a tree reads records and a signature is flushed several times, so nothing else waits for it. How
//! checkpoints are signed is in `tlog`.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::housekeeper::{Desk, Ending, Orders};
use crate::store::{Trees, write_checkpoints};
use crate::tlog::Signer;

/// Longest time a record stays unsigned, when fewer than 1 000 came.
const SIGN_AFTER: Duration = Duration::from_secs(1);

/// Shortest time between two signatures, so that their flushes leave the disk to the writer.
const SIGN_INTERVAL: Duration = Duration::from_millis(100);

/// The same after one that failed.
const SIGN_AGAIN: Duration = Duration::from_secs(60);

/// Time between two entries of the same log in the log of logs, while it grows.
const LOGS_INTERVAL: Duration = Duration::from_hours(1);

/// The signer, and when it signed.
struct Signing {
    signer: Signer,
    signed: Option<Instant>,
    entered: Option<Instant>,
    /// What failed a moment ago would most likely fail again, each time after reading much.
    failed: bool,
}

impl Signing {
    /// Signs the logs, and their log when that is due or `all` of it is wanted.
    fn sign(&mut self, all: bool) -> Result<(), String> {
        self.signed = Some(Instant::now());
        self.signer.sign().map_err(|error| error.to_string())?;
        let recent = self.entered.is_some_and(|entered| entered.elapsed() < LOGS_INTERVAL);
        if !recent || all {
            self.entered = Some(Instant::now());
            self.signer.sign_logs().map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// How long until the orders ask for a signature; `None` when they do not.
    fn due(&self, orders: &Orders) -> Option<Duration> {
        if !orders.asked.is_empty() {
            return Some(Duration::ZERO);
        }
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
pub(super) struct Room {
    desk: Arc<Desk>,
    file: PathBuf,
    signing: Option<Signing>,
}

impl Room {
    /// With a signer, or for the checkpoint file alone.
    pub(super) fn new(desk: Arc<Desk>, file: PathBuf, signer: Option<Signer>) -> Self {
        let fresh = |signer| Signing { signer, signed: None, entered: None, failed: false };
        Self { desk, file, signing: signer.map(fresh) }
    }

    /// Works until told to stop; the trees that were grown.
    pub(super) fn work(mut self) -> Option<Trees> {
        while self.work_once() {}
        self.signing.map(|signing| signing.signer.into_trees())
    }

    /// Waits for orders and carries them out; `false` when it was told to stop.
    fn work_once(&mut self) -> bool {
        let (due, checkpoints, ending, asked) = {
            let mut orders = self.wait();
            let due = self.is_due(&orders);
            let checkpoints = if due { orders.checkpoints.take() } else { None };
            if due {
                orders.unsigned_since = None;
            }
            (due, checkpoints, orders.stop, std::mem::take(&mut orders.asked))
        };
        match (&mut self.signing, checkpoints, ending) {
            (_, _, Some(Ending::Abrupt)) | (None, None, _) => {}
            (None, Some(checkpoints), _) => {
                // A second line of defence: failing to write it loses nothing, and the next order
                // tries again.
                let _ = write_checkpoints(&self.file, checkpoints, &Trees::new());
            }
            (Some(signing), _, ending) if due || ending.is_some() => {
                // Records committed from here on are news.
                self.desk.told.store(false, Ordering::Release);
                let signed = signing.sign(ending.is_some() || !asked.is_empty());
                // Whoever asked may have gone.
                asked.iter().for_each(|asked| drop(asked.try_send(signed.clone())));
                let failed = signed.err();
                signing.failed = failed.is_some();
                *self.desk.unsigned.lock().unwrap_or_else(PoisonError::into_inner) = failed;
            }
            (Some(_), _, _) => {}
        }
        ending.is_none()
    }

    fn is_due(&self, orders: &Orders) -> bool {
        match &self.signing {
            None => orders.checkpoints.is_some() || !orders.asked.is_empty(),
            Some(signing) => signing.due(orders) == Some(Duration::ZERO),
        }
    }

    /// Waits until there is something to do.
    fn wait(&self) -> MutexGuard<'_, Orders> {
        let bell = &self.desk.bell;
        let mut orders = self.desk.orders.lock().unwrap_or_else(PoisonError::into_inner);
        while orders.stop.is_none() && !self.is_due(&orders) {
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
