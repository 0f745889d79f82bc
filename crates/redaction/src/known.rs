//! Values that are known exactly, found in every form at once.
//!
//! Four bytes of every few are looked up in a table of what the forms hold there; only where they are in it is a form
//! compared (the q-gram filter of Karp and Rabin). At most `longest form − 1` bytes are undecided at the end of a
//! text: those that are the beginning of a form. Of several forms at one place the longest counts.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::encode;
use crate::mark::{self, Tagger};

/// Fewest characters of a value; shorter ones stand in too much that is no secret.
pub const SHORTEST_CHARS: usize = 8;
/// Most bytes of a value.
pub const LONGEST_BYTES: usize = 64 * 1024;
/// Most values of one set.
pub const MOST_VALUES: usize = 4096;

/// Bytes that are looked up together.
const GRAM: usize = 4;
/// Most bytes from one look-up to the next.
const STRIDE_MOST: usize = 32;
/// Buckets of the table for each entry of it, and the bounds of their number as a power of two.
const SPARSE: usize = 16;
const BITS: (u32, u32) = (12, 23);

/// Why a value cannot be looked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KnownError {
    /// It would be found in too much that is no secret.
    #[error(
        "the value of `{0}` is shorter than {SHORTEST_CHARS} characters, so it cannot be redacted"
    )]
    Short(String),
    /// Its forms would need too much memory.
    #[error("the value of `{0}` is longer than {LONGEST_BYTES} bytes")]
    Long(String),
    /// What stands in the place of a value would hold one.
    #[error("the value of `{0}` is a part of the text that replaces values")]
    InMark(String),
    /// More than [`MOST_VALUES`].
    #[error("more than {MOST_VALUES} values to redact")]
    Many,
}

/// One value found in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Which value.
    pub(crate) value: usize,
}

/// A set of values, ready to be found. Its `Debug` shows how many there are.
pub struct Known {
    /// Sorted by their bytes.
    forms: Vec<Form>,
    /// For each value what replaces it.
    marks: Vec<(String, Arc<str>)>,
    table: Table,
    longest: usize,
}

struct Form {
    bytes: Zeroizing<Vec<u8>>,
    value: usize,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Known({} values)", self.marks.len())
    }
}

impl Known {
    /// A set of named values; the names stand in the marks.
    ///
    /// # Errors
    /// [`KnownError`], naming the value that cannot be looked for.
    pub fn new<'v>(
        values: impl IntoIterator<Item = (&'v str, &'v str)>,
        tagger: &Tagger,
    ) -> Result<Self, KnownError> {
        let (mut forms, mut marks) = (Vec::new(), Vec::new());
        for (name, value) in values {
            check(name, value)?;
            let mark = tagger.mark(name, value.as_bytes());
            for bytes in encode::forms(value) {
                forms.push(Form { bytes: Zeroizing::new(bytes), value: marks.len() });
            }
            marks.push((name.to_owned(), mark.into()));
            if marks.len() > MOST_VALUES {
                return Err(KnownError::Many);
            }
        }
        forms.sort_by(|one, other| one.bytes.cmp(&other.bytes));
        forms.dedup_by(|one, other| one.bytes == other.bytes);
        let table = Table::new(&forms);
        let longest = forms.iter().map(|form| form.bytes.len()).max().unwrap_or_default();
        let known = Self { forms, marks, table, longest };
        for (_, mark) in &known.marks {
            if let Some(found) = known.find(mark.as_bytes(), 0, mark.len()) {
                return Err(KnownError::InMark(known.name(found.value).to_owned()));
            }
        }
        Ok(known)
    }

    /// Whether there is nothing to find.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// Bytes of the longest form.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// The name of a value that stands in `text`, in any form.
    #[must_use]
    pub fn first_in(&self, text: &[u8]) -> Option<&str> {
        self.find(text, 0, text.len()).map(|found| self.name(found.value))
    }

    pub(crate) fn name(&self, value: usize) -> &str {
        self.marks.get(value).map_or("", |(name, _)| name)
    }

    pub(crate) fn mark(&self, value: usize) -> &str {
        self.marks.get(value).map_or("", |(_, mark)| mark)
    }

    /// The first form that begins at or after `from` and before `until`; the longest there.
    pub(crate) fn find(&self, text: &[u8], from: usize, until: usize) -> Option<Found> {
        let stride = self.table.stride;
        let mut sample = from;
        loop {
            let ahead = text.get(sample..)?;
            let (steps, bucket) = self.table.next(ahead)?;
            sample += steps * stride;
            if sample >= until.saturating_add(stride) {
                return None;
            }
            if let Some(found) = self.compare(text, (sample, bucket), from) {
                return (found.start < until).then_some(found);
            }
            sample += stride;
        }
    }

    /// The first and longest form around the sample, beginning not before `from`.
    fn compare(&self, text: &[u8], (at, bucket): (usize, usize), from: usize) -> Option<Found> {
        let mut best: Option<Found> = None;
        for entry in self.table.entries(bucket) {
            let Some(start) = at.checked_sub(usize::from(entry.offset)) else { continue };
            let Some(form) = self.forms.get(entry.form) else { continue };
            let here = start >= from
                && text.get(start..).is_some_and(|text| text.starts_with(&form.bytes));
            let found = Found { start, end: start + form.bytes.len(), value: form.value };
            let better = |best: Found| {
                (found.start, std::cmp::Reverse(found.end))
                    < (best.start, std::cmp::Reverse(best.end))
            };
            if here && best.is_none_or(better) {
                best = Some(found);
            }
        }
        best
    }

    /// The first place at or after `from` where a form may have begun that is not all there yet.
    pub(crate) fn undecided(&self, text: &[u8], from: usize) -> usize {
        let earliest = text.len().saturating_sub(self.longest.saturating_sub(1)).max(from);
        let open = |at: &usize| {
            let Some(tail) = text.get(*at..) else { return false };
            let next = self.forms.partition_point(|form| form.bytes.as_slice() <= tail);
            self.forms.get(next).is_some_and(|form| form.bytes.starts_with(tail))
        };
        (earliest..text.len()).find(open).unwrap_or(text.len())
    }
}

fn check(name: &str, value: &str) -> Result<(), KnownError> {
    let name = || name.to_owned();
    let least = value.trim_end().chars().count();
    let marked = value.contains(mark::CLOSING) || value.contains('‹');
    match least {
        _ if value.len() > LONGEST_BYTES => Err(KnownError::Long(name())),
        short if short < SHORTEST_CHARS => Err(KnownError::Short(name())),
        _ if marked || mark::OPENING.contains(value) => Err(KnownError::InMark(name())),
        _ => Ok(()),
    }
}

/// Which forms hold which four bytes near their beginning.
struct Table {
    /// One bit for each bucket that has entries.
    filter: Vec<u64>,
    /// Where the entries of each bucket begin, and after the last where they end.
    starts: Vec<u32>,
    entries: Vec<Entry>,
    bits: u32,
    /// Bytes from one sample to the next, so that every form holds a whole one.
    stride: usize,
}

#[derive(Clone, Copy)]
struct Entry {
    form: usize,
    offset: u8,
}

impl Table {
    fn new(forms: &[Form]) -> Self {
        let shortest = forms.iter().map(|form| form.bytes.len()).min().unwrap_or(SHORTEST_CHARS);
        let stride = (shortest + 1).saturating_sub(GRAM).clamp(1, STRIDE_MOST);
        let wanted = (forms.len() * stride * SPARSE).next_power_of_two();
        let bits = wanted.trailing_zeros().clamp(BITS.0, BITS.1);
        let mut all: Vec<(usize, Entry)> = Vec::with_capacity(forms.len() * stride);
        for (form, of) in forms.iter().enumerate() {
            for (offset, gram) in (0_u8..).zip(of.bytes.windows(GRAM).take(stride)) {
                if let Some(gram) = gram.first_chunk() {
                    all.push((bucket(*gram, bits), Entry { form, offset }));
                }
            }
        }
        all.sort_by_key(|(bucket, entry)| (*bucket, entry.form, entry.offset));
        let buckets = 1_usize << bits;
        let mut filter = vec![0_u64; buckets.div_ceil(64)];
        let mut starts = vec![0_u32; buckets + 1];
        for (bucket, _) in &all {
            if let Some(word) = filter.get_mut(bucket / 64) {
                *word |= 1 << (bucket % 64);
            }
            if let Some(count) = starts.get_mut(bucket + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let entries = all.into_iter().map(|(_, entry)| entry).collect();
        Self { filter, starts, entries, bits, stride }
    }

    /// How many strides ahead the first sample with entries is, and its bucket.
    #[inline]
    fn next(&self, text: &[u8]) -> Option<(usize, usize)> {
        for (steps, window) in text.chunks(self.stride).enumerate() {
            let gram = window.first_chunk().or_else(|| {
                // A stride may be shorter than a gram.
                text.get(steps * self.stride..).and_then(|text| text.first_chunk())
            })?;
            let bucket = bucket(*gram, self.bits);
            let word = self.filter.get(bucket / 64).copied().unwrap_or_default();
            if word >> (bucket % 64) & 1 == 1 {
                return Some((steps, bucket));
            }
        }
        None
    }

    fn entries(&self, bucket: usize) -> &[Entry] {
        let edge = |at: usize| self.starts.get(at).and_then(|at| usize::try_from(*at).ok());
        let range = edge(bucket).zip(edge(bucket + 1));
        range.and_then(|(start, end)| self.entries.get(start..end)).unwrap_or_default()
    }
}

/// Multiplicative hashing (Knuth, volume 3, 6.4).
#[inline]
fn bucket(gram: [u8; GRAM], bits: u32) -> usize {
    let hash = u32::from_le_bytes(gram).wrapping_mul(0x9e37_79b1) >> (32 - bits);
    usize::try_from(hash).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(values: &[(&str, &str)]) -> Result<Known, KnownError> {
        Known::new(values.iter().copied(), &Tagger::new([7; 32]))
    }

    #[test]
    fn what_cannot_be_looked_for_is_refused_by_name() {
        let check = |value: &str, expect: KnownError| {
            assert_eq!(known(&[("db", value)]).map(|_| ()), Err(expect), "{value:.20}");
        };
        check("seven77", KnownError::Short("db".to_owned()));
        check("seven77 \n", KnownError::Short("db".to_owned()));
        check(&"x".repeat(LONGEST_BYTES + 1), KnownError::Long("db".to_owned()));
        check("redacted", KnownError::InMark("db".to_owned()));
        check("‹anything›", KnownError::InMark("db".to_owned()));
        let named = known(&[("my-password", "password")]).map(|_| ());
        assert_eq!(named, Err(KnownError::InMark("my-password".to_owned())));
        assert!(known(&[("db", "eight888")]).is_ok(), "control");
    }

    #[test]
    fn the_first_counts_and_of_those_at_one_place_the_longest() {
        let known = known(&[("short", "abcdefgh"), ("long", "abcdefghijkl")]).unwrap();
        let check = |text: &str, expect: Option<(usize, usize, &str)>| {
            let found = known.find(text.as_bytes(), 0, text.len());
            let found = found.map(|found| (found.start, found.end, known.name(found.value)));
            assert_eq!(found, expect, "{text}");
        };
        check("..abcdefgh..abcdefghijkl", Some((2, 10, "short")));
        check("..abcdefghijkl..abcdefgh", Some((2, 14, "long")));
        check("..abcdefg", None);
        check("", None);
        assert_eq!(known.first_in(b"6162636465666768"), Some("short"));
        assert_eq!(format!("{known:?}"), "Known(2 values)");
    }

    #[test]
    fn only_the_beginning_of_a_form_is_undecided() {
        let known = known(&[("db", "abcdefgh")]).unwrap();
        let check = |text: &str, expect| assert_eq!(known.undecided(text.as_bytes(), 0), expect);
        check("nothing of ours!", 16);
        check("..abcdefg", 2);
        check("..abcdefgh..", 12);
    }
}
