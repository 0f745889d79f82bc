//! One step of the document: its own keys, and the settings it inherits.
//!
//! A step with mistakes still becomes a draft with what is known of it, so that other steps'
//! references to it are not reported as mistakes too.

use super::keys::Section;
use super::sandbox::Level;
use super::settings::Defaults;
use super::{DEFAULT_STEP_TIMEOUT, DEFAULT_TOOL_TIMEOUT, Loader, MAX_STEPS};
use crate::expression::{Extra, Kinds, Shape, StepNames};
use crate::workflow::inputs::output_shape;
use crate::workflow::step::{Action, OutputSource, Phase, Step};
use policy::document::{Diagnostic, Fields, Node, Span, Yaml};

/// What is known of a step after the first pass.
pub(super) struct Draft<'n> {
    pub(super) name: Option<String>,
    pub(super) name_span: Span,
    pub(super) span: Span,
    pub(super) phase: Phase,
    pub(super) needs: Vec<(&'n str, Span)>,
    pub(super) names: StepNames,
    /// Absent where the step has mistakes; its `needs` are put in by `link`.
    pub(super) step: Option<Step>,
}

/// Keys that say how a program runs; a tool call has none of them.
const PROGRAM_KEYS: [&str; 8] =
    ["mounts", "env", "secrets", "stdin", "files", "outputs", "artifacts", "sandbox"];

impl<'n> Loader<'n> {
    /// Reads the step at `place` (from 1) of its list.
    pub(super) fn step(
        &mut self,
        node: &'n Node,
        (phase, place): (Phase, usize),
        defaults: &Defaults,
    ) -> Draft<'n> {
        let mut draft = Draft {
            name: None,
            name_span: node.span,
            span: node.span,
            phase,
            needs: Vec::new(),
            names: unknown_names(),
            step: None,
        };
        let what = self.step_label(node, phase, place);
        let Some(fields) = self.fields(node, &what, Section::Step) else { return draft };
        if let Some(node) = self.required(&fields, "name") {
            draft.name_span = node.span;
            draft.name = self.step_name(node);
        }
        if let Some(node) = fields.optional("needs") {
            draft.needs = self.needs_list(node);
        }
        let step = self.body(&fields, &draft, defaults);
        if let Some(step) = &step {
            draft.names = names(step);
        }
        draft.step = step;
        draft
    }

    /// The step, where nothing essential is missing. A mistake in anything else leaves that out;
    /// the report keeps the document from being loaded.
    fn body(
        &mut self,
        fields: &Fields<'n>,
        draft: &Draft<'n>,
        defaults: &Defaults,
    ) -> Option<Step> {
        let condition = fields.optional("if").and_then(|node| self.condition(node));
        let action = self.action(fields);
        let tool = matches!(action, Some(Action::Tool { .. }));
        if tool {
            self.refuse_program_keys(fields);
        }
        let timeout = fields.optional("timeout").and_then(|node| self.timeout(node));
        let usual = if tool { DEFAULT_TOOL_TIMEOUT } else { DEFAULT_STEP_TIMEOUT };
        let retry = self.retry(fields.optional("retry"), defaults.retry);
        let held = self.sandbox(fields.optional("sandbox"), &defaults.sandbox, Level::Step);
        // What the step says goes first, then its template, then what all steps start from.
        let timeout = timeout.or(held.timeout).or(defaults.timeout);
        let idempotent = self.switch(fields, "idempotent", true);
        let allow_failure = self.switch(fields, "allow_failure", false);
        let mounts = self.mounts(fields.optional("mounts"));
        let env = self.environment(fields.optional("env"));
        let secrets = self.secrets(fields.optional("secrets"), &env);
        let stdin = fields.optional("stdin").and_then(|node| self.stdin(node));
        let files = self.files(fields.optional("files"));
        let (outputs, output_schemas) = self.outputs(fields.optional("outputs"));
        let artifacts = self.artifacts(fields.optional("artifacts"));
        Some(Step {
            name: draft.name.clone()?,
            phase: draft.phase,
            needs: Vec::new(),
            condition,
            action: action?,
            mounts,
            env,
            secrets,
            stdin,
            files,
            outputs,
            output_schemas,
            artifacts,
            timeout: timeout.unwrap_or(usual),
            retry,
            sandbox: held.request,
            idempotent,
            allow_failure,
        })
    }

    /// How messages call a step: by its name if it has one.
    fn step_label(&self, node: &Node, phase: Phase, place: usize) -> String {
        match (node.get("name").map(|name| &name.value), phase) {
            (Some(Yaml::Text(name)), _) => format!("step `{name}`"),
            (_, Phase::Body) => format!("step {place}"),
            (_, Phase::Finally) => format!("finally step {place}"),
        }
    }

    fn needs_list(&mut self, node: &'n Node) -> Vec<(&'n str, Span)> {
        let mut needs = Vec::new();
        let items = match &node.value {
            Yaml::List(items) if items.is_empty() => return needs,
            _ => self.list(node, "needs", MAX_STEPS),
        };
        for item in items.unwrap_or_default() {
            if let Some(name) = self.report.take(item.text("an item of `needs`")) {
                needs.push((name, item.span));
            }
        }
        needs
    }

    fn switch(&mut self, fields: &Fields<'n>, name: &str, usual: bool) -> bool {
        let node = fields.optional(name);
        node.and_then(|node| self.report.take(node.bool(name))).unwrap_or(usual)
    }

    fn refuse_program_keys(&mut self, fields: &Fields<'n>) {
        for (key, _) in fields.entries() {
            if PROGRAM_KEYS.contains(&key.name.as_str()) {
                let message =
                    format!("{}: `{}` has no meaning for a tool call", fields.what(), key.name);
                let hint = match key.name.as_str() {
                    "outputs" => "the fields of a tool's result are its outputs already",
                    _ => "the arguments of a tool are in `with`",
                };
                self.report.add(Diagnostic::error(key.span, message).with_hint(hint));
            }
        }
    }
}

/// Of a step with mistakes everything is assumed, so that one mistake is reported once.
fn unknown_names() -> StepNames {
    StepNames { outputs: Shape::any(), has_exit_code: true, has_artifacts: true }
}

fn names(step: &Step) -> StepNames {
    let outputs = match &step.action {
        Action::Tool { .. } => Shape { extra: Extra::Open, ..Shape::of(Kinds::MAP) },
        Action::Run { .. } | Action::Shell { .. } => {
            let known = |name: &String| {
                step.output_schemas
                    .iter()
                    .find(|(output, _)| output == name)
                    .map(|(_, known)| known)
            };
            let shape = |name: &String, source: &OutputSource| match source {
                OutputSource::Stdout | OutputSource::Stderr => {
                    Shape::of(Kinds::TEXT.or(Kinds::NULL))
                }
                OutputSource::StdoutJson => output_shape(known(name).map(|known| known.source())),
            };
            let fields =
                step.outputs.iter().map(|(name, source)| (name.clone(), shape(name, source)));
            Shape::closed(fields.collect())
        }
    };
    StepNames {
        outputs,
        has_exit_code: !matches!(step.action, Action::Tool { .. }),
        has_artifacts: !step.artifacts.is_empty(),
    }
}
