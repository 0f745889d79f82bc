//! The world outside: where effects land, and how often.
//!
//! It behaves like a service with idempotency keys: an effect is applied once per key, however
//! often it is executed. What the product must get right is that one piece of work has one key,
//! so effects are counted per piece of work as the client named it, not per run.

use std::collections::{BTreeMap, BTreeSet};

/// A piece of work as the client sees it: its request key, and the step of the workflow.
pub(super) type Work = (String, String);

/// What has happened outside.
#[derive(Debug, Default)]
pub(super) struct Sink {
    applied: BTreeMap<Work, BTreeSet<String>>,
    executions: u64,
}

impl Sink {
    /// Executes the effect of `work` under `key`; a key that was seen changes nothing.
    pub(super) fn execute(&mut self, work: Work, key: &str) {
        self.executions += 1;
        self.applied.entry(work).or_default().insert(key.to_owned());
    }

    /// How many times the effect of `work` was applied.
    pub(super) fn applied(&self, work: &Work) -> usize {
        self.applied.get(work).map_or(0, BTreeSet::len)
    }

    /// Work whose effect was applied more than once.
    pub(super) fn repeated(&self) -> impl Iterator<Item = (&Work, &BTreeSet<String>)> {
        self.applied.iter().filter(|(_, keys)| keys.len() > 1)
    }

    /// How many times an effect was executed, repeated keys included.
    pub(super) const fn executions(&self) -> u64 {
        self.executions
    }
}

#[cfg(test)]
mod tests {
    use super::Sink;

    #[test]
    fn a_key_is_applied_once_and_two_keys_twice() {
        let mut sink = Sink::default();
        let work = ("request".to_owned(), "step".to_owned());
        for (key, applied) in [("a", 1), ("a", 1), ("b", 2)] {
            sink.execute(work.clone(), key);
            assert_eq!(sink.applied(&work), applied);
        }
        assert_eq!((sink.executions(), sink.repeated().count()), (3, 1));
    }
}
