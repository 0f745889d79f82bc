//! A notice board inside one process: the writer says "something was committed", subscribers wait.
//!
//! It carries no data; what was committed is read from the database. Other processes do not see it.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Counts commits and wakes who waits for the next.
#[derive(Debug, Default)]
pub(crate) struct Notice {
    commits: Mutex<u64>,
    changed: Condvar,
}

impl Notice {
    /// Says that something was committed.
    pub(crate) fn post(&self) {
        *self.commits.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }

    /// The number of commits so far: read it before looking, wait for another afterwards.
    pub(crate) fn seen(&self) -> u64 {
        *self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the number differs from `seen`, at most `patience`.
    pub(crate) fn wait(&self, seen: u64, patience: Duration) {
        let guard = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        // Woken or not, the caller looks again.
        let _ = self.changed.wait_timeout_while(guard, patience, |commits| *commits == seen);
    }
}
