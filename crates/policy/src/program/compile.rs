//! Rules to the program of one tool.
//!
//! Tool patterns are resolved here, once: a rule that is not about a tool leaves no trace in its
//! program. Every condition, whether a match or an `except` item, becomes a row.

use std::collections::HashMap;

use super::arguments::Arguments;
use super::bits::{Bits, RowSet};
use super::column::{Column, Field, Test};
use super::hosts::{Asks, Hosts};
use super::labels::{Index, Principals};
use super::paths::Paths;
use super::patterns::PatternCache;
use super::{Program, Row};
use crate::catalogue::Entry;
use crate::decision::{Action, Layer};
use crate::rule::{Condition, Rule};

/// Compiles the rules that are about the tool of `entry`.
///
/// # Errors
/// Where the patterns of one field together are too large for one automaton.
pub(crate) fn compile(
    rules: &[Rule],
    entry: &Entry,
    cache: &mut PatternCache,
) -> Result<Program, globset::Error> {
    let rows = rows(rules, entry);
    let conditions = rows.iter().filter_map(|row| {
        let rule = rules.get(row.rule)?;
        let condition = match row.except {
            None => &rule.condition,
            Some(item) => &rule.except.get(item)?.condition,
        };
        let allows = row.except.is_none() && rule.action == Action::Allow;
        Some((condition, rule.layer, allows))
    });
    let mut fields = Fields::default();
    for (row, (condition, layer, allows)) in (0_u32..).zip(conditions) {
        fields.add(condition, layer, row, entry)?;
        if allows && condition.hosts.is_empty() && Asks::of(entry) == Asks::Targets {
            fields.hosts.0.push(row);
            fields.hosts.1.add_silent(row);
        }
    }
    let widens = |row: &Row| {
        let allows = rules.get(row.rule).is_some_and(|rule| rule.action == Action::Allow);
        allows == row.except.is_none()
    };
    let widening = rows.iter().enumerate().filter(|(_, row)| widens(row)).map(|(row, _)| row);
    let widening = Bits::of(rows.len(), widening);
    let matches = rows.iter().take_while(|row| row.except.is_none()).count();
    let match_rows = Bits::of(rows.len(), 0..matches);
    let columns = fields.build(rows.len(), entry, cache)?;
    Ok(Program { rows, matches, match_rows, widening, columns })
}

/// First every match, the strongest action first and built-in rules before others, so that the
/// first row that holds gives the verdict; then the `except` items.
fn rows(rules: &[Rule], entry: &Entry) -> Vec<Row> {
    let about = rules.iter().enumerate().filter(|(_, rule)| rule.condition.tools.include(entry));
    let mut about: Vec<(usize, &Rule)> = about.collect();
    about.sort_by_key(|(place, rule)| (std::cmp::Reverse(rule.action), rule.layer, *place));
    let matches = about.iter().enumerate();
    let mut rows: Vec<Row> =
        matches.map(|(owner, (rule, _))| Row { rule: *rule, except: None, owner }).collect();
    for (owner, (place, rule)) in about.iter().enumerate() {
        for (item, except) in rule.except.iter().enumerate() {
            if except.condition.tools.include(entry) {
                rows.push(Row { rule: *place, except: Some(item), owner });
            }
        }
    }
    rows
}

/// The columns being collected.
#[derive(Default)]
struct Fields {
    labels: [(Vec<u32>, Index<String>); 4],
    principals: (Vec<u32>, Principals),
    paths: (Vec<u32>, Paths),
    hosts: (Vec<u32>, Hosts),
    arguments: Vec<(String, Vec<u32>, Arguments)>,
    keys: HashMap<String, usize>,
}

impl Fields {
    fn add(
        &mut self,
        condition: &Condition,
        layer: Layer,
        row: u32,
        entry: &Entry,
    ) -> Result<(), globset::Error> {
        let written =
            [&condition.caller_tags, &condition.roles, &condition.modes, &condition.states];
        for ((asking, index), labels) in self.labels.iter_mut().zip(written) {
            if !labels.is_empty() {
                asking.push(row);
            }
            labels.iter().for_each(|label| index.add(label.clone(), row));
        }
        if !condition.principals.is_empty() {
            self.principals.0.push(row);
        }
        for pattern in &condition.principals {
            self.principals.1.add(pattern, row)?;
        }
        if let Some(patterns) = &condition.paths {
            self.paths.0.push(row);
            self.paths.1.add(patterns, layer, row);
        }
        if !condition.hosts.is_empty() {
            self.hosts.0.push(row);
            self.hosts.1.add(&condition.hosts, row);
        }
        for argument in &condition.arguments {
            let place = *self.keys.entry(argument.key.clone()).or_insert_with(|| {
                let collected = Arguments::new(&argument.selector, &entry.tool.schema);
                self.arguments.push((argument.key.clone(), Vec::new(), collected));
                self.arguments.len() - 1
            });
            if let Some((_, asking, collected)) = self.arguments.get_mut(place) {
                asking.push(row);
                collected.add(&argument.accepted, row);
            }
        }
        Ok(())
    }

    fn build(
        self,
        rows: usize,
        entry: &Entry,
        cache: &mut PatternCache,
    ) -> Result<Vec<Column>, globset::Error> {
        let mut columns = Vec::new();
        let mut push = |field: Field, asking: Vec<u32>, test: Test| {
            if !asking.is_empty() {
                columns.push(Column { field, asking: RowSet::of(rows, asking), test });
            }
        };
        let fields = [Field::CallerTag, Field::Role, Field::Mode, Field::State];
        for (field, (asking, index)) in fields.into_iter().zip(self.labels) {
            push(field, asking, Test::Labels(index.labels(rows)));
        }
        let (asking, principals) = self.principals;
        push(Field::Principal, asking, Test::Principal(principals.build(rows, cache)?));
        let (asking, paths) = self.paths;
        push(Field::PathGlob, asking, Test::Paths(paths.build(rows, &entry.paths, cache)?));
        let (asking, hosts) = self.hosts;
        push(Field::Host, asking, Test::Hosts(hosts.build(rows, &entry.hosts, Asks::of(entry))));
        for (key, asking, collected) in self.arguments {
            let test = Box::new(collected.build(rows, cache)?);
            push(Field::Argument(key), asking, Test::Argument(test));
        }
        Ok(columns)
    }
}
