//! Virtual time: what happens next, and when.
//!
//! Entries due at the same microsecond come out in an order the seed decides, because code must
//! not depend on it. Time moves only when an entry is taken; there is no real clock.

use crate::draw::Draw;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Entries by due time. `T` is what happens.
#[derive(Debug)]
pub(super) struct Agenda<T> {
    entries: BinaryHeap<Entry<T>>,
    now: i64,
    draw: Draw,
}

#[derive(Debug)]
struct Entry<T> {
    due: i64,
    tie: u64,
    what: T,
}

impl<T> Agenda<T> {
    /// An empty agenda whose clock, in microseconds, starts at `now`.
    pub(super) const fn new(now: i64, draw: Draw) -> Self {
        Self { entries: BinaryHeap::new(), now, draw }
    }

    /// Microseconds of virtual time; never goes back.
    pub(super) const fn now(&self) -> i64 {
        self.now
    }

    /// Puts `what` on the agenda, `delay` microseconds from now.
    pub(super) fn after(&mut self, delay: u64, what: T) {
        let due = self.now.saturating_add_unsigned(delay);
        let tie = self.draw.bits();
        self.entries.push(Entry { due, tie, what });
    }

    /// Takes the next entry and moves the clock to it.
    pub(super) fn take(&mut self) -> Option<T> {
        let entry = self.entries.pop()?;
        self.now = self.now.max(entry.due);
        Some(entry.what)
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.tie).cmp(&(self.due, self.tie))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}

#[cfg(test)]
mod tests {
    use super::Agenda;
    use crate::draw::Draw;

    #[test]
    fn entries_come_out_by_time_and_ties_by_seed() {
        let orders: Vec<Vec<u8>> = (0..8)
            .map(|seed| {
                let mut agenda = Agenda::new(100, Draw::new(seed));
                agenda.after(5, 9);
                (0..4).for_each(|tied| agenda.after(3, tied));
                std::iter::from_fn(|| agenda.take()).collect()
            })
            .collect();
        assert!(orders.iter().all(|order| order.last() == Some(&9)));
        assert!(orders.iter().any(|order| Some(order) != orders.first()), "{orders:?}");
    }

    #[test]
    fn the_clock_follows_what_is_taken() {
        let mut agenda = Agenda::new(100, Draw::new(1));
        agenda.after(7, ());
        assert_eq!((agenda.now(), agenda.take(), agenda.now()), (100, Some(()), 107));
        assert_eq!(agenda.take(), None);
    }
}
