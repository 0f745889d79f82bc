//! `path_glob` against the path arguments a tool declares.
//!
//! A path outside the root is unknown to the rules of a file, which speak of the root, and is matched
//! as written by built-in rules, whose patterns float. A missing path is unknown to the rules of a
//! file and no place to a built-in rule. `path_glob: []` is false whatever the path.

use serde_json::Value;

use super::bits::RowSet;
use super::column::Hits;
use super::patterns::{Globs, PatternCache, Patterns};
use crate::decision::Layer;
use crate::pattern::{PathPattern, PathValue, path_value};
use crate::selector::{Found, Selector};

/// The path column of one tool.
#[derive(Debug)]
pub(crate) struct PathTest {
    arguments: Vec<Selector>,
    patterns: Patterns,
    /// Only the patterns of built-in rules, for paths outside the root.
    outside: Patterns,
    /// Rows with a pattern that matches the root.
    root: RowSet,
    rules: RowSet,
    built_in: RowSet,
}

impl PathTest {
    /// Every path of the call; a tool that declares none has one that is missing.
    pub(crate) fn values<'a>(&'a self, args: &'a Value) -> Vec<Found<'a>> {
        collect(&self.arguments, args)
    }

    pub(crate) fn run(&self, value: Found<'_>, hits: &mut Hits) {
        let path = match value {
            Found::Value(Value::String(text)) => path_value(text),
            Found::Missing => {
                self.rules.add_to(&mut hits.maybe);
                return;
            }
            Found::Value(_) | Found::IllTyped => PathValue::Unknown,
        };
        match path {
            PathValue::Inside(path) => self.patterns.add_matches(&path, &mut hits.yes),
            PathValue::Root => self.root.add_to(&mut hits.yes),
            PathValue::Outside(path) => {
                self.outside.add_matches(&path, &mut hits.yes);
                self.rules.add_to(&mut hits.maybe);
            }
            PathValue::Unknown => {
                self.rules.add_to(&mut hits.maybe);
                self.built_in.add_to(&mut hits.maybe);
            }
        }
    }
}

/// Every value of `arguments`; without any argument, one that is missing.
pub(super) fn collect<'a>(arguments: &'a [Selector], args: &'a Value) -> Vec<Found<'a>> {
    if arguments.is_empty() {
        return vec![Found::Missing];
    }
    let mut found = Vec::with_capacity(arguments.len());
    arguments.iter().for_each(|argument| argument.collect(args, &mut found));
    found
}

/// Path patterns, while they are collected.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    globs: Globs,
    outside: Globs,
    root: Vec<u32>,
    rules: Vec<u32>,
    built_in: Vec<u32>,
}

impl Paths {
    pub(crate) fn add(&mut self, patterns: &[PathPattern], layer: Layer, row: u32) {
        if patterns.is_empty() {
            return;
        }
        match layer {
            Layer::BuiltIn => self.built_in.push(row),
            Layer::Ticket | Layer::Rules | Layer::Extension => self.rules.push(row),
        }
        for pattern in patterns {
            self.globs.add(&pattern.glob, row);
            if layer == Layer::BuiltIn {
                self.outside.add(&pattern.glob, row);
            }
            if pattern.root && self.root.last() != Some(&row) {
                self.root.push(row);
            }
        }
    }

    pub(crate) fn build(
        self,
        rows: usize,
        arguments: &[Selector],
        cache: &mut PatternCache,
    ) -> Result<PathTest, globset::Error> {
        Ok(PathTest {
            arguments: arguments.to_vec(),
            patterns: cache.build(self.globs, rows)?,
            outside: cache.build(self.outside, rows)?,
            root: RowSet::of(rows, self.root),
            rules: RowSet::of(rows, self.rules),
            built_in: RowSet::of(rows, self.built_in),
        })
    }
}
