//! Loading: text to document tree to workflow, reporting everything that is wrong with it.
//!
//! Two passes. The first reads every map (`acting`, `step`, `action`, `surroundings`, `settings`, `sandbox`) and
//! remembers where each template stands; the second links steps (`link`) and checks templates
//! against what they may see (`site`). A mistake never stops a pass, so that one look at the
//! output repairs the whole file. Nothing is loaded unless everything is right.

mod acting;
mod action;
mod inputs;
mod keys;
mod link;
mod locate;
mod sandbox;
mod settings;
mod site;
mod step;
mod surroundings;
mod text;

pub use acting::is_scope;

use super::document::Workflow;
use super::inputs::InputSchema;
use super::step::Phase;
use crate::expression::Template;
use keys::Section;
use policy::document::{Diagnostic, Fields, Node, Report, Source, Span, Yaml, read};
use sha2::{Digest, Sha256};
use site::{Owner, Site, Wanted};
use std::time::Duration;
use step::Draft;

/// The most steps of a workflow, `finally` included; more is an error at load.
pub const MAX_STEPS: usize = 1000;
/// The longest timeout and the longest wait between attempts; more is an error at load.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(7 * 24 * 3600);
/// The timeout of a `run` or `shell` step that states none.
pub const DEFAULT_STEP_TIMEOUT: Duration = Duration::from_secs(300);
/// The timeout of a `tool` step that states none.
pub const DEFAULT_TOOL_TIMEOUT: Duration = Duration::from_secs(30);
/// The most entries in one `outputs`, `env` or `files` map or one list of a step other than
/// `run`; more is an error at load.
pub const MAX_ENTRIES: usize = 256;
/// The most actions of a workflow; more is an error at load.
pub const MAX_ACTIONS: usize = 16;
/// The most scopes of one action; more is an error at load.
pub const MAX_SCOPES: usize = 16;

/// A workflow that may run, and what its author should look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The workflow.
    pub workflow: Workflow,
    /// Warnings in the order of the document.
    pub warnings: Vec<Diagnostic>,
}

impl Workflow {
    /// Reads and checks a document. `tools` are the names of the registered tools; a step that
    /// names another is a warning, because the gate denies it in the run.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the document, warnings included.
    pub fn load(source: &Source, tools: &[&str]) -> Result<Loaded, Vec<Diagnostic>> {
        let root = read(source).map_err(|diagnostic| vec![diagnostic])?;
        let mut loader = Loader {
            source,
            tools,
            report: Report::new(source),
            sites: Vec::new(),
            owner: Owner::Outputs,
            faults: 0,
        };
        let workflow = loader.workflow(&root);
        let warnings = loader.report.finish()?;
        match workflow {
            Some(workflow) => Ok(Loaded { workflow, warnings }),
            None => {
                let message = "the workflow cannot be loaded";
                let diagnostic = Diagnostic::error(root.span, message).in_file(&source.name);
                Err(vec![diagnostic])
            }
        }
    }
}

/// The state of one loading.
struct Loader<'n> {
    source: &'n Source,
    tools: &'n [&'n str],
    report: Report,
    /// Every template read so far.
    sites: Vec<Site<'n>>,
    /// Whose templates are being read.
    owner: Owner,
    /// Mistakes in names and expressions so far.
    faults: usize,
}

/// Mistakes in names and expressions that are placed exactly and get a suggestion; both cost time
/// in proportion to the document, so later ones go without. The report shows as many anyway.
const EXACT_FAULTS_MAX: usize = 100;

impl<'n> Loader<'n> {
    fn workflow(&mut self, root: &'n Node) -> Option<Workflow> {
        if root.value == Yaml::Null {
            let hint = "a workflow has at least `version`, `name` and `steps`";
            self.report.add(Diagnostic::error(root.span, "the file is empty").with_hint(hint));
            return None;
        }
        let fields = self.fields(root, "workflow", Section::Workflow)?;
        self.version(&fields);
        let name = self.required(&fields, "name").and_then(|node| self.workflow_name(node));
        let description = fields.optional("description");
        let description = description.and_then(|node| self.report.take(node.text("description")));
        let inputs = self.inputs(fields.optional("inputs"));
        let actions = self.acting(fields.optional("actions"));
        let defaults = self.defaults(fields.optional("defaults"));
        let mut drafts = self.steps(&fields, &defaults);
        let outputs = self.workflow_outputs(fields.optional("outputs"));
        let graph = self.link(&mut drafts);
        self.check_sites(inputs.as_ref(), &drafts, graph.as_ref());
        if self.report.has_errors() {
            return None;
        }
        let steps: Option<Vec<_>> = drafts.into_iter().map(|draft| draft.step).collect();
        Some(Workflow {
            name: name?,
            description: description.map(str::to_owned),
            digest: Sha256::digest(self.source.text.as_bytes()).into(),
            inputs: inputs?,
            actions,
            steps: steps?,
            outputs,
            source_text: self.source.text.clone(),
            graph: graph?,
        })
    }

    /// The fields of a map, with its unknown keys reported.
    fn fields(&mut self, node: &'n Node, what: &str, section: Section) -> Option<Fields<'n>> {
        let fields = self.report.take(Fields::of(node, what))?;
        self.report.extend(section.unknown(&fields));
        Some(fields)
    }

    fn required(&mut self, fields: &Fields<'n>, name: &str) -> Option<&'n Node> {
        self.report.take(fields.required(name))
    }

    fn version(&mut self, fields: &Fields<'n>) {
        let Some(node) = self.required(fields, "version") else { return };
        if node.value != Yaml::Int(1) {
            let diagnostic = Diagnostic::error(node.span, "unknown version of the document");
            self.report.add(diagnostic.with_hint("write `version: 1`"));
        }
    }

    fn steps(&mut self, fields: &Fields<'n>, defaults: &settings::Defaults) -> Vec<Draft<'n>> {
        let mut drafts = Vec::new();
        let body = self.required(fields, "steps");
        for (phase, node) in [(Phase::Body, body), (Phase::Finally, fields.optional("finally"))] {
            let what = match phase {
                Phase::Body => "steps",
                Phase::Finally => "finally",
            };
            let Some(items) = node.and_then(|node| self.list(node, what, MAX_STEPS)) else {
                continue;
            };
            for (place, item) in items.iter().enumerate() {
                self.owner = Owner::Step(drafts.len());
                drafts.push(self.step(item, (phase, place + 1), defaults));
            }
        }
        self.owner = Owner::Outputs;
        if let Some(draft) = drafts.get(MAX_STEPS) {
            let message = format!("a workflow has at most {MAX_STEPS} steps");
            self.report.add(Diagnostic::error(draft.span, message));
        }
        drafts
    }

    fn workflow_outputs(&mut self, node: Option<&'n Node>) -> Vec<(String, Template)> {
        let entries = node.and_then(|node| self.entries(node, "outputs"));
        let mut outputs = Vec::new();
        for (key, node) in entries.unwrap_or_default() {
            self.field_name(key, "output");
            if let Some(template) = self.template(node, "outputs", Wanted::Value) {
                outputs.push((key.name.clone(), template));
            }
        }
        outputs.sort_by(|a, b| a.0.cmp(&b.0));
        outputs
    }

    /// Counts a mistake and says whether it is among those that are worth the search.
    fn is_exact(&mut self) -> bool {
        self.faults += 1;
        self.faults <= EXACT_FAULTS_MAX
    }

    fn error(&mut self, span: Span, message: impl Into<String>, hint: &str) {
        self.report.add(Diagnostic::error(span, message).with_hint(hint));
    }
}
