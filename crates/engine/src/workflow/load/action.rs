//! What a step does: exactly one of `run`, `shell` and `tool`.
//!
//! `run` is a list, because a program gets its arguments as values. `shell` is a script without
//! expressions, because a value inside a script would be read as shell text. `tool` names a
//! registered tool; its arguments in `with` are JSON with templates.

use super::Loader;
use super::site::Wanted;
use crate::expression::{Fault, Template};
use crate::workflow::resolve::{MAX_ARGUMENT_BYTES, MAX_ARGUMENTS, RUN_TOOL, SHELL_TOOL};
use crate::workflow::step::Action;
use crate::workflow::value::ValueTemplate;
use policy::document::{Diagnostic, Fields, Node, Span, Yaml, suggest};
use std::collections::BTreeMap;

/// Programs that run the argument of `-c` as a script.
const SHELLS: [&str; 6] = ["ash", "bash", "dash", "ksh", "sh", "zsh"];

/// Tools with a key of their own, which checks what a plain map of arguments would not.
const PROGRAM_TOOLS: [(&str, &str); 2] = [(RUN_TOOL, "run"), (SHELL_TOOL, "shell")];

impl<'n> Loader<'n> {
    /// Reads the action; reports a step with none or with several.
    pub(super) fn action(&mut self, fields: &Fields<'n>) -> Option<Action> {
        let mut found = fields
            .entries()
            .iter()
            .filter(|(key, _)| matches!(key.name.as_str(), "run" | "shell" | "tool"));
        let Some((key, node)) = found.next() else {
            let span = Span { len: 1, ..fields.span() };
            let message = format!("{} does nothing", fields.what());
            self.error(span, message, "add `run`, `shell` or `tool`");
            return None;
        };
        for (other, _) in found {
            let message = format!("{} has both `{}` and `{}`", fields.what(), key.name, other.name);
            self.error(other.span, message, "make two steps of it");
        }
        if let Some((with, _)) = fields.entry("with").filter(|_| key.name != "tool") {
            let message = format!("{}: `with` has a meaning with `tool` only", fields.what());
            self.report.add(Diagnostic::error(with.span, message));
        }
        match key.name.as_str() {
            "run" => self.run(node),
            "shell" => self.shell(node),
            _ => self.tool(node, fields.optional("with")),
        }
    }

    fn run(&mut self, node: &'n Node) -> Option<Action> {
        if matches!(node.value, Yaml::Text(_)) {
            let hint = "write the program and its arguments as a list, or use `shell`";
            self.error(node.span, "run must be a list, found a text", hint);
            return None;
        }
        let items = self.list(node, "run", MAX_ARGUMENTS)?;
        let mut argv = Vec::with_capacity(items.len());
        for (place, item) in items.iter().enumerate() {
            let wanted = if place == 0 { Wanted::Program } else { Wanted::Arguments };
            argv.extend(self.template(item, "an item of `run`", wanted));
        }
        if argv.first().is_some_and(|program| program.literal() == Some("")) {
            self.report.add(Diagnostic::error(node.span, "the program to run has no name"));
            return None;
        }
        self.warn_of_script(items, &argv);
        (argv.len() == items.len()).then_some(Action::Run { argv })
    }

    /// `["sh", "-c", "… ${{ x }}"]` makes shell text of a value, which `shell` would refuse.
    fn warn_of_script(&mut self, items: &'n [Node], argv: &[Template]) {
        let program = argv.first().and_then(Template::literal).unwrap_or_default();
        let name = program.rsplit('/').next().unwrap_or_default();
        let flag = argv.iter().position(|item| item.literal() == Some("-c"));
        let (true, Some(flag)) = (SHELLS.contains(&name), flag) else { return };
        let script = argv.get(flag + 1).zip(items.get(flag + 1));
        if let Some((_, item)) = script.filter(|(script, _)| script.literal().is_none()) {
            let message = format!("`{name} -c` reads the value as shell text");
            let hint = "pass the value through `env` and write \"$NAME\" in the script";
            self.report.add(Diagnostic::warning(item.span, message).with_hint(hint));
        }
    }

    fn shell(&mut self, node: &'n Node) -> Option<Action> {
        let text = self.report.take(node.text("shell"))?;
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(fault) => {
                self.fault(node, text, fault);
                return None;
            }
        };
        let first = template.expressions().next();
        if let Some(expression) = first {
            let message = "a value in a shell script would be read as shell text";
            let fault = Fault::new(expression.at(), message)
                .hint("put the expression into `env` and write \"$NAME\" in the script");
            self.fault(node, text, fault);
            return None;
        }
        let script = template.literal().unwrap_or_default().to_owned();
        if script.trim().is_empty() || script.contains('\0') {
            let message = "the script is empty or has a zero byte";
            self.report.add(Diagnostic::error(node.span, message));
            return None;
        }
        if script.len() > MAX_ARGUMENT_BYTES {
            let hint = "put the script into `files` and run that";
            self.error(node.span, "the script is longer than 128 KiB", hint);
            return None;
        }
        Some(Action::Shell { script })
    }

    fn tool(&mut self, node: &'n Node, with: Option<&'n Node>) -> Option<Action> {
        let name = self.report.take(node.text("tool"))?;
        if !self.plain("tool", node.span, name) {
            return None;
        }
        if let Some((_, key)) = PROGRAM_TOOLS.iter().find(|(tool, _)| *tool == name) {
            let message = format!("tool `{name}` is what `{key}` stands for");
            self.error(node.span, message, &format!("write `{key}` instead of `tool`"));
            return None;
        }
        if !self.tools.contains(&name) {
            let message = format!("tool `{name}` is not registered; the gate will deny it");
            let warning = Diagnostic::warning(node.span, message);
            self.report.add(warning.with_suggestion(suggest(name, self.tools)));
        }
        let mut arguments = BTreeMap::new();
        let entries = with.and_then(|with| self.entries(with, "with"));
        for (key, node) in entries.unwrap_or_default() {
            arguments.insert(key.name.clone(), self.value(node)?);
        }
        Some(Action::Tool { name: name.to_owned(), with: arguments })
    }

    /// The reader bounds the depth of a document, so this ends.
    fn value(&mut self, node: &'n Node) -> Option<ValueTemplate> {
        let value = match &node.value {
            Yaml::Text(_) => {
                let template = self.template(node, "with", Wanted::Value)?;
                match template.literal() {
                    Some(text) => ValueTemplate::Literal(text.into()),
                    None => ValueTemplate::Text(template),
                }
            }
            Yaml::List(items) => {
                let items: Option<Vec<_>> = items.iter().map(|item| self.value(item)).collect();
                list(items?)
            }
            Yaml::Map(entries) => {
                let mut fields = BTreeMap::new();
                for (key, node) in entries {
                    fields.insert(key.name.clone(), self.value(node)?);
                }
                map(fields)
            }
            _ => ValueTemplate::Literal(node.to_json()),
        };
        Some(value)
    }
}

/// A list without templates in it is a plain value.
fn list(items: Vec<ValueTemplate>) -> ValueTemplate {
    let literals: Option<Vec<_>> = items.iter().map(literal).collect();
    match literals {
        Some(literals) => ValueTemplate::Literal(literals.into()),
        None => ValueTemplate::List(items),
    }
}

fn map(fields: BTreeMap<String, ValueTemplate>) -> ValueTemplate {
    let literals: Option<serde_json::Map<_, _>> =
        fields.iter().map(|(name, value)| Some((name.clone(), literal(value)?))).collect();
    match literals {
        Some(literals) => ValueTemplate::Literal(literals.into()),
        None => ValueTemplate::Map(fields),
    }
}

fn literal(value: &ValueTemplate) -> Option<serde_json::Value> {
    match value {
        ValueTemplate::Literal(value) => Some(value.clone()),
        _ => None,
    }
}
