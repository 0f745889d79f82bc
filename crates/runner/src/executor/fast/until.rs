//! Until when a read-only call goes on: its deadline, and word from elsewhere that it is to stop.
//!
//! A call asks between two pieces of work, each of which has a bound; nothing interrupts one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::FastError;

/// How many lines or entries are looked at between two questions.
const PIECE: usize = 1024;

/// Until when one call goes on.
#[derive(Debug, Default)]
pub struct Until {
    deadline: Option<Instant>,
    stopped: Arc<AtomicBool>,
}

/// What stops a call from another thread.
#[derive(Debug, Clone)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// The call ends soon, as cancelled.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Until {
    /// Until that moment; without one until it is stopped.
    #[must_use]
    pub fn new(deadline: Option<Instant>) -> Self {
        Self { deadline, ..Self::default() }
    }

    /// What stops it.
    #[must_use]
    pub fn stop(&self) -> Stop {
        Stop(Arc::clone(&self.stopped))
    }

    /// Whether it may go on.
    ///
    /// # Errors
    /// [`FastError::Cancelled`] and [`FastError::TimedOut`]: then it must not.
    pub(super) fn check(&self) -> Result<(), FastError> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(FastError::Cancelled);
        }
        match self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            true => Err(FastError::TimedOut),
            false => Ok(()),
        }
    }

    /// As [`Until::check`], for one of many small things: asks at the first of every 1024.
    pub(super) fn check_at(&self, place: usize) -> Result<(), FastError> {
        if place.is_multiple_of(PIECE) { self.check() } else { Ok(()) }
    }
}
