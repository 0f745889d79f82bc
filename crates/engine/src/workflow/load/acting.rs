//! `actions`: what a workflow does to the world outside, by name, and the scopes each needs of a ticket.
//!
//! Which tickets there are is not known here, and neither is which step does what: the whole run waits for all of them.

use super::{Loader, MAX_ACTIONS, MAX_SCOPES};
use crate::workflow::document::Acting;
use policy::document::{Diagnostic, Key, Node};

/// The longest scope, in bytes; a ticket has none that is longer.
const SCOPE_BYTES_MAX: usize = 255;

impl<'n> Loader<'n> {
    /// The actions of the document, where it has them.
    pub(super) fn acting(&mut self, node: Option<&'n Node>) -> Vec<Acting> {
        let Some(node) = node else { return Vec::new() };
        let Some(entries) = self.entries(node, "actions") else { return Vec::new() };
        if entries.is_empty() || entries.len() > MAX_ACTIONS {
            let message = format!("actions are from 1 to {MAX_ACTIONS}");
            self.error(node.span, message, "leave `actions` away where nothing is done outside");
        }
        entries.iter().filter_map(|(key, node)| self.one_acting(key, node)).collect()
    }

    fn one_acting(&mut self, key: &Key, node: &'n Node) -> Option<Acting> {
        let named = self.field_name(key, "action");
        let what = format!("action `{}`", key.name);
        let mut scopes: Vec<String> = Vec::new();
        for item in self.list(node, &what, MAX_SCOPES)? {
            let Some(scope) = self.report.take(item.text("a scope")) else { continue };
            let repeated = scopes.iter().any(|known| known == scope);
            if repeated || !is_scope(scope) {
                let message = match repeated {
                    true => format!("{what} names `{scope}` twice"),
                    false => format!("`{scope}` is not a scope"),
                };
                let hint = "a scope is a word such as `ops:write`, without spaces and wildcards";
                self.report.add(Diagnostic::error(item.span, message).with_hint(hint));
            }
            scopes.push(scope.to_owned());
        }
        named.then(|| Acting { name: key.name.clone(), scopes })
    }
}

/// Whether a workflow may name this scope, and so a ticket can have it for one. Scopes are compared word for word, so
/// one that looks like a pattern would be a promise nobody keeps.
#[must_use]
pub fn is_scope(text: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-:/@".contains(letter);
    (1..=SCOPE_BYTES_MAX).contains(&text.len()) && text.chars().all(fits)
}
