//! The forms in which a value appears once programs have printed it.
//!
//! Raw and in lower case, as a host's name has it, with either end of line, JSON (RFC 8259), percent (RFC 3986 and HTML
//! forms), hexadecimal (`dump`), base64 and base64url (RFC 4648) at the three alignments a longer text can give it, and
//! quoted for a shell or HTML. Forms of forms are not among it, but for JSON within JSON.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::dump;
use crate::known::SHORTEST_CHARS;

/// Shortest line of a key block that is looked for by itself.
const LINE_CHARS: usize = 32;
/// Where base64 of MIME (RFC 2045) and of PEM (RFC 7468) breaks its lines.
const WRAPS: [usize; 2] = [76, 64];

/// Every form of `value`, each once.
pub(crate) fn forms(value: &str) -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::new();
    for text in [value, value.trim_end()] {
        forms.insert(text.as_bytes().to_vec());
        forms.insert(text.to_lowercase().into_bytes());
        forms.extend(json(text).into_iter().map(String::into_bytes));
        forms.extend(percent(text.as_bytes()).map(String::into_bytes));
        forms.extend(quoted(text).map(String::into_bytes));
        forms.extend(dump::forms(text.as_bytes()).into_iter().map(String::into_bytes));
        forms.extend(other_ends(text).into_iter().map(String::into_bytes));
        forms.extend(base64(text.as_bytes()));
    }
    forms.extend(lines(value).map(|line| line.as_bytes().to_vec()));
    forms
}

/// The same text with lines that end as on other systems, or as a terminal shows them.
fn other_ends(text: &str) -> Vec<String> {
    let plain = text.replace("\r\n", "\n");
    vec![plain.replace('\n', "\r\n"), plain]
}

/// The lines that are looked for by themselves: a program that shows a value with something before each line shows it
/// all the same. Of a value with a line of ordinary text only those of a key block, because the others stand in
/// much that is no secret.
fn lines(value: &str) -> impl Iterator<Item = &str> {
    let each = || value.lines().map(str::trim).filter(|line| line.len() < value.trim().len());
    let ordinary = each().any(is_ordinary);
    let long = |line: &&str| line.chars().count() >= SHORTEST_CHARS;
    each().filter(move |line| is_key(line) || !ordinary && long(line))
}

/// Words, or one word; too short to be looked for is not ordinary.
fn is_ordinary(line: &str) -> bool {
    let long = line.chars().count() >= SHORTEST_CHARS;
    line.contains(char::is_whitespace) || long && line.chars().all(char::is_alphabetic)
}

fn is_key(line: &str) -> bool {
    let digit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_');
    line.len() >= LINE_CHARS && !line.starts_with("---") && line.chars().all(digit)
}

fn json(text: &str) -> Vec<String> {
    let inside = |text: &str| {
        let quoted = serde_json::Value::from(text).to_string();
        let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
        inner.to_owned()
    };
    let plain = inside(text);
    let ascii = |upper: bool| {
        plain.chars().fold(String::new(), |mut ascii, c| {
            if c.is_ascii() {
                ascii.push(c);
            }
            for unit in c.encode_utf16(&mut [0; 2]).iter().filter(|_| !c.is_ascii()) {
                let _ = match upper {
                    true => write!(ascii, "\\u{unit:04X}"),
                    false => write!(ascii, "\\u{unit:04x}"),
                };
            }
            ascii
        })
    };
    let html = plain.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    let (lower, upper) = (ascii(false), ascii(true));
    vec![plain.replace('/', "\\/"), inside(&plain), html, lower, upper, plain]
}

fn percent(bytes: &[u8]) -> impl Iterator<Item = String> {
    const KEPT: [&[u8]; 5] = [b"-_.~", b"-_.~/", b"-_.!~*'()", b"*-._", b"-_.~!*'();:@&=+$,/?#[]"];
    let escaped = |kept: Option<&[u8]>, space: Option<char>, upper: bool| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            let plain =
                kept.is_some_and(|kept| byte.is_ascii_alphanumeric() || kept.contains(byte));
            let _ = match (plain, space.filter(|_| *byte == b' '), upper) {
                (true, ..) => write!(text, "{}", char::from(*byte)),
                (_, Some(space), _) => write!(text, "{space}"),
                (_, None, true) => write!(text, "%{byte:02X}"),
                (_, None, false) => write!(text, "%{byte:02x}"),
            };
            text
        })
    };
    let mut forms = Vec::new();
    for upper in [true, false] {
        forms.push(escaped(None, None, upper));
        for kept in KEPT {
            forms.push(escaped(Some(kept), None, upper));
            forms.push(escaped(Some(kept), Some('+'), upper));
        }
    }
    forms.into_iter()
}

/// As a shell writes a value it wants to read again, and as a page does.
fn quoted(text: &str) -> impl Iterator<Item = String> {
    let before = |special: &dyn Fn(char) -> bool| {
        text.chars().fold(String::new(), |mut quoted, c| {
            if special(c) {
                quoted.push('\\');
            }
            quoted.push(c);
            quoted
        })
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c) || !c.is_ascii();
    let dollar = text.replace('\\', "\\\\").replace('\'', "\\'");
    let dollar = dollar.replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r");
    let page = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    [
        text.replace('\'', "'\\''"),
        text.replace('\'', "'\"'\"'"),
        before(&|c| matches!(c, '"' | '\\' | '$' | '`')),
        before(&|c| !plain(c)),
        dollar,
        page.replace('"', "&quot;").replace('\'', "&#39;"),
        page.replace('"', "&#34;").replace('\'', "&#x27;"),
        page,
    ]
    .into_iter()
}

/// At each alignment the digits that the value alone decides; whole lines where a tool would break them.
fn base64(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for digits in [STANDARD, URL_SAFE] {
        for before in 0..3 {
            forms.push(aligned(bytes, before, digits));
        }
        let whole = aligned(bytes, 0, digits);
        for wrap in WRAPS.into_iter().filter(|wrap| whole.len() > *wrap) {
            let lines: Vec<&[u8]> = whole.chunks(wrap).collect();
            forms.push(lines.join(&b'\n'));
            forms.push(lines.join(&b"\r\n"[..]));
        }
    }
    forms
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The base64 digits of `bytes` behind `before` other bytes, without those that other bytes have a part in.
fn aligned(bytes: &[u8], before: usize, digits: &[u8; 64]) -> Vec<u8> {
    let padded: Vec<u8> = std::iter::repeat_n(0, before).chain(bytes.iter().copied()).collect();
    let first = (before * 8).div_ceil(6);
    let end = padded.len() * 8 / 6;
    let digit = |place: usize| {
        let bits = (0..6).fold(0_u8, |bits, bit| {
            let at = place * 6 + bit;
            let byte = padded.get(at / 8).copied().unwrap_or_default();
            bits << 1 | byte >> (7 - at % 8) & 1
        });
        digits.get(usize::from(bits)).copied()
    };
    (first..end).filter_map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expect: &str) {
        let found = forms(value).contains(expect.as_bytes());
        assert!(found, "{expect:?} is no form of {value:?}");
    }

    #[test]
    fn every_usual_form_is_known() {
        check("pass word\"/é", "pass word\"/é");
        check("pass word\"/é", "pass word\\\"/é");
        check("pass word\"/é", "pass word\\\"\\/é");
        check("pass word\"/é", "pass word\\\\\\\"/é");
        check("pass word\"/é", "pass word\\\"/\\u00e9");
        check("pass word\"/é", "pass%20word%22%2F%C3%A9");
        check("pass word\"/é", "pass+word%22%2f%c3%a9");
        check("it's here", "it'\\''s here");
        check("it's here", "it\\'s\\ here");
        check("a<b>&\"c'd", "a&lt;b&gt;&amp;&quot;c&#39;d");
        check("password", "70617373776f7264");
        check("password", "70617373776F7264");
        check("with\nlines", "with\\nlines");
        check("trailing\n", "trailing");
        // As `urllib.parse.quote` leaves it.
        check("user:p@ss/word 1", "user%3Ap%40ss/word%201");
        check("one-line\nanother", "one-line\r\nanother");
        check("one-line\r\nanother", "one-line\nanother");
    }

    /// Control: the digits of a whole text, as RFC 4648 has them.
    #[test]
    fn base64_is_found_whatever_stands_before_and_after() {
        for (text, whole) in [
            ("password", "cGFzc3dvcmQ="),
            ("xpassword?", "eHBhc3N3b3JkPw=="),
            ("xxpassword?!", "eHhwYXNzd29yZD8h"),
        ] {
            let forms = base64(b"password");
            let text_has = |form: &Vec<u8>| whole.contains(std::str::from_utf8(form).unwrap());
            assert!(forms.iter().any(text_has), "{text}");
        }
        check("??>>~~password", "Pz8-Pn5-cGFzc3dvcm");
    }

    #[test]
    fn long_values_are_found_where_base64_is_broken_into_lines() {
        let value = "0123456789".repeat(8);
        let whole = aligned(value.as_bytes(), 0, STANDARD);
        let broken = [&whole[..76], &whole[76..]].join(&b'\n');
        assert!(forms(&value).contains(&broken));
    }

    #[test]
    fn the_lines_of_a_value_are_looked_for_where_none_is_ordinary_text() {
        let check = |value: &str, expect: &[&str]| {
            let found: Vec<&str> = lines(value).collect();
            assert_eq!(found, expect, "{value:?}");
        };
        check("ab12cd34ef\nshort\n55-aa-66-bb\n", &["ab12cd34ef", "55-aa-66-bb"]);
        check("ab12cd34ef\r\n55-aa-66-bb", &["ab12cd34ef", "55-aa-66-bb"]);
        // Controls: one line, words among them, and a word that stands anywhere.
        check("ab12cd34ef", &[]);
        check("ab12cd34ef\nthe quick brown fox", &[]);
        check("ab12cd34ef\nusername", &[]);
        check("{\n  \"type\": \"account\",\n  \"id\":\"ab12cd34ef\"\n}", &[]);
    }

    #[test]
    fn the_lines_of_a_key_are_looked_for_one_by_one() {
        let line = "MC4CAQAwBQYDK2VwBCIEIFakeFakeFakeFakeFake";
        let key = format!("-----BEGIN PRIVATE KEY-----\n{line}\n-----END PRIVATE KEY-----\n");
        check(&key, line);
        assert!(!forms(&key).contains(&b"-----BEGIN PRIVATE KEY-----"[..]));
    }
}
