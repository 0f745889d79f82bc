//! The one thread behind a pool: it makes the slots that are wanted and ends those that are not.
//!
//! It works one request at a time, so a pool never takes more than one processor from the programs
//! that run. It decides nothing about which slot is used; that is the launching thread's.

use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

use super::slot::Slot;
use super::{Inner, State};

/// Runs until the pool is closed.
pub(super) fn attend(inner: &Inner) {
    let mut state = inner.lock();
    while !state.closing {
        let ended = state.ended(Instant::now());
        let wanted = state.wanted.pop_front();
        if ended.is_empty() && wanted.is_none() {
            state.busy = false;
            inner.bell.notify_all();
            state = rest(inner, state);
            continue;
        }
        state.busy = true;
        drop(state);
        drop(ended);
        let made = wanted.and_then(|(key, spec)| {
            // A failure here is told by the cold start that comes in its place.
            let slot = Slot::make(inner.host, &inner.mounts, &spec).ok()??;
            Some((key, spec, slot))
        });
        state = inner.lock();
        if let Some((key, spec, slot)) = made {
            state.keep(key, spec, slot);
        }
    }
    let left = state.clear();
    state.busy = false;
    inner.bell.notify_all();
    drop(state);
    drop(left);
}

/// Waits for a request, or until a slot has waited too long.
fn rest<'a>(inner: &'a Inner, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    match state.shelf.next_end() {
        None => inner.bell.wait(state).unwrap_or_else(PoisonError::into_inner),
        Some(end) => {
            let left = end.saturating_duration_since(Instant::now());
            let woken = inner.bell.wait_timeout(state, left);
            woken.unwrap_or_else(PoisonError::into_inner).0
        }
    }
}
