//! One key of `args` against its value in a call.
//!
//! Each alternative of a row is true, false or unknown by itself: a text held against a number is
//! ill-typed and therefore unknown. A row is true if any alternative is, else unknown if any is.

use std::collections::HashMap;

use serde_json::{Number, Value};

use super::bits::{Bits, RowSet};
use super::column::Hits;
use super::labels::Index;
use super::patterns::{Globs, PatternCache, Patterns};
use super::thresholds::Thresholds;
use crate::pattern::TEXT_BYTES_MAX;
use crate::rule::{Accepted, Bound, Operator, QUANTITY_END};
use crate::selector::{Found, Selector};
use crate::units::{Quantity, quantity};

/// The column of one key.
#[derive(Debug)]
pub(crate) struct ArgumentTest {
    selector: Selector,
    texts: HashMap<String, RowSet>,
    ints: HashMap<i64, RowSet>,
    bools: HashMap<bool, RowSet>,
    globs: Patterns,
    bytes: Bounds,
    micros: Bounds,
    asking: Asking,
}

/// Rows by what their quantity is held against, both ends included.
#[derive(Debug)]
struct Bounds {
    at_most: Thresholds,
    /// With limits turned around, so that the least reaches furthest.
    at_least: Thresholds,
}

impl Bounds {
    fn add_holding(&self, value: u64, hits: &mut Bits) {
        self.at_most.add_at_least(value, hits);
        self.at_least.add_at_least(!value, hits);
    }
}

/// Rows by the kind of value one of their alternatives needs.
#[derive(Debug)]
struct Asking {
    text: RowSet,
    int: RowSet,
    bool: RowSet,
    glob: RowSet,
    bytes: RowSet,
    time: RowSet,
}

impl ArgumentTest {
    /// The value in a call, or its default.
    pub(crate) fn value<'a>(&'a self, args: &'a Value) -> Found<'a> {
        self.selector.find(args)
    }

    pub(crate) fn run(&self, args: &Value, asking: &RowSet, hits: &mut Hits) {
        match self.value(args) {
            Found::Value(Value::String(text)) => self.text(text, hits),
            Found::Value(Value::Number(number)) => self.number(number, hits),
            Found::Value(Value::Bool(value)) => {
                if let Some(rows) = self.bools.get(value) {
                    rows.add_to(&mut hits.yes);
                }
                let Asking { text, int, glob, bytes, time, bool: _ } = &self.asking;
                unknown([text, int, glob, bytes, time], hits);
            }
            Found::Value(_) | Found::Missing | Found::IllTyped => asking.add_to(&mut hits.maybe),
        }
    }

    fn text(&self, text: &str, hits: &mut Hits) {
        if let Some(rows) = self.texts.get(text) {
            rows.add_to(&mut hits.yes);
        }
        if text.len() > TEXT_BYTES_MAX {
            self.asking.glob.add_to(&mut hits.maybe);
        } else {
            self.globs.add_matches(text, &mut hits.yes);
        }
        unknown([&self.asking.int, &self.asking.bool], hits);
        if !(self.asking.bytes.is_empty() && self.asking.time.is_empty()) {
            self.compare(quantity(text).ok(), hits);
        }
    }

    fn number(&self, number: &Number, hits: &mut Hits) {
        let Asking { text, bool, glob, .. } = &self.asking;
        unknown([text, bool, glob], hits);
        match number.as_i64() {
            Some(value) => {
                if let Some(rows) = self.ints.get(&value) {
                    rows.add_to(&mut hits.yes);
                }
            }
            // A whole number above the range of i64 equals none that a rule can name.
            None if number.is_u64() => {}
            None => self.asking.int.add_to(&mut hits.maybe),
        }
        self.compare(number.as_u64().map(Quantity::Bytes), hits);
    }

    fn compare(&self, value: Option<Quantity>, hits: &mut Hits) {
        let (bytes, micros) = match value {
            Some(Quantity::Bytes(bytes)) if bytes < QUANTITY_END => (Some(bytes), None),
            Some(Quantity::Micros(micros)) if micros < QUANTITY_END => (None, Some(micros)),
            _ => (None, None),
        };
        match bytes {
            Some(bytes) => self.bytes.add_holding(bytes, &mut hits.yes),
            None => self.asking.bytes.add_to(&mut hits.maybe),
        }
        match micros {
            Some(micros) => self.micros.add_holding(micros, &mut hits.yes),
            None => self.asking.time.add_to(&mut hits.maybe),
        }
    }
}

fn unknown<const N: usize>(sets: [&RowSet; N], hits: &mut Hits) {
    sets.iter().for_each(|rows| rows.add_to(&mut hits.maybe));
}

/// The conditions on one key, while they are collected.
#[derive(Debug)]
pub(crate) struct Arguments {
    selector: Selector,
    texts: Index<String>,
    ints: Index<i64>,
    bools: Index<bool>,
    globs: Globs,
    bytes: Limits,
    micros: Limits,
    asking: [Vec<u32>; 6],
}

/// Bounds on one kind of quantity, while they are collected.
#[derive(Debug, Default)]
struct Limits {
    at_most: Vec<(u64, u32)>,
    at_least: Vec<(u64, u32)>,
}

impl Limits {
    /// A bound that nothing can keep, less than zero, holds for no value.
    fn add(&mut self, operator: Operator, limit: u64, row: u32) {
        match operator {
            Operator::AtMost => self.at_most.push((limit, row)),
            Operator::Less => self.at_most.extend(limit.checked_sub(1).map(|limit| (limit, row))),
            Operator::AtLeast => self.at_least.push((!limit, row)),
            Operator::Greater => {
                self.at_least.extend(limit.checked_add(1).map(|limit| (!limit, row)))
            }
        }
    }

    fn build(self, rows: usize) -> Bounds {
        Bounds {
            at_most: Thresholds::of(rows, self.at_most),
            at_least: Thresholds::of(rows, self.at_least),
        }
    }
}

impl Arguments {
    /// A collection for the key of `selector`, seen with the defaults of the tool's `schema`.
    pub(crate) fn new(selector: &Selector, schema: &Value) -> Arguments {
        let mut selector = selector.clone();
        selector.fill_defaults(schema);
        Arguments {
            selector,
            texts: Index::default(),
            ints: Index::default(),
            bools: Index::default(),
            globs: Globs::default(),
            bytes: Limits::default(),
            micros: Limits::default(),
            asking: Default::default(),
        }
    }

    pub(crate) fn add(&mut self, accepted: &[Accepted], row: u32) {
        let [text, int, bool, glob, bytes, time] = &mut self.asking;
        for accepted in accepted {
            let asking = match accepted {
                Accepted::Text(value) => {
                    self.texts.add(value.clone(), row);
                    &mut *text
                }
                Accepted::Int(value) => {
                    self.ints.add(*value, row);
                    &mut *int
                }
                Accepted::Bool(value) => {
                    self.bools.add(*value, row);
                    &mut *bool
                }
                Accepted::Glob(value) => {
                    self.globs.add(value, row);
                    &mut *glob
                }
                Accepted::Bound(Bound { operator, quantity }) => match quantity {
                    Quantity::Bytes(limit) => {
                        self.bytes.add(*operator, *limit, row);
                        &mut *bytes
                    }
                    Quantity::Micros(limit) => {
                        self.micros.add(*operator, *limit, row);
                        &mut *time
                    }
                },
            };
            if asking.last() != Some(&row) {
                asking.push(row);
            }
        }
    }

    pub(crate) fn build(
        self,
        rows: usize,
        cache: &mut PatternCache,
    ) -> Result<ArgumentTest, globset::Error> {
        let [text, int, bool, glob, bytes, time] =
            self.asking.map(|members| RowSet::of(rows, members));
        Ok(ArgumentTest {
            selector: self.selector,
            texts: self.texts.build(rows),
            ints: self.ints.build(rows),
            bools: self.bools.build(rows),
            globs: cache.build(self.globs, rows)?,
            bytes: self.bytes.build(rows),
            micros: self.micros.build(rows),
            asking: Asking { text, int, bool, glob, bytes, time },
        })
    }
}
