//! A command that could not do what was asked: what, why, how to fix, and the exit code.
//!
//! The only error type of this crate. Library errors become one here, in the command that met them.

use std::error::Error;
use std::fmt::Write as _;

use runner::document::{Diagnostic, Source};
use serde_json::{Map, Value};

use crate::exit::Exit;

/// What a person, or a machine with `--json`, is told.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Exit code of the process.
    pub(crate) exit: Exit,
    /// Apart, so that a result that holds a failure stays small.
    text: Box<Text>,
}

/// The words of a failure.
#[derive(Debug)]
struct Text {
    /// What could not be done.
    what: String,
    /// Why, cause by cause.
    why: Vec<String>,
    /// How to fix it.
    fix: Option<String>,
    /// What is wrong in a document.
    findings: Vec<Finding>,
    /// What only machines are told, beside the error.
    details: Map<String, Value>,
}

/// One thing that is wrong in a document.
#[derive(Debug)]
struct Finding {
    /// With the line and a caret.
    rendered: String,
    /// For machines.
    value: Value,
}

impl Failure {
    /// A failure of one sentence.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        let (why, findings) = (Vec::new(), Vec::new());
        let text = Text { what: what.into(), why, fix: None, findings, details: Map::new() };
        Self { exit, text: Box::new(text) }
    }

    /// A failure told by an error and its sources.
    pub(crate) fn of(exit: Exit, error: &dyn Error) -> Self {
        let mut failure = Self::new(exit, error.to_string());
        let mut cause = error.source();
        while let Some(inner) = cause {
            let text = inner.to_string();
            // Some errors repeat their cause in their own text.
            let known = failure.text.what.contains(&text)
                || failure.text.why.iter().any(|why| why.contains(&text));
            if !known {
                failure.text.why.push(text);
            }
            cause = inner.source();
        }
        failure
    }

    /// Adds a cause.
    pub(crate) fn because(mut self, why: impl Into<String>) -> Self {
        self.text.why.push(why.into());
        self
    }

    /// Adds the remedy.
    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.text.fix = Some(fix.into());
        self
    }

    /// Adds what is wrong in a document.
    pub(crate) fn findings(mut self, source: &Source, findings: &[Diagnostic]) -> Self {
        self.text.findings.extend(findings.iter().map(|finding| Finding {
            rendered: finding.render(source),
            value: serde_json::to_value(finding).unwrap_or_default(),
        }));
        self
    }

    /// Adds something for machines, beside the error.
    pub(crate) fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.text.details.insert(name.to_owned(), value.into());
        self
    }

    /// The text for standard error.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        for finding in &self.text.findings {
            let _ = writeln!(text, "{}", finding.rendered.trim_end());
        }
        let _ = writeln!(text, "error: {}", self.text.what);
        for why in &self.text.why {
            let _ = writeln!(text, "  why: {why}");
        }
        if let Some(fix) = &self.text.fix {
            let _ = writeln!(text, "  fix: {fix}");
        }
        text
    }

    /// The same for machines.
    pub(crate) fn to_json(&self) -> Value {
        let findings: Vec<&Value> =
            self.text.findings.iter().map(|finding| &finding.value).collect();
        let error = serde_json::json!({
            "what": self.text.what,
            "why": self.text.why,
            "fix": self.text.fix,
            "code": self.exit.code(),
            "findings": findings,
        });
        let mut all = self.text.details.clone();
        all.insert("error".to_owned(), error);
        Value::Object(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_how_to_fix() {
        let failure = Failure::new(Exit::NotFound, "no run `run_x`")
            .because("the journal has none")
            .fix("list them");
        assert_eq!(
            failure.render(),
            "error: no run `run_x`\n  why: the journal has none\n  fix: list them\n"
        );
        assert_eq!(failure.to_json()["error"]["code"], 3);
        let json = failure.detail("verified", false).to_json();
        assert_eq!(
            (&json["verified"], &json["error"]["fix"]),
            (&Value::Bool(false), &Value::from("list them"))
        );
    }
}
