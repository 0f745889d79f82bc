//! What redaction promises for any text: the same however it is cut, the same when done twice, and no value left.
//!
//! The encoders here are written anew and share nothing with those of the crate.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use redaction::{Known, Patterns, Redactor, Tagger};

/// Values a text can hold: short, with special characters, long, and beyond ASCII.
const VALUES: [(&str, &str); 5] = [
    ("short", "hunter22"),
    ("special", "p@ss w0rd/\"quo'te\"&<x>$\\"),
    (
        "long",
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-the-end-of-a-long-value",
    ),
    ("wide", "gruß-ключ-鍵鍵鍵"),
    ("inner", "unter22-and-more"),
];

/// Made once: the automaton of the rules is the same for every case.
static REDACTOR: LazyLock<Redactor> = LazyLock::new(|| {
    let tagger = Tagger::new([9; 32]);
    let known = Known::new(VALUES, &tagger).unwrap();
    Redactor::new(Arc::new(known), Some(Arc::new(Patterns::new([]).unwrap())), tagger)
});

fn redactor(patterns: bool) -> Redactor {
    if patterns { REDACTOR.clone() } else { REDACTOR.with_patterns(None) }
}

fn base64(bytes: &[u8], url: bool) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            let six = (bits >> (18 - 6 * place)) & 63;
            text.push(match six {
                0..=25 => char::from(b'A' + six as u8),
                26..=51 => char::from(b'a' + six as u8 - 26),
                52..=61 => char::from(b'0' + six as u8 - 52),
                62 => {
                    if url {
                        '-'
                    } else {
                        '+'
                    }
                }
                _ => {
                    if url {
                        '_'
                    } else {
                        '/'
                    }
                }
            });
        }
    }
    text
}

/// Every form of `value` a program may print, with what may stand around it.
fn form(value: &str, which: usize) -> String {
    let hex = |upper: bool| -> String {
        let digits = value.bytes().map(|byte| format!("{byte:02x}"));
        let text: String = digits.collect();
        if upper { text.to_uppercase() } else { text }
    };
    let percent: String = value
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect();
    let digits = |between: &str| {
        value.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(between)
    };
    match which % 14 {
        0 => value.to_owned(),
        1 => serde_json::Value::from(value).to_string(),
        2 => percent,
        3 => hex(false),
        4 => hex(true),
        5 => base64(value.as_bytes(), false),
        6 => base64(format!("x{value}y").as_bytes(), false),
        7 => base64(format!("xx{value}yy").as_bytes(), true),
        8 => base64(value.as_bytes(), true),
        9 => format!("'{}'", value.replace('\'', "'\\''")),
        10 => serde_json::Value::from(serde_json::json!({ "k": value }).to_string()).to_string(),
        11 => format!("postgres://user:{percent}@host/db"),
        12 => digits(":"),
        _ => percent.replace("%2F", "/"),
    }
}

/// Whether `value` can be read out of `text` in any of the forms.
fn survives(text: &str, value: &str) -> Option<String> {
    let inner = |text: &str, cut: usize| text[cut..text.len() - cut].to_owned();
    let mut forms: Vec<String> = [0, 2, 3, 4, 12, 13].map(|which| form(value, which)).to_vec();
    forms.push(inner(&form(value, 1), 1));
    forms.push(inner(&form(value, 9), 1));
    for (before, skip) in [("", 0), ("x", 2), ("xx", 3)] {
        for url in [false, true] {
            let whole = base64(format!("{before}{value}").as_bytes(), url);
            let sure = (before.len() + value.len()) * 8 / 6;
            forms.push(whole[skip..sure].to_owned());
        }
    }
    forms.into_iter().find(|form| text.contains(form.as_str()))
}

fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (0..VALUES.len(), 0..14_usize).prop_map(|(value, which)| form(VALUES[value].1, which)),
        2 => (0..VALUES.len(), 1..8_usize).prop_map(|(value, most)| VALUES[value].1.chars().take(most).collect()),
        2 => "[ -~]{0,40}",
        1 => Just("\n".to_owned()),
        1 => Just(format!("token={}", "aB3dE5gH7jK9mN1p")),
        1 => Just(format!("ghp_{}", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8")),
        1 => Just("password: \"correct-horse\"".to_owned()),
        1 => Just("-----BEGIN PRIVATE KEY-----\nMC4CAQA\nwBQ\n-----END PRIVATE KEY-----\n".to_owned()),
        1 => Just("-----BEGIN RSA PRIVATE KEY-----\nMC4C".to_owned()),
        1 => "\\PC{0,12}",
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(fragment(), 0..14).prop_map(|parts| parts.concat())
}

fn pieces(redactor: &Redactor, text: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut stream = redactor.stream();
    let (mut out, mut rest) = (Vec::new(), text);
    for cut in cuts {
        let (piece, after) = rest.split_at((*cut).min(rest.len()));
        out.extend(stream.take(piece));
        rest = after;
    }
    out.extend(stream.take(rest));
    out.extend(stream.finish());
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn where_a_text_is_cut_changes_nothing(text in text(), cuts in prop::collection::vec(0_usize..9, 0..60)) {
        for patterns in [false, true] {
            let redactor = redactor(patterns);
            let whole = redactor.bytes(text.as_bytes());
            let cut = pieces(&redactor, text.as_bytes(), &cuts);
            prop_assert_eq!(String::from_utf8_lossy(&whole), String::from_utf8_lossy(&cut));
        }
    }

    #[test]
    fn redacting_twice_changes_nothing(text in text()) {
        for patterns in [false, true] {
            let redactor = redactor(patterns);
            let once = redactor.text(&text);
            prop_assert_eq!(&redactor.text(&once), &once);
        }
    }

    #[test]
    fn no_value_survives_in_any_form(text in text(), cuts in prop::collection::vec(0_usize..9, 0..60)) {
        for patterns in [false, true] {
            let redacted = pieces(&redactor(patterns), text.as_bytes(), &cuts);
            let redacted = String::from_utf8_lossy(&redacted);
            for (name, value) in VALUES {
                prop_assert_eq!(survives(&redacted, value), None, "{} in {}", name, redacted);
            }
        }
    }

    #[test]
    fn any_bytes_at_all_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0_usize..300) {
        let redactor = redactor(true);
        prop_assert_eq!(redactor.bytes(&bytes), pieces(&redactor, &bytes, &[cut]));
    }
}

/// Control of the above: the search for survivors does find what was not redacted.
#[test]
fn a_value_that_was_not_redacted_is_found_in_every_form() {
    for (_, value) in VALUES {
        for which in (0..10).chain(12..14) {
            assert!(
                survives(&form(value, which), value).is_some(),
                "{which}: {}",
                form(value, which)
            );
        }
    }
}

#[test]
fn no_more_waits_than_the_longest_form() {
    let redactor = redactor(false);
    let longest = redactor.known().longest();
    let text = "hunter2 ".repeat(1000) + VALUES[2].1.split_at(60).0;
    let mut stream = redactor.stream();
    let mut given = 0;
    for piece in text.as_bytes().chunks(7) {
        given += stream.take(piece).len();
    }
    assert!(text.len() - given < longest, "{} bytes wait of {longest}", text.len() - given);
    assert!(text.len() > given, "control: the beginning of a value waits");
}

#[test]
fn a_long_line_without_an_end_does_not_wait_for_one() {
    let redactor = redactor(true);
    let mut stream = redactor.stream();
    let mut given = 0;
    for _ in 0..64 {
        given += stream.take(&[b'x'; 16 * 1024]).len();
    }
    assert!(64 * 16 * 1024 - given <= 64 * 1024, "{given}");
}

#[test]
fn values_in_json_are_redacted_wherever_they_stand() {
    let tagger = Tagger::new([9; 32]);
    let known = Known::new([("pin", "1234567890"), ("db", "hunter22")], &tagger).unwrap();
    let redactor = Redactor::new(Arc::new(known), None, tagger);
    let value =
        serde_json::json!({ "hunter22": [1, null, "x hunter22 y", { "n": 1234567890_u64 }] });
    let text = redactor.value(&value).to_string();
    assert!(!text.contains("hunter22") && !text.contains("1234567890"), "{text}");
    assert_eq!(text.matches("‹redacted:db:").count(), 2, "{text}");
    assert_eq!(text.matches("‹redacted:pin:").count(), 1, "{text}");
}

/// What a text becomes whose end is missing from some place on.
fn cut(text: &str, at: usize) -> String {
    String::from_utf8(redactor(false).bytes_cut(&text.as_bytes()[..at])).unwrap()
}

#[test]
fn a_text_that_is_cut_inside_a_value_keeps_no_beginning_of_it() {
    let text = "before hunter22";
    for at in "before h".len()..text.len() {
        let shown = cut(text, at);
        assert!(shown.starts_with("before ‹redacted:cut:") && shown.ends_with('›'), "{shown}");
        // Control: the end of a whole text may look like a beginning.
        let whole = redactor(false).bytes(&text.as_bytes()[..at]);
        assert_eq!(whole, &text.as_bytes()[..at]);
    }
    assert_eq!(cut("before it!", 10), "before it!", "nothing that a value begins with");
    assert!(
        cut(text, text.len()).starts_with("before ‹redacted:short:"),
        "{}",
        cut(text, text.len())
    );
    // With patterns on the way the mark comes out as it went in.
    let shown = String::from_utf8(redactor(true).bytes_cut(b"before hunt")).unwrap();
    assert!(shown.starts_with("before ‹redacted:cut:"), "{shown}");
}

#[test]
fn a_value_in_lower_case_is_found() {
    let tagger = Tagger::new([9; 32]);
    let known = Known::new([("token", "AbCdEf-12345")], &tagger).unwrap();
    let redactor = Redactor::new(Arc::new(known), None, tagger);
    let shown = redactor.text("abcdef-12345.example.org");
    assert!(shown.starts_with("‹redacted:token:") && shown.ends_with("›.example.org"), "{shown}");
    // Control: other letters are other values.
    assert_eq!(redactor.text("abcdeg-12345.example.org"), "abcdeg-12345.example.org");
}
