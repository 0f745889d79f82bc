//! One field of every condition of a tool, tested against a call in one go.
//!
//! A column answers for all rows at once: in which is the field true, in which may it be. Three-valued
//! logic is kept as those two sets; false is in neither, unknown only in the second. What a field
//! means is in the files beside this one.

use serde_json::Value;

use crate::call::Call;
use crate::selector::Found;

use super::arguments::ArgumentTest;
use super::bits::{Bits, RowSet};
use super::hosts::HostTest;
use super::labels::{LabelTest, PrincipalTest};
use super::paths::PathTest;

/// Values of path or host arguments in one call; more are unknown.
pub(super) const VALUES_MAX: usize = 1_024;

/// The rows in which a field is true, and those in which it is true or unknown.
#[derive(Debug, Clone)]
pub(crate) struct Hits {
    pub(crate) yes: Bits,
    pub(crate) maybe: Bits,
}

impl Hits {
    pub(crate) fn new(rows: usize) -> Hits {
        Hits { yes: Bits::empty(rows), maybe: Bits::empty(rows) }
    }

    pub(crate) fn clear(&mut self) {
        self.yes.clear();
        self.maybe.clear();
    }

    /// Tests one value or several into `self`, which must be clear.
    ///
    /// A row of `widening` (an allow's match, an `except` of the others) holds if all values do, the
    /// others if any does: no second path may smuggle a call past a denial or into an allow. No value
    /// at all is a known nothing, in which no row holds.
    pub(super) fn each<'a>(
        &mut self,
        values: &[Found<'a>],
        widening: &Bits,
        test: impl Fn(Found<'a>, &mut Hits),
    ) {
        let values = if values.len() > VALUES_MAX { &[Found::IllTyped] } else { values };
        let Some((first, others)) = values.split_first() else { return };
        self.one(*first, &test);
        if others.is_empty() {
            return;
        }
        let mut next = self.clone();
        for value in others {
            next.clear();
            next.one(*value, &test);
            self.yes.quantify(&next.yes, widening);
            self.maybe.quantify(&next.maybe, widening);
        }
    }

    fn one<'a>(&mut self, value: Found<'a>, test: impl Fn(Found<'a>, &mut Hits)) {
        test(value, self);
        self.maybe.add(&self.yes);
    }
}

/// A call, or the part of it that asks for one host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) call: &'a Call<'a>,
    /// The place of the host; every one without it.
    pub(crate) host: Option<usize>,
}

impl<'a> Asked<'a> {
    /// The whole call.
    pub(crate) fn whole(call: &'a Call<'a>) -> Asked<'a> {
        Asked { call, host: None }
    }

    fn hosts<'v>(&self, values: Vec<Found<'v>>) -> Vec<Found<'v>> {
        match self.host {
            Some(place) => values.into_iter().skip(place).take(1).collect(),
            None => values,
        }
    }
}

/// A field of the rule language.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Field {
    CallerTag,
    Role,
    Mode,
    State,
    Principal,
    PathGlob,
    Host,
    Argument(String),
}

/// A field and the rows that ask about it.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) field: Field,
    pub(crate) asking: RowSet,
    pub(crate) test: Test,
}

/// How a column tests a call.
#[derive(Debug)]
pub(crate) enum Test {
    Labels(LabelTest),
    Principal(PrincipalTest),
    Paths(PathTest),
    Hosts(HostTest),
    Argument(Box<ArgumentTest>),
}

impl Column {
    /// Tests what is `asked` for every row; `hits` must be clear.
    pub(crate) fn test(&self, asked: Asked<'_>, widening: &Bits, hits: &mut Hits) {
        let call = asked.call;
        match &self.test {
            Test::Labels(test) => match self.field {
                Field::CallerTag => test.run(call.tags.iter().map(String::as_str), hits),
                Field::Role => test.run(call.roles.iter().map(String::as_str), hits),
                Field::Mode => test.run(call.mode.into_iter(), hits),
                _ => test.run(call.state.into_iter(), hits),
            },
            Test::Principal(test) => test.run(call.principal, &self.asking, hits),
            Test::Paths(test) => {
                hits.each(&test.values(call.args), widening, |value, hits| test.run(value, hits));
            }
            Test::Hosts(test) => {
                let values = asked.hosts(test.values(call.args));
                hits.each(&values, widening, |value, hits| test.run(value, hits));
                if values.is_empty() {
                    test.run_without(hits);
                }
            }
            Test::Argument(test) => test.run(call.args, &self.asking, hits),
        }
        hits.maybe.add(&hits.yes);
    }

    /// How many hosts a program asks for in `call`, where this column is about them.
    pub(crate) fn targets(&self, call: &Call<'_>) -> Option<usize> {
        match &self.test {
            Test::Hosts(test) => test.targets(call.args),
            Test::Labels(_) | Test::Principal(_) | Test::Paths(_) | Test::Argument(_) => None,
        }
    }

    /// The argument values this column looks at, for explanations; `None` where one is missing.
    pub(crate) fn values<'a>(&'a self, asked: Asked<'a>) -> Vec<Option<&'a Value>> {
        let args = asked.call.args;
        let found = match &self.test {
            Test::Paths(test) => test.values(args),
            Test::Hosts(test) => asked.hosts(test.values(args)),
            Test::Argument(test) => vec![test.value(args)],
            Test::Labels(_) | Test::Principal(_) => Vec::new(),
        };
        let shown = found.into_iter().map(|found| match found {
            Found::Value(value) => Some(value),
            Found::Missing | Found::IllTyped => None,
        });
        shown.collect()
    }
}
