//! How long to wait before the next attempt.
//!
//! `min(base × factor^(n-1), max)` after the n-th failure, and with full jitter a uniform draw
//! below that (Brooker, "Exponential Backoff And Jitter", 2015). The draw comes in as a value.

use crate::workflow::Retry;
use std::time::Duration;

/// The wait in µs after the `failed`-th failed attempt, counted from 1. Saturates, never panics.
pub fn backoff_us(retry: &Retry, failed: u32, entropy: u64) -> u64 {
    let growth = u64::from(retry.factor.max(1)).saturating_pow(failed.saturating_sub(1));
    let full = micros(retry.base).saturating_mul(growth).min(micros(retry.max));
    if !retry.jitter {
        return full;
    }
    // The high half of a 64 × 64 bit product is uniform in 0..=full without a division.
    let draw = ((u128::from(full) + 1) * u128::from(entropy)) >> 64;
    draw as u64
}

/// Whole microseconds, saturating.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Retry = Retry {
        max_attempts: 9,
        base: Duration::from_millis(1),
        max: Duration::from_millis(10),
        factor: 2,
        jitter: false,
    };

    #[test]
    fn waits_double_up_to_the_limit() {
        let rows = [(1, 1_000), (2, 2_000), (3, 4_000), (4, 8_000), (5, 10_000), (90, 10_000)];
        for (failed, wait) in rows {
            assert_eq!(backoff_us(&RULE, failed, u64::MAX), wait, "{failed}");
        }
    }

    #[test]
    fn jitter_draws_from_nothing_to_the_full_wait() {
        let rule = Retry { jitter: true, ..RULE };
        let rows = [(0, 0), (1 << 63, 1_000), (u64::MAX, 2_000)];
        for (entropy, wait) in rows {
            assert_eq!(backoff_us(&rule, 2, entropy), wait, "{entropy}");
        }
    }

    #[test]
    fn odd_rules_do_not_overflow() {
        let odd =
            Retry { base: Duration::MAX, max: Duration::MAX, factor: 0, jitter: true, ..RULE };
        assert_eq!(backoff_us(&odd, u32::MAX, u64::MAX), u64::MAX);
        assert_eq!(backoff_us(&RULE, 0, 7), 1_000);
    }
}
