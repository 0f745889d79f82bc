//! What waits in a pool, by key: bounded per key and in total, the least wanted key giving way.
//!
//! A pure structure: it holds items and times, knows no sandbox and reads no clock. What it gives
//! up it returns, so that whoever owns the lock can end the items after letting it go.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSize {
    /// Slots of one kind; with zero nothing is kept.
    pub per_key: usize,
    /// Slots of all kinds together, at most [`SLOTS_MAX`]; above that the kind that was asked for
    /// longest ago gives one up.
    pub total: usize,
    /// A slot that waited for longer than this is ended.
    pub idle: Duration,
}

/// Slots of one pool. Each takes about ten descriptors, two processes and one megabyte.
pub const SLOTS_MAX: usize = 64;

impl Default for PoolSize {
    fn default() -> Self {
        Self { per_key: 2, total: 8, idle: Duration::from_secs(120) }
    }
}

/// The places of a pool, the key that was wanted last at the end.
pub(super) struct Shelf<K, T> {
    size: PoolSize,
    places: Vec<Place<K, T>>,
}

struct Place<K, T> {
    key: K,
    items: VecDeque<(T, Instant)>,
}

impl<K: PartialEq, T> Shelf<K, T> {
    pub(super) fn new(size: PoolSize) -> Self {
        Self { size: PoolSize { total: size.total.min(SLOTS_MAX), ..size }, places: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.places.iter().map(|place| place.items.len()).sum()
    }

    /// Whether one more of this key would be kept.
    pub(super) fn wants(&self, key: &K) -> bool {
        let waiting = self.places.iter().find(|place| place.key == *key);
        let waiting = waiting.map_or(0, |place| place.items.len());
        waiting < self.size.per_key.min(self.size.total)
    }

    /// The item of this key that has waited longest.
    pub(super) fn take(&mut self, key: &K) -> Option<T> {
        let index = self.places.iter().position(|place| place.key == *key)?;
        let mut place = self.places.remove(index);
        let taken = place.items.pop_front().map(|(item, _)| item);
        if !place.items.is_empty() {
            self.places.push(place);
        }
        taken
    }

    /// Keeps an item that is wanted; returns what has to go for it, or itself if it is not.
    pub(super) fn put(&mut self, key: K, item: T, now: Instant) -> Option<T> {
        if !self.wants(&key) {
            return Some(item);
        }
        let index = self.places.iter().position(|place| place.key == key);
        let mut place = match index {
            Some(index) => self.places.remove(index),
            None => Place { key, items: VecDeque::new() },
        };
        place.items.push_back((item, now));
        self.places.push(place);
        if self.len() > self.size.total { self.give_up_one() } else { None }
    }

    /// The oldest item of the key that was wanted longest ago.
    fn give_up_one(&mut self) -> Option<T> {
        let place = self.places.first_mut()?;
        let given = place.items.pop_front().map(|(item, _)| item);
        self.places.retain(|place| !place.items.is_empty());
        given
    }

    /// Takes out what has waited too long at `now`, and what `is_spent` says.
    pub(super) fn weed(&mut self, now: Instant, is_spent: impl Fn(&T) -> bool) -> Vec<T> {
        let mut weeded = Vec::new();
        for place in &mut self.places {
            for (item, since) in std::mem::take(&mut place.items) {
                if now.saturating_duration_since(since) > self.size.idle || is_spent(&item) {
                    weeded.push(item);
                } else {
                    place.items.push_back((item, since));
                }
            }
        }
        self.places.retain(|place| !place.items.is_empty());
        weeded
    }

    /// When the next item will have waited too long.
    pub(super) fn next_end(&self) -> Option<Instant> {
        let since = self.places.iter().flat_map(|place| &place.items).map(|(_, since)| *since);
        since.min()?.checked_add(self.size.idle)
    }

    /// Takes out everything.
    pub(super) fn clear(&mut self) -> Vec<T> {
        let places = std::mem::take(&mut self.places);
        places.into_iter().flat_map(|place| place.items).map(|(item, _)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: PoolSize = PoolSize { per_key: 2, total: 3, idle: Duration::from_secs(10) };

    fn shelf(size: PoolSize, items: &[(char, u32)]) -> (Shelf<char, u32>, Vec<u32>) {
        let (mut shelf, now) = (Shelf::new(size), Instant::now());
        let gone = items.iter().filter_map(|(key, item)| shelf.put(*key, *item, now)).collect();
        (shelf, gone)
    }

    #[test]
    fn each_key_and_the_whole_are_bounded() {
        let (shelf, gone) = shelf(SIZE, &[('a', 1), ('a', 2), ('a', 3), ('b', 4), ('b', 5)]);
        assert_eq!(gone, [3, 1], "one too many of a key; then the oldest of the other key");
        assert_eq!(shelf.len(), 3);
        assert!(shelf.wants(&'a') && !shelf.wants(&'b') && shelf.wants(&'c'));
        for size in [PoolSize { per_key: 0, ..SIZE }, PoolSize { total: 0, ..SIZE }] {
            assert_eq!(self::shelf(size, &[('a', 1)]).1, [1]);
        }
    }

    #[test]
    fn the_key_wanted_longest_ago_gives_way() {
        let (mut shelf, _) = shelf(SIZE, &[('a', 1), ('b', 2), ('a', 3)]);
        assert_eq!(shelf.put('c', 4, Instant::now()), Some(2));
        assert_eq!(shelf.take(&'a'), Some(1), "the oldest of a key comes first");
        assert_eq!(shelf.put('d', 5, Instant::now()), None);
        assert_eq!(shelf.put('e', 6, Instant::now()), Some(4), "`a` was wanted after `c`");
        assert_eq!(shelf.take(&'c'), None);
    }

    #[test]
    fn what_waited_too_long_or_is_spent_is_weeded() {
        let (mut shelf, _) = shelf(SIZE, &[('a', 1), ('a', 2), ('b', 3)]);
        let now = Instant::now();
        let end = shelf.next_end().unwrap();
        assert!(end > now && end <= now + SIZE.idle);
        assert_eq!(shelf.weed(now, |_| false), [0; 0]);
        assert_eq!(shelf.weed(now, |item| *item == 2), [2]);
        assert_eq!(shelf.weed(now + SIZE.idle + Duration::from_secs(1), |_| false), [1, 3]);
        assert_eq!((shelf.len(), shelf.next_end()), (0, None));
    }

    #[test]
    fn everything_can_be_taken_out_at_once() {
        let (mut shelf, _) = shelf(SIZE, &[('a', 1), ('b', 2)]);
        assert_eq!(shelf.clear(), [1, 2]);
        assert_eq!(shelf.len(), 0);
    }
}
