//! Points in time as values.
//!
//! The engine has no clock: `now` comes in with every command. Arithmetic saturates at the
//! greatest integer that JSON readers keep exactly, so a deadline is never in the past by
//! overflow and never needs a string. Durations are plain microseconds in `u64`.

use serde::{Deserialize, Serialize};

/// Microseconds since the Unix epoch, UTC.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Micros(pub i64);

impl Micros {
    /// The latest time the engine computes: 2^53 - 1 µs, in the year 2255.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// This time plus `duration_us`, at most [`Micros::MAX`].
    pub fn after(self, duration_us: u64) -> Self {
        let sum = self.0.saturating_add_unsigned(duration_us);
        Self(sum.min(Self::MAX.0))
    }

    /// Microseconds from `earlier` to this time; 0 when `earlier` is later.
    pub fn since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Micros(5).after(7), Micros(12));
        assert_eq!(Micros(5).after(u64::MAX), Micros::MAX);
        assert_eq!(Micros(12).since(Micros(5)), 7);
        assert_eq!(Micros(5).since(Micros(12)), 0);
        assert_eq!(Micros(i64::MAX).since(Micros(i64::MIN)), i64::MAX as u64);
    }
}
