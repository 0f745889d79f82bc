//! Printing: data on standard output, talk on standard error.
//!
//! A reader that goes away (`palisade audit export | head`) ends the output quietly; any other failure to write is
//! kept for [`lost`], so that a full disk never looks like success. Colour appears only on a terminal and never with
//! `NO_COLOR`. What a step printed reaches a terminal through [`printable`] or [`stream`] only.

mod guard;
mod table;
mod time;

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

use serde::Serialize;

use crate::failure::Failure;

pub(crate) use guard::{guard, missed, near};
pub(crate) use table::Table;
pub(crate) use time::{elapsed, instant, stamp};

/// Why standard output takes no more; set by the first write that failed.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Prints one line of data.
pub(crate) fn line(text: impl AsRef<str>) {
    data(&[text.as_ref().as_bytes(), b"\n"].concat());
}

/// Prints data exactly as it is.
pub(crate) fn data(bytes: &[u8]) {
    if LOST.get().is_some() {
        return;
    }
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(bytes).and_then(|()| out.flush()) {
        // Only the first failure is told.
        drop(LOST.set(error));
    }
}

/// Prints what a program wrote: exactly, but to a terminal without what could drive it.
pub(crate) fn stream(bytes: &[u8]) {
    if io::stdout().is_terminal() {
        data(tame(&String::from_utf8_lossy(bytes)).as_bytes());
    } else {
        data(bytes);
    }
}

/// As [`stream`], on standard error.
pub(crate) fn error_stream(bytes: &[u8]) {
    let mut out = io::stderr().lock();
    let tamed = out.is_terminal().then(|| tame(&String::from_utf8_lossy(bytes)));
    // Nobody listens on standard error any more: what is on standard output still counts.
    drop(out.write_all(tamed.as_ref().map_or(bytes, String::as_bytes)));
}

/// Whether nobody takes data any more, so that reading on is of no use.
pub(crate) fn closed() -> bool {
    LOST.get().is_some()
}

/// Why data could not be printed; `None` when all of it was, or its reader simply went away.
pub(crate) fn lost() -> Option<&'static io::Error> {
    LOST.get().filter(|error| error.kind() != ErrorKind::BrokenPipe)
}

/// Prints one line of talk. A standard error that nobody reads changes nothing.
pub(crate) fn talk(text: impl AsRef<str>) {
    drop(writeln!(io::stderr().lock(), "{}", text.as_ref()));
}

/// Prints `value` as indented JSON.
pub(crate) fn json(value: &(impl Serialize + ?Sized)) {
    line(serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Prints `value` as one line of JSON.
pub(crate) fn json_line(value: &impl Serialize) {
    line(serde_json::to_string(value).unwrap_or_default());
}

/// Prints a failure where it belongs: as JSON data, or as talk.
pub(crate) fn failure(failure: &Failure, as_json: bool) {
    if as_json {
        json_line(&failure.to_json());
    } else {
        drop(write!(io::stderr().lock(), "{}", tame(&failure.render())));
    }
}

/// Whether standard error is a terminal a person looks at.
pub(crate) fn live() -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let batch = std::env::var_os("NON_INTERACTIVE_MODE").is_some_and(|value| value == "1");
    io::stderr().is_terminal() && !dumb && !batch
}

/// Columns of the terminal that standard output is; `None` where it is none, or does not tell.
pub(crate) fn width() -> Option<u16> {
    let out = io::stdout();
    let size = rustix::termios::tcgetwinsize(&out).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}

/// A number of things: `1 step`, `2 steps`.
pub(crate) fn count(number: impl Display + PartialEq + From<u8>, noun: &str) -> String {
    let one = number == 1.into();
    format!("{number} {noun}{}", if one { "" } else { "s" })
}

/// What a piece of text means, for colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Done well.
    Good,
    /// Failed or was stopped.
    Bad,
    /// Waits or was left out.
    Quiet,
    /// Goes on.
    Busy,
}

/// `text` coloured by its meaning, where standard output and standard error are terminals that want colour.
pub(crate) fn paint(text: &str, tone: Tone) -> String {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if text.is_empty() || !(wanted && live() && io::stdout().is_terminal()) {
        return text.to_owned();
    }
    let code = match tone {
        Tone::Good => "32",
        Tone::Bad => "31",
        Tone::Quiet => "2",
        Tone::Busy => "36",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// `text` on one line and without what could drive a terminal: control characters, and marks that turn the direction
/// of writing and make a line read as another.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|character| if drives(character) { '·' } else { character }).collect()
}

/// As [`printable`], but lines stay lines.
pub(crate) fn tame(text: &str) -> String {
    text.chars().map(|c| if c != '\n' && drives(c) { '·' } else { c }).collect()
}

fn drives(character: char) -> bool {
    let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || character.is_control() && character != '\t'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_cannot_drive_the_terminal() {
        let check = |text: &str, expect: &str| assert_eq!(printable(text), expect);
        check("a\u{1b}[31mb\r\n\tc", "a·[31mb··\tc");
        check("\u{9b}2J\u{7f}é漢", "·2J·é漢");
        check("safe\u{202e}fdp.exe", "safe·fdp.exe");
        assert_eq!(tame("a\u{1b}]0;x\u{7}\nb\r\n"), "a·]0;x·\nb·\n");
    }
}
