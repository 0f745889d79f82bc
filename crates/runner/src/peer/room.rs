//! The peers inside: how many there may be, and how all of them are shown out.
//! What they say is `conversation`'s matter.

use std::collections::BTreeMap;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Most connections at a time; one more is told to come back.
pub const MAX_CONNECTIONS: usize = 64;
/// Most connections of one process at a time, so that one program leaves room for the others.
pub const MAX_CONNECTIONS_OF_ONE: usize = 16;
/// Longest wait for conversations to end.
const LEAVE_WAIT: Duration = Duration::from_secs(10);

/// Everybody inside.
#[derive(Debug, Default)]
pub(super) struct Room {
    inside: Mutex<Inside>,
    left: Condvar,
    closing: AtomicBool,
}

#[derive(Debug, Default)]
struct Inside {
    next: u64,
    guests: BTreeMap<u64, (u32, UnixStream)>,
}

impl Room {
    /// Lets a connection of process `pid` in; `None` when there is no place for it.
    pub(super) fn enter(&self, pid: u32, stream: &UnixStream) -> Option<u64> {
        let handle = stream.try_clone().ok()?;
        let mut inside = self.inside();
        let of_one = inside.guests.values().filter(|(other, _)| *other == pid).count();
        let full = inside.guests.len() >= MAX_CONNECTIONS || of_one >= MAX_CONNECTIONS_OF_ONE;
        if full || self.is_closing() {
            return None;
        }
        inside.next += 1;
        let number = inside.next;
        inside.guests.insert(number, (pid, handle));
        Some(number)
    }

    /// A conversation is over.
    pub(super) fn leave(&self, number: u64) {
        self.inside().guests.remove(&number);
        self.left.notify_all();
    }

    /// Whether everybody is asked to leave; long waits look here.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Lets nobody in any more.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// Ends every conversation and waits until all have left.
    pub(super) fn empty(&self) {
        let inside = self.inside();
        for (_, stream) in inside.guests.values() {
            // One that is gone already needs no showing out.
            drop(stream.shutdown(Shutdown::Both));
        }
        // Whoever stays longer holds nothing of the node but a way to ask, which is closed.
        drop(self.left.wait_timeout_while(inside, LEAVE_WAIT, |inside| !inside.guests.is_empty()));
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
