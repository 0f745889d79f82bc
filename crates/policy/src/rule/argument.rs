//! Reads `args`: which argument, and what it is held against.
//!
//! Plain values are exact equality; there are no fractions, because they could not be exact.

use super::{Accepted, Argument, Bound, Operator};
use crate::document::{Diagnostic, Fields, Key, Node, Report, Yaml};
use crate::pattern::text_glob;
use crate::selector::Selector;
use crate::units::{Quantity, quantity};

/// Arguments one condition may name.
const ARGUMENTS_MAX: usize = 64;

/// Alternatives of one argument.
const ALTERNATIVES_MAX: usize = 256;

/// From here on a JSON number is not exact everywhere, so quantities end before it.
pub(crate) const QUANTITY_END: u64 = 1 << 53;

/// Reads every entry; one with an error is reported and left out.
pub(super) fn read(node: &Node, what: &str, report: &mut Report) -> Vec<Argument> {
    let what = format!("{what}: args");
    let Some(fields) = report.take(Fields::of(node, what.as_str())) else { return Vec::new() };
    if fields.entries().is_empty() || fields.entries().len() > ARGUMENTS_MAX {
        let message = format!("{what} must name between 1 and {ARGUMENTS_MAX} arguments");
        report.add(Diagnostic::error(node.span, message));
        return Vec::new();
    }
    let entries = fields.entries().iter();
    entries.filter_map(|(key, value)| report.take(entry(key, value, &what))).collect()
}

fn entry(key: &Key, value: &Node, what: &str) -> Result<Argument, Diagnostic> {
    let what = format!("{what}: `{}`", key.name);
    let selector = Selector::condition(&key.name)
        .map_err(|error| Diagnostic::error(key.span, format!("{what}: {error}")))?;
    let items = match &value.value {
        Yaml::List(items) if items.is_empty() || items.len() > ALTERNATIVES_MAX => {
            let message = format!("{what} must list between 1 and {ALTERNATIVES_MAX} values");
            return Err(Diagnostic::error(value.span, message));
        }
        Yaml::List(items) => items.as_slice(),
        _ => std::slice::from_ref(value),
    };
    let accepted = items.iter().map(|item| alternative(item, &what)).collect::<Result<_, _>>()?;
    Ok(Argument { key: key.name.clone(), selector, span: key.span, accepted })
}

fn alternative(node: &Node, what: &str) -> Result<Accepted, Diagnostic> {
    match &node.value {
        Yaml::Bool(value) => Ok(Accepted::Bool(*value)),
        Yaml::Int(value) => Ok(Accepted::Int(*value)),
        Yaml::Text(text) => match Operator::SIGNS.iter().find(|(sign, _)| text.starts_with(sign)) {
            Some((sign, operator)) => {
                let rest = text.strip_prefix(sign).unwrap_or_default();
                bound(*operator, rest.trim(), node, what).map(Accepted::Bound)
            }
            None => Ok(Accepted::Text(text.clone())),
        },
        Yaml::Map(_) => glob(node, what),
        Yaml::Float(_) => Err(Diagnostic::error(
            node.span,
            format!("{what}: numbers with a fraction cannot be compared exactly"),
        )),
        Yaml::Null | Yaml::List(_) => {
            Err(node.expected(what, "a text, a whole number, true, false or a glob"))
        }
    }
}

fn glob(node: &Node, what: &str) -> Result<Accepted, Diagnostic> {
    let fields = Fields::of(node, what)?;
    if let Some(unknown) = fields.finish(&["glob"]).into_iter().next() {
        return Err(unknown);
    }
    let value = fields.required("glob")?;
    let pattern = value.text(&format!("{what}: glob"))?;
    text_glob(pattern).map(Accepted::Glob).map_err(|error| {
        let found = Diagnostic::error(value.span, format!("{what}: {error}"));
        match error.hint() {
            Some(hint) => found.with_hint(hint),
            None => found,
        }
    })
}

fn bound(operator: Operator, text: &str, node: &Node, what: &str) -> Result<Bound, Diagnostic> {
    let quantity = quantity(text).map_err(|error| {
        Diagnostic::error(node.span, format!("{what}: {error}")).with_hint(error.hint())
    })?;
    let (Quantity::Bytes(amount) | Quantity::Micros(amount)) = quantity;
    if amount >= QUANTITY_END {
        return Err(Diagnostic::error(node.span, format!("{what}: `{text}` is too large")));
    }
    Ok(Bound { operator, quantity })
}
