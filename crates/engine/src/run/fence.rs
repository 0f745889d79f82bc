//! `Fence`: which lease a report belongs to.
//!
//! A fence is an owner's epoch and a counter inside it, so fences of one shard only rise, across
//! restarts too. Whoever reports with a fence that is not the current one is recorded and
//! otherwise ignored. How long a lease lasts is not decided here, see `schedule`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// `epoch << 32 | counter`. Text form `EPOCH-COUNTER`, also in JSON, as it may exceed 2^53.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(pub u64);

/// A text that is no fence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no fence: expected `EPOCH-COUNTER`")]
pub struct FenceError(String);

impl Fence {
    /// The fence with this place in this epoch.
    pub const fn new(epoch: u32, counter: u32) -> Self {
        Self(((epoch as u64) << 32) | counter as u64)
    }

    /// The owner's epoch.
    pub const fn epoch(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The place within the epoch, from 1.
    pub const fn counter(self) -> u32 {
        self.0 as u32
    }

    /// The next fence of the same epoch; none when its 2^32 - 1 fences are used up.
    pub fn next(self) -> Option<Self> {
        self.counter().checked_add(1).map(|counter| Self::new(self.epoch(), counter))
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch(), self.counter())
    }
}

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fence {
    type Err = FenceError;

    fn from_str(text: &str) -> Result<Self, FenceError> {
        let parse = || {
            let (epoch, counter) = text.split_once('-')?;
            let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
            (plain(epoch) && plain(counter))
                .then(|| Some(Self::new(epoch.parse().ok()?, counter.parse().ok()?)))?
        };
        parse().ok_or_else(|| FenceError(text.to_owned()))
    }
}

impl Serialize for Fence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_rise_over_epochs() {
        let last = Fence::new(3, u32::MAX);
        assert_eq!(last.next(), None);
        assert!(Fence::new(4, 0) > last);
        assert_eq!(Fence::new(4, 0).next(), Some(Fence::new(4, 1)));
        assert_eq!((last.epoch(), last.counter()), (3, u32::MAX));
    }

    #[test]
    fn text_form() {
        assert_eq!("7-42".parse(), Ok(Fence::new(7, 42)));
        assert_eq!(Fence::new(7, 42).to_string(), "7-42");
        for text in ["", "7", "7-", "-42", "7-42-1", "+7-42", "4294967296-0", " 7-42"] {
            assert!(text.parse::<Fence>().is_err(), "{text}");
        }
    }
}
