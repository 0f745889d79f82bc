//! Holds rules against the tools there are: names, path and host arguments, schemas.
//!
//! What no tool can meet is an error, because its author believes in a guard that is not there. What
//! only some of the named tools can meet is unknown for the others; where unknown denies, a warning
//! names them. Resolving names happens here once, for the compiler and the warnings alike.

mod hint;

use std::collections::HashMap;

use serde_json::Value;

use crate::catalogue::{Catalogue, Entry};
use crate::decision::Action;
use crate::document::{Diagnostic, Report, Span, suggest};
use crate::program::Bits;
use crate::rule::{Accepted, Argument, Condition, Counted, Rule, Tools};
use crate::schema::{self, Presence};

/// Tools named in one message.
const TOOLS_SHOWN: usize = 3;

/// The tools each condition of a rule is about, as places in the catalogue.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) tools: Bits,
    pub(crate) excepts: Vec<Bits>,
}

/// Checks every rule and resolves its tools.
pub(crate) fn check(rules: &[Rule], catalogue: &Catalogue, report: &mut Report) -> Vec<Scope> {
    let mut checker = Checker { catalogue, report, presence: HashMap::new() };
    rules.iter().map(|rule| checker.rule(rule)).collect()
}

fn schemas<'a>(catalogue: &'a Catalogue, tools: &Bits) -> Vec<&'a Value> {
    let entries = tools.iter().filter_map(|place| catalogue.entries().get(place));
    entries.map(|entry| &entry.tool.schema).collect()
}

/// The tools of `condition` as places in the catalogue.
fn tools_of(condition: &Condition, catalogue: &Catalogue) -> Bits {
    let entries = catalogue.entries();
    let places = entries.iter().enumerate().filter(|(_, entry)| condition.tools.include(entry));
    Bits::of(entries.len(), places.map(|(place, _)| place))
}

struct Checker<'a> {
    catalogue: &'a Catalogue,
    report: &'a mut Report,
    /// By key, for each tool in the order of the catalogue.
    presence: HashMap<String, Vec<Presence>>,
}

/// A condition as a part of its rule.
struct Subject<'r> {
    label: &'r str,
    condition: &'r Condition,
    tools: Bits,
    /// What comes of a call in which it is unknown, where that narrows what may happen.
    unknown: Option<&'static str>,
}

/// What is said where a condition cannot be met; made only then.
struct Words<'w> {
    /// The message, of one tool by name or of all of them.
    message: &'w dyn Fn(Option<&str>) -> String,
    hint: &'w dyn Fn() -> Option<String>,
}

impl Checker<'_> {
    fn rule(&mut self, rule: &Rule) -> Scope {
        let tools = tools_of(&rule.condition, self.catalogue);
        let counts = Some("so it counts there");
        let narrows = rule.action != Action::Allow;
        let condition = &rule.condition;
        let unknown = counts.filter(|_| narrows);
        self.condition(&Subject { label: &rule.label, condition, tools: tools.clone(), unknown });
        for (place, limit) in rule.limits.iter().enumerate() {
            let Counted::Sum(sum) = &limit.counted else { continue };
            let label = format!("{}: limit {}", rule.label, place + 1);
            let unknown = Some("so each of them is over the limit");
            let subject = Subject { label: &label, condition, tools: tools.clone(), unknown };
            self.argument(&subject, &sum.argument);
        }
        let mut excepts = Vec::with_capacity(rule.except.len());
        for item in &rule.except {
            let mut shared = tools_of(&item.condition, self.catalogue);
            excepts.push(shared.clone());
            shared.keep(&tools);
            let (condition, tools) = (&item.condition, shared);
            let unknown = counts.filter(|_| !narrows);
            self.condition(&Subject { label: &rule.label, condition, tools, unknown });
        }
        Scope { tools, excepts }
    }

    fn condition(&mut self, subject: &Subject<'_>) {
        let condition = subject.condition;
        self.names(subject);
        if condition.paths.as_ref().is_some_and(|paths| !paths.is_empty()) {
            let can = |entry: &Entry| !entry.paths.is_empty();
            self.field(subject, ("path_glob", condition.paths_span, "path argument"), can);
        }
        if !condition.hosts.is_empty() {
            let can = |entry: &Entry| !entry.hosts.is_empty();
            self.field(subject, ("host", condition.hosts_span, "host argument"), can);
        }
        for argument in &condition.arguments {
            self.argument(subject, argument);
        }
    }

    fn names(&mut self, subject: &Subject<'_>) {
        let Tools::Named(names) = &subject.condition.tools else { return };
        for (name, span) in names {
            let mut tools = self.catalogue.tools();
            if tools.any(|tool| name.matches(&tool.name)) {
                continue;
            }
            let text = name.text();
            self.report.add(if name.is_exact() {
                let known: Vec<&str> =
                    self.catalogue.tools().map(|tool| tool.name.as_str()).collect();
                Diagnostic::error(*span, format!("{}: unknown tool `{text}`", subject.label))
                    .with_suggestion(suggest(text, &known))
            } else {
                let message = format!("{}: no registered tool matches `{text}`", subject.label);
                Diagnostic::warning(*span, message)
            });
        }
    }

    /// A field that only tools with some kind of argument can meet.
    fn field(
        &mut self,
        subject: &Subject<'_>,
        (name, span, needed): (&str, Span, &str),
        can: impl Fn(&Entry) -> bool,
    ) {
        let entries = self.catalogue.entries();
        let able = Bits::of(
            entries.len(),
            entries.iter().enumerate().filter(|(_, entry)| can(entry)).map(|(place, _)| place),
        );
        let label = subject.label;
        let message = |tool: Option<&str>| match tool {
            Some(tool) => format!("{label}: {name}: tool `{tool}` has no {needed}"),
            None => format!("{label}: {name}: none of its tools has a {needed}"),
        };
        self.able(subject, &able, span, Words { message: &message, hint: &|| None });
    }

    fn argument(&mut self, subject: &Subject<'_>, argument: &Argument) {
        let entries = self.catalogue.entries();
        let presence = self.presence.entry(argument.key.clone()).or_insert_with(|| {
            let of = |entry: &Entry| schema::presence(&entry.tool.schema, &argument.selector);
            entries.iter().map(of).collect()
        });
        let places = presence.iter().enumerate();
        let able = places.filter(|(_, found)| **found != Presence::Impossible);
        let able = Bits::of(entries.len(), able.map(|(place, _)| place));
        let (label, key) = (subject.label, &argument.key);
        let catalogue = self.catalogue;
        let hint = || hint::absent(&schemas(catalogue, &subject.tools), key);
        let message = |tool: Option<&str>| match tool {
            Some(tool) => format!("{label}: args: tool `{tool}` has no argument `{key}`"),
            None => format!("{label}: args: none of its tools has an argument `{key}`"),
        };
        if self.able(subject, &able, argument.span, Words { message: &message, hint: &hint }) {
            self.kinds(subject, argument, &able);
            self.sometimes(subject, argument, &able);
        }
    }

    /// A way into an argument that is a text in some calls, where it leads nowhere.
    fn sometimes(&mut self, subject: &Subject<'_>, argument: &Argument, able: &Bits) {
        if argument.selector.steps().len() < 2 {
            return;
        }
        let mut meeting = subject.tools.clone();
        meeting.keep(able);
        let schemas = schemas(self.catalogue, &meeting);
        let sometimes = |schema: &&Value| schema::sometimes(schema, &argument.selector);
        let Some(part) = schemas.iter().find_map(sometimes) else { return };
        let (label, key) = (subject.label, &argument.key);
        let message = format!("{label}: `{key}` is unknown where `{part}` is given in full");
        let found = Diagnostic::warning(argument.span, message);
        let always = hint::beside(&schemas, key, |_, _| true);
        self.report.add(match always {
            Some(always) => found.with_hint(format!("`{always}` is always known")),
            None => found,
        });
    }

    /// Reports tools of the subject that are not able to meet a field. Says whether any is.
    fn able(
        &mut self,
        subject: &Subject<'_>,
        able: &Bits,
        span: Span,
        Words { message, hint }: Words<'_>,
    ) -> bool {
        let mut unable = subject.tools.clone();
        unable.drop_all(able);
        let name = |place: usize| {
            self.catalogue.entries().get(place).map(|entry| entry.tool.name.as_str())
        };
        let exact = match &subject.condition.tools {
            Tools::Named(names) => unable.iter().filter_map(name).find(|tool| {
                names.iter().any(|(pattern, _)| pattern.is_exact() && pattern.matches(tool))
            }),
            Tools::Any | Tools::WithPaths(_) | Tools::BuiltIn(_) => None,
        };
        if exact.is_some() || (!subject.tools.is_empty() && unable == subject.tools) {
            let found = Diagnostic::error(span, message(exact));
            self.report.add(match hint() {
                Some(hint) => found.with_hint(hint),
                None => found,
            });
            return false;
        }
        if let Some(unknown) = subject.unknown.filter(|_| !unable.is_empty()) {
            let shown: Vec<&str> = unable.iter().filter_map(name).take(TOOLS_SHOWN).collect();
            let more = unable.iter().count().saturating_sub(shown.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let names = shown.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let label = subject.label;
            self.report.add(
                Diagnostic::warning(
                    span,
                    format!("{label}: unknown in every call of {names}{more}, {unknown}"),
                )
                .with_hint("name the tools that are meant with `tool`"),
            );
        }
        true
    }

    /// A value of a kind that no tool's schema permits there would never be met.
    fn kinds(&mut self, subject: &Subject<'_>, argument: &Argument, able: &Bits) {
        let mut meeting = subject.tools.clone();
        meeting.keep(able);
        if meeting.is_empty() {
            return;
        }
        let can_be = |accepted: &Accepted| {
            meeting.iter().filter_map(|place| self.catalogue.entries().get(place)).any(|entry| {
                let kinds = accepted.kinds().iter();
                let mut fits =
                    kinds.map(|kind| schema::can_be(&entry.tool.schema, &argument.selector, kind));
                fits.any(|fits| fits)
            })
        };
        let never: Vec<String> = argument
            .accepted
            .iter()
            .filter(|accepted| !can_be(accepted))
            .map(|accepted| {
                let (label, key) = (subject.label, &argument.key);
                format!("{label}: args: `{key}` can never be held against `{accepted}`")
            })
            .collect();
        if never.is_empty() {
            return;
        }
        let hint = hint::other_kind(&schemas(self.catalogue, &meeting), argument);
        let reports = never
            .into_iter()
            .map(|message| Diagnostic::error(argument.span, message).with_hint(hint.clone()));
        self.report.extend(reports);
    }
}
