//! Reads the fields of `match` and of `except` items.
//!
//! Both have the same fields; an `except` item may add `because`. A list means any of its entries.

use super::{Condition, Tools, argument};
use crate::document::{Diagnostic, Fields, Node, Report, Span, Yaml, suggest};
use crate::identifier;
use crate::pattern::{HostPattern, NamePattern, PathPattern, PatternError};

/// Entries of one list.
const ENTRIES_MAX: usize = 256;

/// Session modes a condition may name.
const MODES: [&str; 3] = ["strict", "explore", "debug"];

const FIELDS: [&str; 9] =
    ["tool", "caller_tag", "role", "principal", "mode", "state", "path_glob", "host", "args"];

/// What a condition is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Match,
    Except,
}

/// Reads a condition; with an error in it, the report says so and the rest is still read.
pub(super) fn read(node: &Node, label: &str, part: Part, report: &mut Report) -> Option<Condition> {
    let what = match part {
        Part::Match => format!("{label}: match"),
        Part::Except => format!("{label}: except item"),
    };
    let fields = report.take(Fields::of(node, what.as_str()))?;
    let known: Vec<&str> = match part {
        Part::Match => FIELDS.to_vec(),
        Part::Except => FIELDS.into_iter().chain(["because"]).collect(),
    };
    report.extend(fields.finish(&known));
    if !fields.entries().iter().any(|(key, _)| key.name != "because") {
        report.add(Diagnostic::error(node.span, format!("{what} must not be empty")));
        return None;
    }
    let mut reader = Reader { fields: &fields, what: &what, report };
    let labels = |name: &str, text: &str| name_of(name, text);
    Some(Condition {
        tools: reader.tools(),
        caller_tags: reader.each("caller_tag", labels),
        roles: reader.each("role", labels),
        modes: reader.each("mode", |_, text| mode(text)),
        states: reader.each("state", labels),
        principals: reader
            .each("principal", |_, text| NamePattern::parse(text).map_err(Into::into)),
        paths: reader.paths(),
        paths_span: reader.span_of("path_glob"),
        hosts_span: reader.span_of("host"),
        hosts: reader.each("host", |_, text| HostPattern::parse(text).map_err(Into::into)),
        arguments: reader.arguments(),
    })
}

/// Why an entry is refused, and what would help.
pub(super) struct Refusal {
    message: String,
    hint: Option<String>,
}

impl Refusal {
    /// As a finding on `what`.
    pub(super) fn at(self, span: Span, what: &str) -> Diagnostic {
        let found = Diagnostic::error(span, format!("{what}: {}", self.message));
        match self.hint {
            Some(hint) => found.with_hint(hint),
            None => found,
        }
    }
}

impl From<PatternError> for Refusal {
    fn from(error: PatternError) -> Refusal {
        Refusal { message: error.to_string(), hint: error.hint().map(str::to_owned) }
    }
}

fn name_of(field: &str, text: &str) -> Result<String, Refusal> {
    if identifier::is_valid(text) {
        return Ok(identifier::normal(text).into_owned());
    }
    Err(Refusal { message: format!("`{text}` cannot be a {field}"), hint: None })
}

/// A mode there is.
pub(super) fn mode(text: &str) -> Result<String, Refusal> {
    if MODES.contains(&text) {
        return Ok(text.to_owned());
    }
    let hint = match suggest(text, &MODES) {
        Some(mode) => format!("did you mean `{mode}`?"),
        None => "modes are strict, explore and debug".to_owned(),
    };
    Err(Refusal { message: format!("unknown mode `{text}`"), hint: Some(hint) })
}

struct Reader<'a> {
    fields: &'a Fields<'a>,
    what: &'a str,
    report: &'a mut Report,
}

impl Reader<'_> {
    fn tools(&mut self) -> Tools {
        let Some(node) = self.fields.optional("tool") else { return Tools::Any };
        let entries = self.entries("tool", node);
        let read = entries.into_iter().filter_map(|(text, span)| {
            let name = NamePattern::parse(text).map_err(Refusal::from);
            self.keep("tool", name, span).map(|name| (name, span))
        });
        Tools::Named(read.collect())
    }

    fn paths(&mut self) -> Option<Vec<PathPattern>> {
        let (key, node) = self.fields.entry("path_glob")?;
        if matches!(&node.value, Yaml::List(items) if items.is_empty()) {
            self.report.add(
                Diagnostic::warning(
                    key.span,
                    format!("{}: an empty path_glob matches nothing", self.what),
                )
                .with_hint("leave path_glob out to match every path"),
            );
            return Some(Vec::new());
        }
        Some(self.each("path_glob", |_, text| PathPattern::parse(text).map_err(Into::into)))
    }

    fn span_of(&self, name: &str) -> Span {
        self.fields.entry(name).map_or(self.fields.span(), |(key, _)| key.span)
    }

    fn arguments(&mut self) -> Vec<super::Argument> {
        let Some(node) = self.fields.optional("args") else { return Vec::new() };
        argument::read(node, self.what, self.report)
    }

    /// A field that is one text or a list of texts.
    fn each<T>(&mut self, name: &str, read: impl Fn(&str, &str) -> Result<T, Refusal>) -> Vec<T> {
        let Some(node) = self.fields.optional(name) else { return Vec::new() };
        let entries = self.entries(name, node);
        let read = entries.into_iter().filter_map(|(text, span)| {
            let entry = read(name, text);
            self.keep(name, entry, span)
        });
        read.collect()
    }

    fn keep<T>(&mut self, name: &str, entry: Result<T, Refusal>, span: Span) -> Option<T> {
        match entry {
            Ok(entry) => Some(entry),
            Err(refusal) => {
                self.report.add(refusal.at(span, &format!("{}: {name}", self.what)));
                None
            }
        }
    }

    fn entries<'n>(&mut self, name: &str, node: &'n Node) -> Vec<(&'n str, Span)> {
        let what = format!("{}: {name}", self.what);
        match texts(node, &what) {
            Ok(entries) => entries,
            Err(found) => {
                self.report.add(found);
                Vec::new()
            }
        }
    }
}

/// One text, or a list of texts that is neither empty nor too long.
pub(super) fn texts<'n>(node: &'n Node, what: &str) -> Result<Vec<(&'n str, Span)>, Diagnostic> {
    let Yaml::List(items) = &node.value else {
        return Ok(vec![(node.text(what)?, node.span)]);
    };
    if items.is_empty() {
        return Err(Diagnostic::error(node.span, format!("{what} must not be an empty list")));
    }
    if items.len() > ENTRIES_MAX {
        let message = format!("{what} has more than the {ENTRIES_MAX} entries allowed");
        return Err(Diagnostic::error(node.span, message));
    }
    items.iter().map(|item| Ok((item.text(what)?, item.span))).collect()
}
