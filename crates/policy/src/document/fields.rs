//! The strict decoder of maps: required fields, optional fields, and no others.
//!
//! A document type reads its maps through this, so that every one of them reports a missing or an
//! unknown key in the same words, with the place and a suggestion. It converts no values; the
//! accessors of `Node` do.

use super::diagnostic::Diagnostic;
use super::node::{Key, Node, Span};
use super::suggestion::suggest;

/// The entries of one map, called by what they describe.
///
/// ```
/// use policy::document::{Fields, Report, Source, read};
/// let source = Source::new("step.yaml", "nmae: build\n");
/// let root = read(&source).unwrap();
/// let mut report = Report::new(&source);
/// if let Some(fields) = report.take(Fields::of(&root, "step 1")) {
///     report.take(fields.required("name").and_then(|name| name.text("name")));
///     report.extend(fields.finish(&["name", "run"]));
/// }
/// let found = report.finish().unwrap_err();
/// assert_eq!(found[0].message, "step 1: missing required field \"name\"");
/// assert_eq!(found[1].hint.as_deref(), Some("did you mean `name`?"));
/// ```
#[derive(Debug, Clone)]
pub struct Fields<'n> {
    what: String,
    span: Span,
    entries: &'n [(Key, Node)],
}

impl<'n> Fields<'n> {
    /// The fields of `node`; `what` names the thing in messages, as in "rule 3".
    ///
    /// # Errors
    /// Where `node` is not a map.
    pub fn of(node: &'n Node, what: impl Into<String>) -> Result<Fields<'n>, Diagnostic> {
        let what = what.into();
        let entries = node.map(&what)?;
        Ok(Fields { what, span: node.span, entries })
    }

    /// The value of a field that must be there.
    ///
    /// # Errors
    /// `rule 3: missing required field "name"`, placed at the start of the map.
    pub fn required(&self, name: &str) -> Result<&'n Node, Diagnostic> {
        self.optional(name).ok_or_else(|| {
            let span = Span { len: 1, ..self.span };
            Diagnostic::error(span, format!("{}: missing required field \"{name}\"", self.what))
        })
    }

    /// The value of a field that may be absent.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<&'n Node> {
        self.entry(name).map(|(_, node)| node)
    }

    /// The key and the value of a field that may be absent.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<(&'n Key, &'n Node)> {
        self.entries.iter().find(|(key, _)| key.name == name).map(|(key, node)| (key, node))
    }

    /// Every field in the order written.
    #[must_use]
    pub fn entries(&self) -> &'n [(Key, Node)] {
        self.entries
    }

    /// What the map describes.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Where the map starts.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// A diagnostic for each key that is not one of `known`.
    #[must_use]
    pub fn finish(&self, known: &[&str]) -> Vec<Diagnostic> {
        let unknown = self.entries.iter().filter(|(key, _)| !known.contains(&key.name.as_str()));
        unknown
            .map(|(key, _)| {
                let found = Diagnostic::error(
                    key.span,
                    format!("{}: unknown key `{}`", self.what, key.name),
                );
                match suggest(&key.name, known) {
                    Some(name) => found.with_hint(format!("did you mean `{name}`?")),
                    None => found.with_hint(format!("known keys are {}", known.join(", "))),
                }
            })
            .collect()
    }
}
