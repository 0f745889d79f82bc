//! Timing and percentiles. The only place of the benches that reads a clock.
//! It keeps every duration and draws nothing from them but ranks.

use std::time::{Duration, Instant};

/// Times one act.
pub(super) fn time<T>(act: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = act();
    (result, start.elapsed())
}

/// Durations of one repeated act.
#[derive(Debug, Default)]
pub(super) struct Sample {
    micros: Vec<f64>,
}

impl Sample {
    /// The durations of `count` acts, after `warmup` that are not counted.
    pub(super) fn of<E>(
        warmup: usize,
        count: usize,
        mut act: impl FnMut() -> Result<(), E>,
    ) -> Result<Self, E> {
        for _ in 0..warmup {
            act()?;
        }
        let mut sample = Self::default();
        for _ in 0..count {
            let (result, took) = time(&mut act);
            result?;
            sample.add(took);
        }
        Ok(sample)
    }

    /// Adds the durations of another sample.
    pub(super) fn merge(&mut self, other: Self) {
        self.micros.extend(other.micros);
    }

    /// Adds one duration.
    pub(super) fn add(&mut self, took: Duration) {
        self.micros.push(took.as_secs_f64() * 1e6);
    }

    /// The duration, in µs, that this share of the acts did not exceed; 0 when nothing was measured.
    pub(super) fn percentile(&self, share: f64) -> f64 {
        percentile(&mut self.micros.clone(), share)
    }
}

/// The value that this share of `values` does not exceed (nearest rank); 0 for none.
pub(super) fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among few values"
    )]
    let rank = (share * values.len() as f64).ceil().max(1.0) as usize - 1;
    values.get(rank).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let check = |values: &mut [f64], share: f64, expect: f64| {
            assert!((percentile(values, share) - expect).abs() < f64::EPSILON);
        };
        check(&mut [3.0, 1.0, 2.0], 0.5, 2.0);
        check(&mut [4.0, 1.0, 2.0, 3.0], 0.5, 2.0);
        check(&mut [4.0, 1.0, 2.0, 3.0], 0.99, 4.0);
        check(&mut [], 0.5, 0.0);
    }
}
