//! How fast secrets are found in text: known values in every form, and patterns, on logs and on JSON.
//!
//! One core, text in memory, pieces of 64 KiB as a step's output comes. The floor is what any program pays that
//! copies the same text, or looks for one byte in it.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redaction::{Known, Patterns, Redactor, Tagger};

use super::{BenchError, Measured, metric, note};

/// Text of one measurement, in bytes.
const TEXT_BYTES: usize = 32 << 20;
const PIECE_BYTES: usize = 64 << 10;
/// Measurements of which the best counts.
const ROUNDS: usize = 3;

pub(super) fn measure() -> Measured {
    let broken = |error: &dyn std::fmt::Display| BenchError::new("preparing the redaction", error);
    let tagger = Tagger::new([0; 32]);
    let known = |count: u64| {
        let values: Vec<(String, String)> =
            (0..count).map(|place| (format!("secret-{place}"), value(place))).collect();
        let values = values.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Known::new(values, &tagger).map(Arc::new).map_err(|error| broken(&error))
    };
    let patterns = Patterns::new([]).map_err(|error| broken(&error))?;
    let rules = patterns.count();
    let patterns = Redactor::new(known(0)?, Some(Arc::new(patterns)), tagger.clone());
    let mut metrics = vec![metric("redaction_rules", rules as f64, "count")];
    let names = [
        [
            "redaction_floor_copy_log",
            "redaction_floor_memchr_log",
            "redaction_known_10_log",
            "redaction_known_1000_log",
            "redaction_patterns_log",
        ],
        [
            "redaction_floor_copy_json",
            "redaction_floor_memchr_json",
            "redaction_known_10_json",
            "redaction_known_1000_json",
            "redaction_patterns_json",
        ],
    ];
    let few = Redactor::new(known(10)?, None, tagger.clone());
    let many = Redactor::new(known(1000)?, None, tagger.clone());
    for (names, text) in names.into_iter().zip([log(), json()]) {
        let figures = [
            rate(&text, |piece| piece.to_vec().len()),
            rate(&text, |piece| usize::from(piece.contains(&0))),
            streamed(&few, &text),
            streamed(&many, &text),
            streamed(&patterns, &text),
        ];
        for (name, value) in names.into_iter().zip(figures) {
            metrics.push(metric(name, value, "MB/s"));
        }
    }
    let notes = vec![
        note(
            "text",
            "32 MiB of build log and of JSON lines, in pieces of 64 KiB, in memory, one core",
        ),
        note("figure", "best of three rounds, by the processor time of the thread"),
        note("known", "10 and 1000 values of 40 characters, each in every form"),
    ];
    Ok(("redaction", notes, metrics))
}

fn streamed(redactor: &Redactor, text: &[u8]) -> f64 {
    let mut stream = redactor.stream();
    rate(text, |piece| stream.take(piece).len())
}

/// Millions of bytes a second, the best of some rounds.
fn rate(text: &[u8], mut one: impl FnMut(&[u8]) -> usize) -> f64 {
    let round = |_| {
        let (began, busy) = (Instant::now(), busy());
        for piece in text.chunks(PIECE_BYTES) {
            black_box(one(black_box(piece)));
        }
        // The kernel counts in ticks, or not at all: where it says nothing, all the time counts.
        let spent = busy.zip(self::busy()).map(|(before, after)| after.saturating_sub(before));
        let spent = spent.filter(|spent| !spent.is_zero());
        text.len() as f64 / 1e6 / spent.unwrap_or_else(|| began.elapsed()).as_secs_f64()
    };
    (0..ROUNDS).map(round).fold(0.0, f64::max)
}

/// How long this thread has had a processor, as the kernel counts it.
fn busy() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// A value of 40 letters and digits, another for each place.
fn value(place: u64) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut state = place.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let letter = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let five = usize::try_from(state >> 59).unwrap_or_default();
        LETTERS.get(five).map_or('a', |letter| char::from(*letter))
    };
    (0..40).map(letter).collect()
}

fn log() -> Vec<u8> {
    repeated(|place| {
        format!(
            "2026-11-21T12:{:02}:{:02}.{:03}Z INFO worker-{} compiled crates/module_{}/src/lib.rs in {} ms, 0 warnings\n",
            place / 60 % 60,
            place % 60,
            place % 1000,
            place % 7,
            place % 311,
            place % 977,
        )
    })
}

fn json() -> Vec<u8> {
    repeated(|place| {
        format!(
            "{{\"seq\":{place},\"type\":\"step.finished\",\"run\":\"{}\",\"step\":\"build-{}\",\"exit\":0,\"usage\":{{\"wall_us\":{},\"peak_memory\":{}}},\"outputs\":{{\"digest\":\"{:064x}\"}}}}\n",
            value(place % 64),
            place % 13,
            place * 37 % 100_000,
            place * 4096,
            place.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        )
    })
}

fn repeated(line: impl Fn(u64) -> String) -> Vec<u8> {
    let mut text = Vec::with_capacity(TEXT_BYTES + 1024);
    let mut place = 0;
    while text.len() < TEXT_BYTES {
        text.extend_from_slice(line(place).as_bytes());
        place += 1;
    }
    text
}
