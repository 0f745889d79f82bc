//! Rows by a limit that a value must not exceed.
//!
//! The limits are sorted, so the rows that hold are those from some place on; every so often the set of
//! all rows from there on is kept. A value then costs a search, one such set and a few single rows,
//! however many limits there are. A limit that a value must reach is the same with both turned around.

use super::bits::{Bits, RowSet};

/// Limits between two kept sets, at least.
const STRIDE_MIN: usize = 16;

/// Limits in ascending order, each with its row.
#[derive(Debug)]
pub(crate) struct Thresholds {
    limits: Box<[(u64, u32)]>,
    stride: usize,
    /// For each `stride` limits the rows from there to the end.
    from: Box<[RowSet]>,
}

impl Thresholds {
    /// Over a number of `rows`, from limits in any order.
    pub(crate) fn of(rows: usize, mut limits: Vec<(u64, u32)>) -> Thresholds {
        limits.sort_unstable();
        // With more rows a set is larger and fewer are kept: together they are of the size of the limits.
        let stride = STRIDE_MIN.max(rows / STRIDE_MIN.pow(2));
        let starts = (0..limits.len()).step_by(stride);
        let from = starts.map(|start| {
            let mut members: Vec<u32> = limits.iter().skip(start).map(|(_, row)| *row).collect();
            members.sort_unstable();
            members.dedup();
            RowSet::of(rows, members)
        });
        Thresholds { from: from.collect(), limits: limits.into(), stride }
    }

    /// Adds the rows whose limit is `value` or more.
    pub(crate) fn add_at_least(&self, value: u64, hits: &mut Bits) {
        let first = self.limits.partition_point(|(limit, _)| *limit < value);
        let kept = first.div_ceil(self.stride);
        let single = self.limits.iter().take(kept * self.stride).skip(first);
        single.for_each(|(_, row)| hits.insert(*row as usize));
        if let Some(rows) = self.from.get(kept) {
            rows.add_to(hits);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::Thresholds;
    use crate::program::bits::Bits;

    proptest! {
        #[test]
        fn rows_are_those_whose_limit_is_not_exceeded(
            limits in vec((0_u64..50, 0_u32..300), 0..200),
            value in 0_u64..60,
        ) {
            let mut hits = Bits::empty(300);
            Thresholds::of(300, limits.clone()).add_at_least(value, &mut hits);
            let holding = limits.iter().filter(|(limit, _)| *limit >= value);
            let expected = Bits::of(300, holding.map(|(_, row)| *row as usize));
            prop_assert_eq!(hits, expected);
        }
    }
}
