//! The strict reader: what it refuses, what it takes, and that it never reads a text in a way of its own.
//! Texts that everybody reads alike are taken.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test should stop loudly")]

use proptest::prelude::*;
use schema::{EXACT_MAX, ReadError, ReadLimits, read};
use serde_json::{Value, json};

const LIMITS: ReadLimits = ReadLimits { bytes: 256, depth: 3 };

fn check(text: &[u8], expected: Result<Value, &str>) {
    match (read(text, LIMITS), expected) {
        (Ok(value), Ok(expected)) => assert_eq!(value, expected),
        (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
        (found, expected) => {
            panic!("{}: {found:?} instead of {expected:?}", String::from_utf8_lossy(text))
        }
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    check(br#"{"a":1,"a":2}"#, Err("the key `a` is there twice at line 1 column"));
    check(br#"{"a":1,"\u0061":2}"#, Err("the key `a` is there twice"));
    check(br#"[{"b":{"c":1,"c":1}}]"#, Err("the key `c` is there twice"));
    check(br#"{"a":1,"A":2}"#, Ok(json!({ "a": 1, "A": 2 })));
    check(b"{\"a\xff\":1}", Err("not UTF-8 at byte 3"));
    check(br#""\ud800""#, Err("not JSON"));
    check(b"\xef\xbb\xbf1", Err("not JSON"));
    check(b"", Err("EOF"));
    check(b"1 2", Err("trailing"));
    check(b"NaN", Err("not JSON"));
    check(b"[1,]", Err("not JSON"));
}

#[test]
fn numbers_are_exact_or_refused() {
    let exact = "write it as a string";
    check(EXACT_MAX.to_string().as_bytes(), Ok(json!(EXACT_MAX)));
    check(b"-9007199254740991", Ok(json!(-9_007_199_254_740_991_i64)));
    check(b"9007199254740992", Err(exact));
    check(b"-9007199254740992", Err(exact));
    check(b"18446744073709551615", Err(exact));
    check(b"123456789012345678901234567890", Err(exact));
    check(b"9007199254740993.0", Err(exact));
    check(b"1e300", Err(exact));
    check(b"1e999", Err("not JSON"));
    check(b"1.5", Ok(json!(1.5)));
    check(br#""9007199254740993""#, Ok(json!("9007199254740993")));
}

#[test]
fn length_and_depth_are_bounded() {
    check(b"[[[1]]]", Ok(json!([[[1]]])));
    check(b"[[[[1]]]]", Err("nested too deep"));
    check(br#"{"a":{"a":{"a":{}}}}"#, Err("nested too deep"));
    check("[".repeat(256).as_bytes(), Err("nested too deep"));
    check(format!("\"{}\"", "a".repeat(254)).as_bytes(), Ok(json!("a".repeat(254))));
    let long = format!("\"{}\"", "a".repeat(255));
    assert_eq!(read(long.as_bytes(), LIMITS), Err(ReadError::TooLong { found: 257, limit: 256 }));
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read_as_everybody_reads_them(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(value) = read(&bytes, LIMITS) {
            prop_assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), value);
        }
    }

    #[test]
    fn any_json_like_text_is_refused_or_read_as_everybody_reads_it(text in "[\\[\\]{}:,\"a01.e\\\\u -]{0,40}") {
        let limits = ReadLimits { bytes: 1024, depth: 100 };
        match (read(text.as_bytes(), limits), serde_json::from_str::<Value>(&text)) {
            (Ok(value), other) => prop_assert_eq!(other.unwrap(), value),
            // What others take and we do not has two readings or a number that is not exact.
            (Err(error), Ok(_)) => {
                let told = error.to_string();
                prop_assert!(told.contains("twice") || told.contains("write it as a string"), "{}", told);
            }
            (Err(_), Err(_)) => {}
        }
    }
}

#[path = "../../../fuzz/checks/schema.rs"]
mod fuzzed;
#[path = "../../../fuzz/checks/seeds.rs"]
mod seeds;

#[test]
fn the_seeds_of_the_fuzz_target_and_what_is_near_them_hold() {
    assert!(seeds::replay("schema", &|data| fuzzed::check(data)) > 1_000);
}
