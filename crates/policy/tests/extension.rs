//! The bytes of the extension protocol: what is asked, and that only one exact answer counts.
//!
//! Every odd answer is a fault, and a fault denies (`cases.rs`, case 20). Each refusal has the answer
//! it was made from as a control.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed test should stop loudly"
)]

mod fixture;

use fixture::{call, read};
use policy::extension::{ANSWER_BYTES_MAX, Answer, QUESTION_BYTES_MAX, question};
use policy::{Extended, ExtensionFault};
use proptest::prelude::*;
use serde_json::{Value, json};

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&length.to_be_bytes()[..], message].concat()
}

fn answered(text: &str) -> Result<Option<Extended>, ExtensionFault> {
    Answer::to(7).take(&framed(text.as_bytes()))
}

#[test]
fn a_question_holds_the_call_as_rules_see_it() {
    let mut asked = read("docs/a.md");
    asked.mode = Some("strict".to_owned());
    let frame = question(7, &asked.borrowed()).unwrap();
    let (length, message) = frame.split_first_chunk::<4>().unwrap();
    assert_eq!(u32::from_be_bytes(*length) as usize, message.len());
    assert_eq!(
        serde_json::from_slice::<Value>(message).unwrap(),
        json!({
            "version": 1,
            "number": 7,
            "call": {
                "tool": "fs.read", "principal": "planner-1", "roles": ["agent"],
                "tags": ["core_plugin"], "mode": "strict", "state": null,
                "args": { "path": "docs/a.md" },
            },
        })
    );
}

#[test]
fn a_call_that_is_too_large_is_not_asked_about() {
    let asked = |bytes: usize| call("fs.read", json!({ "path": "x".repeat(bytes) }));
    let empty = question(7, &asked(0).borrowed()).unwrap().len() - 4;
    let room = QUESTION_BYTES_MAX - empty;
    assert_eq!(question(7, &asked(room).borrowed()).unwrap().len(), 4 + QUESTION_BYTES_MAX);
    let larger = question(7, &asked(room + 1).borrowed());
    assert_eq!(larger, Err(ExtensionFault::TooLarge));
}

#[test]
fn answers_decide() {
    let reason = Some("because".into());
    for (text, expected) in [
        (r#"{"version":1,"number":7,"decision":"pass"}"#, Extended::Pass),
        (r#"{"version":1,"number":7,"decision":"allow"}"#, Extended::Allow(None)),
        (r#" {"number":7, "decision":"deny", "version":1, "reason":null} "#, Extended::Deny(None)),
        (
            r#"{"version":1,"number":7,"decision":"require_review","reason":"because"}"#,
            Extended::RequireReview(reason),
        ),
        (r#"{"version":1,"number":7,"decision":"deny","reason":""}"#, Extended::Deny(None)),
    ] {
        assert_eq!(answered(text), Ok(Some(expected)), "{text}");
    }
}

#[test]
fn anything_odd_is_a_fault() {
    let long =
        format!(r#"{{"version":1,"number":7,"decision":"allow","reason":"{}"}}"#, "x".repeat(1025));
    let deep = format!(r#"{{"version":1,"number":7,"decision":{}1"#, "[".repeat(10_000));
    for text in [
        "{}",
        "null",
        "true",
        "\"allow\"",
        "[]",
        "{",
        r#"{"version":2,"number":7,"decision":"allow"}"#,
        r#"{"version":"1","number":7,"decision":"allow"}"#,
        r#"{"version":1.0,"number":7,"decision":"allow"}"#,
        r#"{"version":1,"number":8,"decision":"allow"}"#,
        r#"{"version":1,"number":-7,"decision":"allow"}"#,
        r#"{"version":1,"decision":"allow"}"#,
        r#"{"version":1,"number":7}"#,
        r#"{"version":1,"number":7,"decision":"Allow"}"#,
        r#"{"version":1,"number":7,"decision":"allowed"}"#,
        r#"{"version":1,"number":7,"decision":true}"#,
        r#"{"version":1,"number":7,"decision":null}"#,
        r#"{"version":1,"number":7,"decision":"deny","decision":"allow"}"#,
        r#"{"version":1,"number":7,"decision":"allow","approved":true}"#,
        r#"{"version":1,"number":7,"decision":"allow","reason":7}"#,
        r#"{"version":1,"number":7,"decision":"allow","reason":"a\nb"}"#,
        r#"{"version":1,"number":7,"decision":"allow","reason":"\u001b[2J"}"#,
        r#"{"version":1,"number":7,"decision":"allow"} {}"#,
        r#"{"version":1,"number":7,"decision":"allow",}"#,
        "{\"version\":1,\"number\":7,\"decision\":\"allow\"}\u{0}",
        long.as_str(),
        deep.as_str(),
    ] {
        assert_eq!(answered(text), Err(ExtensionFault::Malformed), "{text}");
    }
    let bytes =
        [&b"{\"version\":1,\"number\":7,\"decision\":\"allow\",\"reason\":\"\xff\"}"[..]].concat();
    assert_eq!(Answer::to(7).take(&framed(&bytes)), Err(ExtensionFault::Malformed));
}

#[test]
fn frames_are_exact() {
    let good = framed(br#"{"version":1,"number":7,"decision":"allow"}"#);
    let take = |bytes: &[u8]| Answer::to(7).take(bytes);
    assert_eq!(take(&good), Ok(Some(Extended::Allow(None))));
    // A byte more than was asked for.
    assert_eq!(take(&[&good[..], b" "].concat()), Err(ExtensionFault::Malformed));
    assert_eq!(take(&[&good[..], &good[..]].concat()), Err(ExtensionFault::Malformed));
    // Nothing, and too much: refused at the length, before any of it comes.
    assert_eq!(take(&[0, 0, 0, 0]), Err(ExtensionFault::Malformed));
    assert_eq!(take(&[0xff; 4]), Err(ExtensionFault::Malformed));
    let most = u32::try_from(ANSWER_BYTES_MAX).unwrap();
    assert_eq!(take(&(most + 1).to_be_bytes()), Err(ExtensionFault::Malformed));
    assert_eq!(take(&most.to_be_bytes()), Ok(None));
    let mut padded = r#"{"version":1,"number":7,"decision":"pass"}"#.to_owned();
    padded.push_str(&" ".repeat(ANSWER_BYTES_MAX - padded.len()));
    assert_eq!(take(&framed(padded.as_bytes())), Ok(Some(Extended::Pass)));
    assert_eq!(take(&vec![b' '; ANSWER_BYTES_MAX + 5]), Err(ExtensionFault::Malformed));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_answer_comes_in_any_pieces(cuts in prop::collection::vec(0_usize..60, 0..6)) {
        let frame = framed(br#"{"version":1,"number":7,"decision":"deny","reason":"no"}"#);
        let mut answer = Answer::to(7);
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < frame.len()).collect();
        cuts.extend([0, frame.len()]);
        cuts.sort_unstable();
        for piece in cuts.windows(2) {
            let taken = answer.take(&frame[piece[0]..piece[1]]);
            let expected = (piece[1] == frame.len()).then(|| Extended::Deny(Some("no".into())));
            prop_assert_eq!(taken, Ok(expected));
        }
    }

    /// Bytes that nobody chose never allow, and never stop the reader.
    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        text in "[\\[{}\\]\":,0-9a-z ]{0,80}",
    ) {
        for message in [bytes.clone(), framed(&bytes), framed(text.as_bytes())] {
            let taken = Answer::to(7).take(&message);
            prop_assert!(!matches!(taken, Ok(Some(_))), "{:?}", taken);
        }
    }
}

#[path = "../../../fuzz/checks/answer.rs"]
mod fuzzed;
#[path = "../../../fuzz/checks/seeds.rs"]
mod seeds;

#[test]
fn the_seeds_of_the_fuzz_target_and_what_is_near_them_hold() {
    assert!(seeds::replay("answer", &|data| fuzzed::check(data)) > 300);
}
