//! `host` against the URL and host arguments a tool declares.
//!
//! Exact names and names below a suffix are found by lookup, label by label; nothing is resolved. What
//! the canonical host of an argument is, `pattern/host.rs` says; what a program asks to reach,
//! `pattern/target.rs`.
//!
//! A program that asks for hosts is let through only by rules that name them. Its wildcards and ranges
//! must lie wholly in what a rule names; where they only meet it, that is unknown, so that a denial of
//! one name also stops a wildcard around it.

use std::collections::HashMap;
use std::net::IpAddr;

use serde_json::Value;

use super::bits::RowSet;
use super::column::Hits;
use super::labels::Index;
use super::paths::collect;
use crate::catalogue::{Effect, Entry};
use crate::pattern::{HostPattern, Network, Target, host_of};
use crate::selector::{Found, Selector};

/// The host column of one tool.
#[derive(Debug)]
pub(crate) struct HostTest {
    arguments: Vec<Selector>,
    asks: Asks,
    any: RowSet,
    exact: HashMap<String, RowSet>,
    /// By the name below which hosts match.
    below: HashMap<String, RowSet>,
    /// Addresses and ranges.
    within: Vec<(Network, RowSet)>,
    /// Rows that hold only where no host is asked for.
    silent: RowSet,
    asking: RowSet,
}

/// What the host arguments of a tool are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// Where the tool itself goes: a URL or a host.
    Urls,
    /// What a program may reach: targets, none of them unless a rule names it.
    Targets,
}

impl Asks {
    /// What those of `entry` are.
    pub(crate) fn of(entry: &Entry) -> Asks {
        match entry.tool.effect {
            Effect::Exec if !entry.hosts.is_empty() => Asks::Targets,
            Effect::Exec | Effect::Read | Effect::Write | Effect::Net => Asks::Urls,
        }
    }
}

impl HostTest {
    /// Every host of the call; a tool that declares none has one that is missing.
    pub(crate) fn values<'a>(&'a self, args: &'a Value) -> Vec<Found<'a>> {
        collect(&self.arguments, args)
    }

    /// How many targets the call names, where its tool runs programs.
    pub(crate) fn targets(&self, args: &Value) -> Option<usize> {
        (self.asks == Asks::Targets).then(|| self.values(args).len())
    }

    /// The rows that hold because nothing is asked for.
    pub(crate) fn run_without(&self, hits: &mut Hits) {
        self.silent.add_to(&mut hits.yes);
    }

    pub(crate) fn run(&self, value: Found<'_>, hits: &mut Hits) {
        let text = match value {
            Found::Value(Value::String(text)) => Some(text),
            _ => None,
        };
        let known = match self.asks {
            Asks::Urls => text.and_then(|text| host_of(text)).map(|host| self.host(&host, hits)),
            Asks::Targets => {
                text.and_then(|text| Target::parse(text).ok()).map(|target| match target {
                    Target::Name(name) => self.name(&name, hits),
                    Target::Below(name) => self.wildcard(&name, hits),
                    Target::Network(network) => self.network(network, hits),
                })
            }
        };
        if known.is_none() {
            self.asking.add_to(&mut hits.maybe);
        }
    }

    /// A name, or an address that was written as a host.
    fn host(&self, host: &str, hits: &mut Hits) {
        self.name(host, hits);
        let bare = host.trim_matches(['[', ']']);
        if let Ok(address) = bare.parse::<IpAddr>() {
            self.ranges(Network::of(address), hits);
        }
    }

    fn name(&self, host: &str, hits: &mut Hits) {
        self.any.add_to(&mut hits.yes);
        if let Some(rows) = self.exact.get(host) {
            rows.add_to(&mut hits.yes);
        }
        // No entry reads `*.` before an address, so an address is below nothing.
        let mut rest = host;
        while let Some((_, parent)) = rest.split_once('.') {
            if let Some(rows) = self.below.get(parent) {
                rows.add_to(&mut hits.yes);
            }
            rest = parent;
        }
    }

    /// Every name below `name`.
    fn wildcard(&self, name: &str, hits: &mut Hits) {
        self.any.add_to(&mut hits.yes);
        let inside = |inner: &str, outer: &str| {
            inner.strip_suffix(outer).is_some_and(|rest| rest.ends_with('.'))
        };
        for (_, rows) in self.exact.iter().filter(|(exact, _)| inside(exact, name)) {
            rows.add_to(&mut hits.maybe);
        }
        for (below, rows) in &self.below {
            if below == name || inside(name, below) {
                rows.add_to(&mut hits.yes);
            } else if inside(below, name) {
                rows.add_to(&mut hits.maybe);
            }
        }
    }

    /// An address or a range that a program asks for.
    fn network(&self, network: Network, hits: &mut Hits) {
        // `*` was written with the public network in mind; what lies beside it has to be named.
        if network.is_public() {
            self.any.add_to(&mut hits.yes);
        } else {
            self.any.add_to(&mut hits.maybe);
        }
        self.ranges(network, hits);
    }

    fn ranges(&self, network: Network, hits: &mut Hits) {
        for (within, rows) in &self.within {
            if within.contains(network) {
                rows.add_to(&mut hits.yes);
            } else if within.meets(network) {
                rows.add_to(&mut hits.maybe);
            }
        }
    }
}

/// Host patterns, while they are collected.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    any: Vec<u32>,
    exact: Index<String>,
    below: Index<String>,
    within: Vec<(Network, u32)>,
    silent: Vec<u32>,
    asking: Vec<u32>,
}

impl Hosts {
    pub(crate) fn add(&mut self, patterns: &[HostPattern], row: u32) {
        self.asking.push(row);
        for pattern in patterns {
            match pattern {
                HostPattern::Any => self.any.push(row),
                HostPattern::Exact(name) => {
                    if let Ok(address) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
                        self.within.push((Network::of(address), row));
                    }
                    self.exact.add(name.clone(), row);
                }
                HostPattern::Below(name) => self.below.add(name.clone(), row),
                HostPattern::Within(network) => self.within.push((*network, row)),
            }
        }
    }

    /// A row that says nothing of hosts and must not let any through.
    pub(crate) fn add_silent(&mut self, row: u32) {
        self.silent.push(row);
    }

    pub(crate) fn build(self, rows: usize, arguments: &[Selector], asks: Asks) -> HostTest {
        let set = |(network, row): (Network, u32)| (network, RowSet::of(rows, vec![row]));
        HostTest {
            arguments: arguments.to_vec(),
            asks,
            any: RowSet::of(rows, self.any),
            exact: self.exact.build(rows),
            below: self.below.build(rows),
            within: self.within.into_iter().map(set).collect(),
            silent: RowSet::of(rows, self.silent),
            asking: RowSet::of(rows, self.asking),
        }
    }
}
