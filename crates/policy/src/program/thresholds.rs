//! Rows by a limit that a value must not exceed.
//!
//! The limits are sorted and cut into pieces; for each piece the set of all rows from there on is kept. A value then
//! costs a search among the beginnings of the pieces, one piece and one such set, however many limits there are, and
//! what is looked at lies close together. A limit that a value must reach is the same with both turned around.

use super::bits::{Bits, RowSet};

/// Limits of one piece, at least.
const STRIDE_MIN: usize = 16;

/// Limits in ascending order, each with its row.
#[derive(Debug)]
pub(crate) struct Thresholds {
    limits: Box<[u64]>,
    rows: Box<[u32]>,
    stride: usize,
    /// The first limit of each piece.
    firsts: Box<[u64]>,
    /// For each piece the rows from its beginning to the end.
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
        let from = from.collect();
        let firsts = limits.iter().step_by(stride).map(|(limit, _)| *limit).collect();
        let (limits, rows): (Vec<u64>, Vec<u32>) = limits.into_iter().unzip();
        Thresholds { limits: limits.into(), rows: rows.into(), stride, firsts, from }
    }

    /// Adds the rows whose limit is `value` or more.
    pub(crate) fn add_at_least(&self, value: u64, hits: &mut Bits) {
        let whole = self.firsts.partition_point(|limit| *limit < value);
        // Only the piece before the first whole one can hold smaller limits and others.
        let parted = whole.saturating_sub(1) * self.stride;
        let pairs = self.limits.iter().zip(&self.rows).take(whole * self.stride).skip(parted);
        for (_, row) in pairs.filter(|(limit, _)| **limit >= value) {
            hits.insert(*row as usize);
        }
        if let Some(rows) = self.from.get(whole) {
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
