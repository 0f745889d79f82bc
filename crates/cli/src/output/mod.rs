//! Printing: data on standard output, talk on standard error.
//!
//! A reader that goes away (`palisade audit export | head`) ends the output quietly. Colour appears only on a
//! terminal and never with `NO_COLOR`.

mod table;
mod time;

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::failure::Failure;

pub(crate) use table::Table;
pub(crate) use time::{elapsed, instant};

/// Prints one line of data.
pub(crate) fn line(text: impl AsRef<str>) {
    write(&mut io::stdout().lock(), text.as_ref(), "\n");
}

/// Prints data exactly as it is.
pub(crate) fn bytes(data: &[u8]) {
    let mut out = io::stdout().lock();
    if out.write_all(data).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Prints one line of talk.
pub(crate) fn talk(text: impl AsRef<str>) {
    write(&mut io::stderr().lock(), text.as_ref(), "\n");
}

/// Prints `value` as indented JSON.
pub(crate) fn json(value: &impl Serialize) {
    line(serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Prints `value` as one line of JSON.
pub(crate) fn json_line(value: &impl Serialize) {
    line(serde_json::to_string(value).unwrap_or_default());
}

/// Prints a failure where it belongs: as JSON data, or as talk.
pub(crate) fn failure(failure: &Failure, as_json: bool) {
    if as_json {
        json(&failure.to_json());
    } else {
        write(&mut io::stderr().lock(), &failure.render(), "");
    }
}

/// Whether standard error is a terminal a person looks at.
pub(crate) fn live() -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let batch = std::env::var_os("NON_INTERACTIVE_MODE").is_some_and(|value| value == "1");
    io::stderr().is_terminal() && !dumb && !batch
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

/// `text` coloured by its meaning, where the terminal wants colour.
pub(crate) fn paint(text: &str, tone: Tone) -> String {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if !(wanted && live() && io::stdout().is_terminal()) {
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

fn write(out: &mut impl Write, text: &str, end: &str) {
    // Nobody reads any more: there is nobody to tell either.
    if out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes())).is_err() {
        std::process::exit(0);
    }
}

/// `text` without control characters, so that what a program printed cannot drive the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() && character != '\t' { '·' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_cannot_drive_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\r\n\tc"), "a·[31mb··\tc");
    }
}
