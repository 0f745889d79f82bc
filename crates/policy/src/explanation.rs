//! Why a call was decided as it was: every rule about its tool, every condition, what was missing.
//!
//! Made from the same columns that decide, so it cannot tell another story. For people who run
//! Palisade: it quotes arguments and shows rules, so it is not for agents, and it must be redacted
//! before it is kept.

mod layer;
mod usage;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::call::Call;
use crate::decision::{Action, Approve, Constraints, Decision, Layer, Reach, Verdict};
use crate::identifier;
use crate::policy::Policy;
use crate::program::{Asked, Bits, Column, Field, Hits, Program};
use crate::rule::{Condition, Rule, Tools};

pub use layer::LayerOutcome;
pub use usage::Usage;

/// Allow rules named as nearest.
const NEAREST_MAX: usize = 4;

/// Characters of a value that are shown.
const SHOWN_MAX: usize = 200;

/// A decision with everything that led to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The decision, exactly as [`Policy::decide`] gives it.
    pub decision: Decision,
    /// What each layer makes of the call, in the order they are asked; none for an unknown tool.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerOutcome>,
    /// How far each limit the call is held to is used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Usage>,
    /// Every rule about the tool, the strongest action first.
    pub candidates: Vec<RuleOutcome>,
    /// For a denial that no rule decided: the allow rules that came nearest, nearest first.
    pub nearest: Vec<NearMiss>,
    /// Where a program asks for hosts: the decision on each. The rules above are then told for the
    /// first host with the verdict of the whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<Reach>,
}

/// What came of one rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleOutcome {
    /// Name of the rule.
    pub rule: Arc<str>,
    /// Where it comes from.
    pub layer: Layer,
    /// What it contributes if it matches.
    pub action: Action,
    /// Whether it does.
    pub contribution: Contributed,
    /// Each field of its match.
    pub conditions: Vec<ConditionOutcome>,
    /// Each `except` item about the tool.
    pub except: Vec<ExceptOutcome>,
    /// What it would hold the call to.
    #[serde(skip_serializing_if = "Constraints::is_empty")]
    pub constraints: Constraints,
    /// Each of its limits, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
    /// Who may approve what it sends to review, where its author said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approve: Option<Approve>,
}

/// Whether a rule contributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Contributed {
    /// It matches and contributes its action.
    Action,
    /// It matches and an `except` item excuses it.
    Excepted,
    /// It does not match.
    Pass,
}

/// What came of one `except` item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExceptOutcome {
    /// Its place in the rule, from 1.
    pub item: usize,
    /// Why it is there, where its author said.
    pub because: Option<String>,
    /// Whether it excuses the rule.
    pub excuses: bool,
    /// Each field of it.
    pub conditions: Vec<ConditionOutcome>,
}

/// What came of one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConditionOutcome {
    /// The field as in the rule file; arguments as `args.KEY`.
    pub field: String,
    /// What the rule asks for.
    pub wanted: String,
    /// What the call has, at most 200 characters of it.
    pub found: String,
    /// How it compares.
    pub outcome: Truth,
}

/// Three-valued truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// The value does not fit.
    False,
    /// The value is missing, ill-typed, too large or not resolved.
    Unknown,
    /// The value fits.
    True,
}

/// An allow rule that nearly matched.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NearMiss {
    /// Name of the rule.
    pub rule: Arc<str>,
    /// Every condition that kept it from matching; an `except` item that holds is one.
    pub failed: Vec<ConditionOutcome>,
}

impl Policy {
    /// Decides a call and says why. Costs a few times what [`Policy::decide`] does.
    #[must_use]
    pub fn explain(&self, call: &Call<'_>) -> Explanation {
        let decision = self.decide(call);
        let hosts = self.reach(call);
        let telling = hosts.iter().position(|reach| reach.decision.verdict == decision.verdict);
        let asked = Asked { call, host: telling };
        let candidates = match self.program(call.tool) {
            Some(program) => Examination::new(self, program, asked).outcomes(),
            None => Vec::new(),
        };
        let nearest = if decision.verdict == Verdict::Deny && decision.reasons.is_empty() {
            self.nearest(call, &candidates)
        } else {
            Vec::new()
        };
        let layers = layer::layers(self, call, &decision, &candidates);
        let limits = usage::of(&decision);
        Explanation { decision, layers, limits, candidates, nearest, hosts }
    }

    /// The rules that contribute to the decision on a call, whatever they contribute, each once.
    pub(crate) fn contributing(&self, call: &Call<'_>) -> Vec<&Rule> {
        let Some(program) = self.program(call.tool) else { return Vec::new() };
        let mut places = BTreeSet::new();
        for asked in program.asked(call) {
            let examined = Examination::new(self, program, asked);
            let rows = examined.contributing.iter();
            places.extend(rows.filter_map(|row| program.rows.get(row)).map(|row| row.rule));
        }
        places.into_iter().filter_map(|place| self.rules.get(place)).collect()
    }

    /// Allow rules about the tool by the number of conditions that failed, then those about others.
    fn nearest(&self, call: &Call<'_>, candidates: &[RuleOutcome]) -> Vec<NearMiss> {
        let allows = candidates.iter().filter(|outcome| outcome.action == Action::Allow);
        let mut near: Vec<NearMiss> = allows.map(RuleOutcome::near_miss).collect();
        near.sort_by_key(|miss| miss.failed.len());
        let tool = identifier::normal(call.tool);
        let about: HashSet<&str> = candidates.iter().map(|rule| rule.rule.as_ref()).collect();
        let elsewhere = self
            .rules
            .iter()
            .filter(|rule| rule.action == Action::Allow && !about.contains(rule.name.as_ref()));
        let missing = NEAREST_MAX.saturating_sub(near.len());
        near.extend(elsewhere.take(missing).map(|rule| NearMiss {
            rule: rule.name.clone(),
            failed: vec![ConditionOutcome {
                field: "tool".to_owned(),
                wanted: tools(&rule.condition),
                found: shown(&tool),
                outcome: Truth::False,
            }],
        }));
        near.truncate(NEAREST_MAX);
        near
    }
}

impl RuleOutcome {
    fn near_miss(&self) -> NearMiss {
        let failed = self.conditions.iter().filter(|outcome| outcome.outcome != Truth::True);
        let excusing = self.except.iter().filter(|except| except.excuses).map(|except| {
            let of = |said: fn(&ConditionOutcome) -> String| {
                except.conditions.iter().map(said).collect::<Vec<_>>()
            };
            let wanted = of(|field| format!("{} {}", field.field, field.wanted)).join(" and ");
            let found = of(|field| field.found.clone()).join(" and ");
            let found = match &except.because {
                Some(because) => format!("{found} ({})", shown(because)),
                None => found,
            };
            let (field, wanted) = (format!("except {}", except.item), format!("not {wanted}"));
            ConditionOutcome { field, wanted, found, outcome: Truth::False }
        });
        NearMiss { rule: self.rule.clone(), failed: failed.cloned().chain(excusing).collect() }
    }
}

/// A program with what each of its columns found in one call.
struct Examination<'a> {
    policy: &'a Policy,
    program: &'a Program,
    asked: Asked<'a>,
    columns: Vec<(&'a Column, Hits)>,
    /// The rows that hold, before exceptions.
    holding: Bits,
    contributing: Bits,
}

impl<'a> Examination<'a> {
    fn new(policy: &'a Policy, program: &'a Program, asked: Asked<'a>) -> Examination<'a> {
        let rows = program.rows.len();
        let mut total = Hits { yes: Bits::full(rows), maybe: Bits::full(rows) };
        let mut columns = Vec::with_capacity(program.columns.len());
        for column in &program.columns {
            let mut hits = Hits::new(rows);
            column.test(asked, &program.widening, &mut hits);
            column.asking.restrict(&mut total.yes, &hits.yes);
            column.asking.restrict(&mut total.maybe, &hits.maybe);
            columns.push((column, hits));
        }
        let holding = program.holding(&total);
        let contributing = program.excepted(&holding);
        Examination { policy, program, asked, columns, holding, contributing }
    }

    fn outcomes(&self) -> Vec<RuleOutcome> {
        let rows = self.program.rows.iter().enumerate().take(self.program.matches);
        rows.filter_map(|(row, at)| {
            let rule = self.policy.rules.get(at.rule)?;
            let contribution = match (self.holding.contains(row), self.contributing.contains(row)) {
                (true, true) => Contributed::Action,
                (true, false) => Contributed::Excepted,
                (false, _) => Contributed::Pass,
            };
            Some(RuleOutcome {
                rule: rule.name.clone(),
                layer: rule.layer,
                action: rule.action,
                contribution,
                conditions: self.conditions(row, &rule.condition),
                except: self.excepts(row, rule),
                constraints: rule.constraints,
                limits: rule.charges(self.asked.call).map(|limit| limit.to_string()).collect(),
                approve: rule.approve.clone(),
            })
        })
        .collect()
    }

    fn excepts(&self, owner: usize, rule: &Rule) -> Vec<ExceptOutcome> {
        let rows = self.program.rows.iter().enumerate().filter(|(_, at)| at.owner == owner);
        rows.filter_map(|(row, at)| {
            let item = at.except?;
            let except = rule.except.get(item)?;
            Some(ExceptOutcome {
                item: item + 1,
                because: except.because.clone(),
                excuses: self.holding.contains(row),
                conditions: self.conditions(row, &except.condition),
            })
        })
        .collect()
    }

    fn conditions(&self, row: usize, condition: &Condition) -> Vec<ConditionOutcome> {
        let asked = self.columns.iter().filter(|(column, _)| column.asking.contains(row));
        asked
            .map(|(column, hits)| ConditionOutcome {
                field: name(&column.field),
                wanted: wanted(&column.field, condition),
                found: self.found(column),
                outcome: if hits.yes.contains(row) {
                    Truth::True
                } else if hits.maybe.contains(row) {
                    Truth::Unknown
                } else {
                    Truth::False
                },
            })
            .collect()
    }

    fn found(&self, column: &Column) -> String {
        let call = self.asked.call;
        let text = match &column.field {
            Field::CallerTag => call.tags.join(", "),
            Field::Role => call.roles.join(", "),
            Field::Mode => call.mode.unwrap_or_default().to_owned(),
            Field::State => call.state.unwrap_or_default().to_owned(),
            Field::Principal => call.principal.to_owned(),
            Field::PathGlob | Field::Host | Field::Argument(_) => {
                column.values(self.asked).into_iter().map(value).collect::<Vec<_>>().join(", ")
            }
        };
        if text.is_empty() { "nothing".to_owned() } else { shown(&text) }
    }
}

fn value(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => shown(text),
        // A list or map is named, not printed: it can be as large as a call.
        Some(Value::Array(_)) => "a list".to_owned(),
        Some(Value::Object(_)) => "a map".to_owned(),
        Some(other) => other.to_string(),
    }
}

fn name(field: &Field) -> String {
    match field {
        Field::CallerTag => "caller_tag".to_owned(),
        Field::Role => "role".to_owned(),
        Field::Mode => "mode".to_owned(),
        Field::State => "state".to_owned(),
        Field::Principal => "principal".to_owned(),
        Field::PathGlob => "path_glob".to_owned(),
        Field::Host => "host".to_owned(),
        Field::Argument(key) => format!("args.{key}"),
    }
}

fn wanted(field: &Field, condition: &Condition) -> String {
    let texts: Vec<String> = match field {
        Field::CallerTag => condition.caller_tags.clone(),
        Field::Role => condition.roles.clone(),
        Field::Mode => condition.modes.clone(),
        Field::State => condition.states.clone(),
        Field::Principal => {
            condition.principals.iter().map(|name| name.text().to_owned()).collect()
        }
        Field::PathGlob => condition.paths.iter().flatten().map(|path| path.text.clone()).collect(),
        Field::Host if condition.hosts.is_empty() => vec!["no host, as it names none".to_owned()],
        Field::Host => condition.hosts.iter().map(ToString::to_string).collect(),
        Field::Argument(key) => {
            let own = condition.arguments.iter().filter(|argument| argument.key == *key);
            own.flat_map(|argument| &argument.accepted).map(ToString::to_string).collect()
        }
    };
    if texts.is_empty() { "nothing".to_owned() } else { texts.join(" or ") }
}

fn tools(condition: &Condition) -> String {
    match &condition.tools {
        Tools::Any => "*".to_owned(),
        Tools::Named(names) => {
            names.iter().map(|(name, _)| name.text()).collect::<Vec<_>>().join(" or ")
        }
        Tools::WithPaths(_) => "tools with path arguments".to_owned(),
        Tools::BuiltIn(name) => (*name).to_owned(),
    }
}

fn shown(text: &str) -> String {
    if text.chars().count() <= SHOWN_MAX {
        return text.to_owned();
    }
    text.chars().take(SHOWN_MAX).chain(['…']).collect()
}
