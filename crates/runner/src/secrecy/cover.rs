//! What lies between one attempt and its records: known secrets go everywhere, patterns where they are asked for.
//!
//! Outputs and messages keep what only looks like a credential, because later steps work with them; what a step
//! prints is for people and is looked through for patterns as well.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::sync::Arc;

use engine::policy::Redact;
use redaction::{Known, Redactor};
use sandbox::Spec;
use serde_json::{Value, json};

use super::Secrecy;
use super::commitment;
use super::openings::Openings;
use crate::change::Told;
use crate::executor::Report;

/// The secrets of one attempt, ready to be taken out. Its `Debug` shows how many.
#[derive(Debug, Clone)]
pub struct Cover {
    /// For what a program prints.
    log: Redactor,
    /// For everything else.
    values: Redactor,
    /// For what goes in, where the decision asks for it.
    input: Option<Redactor>,
    /// Where what opens commitments is kept.
    openings: Arc<Openings>,
}

impl Cover {
    pub(super) fn new(known: Arc<Known>, secrecy: &Secrecy, redact: Redact) -> Self {
        let (input, output) = match redact {
            Redact::None => (false, false),
            Redact::Input => (true, false),
            Redact::Output => (false, true),
            Redact::Both => (true, true),
        };
        let patterns = |wanted: bool| wanted.then(|| Arc::clone(&secrecy.patterns));
        let values = Redactor::new(known, patterns(output), secrecy.tagger.clone());
        Self {
            log: values.with_patterns(patterns(output || !secrecy.plain_logs)),
            input: input.then(|| values.with_patterns(patterns(true))),
            values,
            openings: Arc::clone(&secrecy.openings),
        }
    }

    /// What goes into a program, without what looks like a credential where the decision asks for that.
    pub(crate) fn input(&self, spec: &mut Spec) {
        let Some(input) = &self.input else { return };
        let text = |text: &mut OsString| *text = OsString::from_vec(input.bytes(text.as_bytes()));
        spec.argv.iter_mut().for_each(text);
        spec.env.iter_mut().for_each(|(_, value)| text(value));
        spec.stdin = input.bytes(&spec.stdin);
        for (_, content) in &mut spec.workspace.files {
            *content = input.bytes(content);
        }
    }

    /// The same for the arguments of a tool.
    pub(crate) fn arguments(&self, arguments: &Value) -> Value {
        self.input.as_ref().map_or_else(|| arguments.clone(), |input| input.value(arguments))
    }

    /// For what a program prints.
    pub(crate) fn log(&self) -> &Redactor {
        &self.log
    }

    /// For everything else.
    pub(crate) fn values(&self) -> &Redactor {
        &self.values
    }

    /// A report without secrets in anything it says, and with commitments to what was taken out of its outputs,
    /// message and receipt. What a program prints is not committed to: where it is cut is chance.
    pub(crate) fn report(&self, report: Report) -> Report {
        if self.values.is_idle() {
            return report;
        }
        let before = said(&report);
        let mut report = self.without_secrets(report);
        let taken = commitment::taken(&before, &said(&report));
        // The vault alone keeps secrets: of what holds one of them only the salt is kept.
        let is_kept = |value: &str| self.values.known().first_in(value.as_bytes()).is_some();
        report.committed = self.openings.commit(report.run, &taken, is_kept);
        report
    }

    fn without_secrets(&self, mut report: Report) -> Report {
        let text = |text: &str| self.values.text(text).into();
        let result = &mut report.result;
        result.outputs = self.values.map(&result.outputs);
        result.message = result.message.as_deref().map(text);
        if let Some(by) = &mut result.stopped_by {
            by.name = text(&by.name);
            by.detail = text(&by.detail);
        }
        for artifact in &mut result.artifacts {
            artifact.path = text(&artifact.path);
        }
        report.receipt = report.receipt.map(|receipt| self.values.value(&receipt));
        report.changes = report.changes.map(|told| self.told(told));
        report
    }

    /// What a step changed, without secrets in names of files. What cannot be told without them is left out.
    fn told(&self, told: Told) -> Told {
        let bare = Told {
            step: told.step.clone(),
            attempt: told.attempt,
            changeset: None,
            counts: told.counts,
            kept: engine::workflow::Changes::None,
            patch: None,
            flags: Vec::new(),
            refused: Some("what was changed cannot be told without a secret".to_owned()),
        };
        let value = serde_json::to_value(&told).map(|value| self.values.value(&value));
        value.and_then(serde_json::from_value).unwrap_or(bare)
    }
}

/// What is committed to where something of it is taken out.
fn said(report: &Report) -> Value {
    json!({
        "outputs": report.result.outputs,
        "message": report.result.message,
        "receipt": report.receipt,
    })
}
