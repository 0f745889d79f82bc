//! The small things of a document: names, lists with a bound, texts that are templates.
//!
//! Every reader reports what is wrong and answers nothing in that case. Templates are also noted
//! as sites, to be checked once every step is known.

use super::Loader;
use super::locate::locate;
use super::site::{Content, Site, Wanted};
use crate::expression::{Expression, Fault, Template};
use crate::workflow::MAX_ENTRIES;
use crate::workflow::path::PathError;
use crate::workflow::step::Condition;
use policy::document::{Diagnostic, Key, Node, Span, Yaml};

/// The longest name of a workflow, step or output, in bytes.
const NAME_BYTES_MAX: usize = 63;

impl<'n> Loader<'n> {
    pub(super) fn workflow_name(&mut self, node: &Node) -> Option<String> {
        self.name(node, |byte| matches!(byte, b'_' | b'-' | b'.'), "a-z 0-9 _ - .")
    }

    pub(super) fn step_name(&mut self, node: &Node) -> Option<String> {
        self.name(node, |byte| matches!(byte, b'_' | b'-'), "a-z 0-9 _ -")
    }

    fn name(&mut self, node: &Node, other: impl Fn(u8) -> bool, listed: &str) -> Option<String> {
        let text = self.report.take(node.text("name"))?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let good = text.len() <= NAME_BYTES_MAX
            && text.bytes().next().is_some_and(plain)
            && text.bytes().all(|byte| plain(byte) || other(byte));
        if good {
            return Some(text.to_owned());
        }
        let hint =
            format!("use at most {NAME_BYTES_MAX} of {listed}, beginning with a letter or a digit");
        self.error(node.span, format!("`{text}` is not a name"), &hint);
        None
    }

    /// Checks a key that expressions or programs use as an identifier.
    pub(super) fn field_name(&mut self, key: &Key, what: &str) -> bool {
        let name = &key.name;
        let good = name.len() <= NAME_BYTES_MAX
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !good {
            let hint = format!(
                "use at most {NAME_BYTES_MAX} letters, digits and `_`, not beginning with a digit"
            );
            self.error(key.span, format!("`{name}` is not a name of an {what}"), &hint);
        }
        good
    }

    /// A list that is not empty and has at most `most` items.
    pub(super) fn list(&mut self, node: &'n Node, what: &str, most: usize) -> Option<&'n [Node]> {
        let items = self.report.take(node.list(what))?;
        if items.is_empty() {
            let message = format!("{what} must not be empty");
            self.report.add(Diagnostic::error(node.span, message));
            return None;
        }
        if items.len() > most {
            let message = format!("{what} has more than {most} items");
            self.report.add(Diagnostic::error(node.span, message));
            return None;
        }
        Some(items)
    }

    /// The entries of a map with names of the author's choice, at most [`MAX_ENTRIES`].
    pub(super) fn entries(&mut self, node: &'n Node, what: &str) -> Option<&'n [(Key, Node)]> {
        let entries = self.report.take(node.map(what))?;
        if entries.len() > MAX_ENTRIES {
            let message = format!("{what} has more than {MAX_ENTRIES} entries");
            self.report.add(Diagnostic::error(node.span, message));
            return None;
        }
        Some(entries)
    }

    /// A text with expressions in it.
    pub(super) fn template(
        &mut self,
        node: &'n Node,
        what: &str,
        wanted: Wanted,
    ) -> Option<Template> {
        let text = self.report.take(node.text(what))?;
        match Template::parse(text) {
            Ok(template) => {
                let content = Content::Template(template.clone());
                self.sites.push(Site { node, text, owner: self.owner, content, wanted });
                Some(template)
            }
            Err(fault) => {
                self.fault(node, text, fault);
                None
            }
        }
    }

    /// An `if`: `${{ … }}`, the bare expression, or a boolean.
    pub(super) fn condition(&mut self, node: &'n Node) -> Option<Condition> {
        let text = match &node.value {
            Yaml::Bool(true) => "true",
            Yaml::Bool(false) => "false",
            _ => self.report.take(node.text("if"))?,
        };
        match parse_condition(text) {
            Ok(expression) => {
                let content = Content::Condition(expression.clone());
                let owner = self.owner;
                self.sites.push(Site { node, text, owner, content, wanted: Wanted::Boolean });
                Some(Condition::new(expression, text.to_owned()))
            }
            Err(fault) => {
                self.fault(node, text, fault);
                None
            }
        }
    }

    /// Reports a mistake in an expression at its place in the document.
    pub(super) fn fault(&mut self, node: &Node, text: &str, fault: Fault) {
        let exact = self.is_exact();
        let span = if exact { locate(self.source, node, text, fault.at) } else { node.span };
        let diagnostic = Diagnostic::error(span, fault.message);
        self.report.add(match fault.hint {
            Some(hint) => diagnostic.with_hint(hint),
            None => diagnostic,
        });
    }

    /// Reports a path or glob that cannot be right.
    pub(super) fn path(&mut self, what: &str, span: Span, result: Result<(), PathError>) -> bool {
        if let Err(error) = result {
            self.report.add(Diagnostic::error(span, format!("{what} {error}")));
        }
        result.is_ok()
    }

    /// Reports expressions where they would stay as they are.
    pub(super) fn plain(&mut self, what: &str, span: Span, text: &str) -> bool {
        let plain = !text.contains("${{");
        if !plain {
            self.report.add(Diagnostic::error(span, format!("{what} cannot have expressions")));
        }
        plain
    }
}

fn parse_condition(text: &str) -> Result<Expression, Fault> {
    if !text.contains("${{") {
        return Expression::parse(text);
    }
    let template = Template::parse(text.trim_end())?;
    template.expression().cloned().ok_or_else(|| {
        let at = crate::expression::At { start: 0, len: text.len() };
        Fault::new(at, "`if` is one expression, not a text with expressions in it")
            .hint("put the whole condition into one `${{ … }}`")
    })
}
