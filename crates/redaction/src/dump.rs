//! A value as hexadecimal, in the layouts in which programs print bytes.
//!
//! Digits with something between two bytes are found wherever the value stands; lines of sixteen bytes where it stands
//! at their beginning, as when it alone was given to the program. Which digits stand in which line of a longer text
//! the value does not decide.

use std::fmt::Write as _;

/// Bytes of one line of a dump.
const LINE: usize = 16;
/// Bytes of one line of bare digits (`xxd -p`).
const BARE_LINE: usize = 30;
/// What stands between two bytes.
const BETWEEN: [&str; 4] = ["", " ", ":", "-"];

/// A layout of lines.
struct Layout {
    digits: fn(&[u8]) -> String,
    /// Columns of the digits of a whole line.
    columns: usize,
    /// What stands between the digits of a line and those of the next, whose first byte has that offset.
    after: fn(&[u8]) -> String,
    before: fn(usize) -> String,
}

/// `od -An -tx1`, `od -tx1`, `hexdump -C`, `xxd`.
const LAYOUTS: [Layout; 4] = [
    Layout {
        digits: |line| joined(line, " "),
        columns: 0,
        after: |_| String::new(),
        before: |_| "\n ".to_owned(),
    },
    Layout {
        digits: |line| joined(line, " "),
        columns: 0,
        after: |_| String::new(),
        before: |offset| format!("\n{offset:07o} "),
    },
    Layout {
        digits: |line| halves(line),
        columns: 48,
        after: |line| format!("  |{}|", printable(line)),
        before: |offset| format!("\n{offset:08x}  "),
    },
    Layout {
        digits: |line| pairs(line),
        columns: 39,
        after: |line| format!("  {}", printable(line)),
        before: |offset| format!("\n{offset:08x}: "),
    },
];

/// Every layout of `bytes`.
pub(crate) fn forms(bytes: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for between in BETWEEN {
        forms.push(joined(bytes, between));
        forms.push(joined(bytes, between).to_uppercase());
    }
    let bare: Vec<String> = bytes.chunks(BARE_LINE).map(|line| joined(line, "")).collect();
    forms.push(bare.join("\n"));
    let ended = [bytes, b"\n"].concat();
    for layout in &LAYOUTS {
        forms.push(laid_out(layout, bytes, ""));
        for whole in [bytes, &ended] {
            let last = whole.chunks(LINE).next_back().unwrap_or_default();
            let width = (layout.digits)(last).len();
            let pad = " ".repeat(layout.columns.saturating_sub(width));
            forms.push(laid_out(layout, whole, &format!("{pad}{}", (layout.after)(last))));
        }
    }
    forms
}

fn laid_out(layout: &Layout, bytes: &[u8], end: &str) -> String {
    let mut text = String::new();
    let mut above: Option<&[u8]> = None;
    for (number, line) in bytes.chunks(LINE).enumerate() {
        if let Some(above) = above {
            text.push_str(&(layout.after)(above));
            text.push_str(&(layout.before)(number * LINE));
        }
        text.push_str(&(layout.digits)(line));
        above = Some(line);
    }
    text.push_str(end);
    text
}

fn joined(bytes: &[u8], between: &str) -> String {
    let mut text = String::with_capacity(bytes.len() * (2 + between.len()));
    for (place, byte) in bytes.iter().enumerate() {
        let _ = write!(text, "{}{byte:02x}", if place > 0 { between } else { "" });
    }
    text
}

fn halves(line: &[u8]) -> String {
    let halves: Vec<String> = line.chunks(LINE / 2).map(|half| joined(half, " ")).collect();
    halves.join("  ")
}

fn pairs(line: &[u8]) -> String {
    let pairs: Vec<String> = line.chunks(2).map(|pair| joined(pair, "")).collect();
    pairs.join(" ")
}

fn printable(line: &[u8]) -> String {
    let shown = |byte: &u8| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' };
    line.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "https://u:p@host/path/Zz9/aB+cd?x=1";

    fn check(form: &str) {
        let found = forms(VALUE.as_bytes()).iter().any(|known| known == form);
        assert!(found, "{form:?} is no form");
    }

    /// What the programs print, without what comes before the first byte.
    #[test]
    fn what_programs_print_of_bytes_is_known() {
        check("68747470733a2f2f753a7040686f73742f706174682f5a7a392f61422b63\n643f783d31");
        check(
            "68 74 74 70 73 3a 2f 2f 75 3a 70 40 68 6f 73 74\n \
             2f 70 61 74 68 2f 5a 7a 39 2f 61 42 2b 63 64 3f\n 78 3d 31",
        );
        check(
            "68 74 74 70 73 3a 2f 2f 75 3a 70 40 68 6f 73 74\n\
             0000020 2f 70 61 74 68 2f 5a 7a 39 2f 61 42 2b 63 64 3f\n0000040 78 3d 31",
        );
        check(
            "68 74 74 70 73 3a 2f 2f  75 3a 70 40 68 6f 73 74  |https://u:p@host|\n\
             00000010  2f 70 61 74 68 2f 5a 7a  39 2f 61 42 2b 63 64 3f  |/path/Zz9/aB+cd?|\n\
             00000020  78 3d 31                                          |x=1|",
        );
        check(
            "6874 7470 733a 2f2f 753a 7040 686f 7374  https://u:p@host\n\
             00000010: 2f70 6174 682f 5a7a 392f 6142 2b63 643f  /path/Zz9/aB+cd?\n\
             00000020: 783d 310a                                x=1.",
        );
        check(&joined(VALUE.as_bytes(), ":"));
        check(&joined(VALUE.as_bytes(), "-").to_uppercase());
    }

    #[test]
    fn a_value_of_whole_lines_ends_with_its_line_or_with_the_end_of_a_line_behind_it() {
        let value = b"exactly-16-bytes";
        let check = |form: &str| assert!(forms(value).iter().any(|known| known == form), "{form}");
        let digits = "6578 6163 746c 792d 3136 2d62 7974 6573";
        check(&format!("{digits}  exactly-16-bytes"));
        check(&format!("{digits}  exactly-16-bytes\n00000010: 0a{}.", " ".repeat(39)));
    }
}
