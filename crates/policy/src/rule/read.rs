//! Reads a rule file: the map at the top and each rule in it.
//!
//! Goes on after a mistake, so that one run of `policy check` shows all of them. An empty file is a
//! file without rules, under which only built-in rules speak and everything else is denied.

use std::collections::HashMap;
use std::sync::Arc;

use super::condition::{self, Part};
use super::{Case, Except, Rule, approve, constraint, limit, suite};
use crate::builtin;
use crate::decision::{Action, Constraints, Layer};
use crate::document::{Diagnostic, Fields, Limits, Node, Report, Source, Span, Yaml, read_within};
use crate::identifier;

/// 8 MiB and a million values: 10 000 rules with room.
const LIMITS: Limits = Limits { text_bytes: 8 << 20, depth: 64, nodes: 1_000_000 };

/// Rules in one file.
const RULES_MAX: usize = 10_000;

/// Items of one `except`.
const EXCEPT_MAX: usize = 64;

const RULE_FIELDS: [&str; 8] =
    ["name", "match", "action", "except", "reason", "limits", "constraints", "approve"];

/// What a rule file holds.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) rules: Vec<Rule>,
    pub(crate) cases: Vec<Case>,
}

/// Reads the whole file; whether it is usable is for `report` to say.
pub(crate) fn read(source: &Source, report: &mut Report) -> Document {
    let Some(root) = report.take(read_within(source, LIMITS)) else { return Document::default() };
    if root.value == Yaml::Null {
        return Document::default();
    }
    let Some(fields) = report.take(Fields::of(&root, "policy")) else {
        return Document::default();
    };
    report.extend(fields.finish(&["version", "name", "rules", "tests"]));
    report.take(fields.required("version").and_then(version));
    report.take(fields.optional("name").map_or(Ok(""), |name| name.text("name")));
    let rules = fields.optional("rules").map(|node| rules(node, report)).unwrap_or_default();
    let cases = fields.optional("tests").map(|node| suite::read(node, report)).unwrap_or_default();
    Document { rules, cases }
}

fn version(node: &Node) -> Result<(), Diagnostic> {
    match node.int("version")? {
        1 => Ok(()),
        other => Err(Diagnostic::error(node.span, format!("unknown version `{other}`"))
            .with_hint("this program reads version 1")),
    }
}

fn rules(node: &Node, report: &mut Report) -> Vec<Rule> {
    if node.value == Yaml::Null {
        return Vec::new();
    }
    let Some(items) = report.take(node.list("rules")) else { return Vec::new() };
    if items.len() > RULES_MAX {
        let message = format!("{} rules are more than the {RULES_MAX} allowed", items.len());
        report.add(Diagnostic::error(node.span, message));
        return Vec::new();
    }
    let mut names = HashMap::new();
    let mut rules = Vec::with_capacity(items.len());
    for (position, item) in items.iter().enumerate() {
        let number = position + 1;
        if let Some(rule) = rule(item, number, report) {
            if let Some(first) = names.insert(rule.name.clone(), number) {
                let message = format!("{}: rule {first} has the same name", rule.label);
                report.add(Diagnostic::error(rule.span, message));
            }
            rules.push(rule);
        }
    }
    rules
}

fn rule(node: &Node, number: usize, report: &mut Report) -> Option<Rule> {
    let written = node.get("name").and_then(|name| name.text("name").ok());
    let label = match written {
        Some(name) if identifier::is_valid(name) => format!("rule {number} `{name}`"),
        _ => format!("rule {number}"),
    };
    let fields = report.take(Fields::of(node, label.as_str()))?;
    report.extend(fields.finish(&RULE_FIELDS));
    let name = report.take(fields.required("name").and_then(|node| name(node, &label)));
    let action = report.take(fields.required("action").and_then(|node| action(node, &label)));
    let condition = report
        .take(fields.required("match"))
        .and_then(|node| condition::read(node, &label, Part::Match, report));
    let except = fields.optional("except").map(|node| except(node, &label, report));
    let limits = limit::read(&fields, action, report);
    let constraints = constraints(&fields, action, report);
    let approve = fields.optional("approve");
    let approved = approve.and_then(|node| approve::read(node, &label, report));
    let reason = fields
        .optional("reason")
        .and_then(|node| report.take(node.text(&format!("{label}: reason"))).map(Arc::<str>::from));
    let span = node.get("name").map_or(node.span, |name| name.span);
    let rule = Rule {
        name: name?,
        layer: Layer::Rules,
        span,
        condition: condition?,
        except: except.unwrap_or_default(),
        action: action?,
        reason,
        constraints,
        limits,
        approve: approved,
        label,
    };
    if let Some(node) = approve {
        report.take(approve::needless(&rule, node));
    }
    Some(rule)
}

fn name(node: &Node, label: &str) -> Result<Arc<str>, Diagnostic> {
    let text = node.text(&format!("{label}: name"))?;
    if !identifier::is_valid(text) {
        let message = format!("{label}: name must be 1 to 256 bytes without control characters");
        return Err(Diagnostic::error(node.span, message));
    }
    if text.starts_with(builtin::PREFIX) {
        let message = format!("{label}: names that start with `{}` are taken", builtin::PREFIX);
        return Err(Diagnostic::error(node.span, message));
    }
    Ok(identifier::normal(text).into())
}

fn action(node: &Node, label: &str) -> Result<Action, Diagnostic> {
    match node.text(&format!("{label}: action"))? {
        "allow" => Ok(Action::Allow),
        "deny" => Ok(Action::Deny),
        "require_review" => Ok(Action::RequireReview),
        other => Err(Diagnostic::error(
            node.span,
            format!("{label}: invalid action \"{other}\", must be allow, deny or require_review"),
        )),
    }
}

fn except(node: &Node, label: &str, report: &mut Report) -> Vec<Except> {
    let what = format!("{label}: except");
    let Some(items) = report.take(node.list(&what)) else { return Vec::new() };
    if items.is_empty() || items.len() > EXCEPT_MAX {
        let message = format!("{what} must have between 1 and {EXCEPT_MAX} items");
        report.add(Diagnostic::error(node.span, message));
        return Vec::new();
    }
    let mut read = Vec::with_capacity(items.len());
    for item in items {
        let because = item.get("because").and_then(|because| {
            report.take(because.text(&format!("{what} item: because"))).map(str::to_owned)
        });
        if let Some(condition) = condition::read(item, label, Part::Except, report) {
            read.push(Except { condition, because });
        }
    }
    read
}

fn constraints(fields: &Fields<'_>, action: Option<Action>, report: &mut Report) -> Constraints {
    let Some((key, node)) = fields.entry("constraints") else { return Constraints::default() };
    if action == Some(Action::Deny) {
        let span: Span = key.span;
        let message = format!("{}: a denial has nothing to constrain", fields.what());
        report.add(Diagnostic::error(span, message));
    }
    constraint::read(node, fields.what(), report)
}
