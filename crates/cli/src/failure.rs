//! A command that could not do what was asked: what, why, how to fix, and the exit code.
//!
//! The only error type of this crate. Library errors become one here, in the command that met them.

use std::error::Error;
use std::fmt::Write as _;

use crate::exit::Exit;

/// What a person, or a machine with `--json`, is told.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Exit code of the process.
    pub(crate) exit: Exit,
    /// What could not be done.
    pub(crate) what: String,
    /// Why, cause by cause.
    pub(crate) why: Vec<String>,
    /// How to fix it.
    pub(crate) fix: Option<String>,
    /// Already rendered findings in a file, printed as they are.
    pub(crate) findings: Vec<String>,
}

impl Failure {
    /// A failure of one sentence.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), why: Vec::new(), fix: None, findings: Vec::new() }
    }

    /// A failure told by an error and its sources.
    pub(crate) fn of(exit: Exit, error: &dyn Error) -> Self {
        let mut failure = Self::new(exit, error.to_string());
        let mut cause = error.source();
        while let Some(inner) = cause {
            failure.why.push(inner.to_string());
            cause = inner.source();
        }
        failure
    }

    /// Adds a cause.
    pub(crate) fn because(mut self, why: impl Into<String>) -> Self {
        self.why.push(why.into());
        self
    }

    /// Adds the remedy.
    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// Adds rendered findings of a document.
    pub(crate) fn findings(mut self, findings: Vec<String>) -> Self {
        self.findings = findings;
        self
    }

    /// The text for standard error.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let _ = writeln!(text, "{}", finding.trim_end());
        }
        let _ = writeln!(text, "error: {}", self.what);
        for why in &self.why {
            let _ = writeln!(text, "  why: {why}");
        }
        if let Some(fix) = &self.fix {
            let _ = writeln!(text, "  fix: {fix}");
        }
        text
    }

    /// The same for machines.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "error": {
                "what": self.what,
                "why": self.why,
                "fix": self.fix,
                "code": self.exit.code(),
                "findings": self.findings,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_how_to_fix() {
        let failure = Failure::new(Exit::NotFound, "no run `run_x`").because("the journal has none").fix("list them");
        assert_eq!(failure.render(), "error: no run `run_x`\n  why: the journal has none\n  fix: list them\n");
        assert_eq!(failure.to_json()["error"]["code"], 3);
    }
}
