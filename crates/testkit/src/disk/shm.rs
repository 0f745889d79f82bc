//! The shared memory of a database in WAL mode, kept on the heap.
//!
//! It lives as long as one handle has it mapped, so a restart begins with an empty index and
//! SQLite has to recover it from the log, as after a real power loss. It is never part of what
//! a crash leaves behind.

use super::lock::Answer;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

/// Lock slots that SQLite's write-ahead log uses.
const SLOTS: usize = 8;

/// How a slot is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    Shared,
    Exclusive,
}

/// Regions and locks that the handles of one database share.
#[derive(Debug, Default)]
pub(super) struct Shm {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Atomics, because SQLite writes through the addresses that `region` gives out.
    regions: Vec<Box<[AtomicU64]>>,
    slots: [Vec<(u64, Hold)>; SLOTS],
}

impl Shm {
    /// The address of region `index`, of `bytes` bytes. A region that does not exist is made,
    /// with zeros, when `extend` is true, and is `None` otherwise.
    ///
    /// The address stays valid until the last owner of this value drops it.
    pub(super) fn region(&self, index: usize, bytes: usize, extend: bool) -> Option<*const u64> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        while extend && inner.regions.len() <= index {
            let words = bytes.div_ceil(size_of::<u64>());
            inner.regions.push((0..words).map(|_| AtomicU64::new(0)).collect());
        }
        inner.regions.get(index).map(|region| region.as_ptr().cast())
    }

    /// Takes `count` slots from `first` for `handle`, all or none.
    pub(super) fn lock(&self, handle: u64, first: usize, count: usize, hold: Hold) -> Answer {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slots) = inner.slots.get_mut(first..first.saturating_add(count)) else {
            return Answer::Busy;
        };
        let conflict = |(holder, held): &(u64, Hold)| {
            *holder != handle && (hold == Hold::Exclusive || *held == Hold::Exclusive)
        };
        if slots.iter().flatten().any(conflict) {
            return Answer::Busy;
        }
        for slot in slots {
            slot.retain(|(holder, _)| *holder != handle);
            slot.push((handle, hold));
        }
        Answer::Granted
    }

    /// Gives `count` slots from `first` back.
    pub(super) fn unlock(&self, handle: u64, first: usize, count: usize) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for slot in inner.slots.iter_mut().skip(first).take(count) {
            slot.retain(|(holder, _)| *holder != handle);
        }
    }

    /// Gives every slot of `handle` back.
    pub(super) fn release(&self, handle: u64) {
        self.unlock(handle, 0, SLOTS);
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Hold, Shm};

    #[test]
    fn slots_exclude_each_other_by_hold() {
        let shm = Shm::default();
        let steps = [
            (1, 0, 1, Hold::Exclusive, Answer::Granted),
            (2, 3, 1, Hold::Shared, Answer::Granted),
            (1, 3, 1, Hold::Shared, Answer::Granted),
            (1, 2, 3, Hold::Exclusive, Answer::Busy),
            (2, 0, 1, Hold::Shared, Answer::Busy),
            (2, 7, 2, Hold::Shared, Answer::Busy),
        ];
        for (handle, first, count, hold, expected) in steps {
            assert_eq!(shm.lock(handle, first, count, hold), expected, "{handle} {first} {hold:?}");
        }
        shm.release(1);
        assert_eq!(shm.lock(2, 0, 1, Hold::Exclusive), Answer::Granted);
    }

    #[test]
    fn a_region_is_made_once_and_only_on_demand() {
        let shm = Shm::default();
        assert_eq!(shm.region(0, 64, false), None);
        let made = shm.region(1, 64, true);
        assert!(made.is_some());
        assert_eq!(shm.region(1, 64, false), made);
    }
}
