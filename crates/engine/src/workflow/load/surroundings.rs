//! What is around a program: mounts, environment, standard input, files, outputs, artifacts.
//!
//! Names and literal paths are judged here; what templates yield is judged again by `resolve`.
//! Maps are sorted by name, so that the order in a document has no effect.

use super::keys::Section;
use super::site::Wanted;
use super::{Loader, MAX_ENTRIES};
use crate::expression::Template;
use crate::workflow::inputs;
use crate::workflow::path;
use crate::workflow::step::{Access, Mount, OutputSource};
use crate::workflow::{MAX_SECRETS, SECRET_SUFFIX};
use policy::document::{Diagnostic, Node, Yaml, suggest};
use schema::Schema;
use std::sync::Arc;

/// Outputs by name, and what those must look like that have a schema.
type Outputs = (Vec<(String, OutputSource)>, Vec<(String, Arc<Schema>)>);

impl<'n> Loader<'n> {
    pub(super) fn mounts(&mut self, node: Option<&'n Node>) -> Vec<Mount> {
        let Some(items) = node.and_then(|node| self.list(node, "mounts", MAX_ENTRIES)) else {
            return Vec::new();
        };
        items.iter().filter_map(|item| self.mount(item)).collect()
    }

    fn mount(&mut self, node: &'n Node) -> Option<Mount> {
        let fields = self.fields(node, "mount", Section::Mount)?;
        let source = self.required(&fields, "source").and_then(|node| {
            let source = self.template(node, "source", Wanted::Text)?;
            let checked = source.literal().map_or(Ok(()), path::on_host);
            self.path("source", node.span, checked).then_some(source)
        });
        let target = fields.optional("target").and_then(|node| {
            let target = self.template(node, "target", Wanted::Text)?;
            let checked = target.literal().map_or(Ok(()), path::in_sandbox);
            self.path("target", node.span, checked).then_some(target)
        });
        let readonly = fields.optional("readonly");
        let readonly = readonly.and_then(|node| self.report.take(node.bool("readonly")));
        let access = if readonly.unwrap_or(true) { Access::Read } else { Access::Write };
        Some(Mount { source: source?, target, access })
    }

    pub(super) fn environment(&mut self, node: Option<&'n Node>) -> Vec<(String, Template)> {
        let entries = node.and_then(|node| self.entries(node, "env"));
        let mut env = Vec::new();
        for (key, node) in entries.unwrap_or_default() {
            let named = self.field_name(key, "environment variable");
            let value = self.template(node, &format!("env `{}`", key.name), Wanted::Text);
            env.extend(value.filter(|_| named).map(|value| (key.name.clone(), value)));
        }
        sorted(env)
    }

    /// Names only: which file of which secret. Values are put in place where the program starts.
    pub(super) fn secrets(
        &mut self,
        node: Option<&'n Node>,
        env: &[(String, Template)],
    ) -> Vec<(String, String)> {
        const HINT: &str = "write `secrets: { NAME: secret }`: the step has the value in the file of `NAME_FILE`, \
                            and `palisade secret list` has the names of secrets";
        let map = |node: &'n Node| node.map("secrets").map_err(|error| error.with_hint(HINT));
        let entries = node.and_then(|node| self.report.take(map(node))).unwrap_or_default();
        if let (Some(node), true) = (node, entries.len() > MAX_SECRETS) {
            let message = format!("a step has more than {MAX_SECRETS} secrets");
            self.report.add(Diagnostic::error(node.span, message));
        }
        let mut secrets = Vec::new();
        for (key, node) in entries {
            let named = self.field_name(key, "secret's variable");
            let variable = format!("{}{SECRET_SUFFIX}", key.name);
            if env.iter().any(|(name, _)| *name == variable) {
                let message =
                    format!("`{variable}` is set by `env` and by the secret `{}`", key.name);
                self.error(key.span, message, "give one of them another name");
            }
            let Some(name) = self.report.take(node.text("a secret")) else { continue };
            if !is_secret(name) {
                let hint = "name a secret of `palisade secret list`; its value never stands here";
                self.error(node.span, format!("`{name}` is not the name of a secret"), hint);
            } else if named {
                secrets.push((key.name.clone(), name.to_owned()));
            }
        }
        sorted(secrets)
    }

    pub(super) fn stdin(&mut self, node: &'n Node) -> Option<Template> {
        self.template(node, "stdin", Wanted::Text)
    }

    pub(super) fn files(&mut self, node: Option<&'n Node>) -> Vec<(String, Template)> {
        let entries = node.and_then(|node| self.entries(node, "files"));
        let mut files = Vec::new();
        for (key, node) in entries.unwrap_or_default() {
            let what = format!("path `{}`", key.name);
            let good = self.plain("a path of `files`", key.span, &key.name)
                && self.path(&what, key.span, path::in_workspace(&key.name));
            let text = self.template(node, &format!("file `{}`", key.name), Wanted::Text);
            files.extend(text.filter(|_| good).map(|text| (key.name.clone(), text)));
        }
        sorted(files)
    }

    /// An output is the name of its source, or a map with a schema beside it.
    pub(super) fn outputs(&mut self, node: Option<&'n Node>) -> Outputs {
        let entries = node.and_then(|node| self.entries(node, "outputs"));
        let (mut outputs, mut schemas) = (Vec::new(), Vec::new());
        for (key, node) in entries.unwrap_or_default() {
            self.field_name(key, "output");
            let (from, schema) = match node.value {
                Yaml::Map(_) => {
                    let what = format!("output `{}`", key.name);
                    let Some(fields) = self.fields(node, &what, Section::Output) else { continue };
                    (self.required(&fields, "from"), fields.optional("schema"))
                }
                _ => (Some(node), None),
            };
            let source = from.and_then(|from| self.output_source(from, &key.name));
            outputs.extend(source.map(|source| (key.name.clone(), source)));
            let schema = schema.and_then(|schema| self.output_schema(schema));
            schemas.extend(schema.map(|schema| (key.name.clone(), schema)));
        }
        (sorted(outputs), sorted(schemas))
    }

    fn output_schema(&mut self, node: &'n Node) -> Option<Arc<Schema>> {
        match inputs::compiled(&node.to_json()) {
            Ok(schema) => {
                for fault in inputs::unknown_keywords(&schema) {
                    self.schema_fault(Some(node), fault, Diagnostic::warning);
                }
                for fault in inputs::marked(&schema) {
                    self.schema_fault(Some(node), fault, Diagnostic::error);
                }
                Some(schema)
            }
            Err(faults) => {
                for fault in faults {
                    self.schema_fault(Some(node), fault, Diagnostic::error);
                }
                None
            }
        }
    }

    fn output_source(&mut self, node: &Node, name: &str) -> Option<OutputSource> {
        let text = self.report.take(node.text(&format!("output `{name}`")))?;
        let found = OutputSource::ALL.into_iter().find(|source| source.name() == text);
        if found.is_none() {
            let names = OutputSource::ALL.map(OutputSource::name);
            let hint = match suggest(text, &names) {
                Some(near) => format!("did you mean `{near}`?"),
                None if text == "exit_code" => "it is there without being declared".to_owned(),
                None => format!("an output comes from {}", names.join(", ")),
            };
            self.error(node.span, format!("output `{name}` cannot come from `{text}`"), &hint);
        }
        found
    }

    pub(super) fn artifacts(&mut self, node: Option<&'n Node>) -> Vec<String> {
        let items = node.and_then(|node| self.list(node, "artifacts", MAX_ENTRIES));
        let mut globs = Vec::new();
        for item in items.unwrap_or_default() {
            let Some(glob) = self.report.take(item.text("an item of `artifacts`")) else {
                continue;
            };
            let what = format!("glob `{glob}`");
            let good = self.plain("a glob of `artifacts`", item.span, glob)
                && self.path(&what, item.span, path::glob(glob));
            if good && globs.iter().any(|other| other == glob) {
                let message = format!("{what} is there twice");
                self.report.add(Diagnostic::warning(item.span, message));
            } else if good {
                globs.push(glob.to_owned());
            }
        }
        globs
    }
}

/// The grammar of the vault's names.
fn is_secret(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(plain)
}

fn sorted<T>(mut entries: Vec<(String, T)>) -> Vec<(String, T)> {
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    entries
}
