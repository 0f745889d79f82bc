//! `limits` of a rule: what is counted, for whom, and how much of it there may be.
//!
//! From a limit and a call comes a charge; the ledger that holds charges against each other is in
//! `quota/`. Reading the text is `read.rs`.

mod read;

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use super::{Argument, QUANTITY_END, Rule};
use crate::call::Call;
use crate::catalogue::Entry;
use crate::decision::{Action, Charge, ChargeKind, Exceed, Per};
use crate::identifier;
use crate::selector::{Found, Selector};
use crate::units::{Quantity, quantity};

pub(super) use read::read;

/// One item of `limits`.
#[derive(Debug)]
pub(crate) struct Limit {
    pub(crate) counted: Counted,
    pub(crate) max: u64,
    pub(crate) per: Per,
    pub(crate) window: Option<Duration>,
    pub(crate) on_exceed: Exceed,
}

/// What a limit counts.
#[derive(Debug)]
pub(crate) enum Counted {
    Calls,
    Concurrent,
    Sum(Sum),
}

/// The argument whose amounts are added up.
#[derive(Debug)]
pub(crate) struct Sum {
    /// Its key without `args.`, held against the maximum.
    pub(crate) argument: Argument,
    /// For tools with a default on the way: the selector that knows it.
    filled: HashMap<String, Selector>,
    /// Whether the amounts are times; else they are bytes or plain numbers.
    times: bool,
}

impl Rule {
    /// What a call this rule lets through has to reserve.
    pub(crate) fn charges(&self, call: &Call<'_>) -> impl Iterator<Item = Charge> {
        (0_u16..).zip(&self.limits).map(|(place, limit)| {
            let (kind, amount) = match &limit.counted {
                Counted::Calls => (ChargeKind::Count, 1),
                Counted::Concurrent => (ChargeKind::Concurrent, 1),
                Counted::Sum(sum) => (ChargeKind::Sum, sum.amount(call)),
            };
            let reviewed = limit.on_exceed == Exceed::RequireReview;
            Charge {
                rule: self.name.clone(),
                limit: place,
                kind,
                amount,
                max: limit.max,
                per: limit.per,
                window: limit.window,
                on_exceed: limit.on_exceed,
                approve: reviewed.then(|| self.approve.clone().unwrap_or_default()),
            }
        })
    }

    /// Whether a call this rule lets through is held to nothing by it.
    pub(crate) fn asks_nothing(&self) -> bool {
        self.constraints.is_empty() && self.limits.is_empty() && self.approve.is_none()
    }

    /// Takes the defaults of the tools a sum can be about.
    pub(crate) fn fill_defaults(&mut self, entries: &[Entry]) {
        let about = entries.iter().filter(|entry| self.condition.tools.include(entry));
        let about: Vec<&Entry> = about.collect();
        for limit in &mut self.limits {
            let Counted::Sum(sum) = &mut limit.counted else { continue };
            for entry in &about {
                let mut selector = sum.argument.selector.clone();
                selector.fill_defaults(&entry.tool.schema);
                if selector != sum.argument.selector {
                    sum.filled.insert(entry.tool.name.clone(), selector);
                }
            }
        }
    }

    /// Whether `approve` can ever be asked for.
    pub(crate) fn can_review(&self) -> bool {
        self.action == Action::RequireReview
            || self.limits.iter().any(|limit| limit.on_exceed == Exceed::RequireReview)
    }
}

impl Limit {
    /// Whether both count the same calls and amounts, up to whatever maximum.
    pub(crate) fn counts_like(&self, other: &Limit) -> bool {
        let same = match (&self.counted, &other.counted) {
            (Counted::Sum(own), Counted::Sum(other)) => {
                own.times == other.times && own.argument.key == other.argument.key
            }
            (own, other) => std::mem::discriminant(own) == std::mem::discriminant(other),
        };
        same && self.per == other.per && self.window == other.window
    }
}

impl Sum {
    /// The amount in a call; what cannot be read as one is more than any limit.
    fn amount(&self, call: &Call<'_>) -> u64 {
        let filled = if self.filled.is_empty() {
            None
        } else {
            self.filled.get(identifier::normal(call.tool).as_ref())
        };
        match filled.unwrap_or(&self.argument.selector).find(call.args) {
            Found::Value(value) => self.read(value).unwrap_or(Charge::UNKNOWN),
            Found::Missing | Found::IllTyped => Charge::UNKNOWN,
        }
    }

    fn read(&self, value: &Value) -> Option<u64> {
        let amount = match (value, self.times) {
            (Value::Number(number), false) => number.as_u64()?,
            (Value::String(text), times) => match (quantity(text).ok()?, times) {
                (Quantity::Bytes(amount), false) | (Quantity::Micros(amount), true) => amount,
                (Quantity::Bytes(_) | Quantity::Micros(_), _) => return None,
            },
            _ => return None,
        };
        (amount < QUANTITY_END).then_some(amount)
    }
}
