//! Fields that are always known: tags, roles, mode, state, and the principal.
//!
//! Absent is empty, and empty is false; only a principal too long to match is unknown.

use std::collections::HashMap;

use globset::Glob;

use super::bits::RowSet;
use super::column::Hits;
use super::patterns::{Globs, PatternCache, Patterns};
use crate::identifier;
use crate::pattern::{NamePattern, TEXT_BYTES_MAX};

/// Labels held against a set of exact ones.
#[derive(Debug)]
pub(crate) struct LabelTest {
    rows: HashMap<String, RowSet>,
}

impl LabelTest {
    pub(crate) fn run<'a>(&self, labels: impl Iterator<Item = &'a str>, hits: &mut Hits) {
        for label in labels {
            if let Some(rows) = self.rows.get(identifier::normal(label).as_ref()) {
                rows.add_to(&mut hits.yes);
            }
        }
    }
}

/// Rows by exact text, while they are collected.
#[derive(Debug)]
pub(crate) struct Index<K> {
    rows: HashMap<K, Vec<u32>>,
}

impl<K> Default for Index<K> {
    fn default() -> Index<K> {
        Index { rows: HashMap::new() }
    }
}

impl<K: Eq + std::hash::Hash> Index<K> {
    pub(crate) fn add(&mut self, key: K, row: u32) {
        self.rows.entry(key).or_default().push(row);
    }

    pub(crate) fn build(self, rows: usize) -> HashMap<K, RowSet> {
        let sets = self.rows.into_iter();
        sets.map(|(key, members)| (key, RowSet::of(rows, members))).collect()
    }
}

impl Index<String> {
    pub(crate) fn labels(self, rows: usize) -> LabelTest {
        LabelTest { rows: self.build(rows) }
    }
}

/// A principal held against names and patterns.
#[derive(Debug)]
pub(crate) struct PrincipalTest {
    exact: HashMap<String, RowSet>,
    patterns: Patterns,
}

impl PrincipalTest {
    pub(crate) fn run(&self, principal: &str, asking: &RowSet, hits: &mut Hits) {
        if principal.len() > TEXT_BYTES_MAX {
            asking.add_to(&mut hits.maybe);
            return;
        }
        let principal = identifier::normal(principal);
        if let Some(rows) = self.exact.get(principal.as_ref()) {
            rows.add_to(&mut hits.yes);
        }
        self.patterns.add_matches(&principal, &mut hits.yes);
    }
}

/// Names and patterns of principals, while they are collected.
#[derive(Debug, Default)]
pub(crate) struct Principals {
    exact: Index<String>,
    globs: Globs,
}

impl Principals {
    pub(crate) fn add(&mut self, pattern: &NamePattern, row: u32) -> Result<(), globset::Error> {
        if pattern.is_exact() {
            self.exact.add(pattern.text().to_owned(), row);
        } else {
            self.globs.add(&Glob::new(&pattern.glob())?, row);
        }
        Ok(())
    }

    pub(crate) fn build(
        self,
        rows: usize,
        cache: &mut PatternCache,
    ) -> Result<PrincipalTest, globset::Error> {
        let patterns = cache.build(self.globs, rows)?;
        Ok(PrincipalTest { exact: self.exact.build(rows), patterns })
    }
}
