//! `host` against the URL and host arguments a tool declares.
//!
//! Exact names and names below a suffix are found by lookup, label by label; nothing is resolved. What
//! the canonical host of an argument is, `pattern/host.rs` says.

use std::collections::HashMap;

use serde_json::Value;

use super::bits::RowSet;
use super::column::Hits;
use super::labels::Index;
use super::paths::collect;
use crate::pattern::{HostPattern, host_of};
use crate::selector::{Found, Selector};

/// The host column of one tool.
#[derive(Debug)]
pub(crate) struct HostTest {
    arguments: Vec<Selector>,
    any: RowSet,
    exact: HashMap<String, RowSet>,
    /// By the name below which hosts match.
    below: HashMap<String, RowSet>,
    asking: RowSet,
}

impl HostTest {
    /// Every host of the call; a tool that declares none has one that is missing.
    pub(crate) fn values<'a>(&'a self, args: &'a Value) -> Vec<Found<'a>> {
        collect(&self.arguments, args)
    }

    pub(crate) fn run(&self, value: Found<'_>, hits: &mut Hits) {
        let host = match value {
            Found::Value(Value::String(text)) => host_of(text),
            _ => None,
        };
        let Some(host) = host else {
            self.asking.add_to(&mut hits.maybe);
            return;
        };
        self.any.add_to(&mut hits.yes);
        if let Some(rows) = self.exact.get(&host) {
            rows.add_to(&mut hits.yes);
        }
        // No entry reads `*.` before an address, so an address is below nothing.
        let mut rest = host.as_str();
        while let Some((_, parent)) = rest.split_once('.') {
            if let Some(rows) = self.below.get(parent) {
                rows.add_to(&mut hits.yes);
            }
            rest = parent;
        }
    }
}

/// Host patterns, while they are collected.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    any: Vec<u32>,
    exact: Index<String>,
    below: Index<String>,
    asking: Vec<u32>,
}

impl Hosts {
    pub(crate) fn add(&mut self, patterns: &[HostPattern], row: u32) {
        self.asking.push(row);
        for pattern in patterns {
            match pattern {
                HostPattern::Any => self.any.push(row),
                HostPattern::Exact(name) => self.exact.add(name.clone(), row),
                HostPattern::Below(name) => self.below.add(name.clone(), row),
            }
        }
    }

    pub(crate) fn build(self, rows: usize, arguments: &[Selector]) -> HostTest {
        HostTest {
            arguments: arguments.to_vec(),
            any: RowSet::of(rows, self.any),
            exact: self.exact.build(rows),
            below: self.below.build(rows),
            asking: RowSet::of(rows, self.asking),
        }
    }
}
