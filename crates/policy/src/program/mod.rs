//! The compiled form of every rule about one tool, and the decision itself.
//!
//! A row is one condition: the match of a rule, or an item of its `except`. A column is one field over
//! all rows. A call is tested column by column; three-valued *and* over the columns of a row is
//! intersection of the two sets a column gives. No step depends on another rule, so order cannot
//! matter, and none recurses, so a decision is bounded by the size of the program.

mod arguments;
mod bits;
mod column;
mod compile;
mod hosts;
mod labels;
mod paths;
mod patterns;
mod prefixes;
mod thresholds;

use crate::call::Call;
use crate::decision::{Action, Basis, Contribution, Decision};
use crate::rule::Rule;
use column::VALUES_MAX;

pub(crate) use bits::Bits;
pub(crate) use column::{Asked, Column, Field, Hits};
pub(crate) use compile::compile;
pub(crate) use patterns::PatternCache;

/// The program of one tool.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) rows: Vec<Row>,
    /// Rows before this are matches, from here on `except` items.
    pub(crate) matches: usize,
    match_rows: Bits,
    /// Rows whose holding makes more possible: matches of allows, excepts of denials and reviews.
    /// They hold only when true; the others also when unknown.
    pub(crate) widening: Bits,
    pub(crate) columns: Vec<Column>,
}

/// One condition.
#[derive(Debug)]
pub(crate) struct Row {
    /// Place of the rule.
    pub(crate) rule: usize,
    /// Place of the `except` item, where it is one.
    pub(crate) except: Option<usize>,
    /// The row of the rule's match.
    pub(crate) owner: usize,
}

impl Program {
    /// Every way the call asks for one host: one by one where its tool runs programs and it names
    /// hosts, the whole call otherwise.
    pub(crate) fn asked<'a>(&self, call: &'a Call<'a>) -> Vec<Asked<'a>> {
        let hosts = self.columns.iter().find_map(|column| column.targets(call)).unwrap_or_default();
        if hosts == 0 || hosts > VALUES_MAX {
            return vec![Asked::whole(call)];
        }
        (0..hosts).map(|host| Asked { call, host: Some(host) }).collect()
    }

    /// Decides what is asked of this program's tool; `rules` are those it was compiled from.
    pub(crate) fn decide(&self, rules: &[Rule], asked: Asked<'_>) -> Decision {
        let mut decision = Decision::without_rule(Basis::NoRule);
        let mut strongest = None;
        for row in self.contributing(asked).iter() {
            let Some(rule) = self.rows.get(row).and_then(|row| rules.get(row.rule)) else {
                continue;
            };
            let strongest = *strongest.get_or_insert(rule.action);
            if strongest == Action::Deny && rule.action != strongest {
                break;
            }
            if rule.action != Action::Deny {
                decision.demand(rule, asked.call);
            }
            if rule.action == strongest {
                decision.verdict = strongest.verdict();
                decision.basis = Basis::Rules;
                decision.reasons.push(Contribution {
                    rule: rule.name.clone(),
                    layer: rule.layer,
                    action: rule.action,
                    reason: rule.reason.clone(),
                });
            }
        }
        decision
    }

    /// The matches that contribute, in row order: those that hold and that no `except` excuses.
    fn contributing(&self, asked: Asked<'_>) -> Bits {
        let rows = self.rows.len();
        let mut total = Hits { yes: Bits::full(rows), maybe: Bits::full(rows) };
        let mut hits = Hits::new(rows);
        for column in &self.columns {
            hits.clear();
            column.test(asked, &self.widening, &mut hits);
            column.asking.restrict(&mut total.yes, &hits.yes);
            column.asking.restrict(&mut total.maybe, &hits.maybe);
            if total.maybe.is_empty() {
                return total.maybe;
            }
        }
        self.excepted(&self.holding(&total))
    }

    /// The conditions that hold, from the hits of every field together.
    pub(crate) fn holding(&self, total: &Hits) -> Bits {
        let mut holding = total.maybe.clone();
        holding.drop_all(&self.widening);
        let mut certain = total.yes.clone();
        certain.keep(&self.widening);
        holding.add(&certain);
        holding
    }

    /// The matches among the conditions that hold, without those that an `except` item excuses.
    pub(crate) fn excepted(&self, holding: &Bits) -> Bits {
        let mut contributing = holding.clone();
        contributing.keep(&self.match_rows);
        for row in holding.iter_from(self.matches) {
            let owner = self.rows.get(row).map_or(row, |row| row.owner);
            contributing.remove(owner);
        }
        contributing
    }
}
