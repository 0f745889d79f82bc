//! Cutting a stream into areas that can be looked at by themselves.
//!
//! An area is some whole lines, a private key from its first line to its last, or a part of a line that is too long.
//! Where it is cut depends on the bytes alone, never on the pieces in which they came.

use memchr::{memchr, memmem, memrchr};

/// Most bytes of one area, so of one line that is seen as a whole.
pub(super) const AREA_BYTES: usize = 64 * 1024;
/// At the end of a part of a long line, where a place to cut is looked for.
const CUT_BYTES: usize = 4 * 1024;
/// How far `PRIVATE KEY` may stand from the beginning of the line's label.
const LABEL_BYTES: usize = 64;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";

/// The bytes of a stream that have not been handed out.
#[derive(Default)]
pub(crate) struct Lines {
    held: Vec<u8>,
    /// Bytes of `held` that were handed out.
    done: usize,
}

/// A part of a stream that is looked at by itself.
#[derive(Clone, Copy)]
pub(crate) enum Area<'a> {
    /// Whole lines, each for itself.
    Lines(&'a [u8]),
    /// A private key, as a whole.
    Block(&'a [u8]),
}

impl Lines {
    /// Takes more of the stream.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.held.drain(..self.done);
        self.done = 0;
        self.held.extend_from_slice(bytes);
    }

    /// The next area that is complete; at the end of the stream whatever is left.
    pub(crate) fn next(&mut self, ends: bool) -> Option<Area<'_>> {
        let text = self.held.get(self.done..).filter(|text| !text.is_empty())?;
        let (length, block) = area(text, ends)?;
        let start = self.done;
        self.done += length;
        let text = self.held.get(start..self.done)?;
        Some(if block { Area::Block(text) } else { Area::Lines(text) })
    }
}

/// The length of the first area of `text`, and whether it is a private key.
fn area(text: &[u8], ends: bool) -> Option<(usize, bool)> {
    let full = text.len() >= AREA_BYTES;
    let seen = text.get(..AREA_BYTES).unwrap_or(text);
    match key(seen) {
        Some(0) => match key_end(seen) {
            Some(end) => Some((end, true)),
            None => (full || ends).then_some((seen.len(), true)),
        },
        Some(line) => Some((line, false)),
        None => match memrchr(b'\n', seen) {
            Some(newline) => Some((newline + 1, false)),
            None if full => Some((cut(seen), false)),
            None => ends.then_some((seen.len(), false)),
        },
    }
}

/// Where the first line begins that begins a private key.
fn key(text: &[u8]) -> Option<usize> {
    let begins = memmem::find_iter(text, BEGIN).find(|at| {
        let label = text.get(*at..).unwrap_or_default();
        let label = label.get(..LABEL_BYTES).unwrap_or(label);
        let line = memchr(b'\n', label).and_then(|end| label.get(..end)).unwrap_or(label);
        memmem::find(line, b"PRIVATE KEY").is_some()
    })?;
    let line = memrchr(b'\n', text.get(..begins)?).map_or(0, |newline| newline + 1);
    Some(line)
}

/// Where the line ends that ends the private key.
fn key_end(text: &[u8]) -> Option<usize> {
    let last = memmem::find(text, END)?;
    let newline = memchr(b'\n', text.get(last..)?)?;
    Some(last + newline + 1)
}

/// Where a line that is too long is cut: behind the last byte that cannot be within a token.
fn cut(text: &[u8]) -> usize {
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=_-.:".contains(byte);
    let from = text.len().saturating_sub(CUT_BYTES);
    let tail = text.get(from..).unwrap_or_default();
    tail.iter().rposition(|byte| !token(byte)).map_or(text.len(), |at| from + at + 1)
}
