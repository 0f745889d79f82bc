//! The bytes of one entry, over all of its connections, and those of one connection.
//!
//! Bytes are taken before they are passed on, so that never more than the budget passes.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is left of an entry's bytes.
#[derive(Debug)]
pub(crate) struct Budget(Option<AtomicU64>);

impl Budget {
    pub(crate) fn new(bytes: Option<u64>) -> Self {
        Self(bytes.map(AtomicU64::new))
    }

    /// Takes up to `wanted` bytes and says how many there were.
    pub(crate) fn take(&self, wanted: usize) -> usize {
        let Some(left) = &self.0 else { return wanted };
        let wanted = wanted as u64;
        let before = left
            .try_update(Ordering::AcqRel, Ordering::Acquire, |left| {
                Some(left.saturating_sub(wanted))
            })
            .unwrap_or(0);
        usize::try_from(before.min(wanted)).unwrap_or(0)
    }

    /// Gives bytes back that were taken and not used.
    pub(crate) fn give(&self, bytes: usize) {
        if let Some(left) = &self.0 {
            left.fetch_add(bytes as u64, Ordering::AcqRel);
        }
    }

    /// Whether nothing is left.
    pub(crate) fn is_spent(&self) -> bool {
        self.0.as_ref().is_some_and(|left| left.load(Ordering::Acquire) == 0)
    }
}

/// What one connection has moved.
#[derive(Debug)]
pub(crate) struct Account<'a> {
    pub(crate) budget: &'a Budget,
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

#[cfg(test)]
mod tests {
    use super::Budget;

    #[test]
    fn never_more_than_the_budget_is_taken() {
        let budget = Budget::new(Some(10));
        assert_eq!(budget.take(4), 4);
        assert_eq!(budget.take(8), 6);
        assert!(budget.is_spent());
        assert_eq!(budget.take(1), 0);
        budget.give(3);
        assert_eq!(budget.take(5), 3);
    }

    #[test]
    fn without_a_budget_everything_passes() {
        let budget = Budget::new(None);
        assert_eq!(budget.take(usize::MAX), usize::MAX);
        assert!(!budget.is_spent());
    }

    #[test]
    fn takers_at_once_never_take_more_together() {
        let budget = Budget::new(Some(10_000));
        let taken: usize = std::thread::scope(|scope| {
            let take = || (0..1000).map(|_| budget.take(7)).sum::<usize>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 10_000);
    }
}
