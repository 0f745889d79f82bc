//! A rule as its author wrote it: typed, with places, before it meets any tool.
//!
//! The readers beside this file turn YAML into these types and report what is wrong with the text
//! itself. Whether tools and arguments exist is `check.rs`'s question, matching is `program/`'s.

mod approve;
mod argument;
mod condition;
mod constraint;
mod cover;
mod limit;
mod read;
mod suite;

use std::fmt;
use std::sync::Arc;

use globset::Glob;

use crate::catalogue::{Effect, Entry};
use crate::decision::{Action, Approve, Constraints, Layer};
use crate::document::{Diagnostic, Node, Span};
use crate::pattern::{HostPattern, NamePattern, PathPattern};
use crate::schema::QUANTITY;
use crate::selector::Selector;
use crate::units::{Quantity, UnitError};

pub(crate) use argument::QUANTITY_END;
pub(crate) use limit::{Counted, Limit};
pub(crate) use read::read;
pub(crate) use suite::Case;

/// One rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: Arc<str>,
    pub(crate) layer: Layer,
    /// What messages call it: "rule 3 `read-docs`".
    pub(crate) label: String,
    pub(crate) span: Span,
    pub(crate) condition: Condition,
    pub(crate) except: Vec<Except>,
    pub(crate) action: Action,
    pub(crate) reason: Option<Arc<str>>,
    pub(crate) constraints: Constraints,
    pub(crate) limits: Vec<Limit>,
    /// Who may approve what this rule sends to review, where its author said.
    pub(crate) approve: Option<Approve>,
}

/// One item of `except`.
#[derive(Debug, Clone)]
pub(crate) struct Except {
    pub(crate) condition: Condition,
    pub(crate) because: Option<String>,
}

/// What `match` or an `except` item asks. Empty lists are conditions that were not written.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub(crate) tools: Tools,
    pub(crate) caller_tags: Vec<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) modes: Vec<String>,
    pub(crate) states: Vec<String>,
    pub(crate) principals: Vec<NamePattern>,
    /// `Some` and empty is the explicit nothing of `path_glob: []`.
    pub(crate) paths: Option<Vec<PathPattern>>,
    /// Where `path_glob` is written.
    pub(crate) paths_span: Span,
    /// Where `host` is written.
    pub(crate) hosts_span: Span,
    pub(crate) hosts: Vec<HostPattern>,
    pub(crate) arguments: Vec<Argument>,
}

/// Which tools a condition is about; resolved against the catalogue at load.
#[derive(Debug, Clone)]
pub(crate) enum Tools {
    /// Every tool.
    Any,
    /// Names and patterns of names.
    Named(Vec<(NamePattern, Span)>),
    /// Built-in rules only: tools of these effects that declare path arguments.
    WithPaths(&'static [Effect]),
    /// Built-in rules only: the tool of this name, where there is one.
    BuiltIn(&'static str),
}

impl Tools {
    /// Whether `entry` is one of them.
    pub(crate) fn include(&self, entry: &Entry) -> bool {
        match self {
            Tools::Any => true,
            Tools::Named(names) => names.iter().any(|(name, _)| name.matches(&entry.tool.name)),
            Tools::WithPaths(effects) => {
                effects.contains(&entry.tool.effect) && !entry.paths.is_empty()
            }
            Tools::BuiltIn(name) => entry.tool.name == *name,
        }
    }
}

/// One entry of `args`.
#[derive(Debug, Clone)]
pub(crate) struct Argument {
    /// The key as written; conditions on one key share a column of the program.
    pub(crate) key: String,
    pub(crate) selector: Selector,
    pub(crate) span: Span,
    /// Any of these will do.
    pub(crate) accepted: Vec<Accepted>,
}

/// What an argument is held against.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Accepted {
    Text(String),
    Int(i64),
    Bool(bool),
    Glob(Glob),
    Bound(Bound),
}

impl Accepted {
    /// The kinds of value one of which it takes for this to be known, as `schema::can_be` takes them.
    pub(crate) fn kinds(&self) -> &'static [&'static str] {
        match self {
            Accepted::Text(_) | Accepted::Glob(_) => &["string"],
            Accepted::Int(_) => &["integer"],
            Accepted::Bool(_) => &["boolean"],
            Accepted::Bound(Bound { quantity: Quantity::Bytes(_), .. }) => &[QUANTITY, "integer"],
            Accepted::Bound(Bound { quantity: Quantity::Micros(_), .. }) => &[QUANTITY],
        }
    }
}

/// A comparison with a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Bound {
    pub(crate) operator: Operator,
    pub(crate) quantity: Quantity,
}

/// How a value must compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Operator {
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Operator {
    /// The operators with their signs, longer signs first.
    pub(crate) const SIGNS: [(&'static str, Operator); 4] = [
        ("<=", Operator::AtMost),
        (">=", Operator::AtLeast),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ];

    fn sign(self) -> &'static str {
        match self {
            Operator::Less => "<",
            Operator::AtMost => "<=",
            Operator::Greater => ">",
            Operator::AtLeast => ">=",
        }
    }
}

impl fmt::Display for Accepted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Accepted::Text(text) => out.write_str(text),
            Accepted::Int(number) => write!(out, "{number}"),
            Accepted::Bool(value) => write!(out, "{value}"),
            Accepted::Glob(glob) => write!(out, "glob {glob}"),
            Accepted::Bound(Bound { operator, quantity }) => {
                write!(out, "{} {quantity}", operator.sign())
            }
        }
    }
}

/// A quantity that cannot be read, with the units there are.
fn bad_unit(node: &Node, what: &str, error: &UnitError) -> Diagnostic {
    Diagnostic::error(node.span, format!("{what}: {error}")).with_hint(error.hint())
}
