//! One counter: amounts in a sliding window, or for good, and what is held right now.
//!
//! A window is cut into 64 steps; amounts of one step are kept together and drop out together, once
//! the whole step is older than the window. So at most 66 entries, and never too few counted. Amounts
//! that would overflow stay at the largest number, which is beyond every limit.

use std::collections::VecDeque;

/// Steps of one window.
const STEPS: u64 = 64;

/// What was used, and what is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counter {
    /// In microseconds; nothing drops out without one.
    window: Option<u64>,
    /// Amounts by the step they fell into, oldest first.
    steps: VecDeque<(u64, u64)>,
    held: u64,
}

impl Counter {
    pub(super) fn new(window: Option<u64>) -> Counter {
        Counter { window, steps: VecDeque::new(), held: 0 }
    }

    /// What counts at the time `now`.
    pub(super) fn used(&self, now: u64) -> u64 {
        let oldest = self.oldest(now);
        let counting = self.steps.iter().filter(|(step, _)| *step >= oldest);
        counting.fold(self.held, |sum, (_, amount)| sum.saturating_add(*amount))
    }

    /// The first time from `now` on at which no more than `room` counts; nothing if that never comes.
    pub(super) fn falls_to(&self, room: u64, now: u64) -> Option<u64> {
        let (window, oldest) = (self.window?, self.oldest(now));
        let mut left = self.used(now);
        for (step, amount) in self.steps.iter().filter(|(step, _)| *step >= oldest) {
            left = left.saturating_sub(*amount);
            if left <= room {
                let end = step.checked_add(1)?.checked_mul(self.length())?;
                return end.checked_add(window);
            }
        }
        None
    }

    pub(super) fn add(&mut self, amount: u64, at: u64) {
        let (oldest, step) = (self.oldest(at), self.step(at));
        while self.steps.front().is_some_and(|(step, _)| *step < oldest) {
            self.steps.pop_front();
        }
        match self.steps.back_mut() {
            Some((last, sum)) if *last >= step => *sum = sum.saturating_add(amount),
            _ => self.steps.push_back((step, amount)),
        }
    }

    /// Undoes an `add`, if what it added still counts. A sum that has overflowed stays where it is.
    pub(super) fn take_back(&mut self, amount: u64, at: u64) {
        let step = self.step(at);
        let Ok(place) = self.steps.binary_search_by_key(&step, |(step, _)| *step) else { return };
        if let Some((_, sum)) = self.steps.get_mut(place) {
            if *sum != u64::MAX {
                *sum = sum.saturating_sub(amount);
            }
            if *sum == 0 {
                self.steps.remove(place);
            }
        }
    }

    /// Amounts that fell into later steps than that of `now` count as of this one.
    pub(super) fn anchor(&mut self, now: u64) {
        let step = self.step(now);
        let later = self.steps.partition_point(|(at, _)| *at <= step);
        for (_, amount) in self.steps.split_off(later) {
            match self.steps.back_mut() {
                Some((last, sum)) if *last == step => *sum = sum.saturating_add(amount),
                _ => self.steps.push_back((step, amount)),
            }
        }
    }

    pub(super) fn hold(&mut self, amount: u64) {
        self.held = self.held.saturating_add(amount);
    }

    pub(super) fn let_go(&mut self, amount: u64) {
        self.held = self.held.saturating_sub(amount);
    }

    /// Whether it has nothing that could ever count.
    pub(super) fn is_empty(&self) -> bool {
        self.held == 0 && self.steps.is_empty()
    }

    /// Whether it makes no difference from `now` on, unless the clock was wrong.
    pub(super) fn is_idle(&self, now: u64) -> bool {
        self.held == 0 && self.used(now) == 0
    }

    /// The length of a step, in microseconds.
    fn length(&self) -> u64 {
        self.window.map_or(u64::MAX, |window| window.div_ceil(STEPS)).max(1)
    }

    fn step(&self, at: u64) -> u64 {
        self.window.map_or(0, |_| at / self.length())
    }

    /// The oldest step of which some moment is in the window that ends at `now`.
    fn oldest(&self, now: u64) -> u64 {
        self.window.map_or(0, |window| now.saturating_sub(window) / self.length())
    }
}
