//! Random rules and calls from a number: the same number, the same rules and calls.
//!
//! Values are chosen so that conditions are true, false and unknown about equally often. No library,
//! because a million calls have to be cheap.

use policy::Verdict;
use serde_json::{Map, Value, json};

use super::world::{Condition, HOSTS, Rule, TOOLS};
use crate::fixture::{Asked, call};

const GLOBS: [&str; 10] =
    ["docs/**", "docs/*", "*.md", "a.md", "/a.md", "**", "**/c", "src/**/x", "*", "docs/*/c"];

const WANTED: [&str; 10] =
    ["prod", "7", "true", "glob:pr*", "glob:*x*", "<= 10KiB", "> 5", ">= 2s", "< 1MB", "< 30s"];

/// A source of choices: SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(number: u64) -> Draw {
        Draw(number)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Yes, this many times in a hundred.
    pub(crate) fn yes(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn several<T: Copy>(&mut self, of: &[T], most: usize) -> Vec<T> {
        (0..=self.below(most)).map(|_| *self.pick(of)).collect()
    }

    fn some(&mut self, of: &[&'static str]) -> Vec<&'static str> {
        if self.yes(60) { Vec::new() } else { self.several(of, 2) }
    }

    fn condition(&mut self) -> Condition {
        let tools: [&[&str]; 5] =
            [&[], &["*"], &["all.*", "fs.*"], &["all.do"], &["*.do", "http.*"]];
        let paths = match self.below(12) {
            0..5 => None,
            5 => Some(Vec::new()),
            _ => Some(self.several(&GLOBS, 2)),
        };
        let args = if self.yes(66) {
            Vec::new()
        } else {
            vec![(*self.pick(&["p", "q"]), self.several(&WANTED, 3))]
        };
        Condition {
            tools: if self.yes(50) { Vec::new() } else { self.pick(&tools).to_vec() },
            roles: self.some(&["agent", "admin"]),
            tags: self.some(&["core", "other"]),
            modes: self.some(&["strict", "debug"]),
            principals: self.some(&["planner-*", "planner-1", "*-2", "p*n*1"]),
            paths,
            hosts: self.some(&["docs.rs", "*.python.org", "127.0.0.1", "*"]),
            args,
        }
    }

    fn rule(&mut self) -> Rule {
        let action = *self.pick(&[
            Verdict::Allow,
            Verdict::Allow,
            Verdict::Allow,
            Verdict::Deny,
            Verdict::RequireReview,
        ]);
        let asks = action != Verdict::Deny;
        let approve = (
            *self.pick(&[1, 2, 3]),
            *self.pick(&[60, 900, 172_800]),
            *self.pick(&["", "sre", "lead"]),
        );
        Rule {
            action,
            condition: self.condition(),
            except: (0..self.below(3)).map(|_| self.condition()).collect(),
            ticket: asks && self.yes(6),
            limited: asks && self.yes(25),
            approve: (action == Verdict::RequireReview && self.yes(50)).then_some(approve),
        }
    }

    pub(crate) fn rules(&mut self) -> Vec<Rule> {
        (0..self.below(7)).map(|_| self.rule()).collect()
    }
}

/// The values calls are made of.
#[derive(Debug)]
pub(crate) struct Values {
    paths: Vec<Value>,
    urls: Vec<Value>,
    others: Vec<Value>,
}

impl Values {
    pub(crate) fn new() -> Values {
        let paths = json!([
            "docs/a",
            "docs/b/c",
            "docs/b.md",
            "./docs//b/c/",
            "a.md",
            "src/x",
            "src/y/x",
            "c",
            ".",
            "..",
            "docs/../a.md",
            "/etc/a.md",
            "docs/.ssh/k",
            "palisade.yaml",
            7,
            null,
        ]);
        let others = json!([
            "prod",
            "pre",
            "x/x\nx",
            7,
            7.0,
            -7,
            6,
            u64::MAX,
            (1_u64 << 53) - 1,
            1_u64 << 53,
            true,
            false,
            null,
            "10KiB",
            "10241",
            "2s",
            "30s",
            "1999ms",
            "1MB",
            "999s",
            [7],
            "1.5s",
            "x".repeat(4097),
        ]);
        let list = |value: Value| value.as_array().cloned().unwrap_or_default();
        let urls = HOSTS.iter().map(|(value, _)| json!(value)).chain([json!(1)]).collect();
        Values { paths: list(paths), urls, others: list(others) }
    }

    pub(crate) fn call(&self, draw: &mut Draw) -> Asked {
        let mut args = Map::new();
        let mut set = |name: &str, value: Value| args.insert(name.to_owned(), value);
        if draw.yes(75) {
            set("path", draw.pick(&self.paths).clone());
        }
        if draw.yes(75) {
            set("to", (0..draw.below(3)).map(|_| draw.pick(&self.paths).clone()).collect());
        }
        if draw.yes(75) {
            set("url", draw.pick(&self.urls).clone());
        }
        for name in ["p", "q"] {
            if draw.yes(75) {
                set(name, draw.pick(&self.others).clone());
            }
        }
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let mut asked = call(draw.pick(&TOOLS).0, Value::Object(args));
        asked.principal = (*draw.pick(&["planner-1", "planner-2", "other", ""])).to_owned();
        asked.roles = own(draw.pick::<&[&str]>(&[&["agent"], &["admin", "x"], &[]]));
        asked.tags = own(draw.pick::<&[&str]>(&[&["core"], &[]]));
        asked.mode = draw.pick(&[None, Some("strict"), Some("explore")]).map(str::to_owned);
        asked
    }
}
