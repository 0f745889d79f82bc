//! What is around a program: mounts, environment, standard input, files, outputs, artifacts.
//!
//! Names and literal paths are judged here; what templates yield is judged again by `resolve`.
//! Maps are sorted by name, so that the order in a document has no effect.

use super::keys::Section;
use super::site::Wanted;
use super::{Loader, MAX_ENTRIES};
use crate::expression::Template;
use crate::workflow::path;
use crate::workflow::step::{Access, Mount, OutputSource};
use policy::document::{Diagnostic, Node, suggest};

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

    pub(super) fn outputs(&mut self, node: Option<&'n Node>) -> Vec<(String, OutputSource)> {
        let entries = node.and_then(|node| self.entries(node, "outputs"));
        let mut outputs = Vec::new();
        for (key, node) in entries.unwrap_or_default() {
            self.field_name(key, "output");
            let source = self.output_source(node, &key.name);
            outputs.extend(source.map(|source| (key.name.clone(), source)));
        }
        sorted(outputs)
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

fn sorted<T>(mut entries: Vec<(String, T)>) -> Vec<(String, T)> {
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    entries
}
