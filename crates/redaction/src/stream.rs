//! Redacting what comes piece by piece: the result does not depend on where the pieces were cut.
//!
//! What may be the beginning of a known value waits for its rest, at most the longest form less one byte; patterns
//! see whole lines, at most 64 KiB of one. [`Stream::finish`] hands out what still waits; where something cut the
//! text off, [`Stream::cut`] puts a mark in the place of what may be the beginning of a value.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::known::Known;
use crate::mark::Tagger;
use crate::pattern::{Lines, Patterns};

/// What stands for the end of a text that was cut off where a value may have begun.
const CUT: &str = "cut";

/// One stream of bytes on its way to where it is kept or shown.
pub struct Stream {
    known: Arc<Known>,
    patterns: Option<Arc<Patterns>>,
    tagger: Tagger,
    /// What may be the beginning of a known value.
    waiting: Zeroizing<Vec<u8>>,
    lines: Lines,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Stream({:?})", self.known)
    }
}

impl Stream {
    pub(crate) fn new(known: Arc<Known>, patterns: Option<Arc<Patterns>>, tagger: Tagger) -> Self {
        let (waiting, lines) = (Zeroizing::default(), Lines::default());
        Self { known, patterns, tagger, waiting, lines }
    }

    /// Takes a piece and hands out what is decided.
    #[must_use]
    pub fn take(&mut self, piece: &[u8]) -> Vec<u8> {
        let decided = self.known_in(piece, Rest::Waits);
        self.patterns_in(decided, Rest::Waits)
    }

    /// Hands out the rest; the stream begins anew.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        let decided = self.known_in(&[], Rest::Ends);
        self.patterns_in(decided, Rest::Ends)
    }

    /// Hands out the rest of a text that was cut off: what may be the beginning of a known value is replaced by a
    /// mark, because nobody knows how it would have gone on. The stream begins anew.
    #[must_use]
    pub fn cut(&mut self) -> Vec<u8> {
        let begun = std::mem::take(&mut self.waiting);
        let mark = if begun.is_empty() { String::new() } else { self.tagger.mark(CUT, &[]) };
        self.patterns_in(mark.into_bytes(), Rest::Ends)
    }

    fn known_in(&mut self, piece: &[u8], rest: Rest) -> Vec<u8> {
        if self.known.is_empty() {
            return piece.to_vec();
        }
        let joined;
        let text = if self.waiting.is_empty() {
            piece
        } else {
            self.waiting.extend_from_slice(piece);
            joined = std::mem::take(&mut self.waiting);
            joined.as_slice()
        };
        let (known, mut out) = (&self.known, Vec::with_capacity(text.len()));
        let limit = |from| match rest {
            Rest::Waits => known.undecided(text, from),
            Rest::Ends => text.len(),
        };
        let (mut at, mut until) = (0, limit(0));
        while let Some(found) = known.find(text, at, until) {
            out.extend_from_slice(text.get(at..found.start).unwrap_or_default());
            out.extend_from_slice(known.mark(found.value).as_bytes());
            at = found.end;
            if at > until {
                until = limit(at);
            }
        }
        out.extend_from_slice(text.get(at..until).unwrap_or_default());
        self.waiting = Zeroizing::new(text.get(until..).unwrap_or_default().to_vec());
        out
    }

    fn patterns_in(&mut self, text: Vec<u8>, rest: Rest) -> Vec<u8> {
        let Some(patterns) = &self.patterns else { return text };
        self.lines.add(&text);
        let mut out = Vec::with_capacity(text.len());
        while let Some(area) = self.lines.next(rest == Rest::Ends) {
            patterns.redact(area, &self.tagger, &mut out);
        }
        out
    }
}

/// What becomes of the end of a text that may go on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Waits,
    Ends,
}
