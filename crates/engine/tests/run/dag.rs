//! Random graphs as documents, for tests that hold for every graph.
//!
//! A step is a few numbers, so that a failing graph shrinks to a small one. What holds is in
//! `property`.

use engine::run::Plan;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::sync::Arc;

/// A step in a few numbers, so that it shrinks well.
#[derive(Debug, Clone)]
pub struct Sketch {
    /// Which of the steps before it, of its own list, it needs: one bit each.
    pub needs: u8,
    pub asks: bool,
    pub tolerated: bool,
    pub never: bool,
    pub attempts: u32,
}

#[derive(Debug, Clone)]
pub struct Dag {
    pub main: Vec<Sketch>,
    pub last: Vec<Sketch>,
    pub outputs: bool,
}

pub fn sketch(odd: bool) -> impl Strategy<Value = Sketch> {
    let chance = move |share: f64| proptest::bool::weighted(if odd { share } else { 0.0 });
    (any::<u8>(), chance(0.2), chance(0.15), chance(0.25), 1..4_u32).prop_map(
        move |(needs, asks, tolerated, never, attempts)| {
            let attempts = if odd { attempts } else { 1 };
            Sketch { needs, asks, tolerated, never, attempts }
        },
    )
}

/// A graph of up to eight main and two last steps. Without oddities every step is idempotent, has
/// one attempt, no condition and no tolerance.
pub fn dag(odd: bool) -> impl Strategy<Value = Dag> {
    let main = proptest::collection::vec(sketch(odd), 1..=8);
    let last = proptest::collection::vec(sketch(odd), 0..=2);
    (main, last, proptest::bool::weighted(0.3)).prop_map(move |(main, last, outputs)| Dag {
        main,
        last,
        outputs: outputs && odd,
    })
}

impl Dag {
    pub fn plan(&self) -> Arc<Plan> {
        let mut lines = String::new();
        list(&mut lines, "m", &self.main);
        if !self.last.is_empty() {
            lines.push_str("finally\n");
            list(&mut lines, "z", &self.last);
        }
        if self.outputs {
            lines.push_str("outputs: { x: \"${{ run.id }}\" }\n");
        }
        crate::world::steps(&lines)
    }
}

fn list(lines: &mut String, letter: &str, sketches: &[Sketch]) {
    for (place, sketch) in sketches.iter().enumerate() {
        write!(lines, "{letter}{place}:").unwrap();
        for need in (0..place.min(8)).filter(|need| sketch.needs & (1 << need) != 0) {
            write!(lines, " {letter}{need}").unwrap();
        }
        let asks = if sketch.asks { "if: \"${{ always() }}\", " } else { "" };
        let Sketch { tolerated, never, attempts, .. } = sketch;
        let idempotent = !never;
        let backoff = "backoff: { base: 1s, max: 5s, jitter: true }";
        writeln!(
            lines,
            "; {asks}allow_failure: {tolerated}, idempotent: {idempotent}, \
             retry: {{ max_attempts: {attempts}, {backoff} }}"
        )
        .unwrap();
    }
}
