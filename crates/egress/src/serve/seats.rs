//! How many connections are served at once; whoever is beyond waits in the kernel's queue.
//!
//! It accepts nothing itself.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The places of one proxy.
#[derive(Debug)]
pub(crate) struct Seats {
    state: Mutex<State>,
    changed: Condvar,
    most: u32,
}

#[derive(Debug, Default)]
struct State {
    taken: u32,
    closed: bool,
}

/// One place taken, free again when dropped.
#[derive(Debug)]
pub(crate) struct Seat(Arc<Seats>);

impl Seats {
    pub(crate) fn new(most: u32) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), changed: Condvar::new(), most: most.max(1) })
    }

    /// Waits for a place; `None` once the seats are closed.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Seat> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |state: &mut State| !state.closed && state.taken >= self.most;
        let waited = self.changed.wait_while(state, full);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return None;
        }
        state.taken += 1;
        Some(Seat(self.clone()))
    }

    /// Lets nobody in any more and waits for those inside, at most so long.
    pub(crate) fn close(&self, most: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed = true;
        self.changed.notify_all();
        // Whoever is still inside then is cut off by the end of the process.
        let _ = self.changed.wait_timeout_while(state, most, |state| state.taken > 0);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.taken = state.taken.saturating_sub(1);
        self.0.changed.notify_all();
    }
}
