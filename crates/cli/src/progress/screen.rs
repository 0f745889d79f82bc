//! A few lines of a terminal that are drawn again in place.
//!
//! The cursor rests at the start of the line below them, so that what the terminal itself echoes, such as `^C`, is
//! written over by the next drawing. Lines must fit the width of the terminal; nothing here measures text.

use std::fmt::Write as _;
use std::io::{self, Write as _};

/// Lines of the terminal behind standard error.
#[derive(Debug, Default)]
pub(super) struct Screen {
    /// How many are there now.
    lines: usize,
}

impl Screen {
    /// Replaces what was drawn by `lines`.
    pub(super) fn draw(&mut self, lines: &[String]) {
        let text = frame(self.lines, lines);
        self.lines = lines.len();
        // A terminal that went away needs no drawing.
        drop(io::stderr().lock().write_all(text.as_bytes()));
    }

    /// Takes away what was drawn.
    pub(super) fn clear(&mut self) {
        self.draw(&[]);
    }
}

/// What draws `lines` in place of `before` lines, in one piece so that no half-drawn state is seen.
fn frame(before: usize, lines: &[String]) -> String {
    let mut text = String::from("\r");
    if before > 0 {
        // Up by so many lines.
        let _ = write!(text, "\u{1b}[{before}A");
    }
    for line in lines {
        // Clear to the end of the line behind each, and to the end of the screen behind the last.
        let _ = writeln!(text, "{line}\u{1b}[K");
    }
    text.push_str("\u{1b}[J");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_replaces_the_one_before() {
        let lines = ["a".to_owned(), "b".to_owned()];
        let check =
            |before, lines: &[String], expect: &str| assert_eq!(frame(before, lines), expect);
        check(0, &lines, "\ra\u{1b}[K\nb\u{1b}[K\n\u{1b}[J");
        check(2, &lines[..1], "\r\u{1b}[2Aa\u{1b}[K\n\u{1b}[J");
        check(1, &[], "\r\u{1b}[1A\u{1b}[J");
    }
}
