//! Sets of rows: the arithmetic of a decision.
//!
//! Rows are the conditions of one tool's rules, numbered. A decision is a handful of these sets
//! combined word by word, which is why it costs the same for ten rules and for hundreds.

use std::ops::Deref;
use std::ops::DerefMut;
use std::slice;

const WORD: usize = u64::BITS as usize;

/// Words that need no allocation: 512 rows, what 10 000 rules over 50 tools come to.
const INLINE: usize = 8;

/// A set over a fixed number of rows. Rows beyond it are ignored.
#[derive(Debug, Clone)]
pub(crate) struct Bits {
    words: Words,
}

#[derive(Debug, Clone)]
enum Words {
    Inline([u64; INLINE], usize),
    Heap(Box<[u64]>),
}

impl Words {
    fn filled(word: u64, rows: usize) -> Words {
        match rows.div_ceil(WORD) {
            few @ 0..=INLINE => Words::Inline([word; INLINE], few),
            many => Words::Heap(vec![word; many].into()),
        }
    }
}

impl Deref for Words {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        match self {
            Words::Inline(words, length) => words.get(..*length).unwrap_or_default(),
            Words::Heap(words) => words,
        }
    }
}

impl DerefMut for Words {
    fn deref_mut(&mut self) -> &mut [u64] {
        match self {
            Words::Inline(words, length) => words.get_mut(..*length).unwrap_or_default(),
            Words::Heap(words) => words,
        }
    }
}

impl PartialEq for Bits {
    fn eq(&self, other: &Bits) -> bool {
        *self.words == *other.words
    }
}

impl Bits {
    pub(crate) fn empty(rows: usize) -> Bits {
        Bits { words: Words::filled(0, rows) }
    }

    /// Every row, and none past the last one.
    pub(crate) fn full(rows: usize) -> Bits {
        let mut words = Words::filled(u64::MAX, rows);
        if let (Some(last), used @ 1..) = (words.last_mut(), rows % WORD) {
            *last = (1 << used) - 1;
        }
        Bits { words }
    }

    pub(crate) fn of(rows: usize, members: impl IntoIterator<Item = usize>) -> Bits {
        let mut bits = Bits::empty(rows);
        members.into_iter().for_each(|row| bits.insert(row));
        bits
    }

    pub(crate) fn clear(&mut self) {
        self.words.fill(0);
    }

    pub(crate) fn insert(&mut self, row: usize) {
        if let Some(word) = self.words.get_mut(row / WORD) {
            *word |= 1 << (row % WORD);
        }
    }

    pub(crate) fn remove(&mut self, row: usize) {
        if let Some(word) = self.words.get_mut(row / WORD) {
            *word &= !(1 << (row % WORD));
        }
    }

    pub(crate) fn contains(&self, row: usize) -> bool {
        self.words.get(row / WORD).is_some_and(|word| word >> (row % WORD) & 1 == 1)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Whether every member of `other` is one here.
    pub(crate) fn includes(&self, other: &Bits) -> bool {
        self.words.iter().zip(other.words.iter()).all(|(mine, theirs)| theirs & !mine == 0)
    }

    pub(crate) fn add(&mut self, other: &Bits) {
        self.with(other, |mine, theirs| mine | theirs);
    }

    pub(crate) fn keep(&mut self, other: &Bits) {
        self.with(other, |mine, theirs| mine & theirs);
    }

    pub(crate) fn drop_all(&mut self, other: &Bits) {
        self.with(other, |mine, theirs| mine & !theirs);
    }

    /// Combines with `other`: both for the rows of `all`, either for the rest.
    pub(crate) fn quantify(&mut self, other: &Bits, all: &Bits) {
        let words = self.words.iter_mut().zip(other.words.iter()).zip(all.words.iter());
        for ((mine, theirs), all) in words {
            *mine = (*mine & *theirs & all) | ((*mine | *theirs) & !all);
        }
    }

    /// The members in ascending order.
    pub(crate) fn iter(&self) -> Members<'_> {
        self.iter_from(0)
    }

    /// The members in ascending order, from `row` on.
    pub(crate) fn iter_from(&self, row: usize) -> Members<'_> {
        let mut words = self.words.get(row / WORD..).unwrap_or_default().iter();
        let first = words.next().copied().unwrap_or(0);
        Members { current: first & (u64::MAX << (row % WORD)), base: row / WORD * WORD, words }
    }

    fn with(&mut self, other: &Bits, combine: impl Fn(u64, u64) -> u64) {
        for (mine, theirs) in self.words.iter_mut().zip(other.words.iter()) {
            *mine = combine(*mine, *theirs);
        }
    }
}

/// The members of a set in ascending order.
pub(crate) struct Members<'a> {
    words: slice::Iter<'a, u64>,
    current: u64,
    base: usize,
}

impl Iterator for Members<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.current == 0 {
            self.current = *self.words.next()?;
            self.base += WORD;
        }
        let offset = self.current.trailing_zeros() as usize;
        self.current &= self.current - 1;
        Some(self.base + offset)
    }
}

/// A set that is made once: as a list while that is smaller, as bits otherwise.
#[derive(Debug, Clone)]
pub(crate) enum RowSet {
    Few(Box<[u32]>),
    Many(Box<[u64]>),
}

impl RowSet {
    pub(crate) fn of(rows: usize, members: Vec<u32>) -> RowSet {
        if members.len() * 2 <= rows.div_ceil(WORD) + 2 {
            RowSet::Few(members.into())
        } else {
            let bits = Bits::of(rows, members.into_iter().map(|row| row as usize));
            RowSet::Many(bits.words.as_ref().into())
        }
    }

    /// Whether it was made of no member.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, RowSet::Few(rows) if rows.is_empty())
    }

    pub(crate) fn add_to(&self, bits: &mut Bits) {
        match self {
            RowSet::Few(rows) => rows.iter().for_each(|row| bits.insert(*row as usize)),
            RowSet::Many(rows) => {
                bits.words.iter_mut().zip(rows).for_each(|(mine, theirs)| *mine |= theirs);
            }
        }
    }

    pub(crate) fn contains(&self, row: usize) -> bool {
        match self {
            RowSet::Few(rows) => rows.iter().any(|found| *found as usize == row),
            RowSet::Many(rows) => {
                rows.get(row / WORD).is_some_and(|word| word >> (row % WORD) & 1 == 1)
            }
        }
    }

    /// Removes from `bits` the members of this set that are not in `hits`.
    pub(crate) fn restrict(&self, bits: &mut Bits, hits: &Bits) {
        match self {
            RowSet::Few(rows) => {
                for row in rows.iter().map(|row| *row as usize) {
                    if !hits.contains(row) {
                        bits.remove(row);
                    }
                }
            }
            RowSet::Many(rows) => {
                let words = bits.words.iter_mut().zip(hits.words.iter()).zip(rows);
                words.for_each(|((mine, hit), asked)| *mine &= hit | !asked);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bits, RowSet};

    #[test]
    fn sets_of_rows() {
        let rows = 130;
        let some = Bits::of(rows, [0, 63, 64, 129, 500]);
        assert_eq!(some.iter().collect::<Vec<_>>(), [0, 63, 64, 129]);
        assert!(some.contains(64) && !some.contains(65) && !some.contains(500));
        assert!(Bits::full(rows).includes(&some) && !some.includes(&Bits::full(rows)));
        assert!(Bits::empty(0).iter().next().is_none());
        for rows in [0, 1, 63, 64, 65, 512, 513] {
            assert_eq!(Bits::full(rows).iter().count(), rows);
        }
        assert_eq!(some.iter_from(64).collect::<Vec<_>>(), [64, 129]);
        assert_eq!(some.iter_from(65).collect::<Vec<_>>(), [129]);
        assert!(some.iter_from(500).next().is_none());
        let wide = Bits::of(1000, [1, 999]);
        assert_eq!(wide.iter().collect::<Vec<_>>(), [1, 999]);
        let mut rest = some.clone();
        rest.drop_all(&Bits::of(rows, [63]));
        assert_eq!(rest.iter().collect::<Vec<_>>(), [0, 64, 129]);
    }

    #[test]
    fn quantifiers_row_by_row() {
        let mut first = Bits::of(4, [0, 1, 2]);
        first.quantify(&Bits::of(4, [0, 3]), &Bits::of(4, [0, 1]));
        assert_eq!(first.iter().collect::<Vec<_>>(), [0, 2, 3]);
    }

    #[test]
    fn lists_and_bits_restrict_alike() {
        for members in [vec![3, 70], (0..100).collect()] {
            let set = RowSet::of(100, members);
            let mut bits = Bits::of(100, [3, 4, 70]);
            set.restrict(&mut bits, &Bits::of(100, [4, 70]));
            assert_eq!(bits.iter().collect::<Vec<_>>(), [4, 70]);
            assert!(set.contains(70));
        }
    }
}
