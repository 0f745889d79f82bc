//! The hunks of one file: which lines differ, with three lines around them.
//!
//! Lines are bytes. Comparing files made for it takes time that grows with the square of their
//! lines, so whoever asks bounds those.

use std::ops::Range;

use imara_diff::sources::byte_lines;
use imara_diff::{Algorithm, Diff, Hunk, InternedInput};

/// Unchanged lines shown before and after a change.
const CONTEXT: u32 = 3;

/// The hunks of one file and how much they change.
#[derive(Debug, Default)]
pub(super) struct Hunks {
    pub(super) text: Vec<u8>,
    /// Lines.
    pub(super) added: u64,
    /// Lines.
    pub(super) removed: u64,
}

/// Lines of both sides together.
pub(super) fn count(before: &[u8], after: &[u8]) -> u64 {
    (before.split_inclusive(|byte| *byte == b'\n').count()
        + after.split_inclusive(|byte| *byte == b'\n').count()) as u64
}

/// Compares two contents line by line.
pub(super) fn hunks(before: &[u8], after: &[u8]) -> Hunks {
    let input = InternedInput::new(byte_lines(before), byte_lines(after));
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_no_heuristic(&input);
    let sides = Sides { before: split(before), after: split(after) };
    let mut hunks = Hunks::default();
    let mut together: Vec<Hunk> = Vec::new();
    for hunk in diff.hunks() {
        let apart = |last: &Hunk| hunk.before.start.saturating_sub(last.before.end) > 2 * CONTEXT;
        if together.last().is_some_and(apart) {
            sides.write(&together, &mut hunks);
            together.clear();
        }
        together.push(hunk);
    }
    if !together.is_empty() {
        sides.write(&together, &mut hunks);
    }
    hunks
}

/// Lines with their line feeds; the last may have none.
fn split(content: &[u8]) -> Vec<&[u8]> {
    content.split_inclusive(|byte| *byte == b'\n').collect()
}

struct Sides<'a> {
    before: Vec<&'a [u8]>,
    after: Vec<&'a [u8]>,
}

impl Sides<'_> {
    /// Writes changes that are close to each other as one hunk.
    fn write(&self, changes: &[Hunk], into: &mut Hunks) {
        let (Some(first), Some(last)) = (changes.first(), changes.last()) else { return };
        let lead = first.before.start.min(CONTEXT);
        let count = u32::try_from(self.before.len()).unwrap_or(u32::MAX);
        let trail = count.saturating_sub(last.before.end).min(CONTEXT);
        let before = first.before.start - lead..last.before.end + trail;
        let after = first.after.start - lead..last.after.end + trail;
        let header = format!("@@ -{} +{} @@\n", range(&before), range(&after));
        into.text.extend(header.into_bytes());
        let mut at = before.start;
        for change in changes {
            put(b' ', part(&self.before, &(at..change.before.start)), into);
            put(b'-', part(&self.before, &change.before), into);
            put(b'+', part(&self.after, &change.after), into);
            into.removed += u64::from(change.before.end - change.before.start);
            into.added += u64::from(change.after.end - change.after.start);
            at = change.before.end;
        }
        put(b' ', part(&self.before, &(at..before.end)), into);
    }
}

/// Start and length as diffs count: from one, and an empty range from the line before it.
fn range(lines: &Range<u32>) -> String {
    let count = lines.end - lines.start;
    let start = if count == 0 { lines.start } else { lines.start + 1 };
    if count == 1 { format!("{start}") } else { format!("{start},{count}") }
}

fn part<'a, 'b>(lines: &'b [&'a [u8]], range: &Range<u32>) -> &'b [&'a [u8]] {
    lines.get(range.start as usize..range.end as usize).unwrap_or_default()
}

fn put(sign: u8, lines: &[&[u8]], into: &mut Hunks) {
    for line in lines {
        into.text.push(sign);
        into.text.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            into.text.extend_from_slice(b"\n\\ No newline at end of file\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::hunks;

    fn check(before: &str, after: &str, expect: &str, counts: (u64, u64)) {
        let hunks = hunks(before.as_bytes(), after.as_bytes());
        assert_eq!(String::from_utf8(hunks.text).unwrap(), expect);
        assert_eq!((hunks.added, hunks.removed), counts);
    }

    #[test]
    fn lines_that_differ_are_shown_with_their_surroundings() {
        check("", "", "", (0, 0));
        check("", "a\n", "@@ -0,0 +1 @@\n+a\n", (1, 0));
        check("a\n", "", "@@ -1 +0,0 @@\n-a\n", (0, 1));
        check(
            "a\nb",
            "a\nb\n",
            "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n",
            (1, 1),
        );
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        check(
            before,
            &before.replace('5', "x"),
            "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n",
            (1, 1),
        );
        let far = before.replace('1', "x").replace('9', "y");
        check(
            before,
            &far,
            "@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n@@ -6,4 +6,4 @@\n 6\n 7\n 8\n-9\n+y\n",
            (2, 2),
        );
    }
}
