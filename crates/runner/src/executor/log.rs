//! What a step prints, as records of the journal while it runs.
//!
//! Pieces of at most [`PIECE_BYTES`] go to the journal's low lane, so that they never delay a step transition.
//! They are part of the run's stream, carry no state and are passed over by the fold.

use journal::{Draft, Journal, Lane, Operation};
use sandbox::{Captured, End};
use serde::{Deserialize, Serialize};

use engine::run::{Micros, RunId};

use super::{Job, Real};
use crate::node::log;
use crate::record::{self, Isolation};
use crate::secrecy::Cover;

/// Event type of a piece of output.
pub const LOG_KIND: &str = "step.log";
/// Most bytes of one piece.
const PIECE_BYTES: usize = 8 * 1024;

/// Which of the two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One piece of what a step printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Step name.
    pub step: String,
    /// Attempt, from 1.
    pub attempt: u32,
    /// Which output.
    pub stream: Stream,
    /// The bytes, where they are text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The bytes in hexadecimal, where they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
}

impl Piece {
    /// The bytes as printed.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        match (&self.text, &self.hex) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(hex)) => unhex(hex),
            (None, None) => Vec::new(),
        }
    }
}

/// How what a program prints came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The program ended it.
    Whole,
    /// A limit or a kill did, at any place.
    Cut,
}

impl Ending {
    /// Of a program that ended like this, and of whose output some was left out or not.
    pub(super) fn of(end: &End, outputs: [&Captured; 2]) -> Self {
        let whole = matches!(end, End::Exited(_)) && !outputs.iter().any(|output| output.truncated);
        if whole { Self::Whole } else { Self::Cut }
    }
}

/// Writes the pieces of one attempt.
#[derive(Debug)]
pub(super) struct Log<'a> {
    journal: &'a Journal,
    run: RunId,
    step: String,
    attempt: u32,
    isolation: Isolation,
    stdout: Printed,
    stderr: Printed,
}

/// One output on its way into records.
#[derive(Debug)]
struct Printed {
    /// Takes secrets out of it.
    redacting: redaction::Stream,
    /// The beginning of a character that is not complete yet.
    rest: Vec<u8>,
}

impl Printed {
    fn new(cover: &Cover) -> Self {
        Self { redacting: cover.log().stream(), rest: Vec::new() }
    }
}

impl<'a> Log<'a> {
    /// For one attempt; what `cover` knows or finds does not reach a record.
    pub(super) fn new(real: &'a Real, job: &Job, cover: &Cover) -> Self {
        Self {
            isolation: real.isolation,
            journal: &real.journal,
            run: job.run,
            step: job.name.to_string(),
            attempt: job.attempt,
            stdout: Printed::new(cover),
            stderr: Printed::new(cover),
        }
    }

    /// Takes what was just read; whole pieces go out at once, a character split at the end waits for its rest.
    pub(super) fn take(&mut self, stream: Stream, bytes: &[u8], now: Micros) {
        let printed = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        printed.rest.extend(printed.redacting.take(bytes));
        let whole = printed.rest.len() - split_character(&printed.rest);
        let rest = printed.rest.split_off(whole);
        let ready = std::mem::replace(&mut printed.rest, rest);
        for piece in ready.chunks(PIECE_BYTES) {
            self.write(stream, piece, now);
        }
    }

    /// Writes what still waits. Of a text that did not come to its own end, what may be the beginning of a secret
    /// is left out.
    pub(super) fn finish(&mut self, ending: Ending, now: Micros) {
        let rest = |printed: &mut Printed| {
            let mut rest = std::mem::take(&mut printed.rest);
            rest.extend(match ending {
                Ending::Whole => printed.redacting.finish(),
                Ending::Cut => printed.redacting.cut(),
            });
            rest
        };
        let rests =
            [(Stream::Stdout, rest(&mut self.stdout)), (Stream::Stderr, rest(&mut self.stderr))];
        for (stream, rest) in &rests {
            for piece in rest.chunks(PIECE_BYTES) {
                self.write(*stream, piece, now);
            }
        }
    }

    fn write(&self, stream: Stream, bytes: &[u8], now: Micros) {
        let (text, hex) = match std::str::from_utf8(bytes) {
            Ok(text) => (Some(text.to_owned()), None),
            Err(_) => (None, Some(hex(bytes))),
        };
        let piece = Piece { step: self.step.clone(), attempt: self.attempt, stream, text, hex };
        let draft: Draft = self.isolation.mark(record::draft(self.run, LOG_KIND, &piece, now));
        self.journal.submit(
            Operation { log: log(), drafts: vec![draft], changes: Vec::new() },
            Lane::Low,
            |_| {},
        );
    }
}

/// Length of an incomplete UTF-8 character at the end of `bytes`: 0 to 3.
fn split_character(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.len() - error.valid_up_to(),
        _ => 0,
    }
}

/// Lower-case hexadecimal of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .filter_map(|d| u8::try_from(d).ok())
        .collect();
    digits
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_character_waits_and_binary_does_not() {
        let check = |bytes: &[u8], expect| assert_eq!(split_character(bytes), expect);
        check("é".as_bytes(), 0);
        check(&"é".as_bytes()[..1], 1);
        check(&"a😀".as_bytes()[..4], 3);
        check(&[0xff, 0xfe], 0);
    }

    #[test]
    fn only_what_the_program_ended_itself_is_whole() {
        let (all, part) =
            (Captured::default(), Captured { truncated: true, ..Captured::default() });
        assert_eq!(Ending::of(&End::Exited(1), [&all, &all]), Ending::Whole);
        for (end, outputs) in [
            (End::Exited(0), [&all, &part]),
            (End::Exited(0), [&part, &all]),
            (End::TimedOut, [&all, &all]),
            (End::OutputExceeded, [&all, &all]),
            (End::Signalled(9), [&all, &all]),
        ] {
            assert_eq!(Ending::of(&end, outputs), Ending::Cut, "{end:?}");
        }
    }

    #[test]
    fn bytes_survive_whatever_they_are() {
        for bytes in [b"text".to_vec(), vec![0xff, 0x00, 0x10]] {
            let text = String::from_utf8(bytes.clone()).ok();
            let hex = text.is_none().then(|| hex(&bytes));
            let piece =
                Piece { step: "s".to_owned(), attempt: 1, stream: Stream::Stdout, text, hex };
            assert_eq!(piece.bytes(), bytes);
        }
    }
}
