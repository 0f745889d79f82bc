//! Runs the tests a rule file carries.
//!
//! A test is a call and the decision its author expects. Its paths are put into the form in which
//! calls bring them, so that a test cannot be about a path that no rule is ever asked about. Whether
//! arguments fit a schema is asked of the caller, who has a validator; this crate has none.

use serde::Serialize;
use serde_json::Value;

use crate::catalogue::{Catalogue, Tool};
use crate::decision::Verdict;
use crate::document::Span;
use crate::policy::Policy;
use crate::rule::Case;
use crate::selector::{Found, Selector};

/// What came of one test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TestResult {
    /// Name of the test.
    pub name: String,
    /// Where it is written.
    pub span: Span,
    /// What it expects.
    pub expected: Verdict,
    /// What was decided.
    pub verdict: Verdict,
    /// Every rule that contributed the decision.
    pub rules: Vec<String>,
    /// Why it failed, as a fragment; `None` if it passed.
    pub failure: Option<String>,
}

impl TestResult {
    /// Whether the test passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failure.is_none()
    }
}

impl Policy {
    /// Runs every test of the file, in its order.
    ///
    /// `validate` holds the arguments of a test with `strict: true` to the schema of its tool and
    /// says what is wrong with them; it is not called for the others.
    pub fn run_tests(
        &self,
        validate: impl Fn(&Tool, &Value) -> Result<(), String>,
    ) -> Vec<TestResult> {
        self.cases.iter().map(|case| self.run_test(case, &validate)).collect()
    }

    pub(crate) fn run_test(
        &self,
        case: &Case,
        validate: &impl Fn(&Tool, &Value) -> Result<(), String>,
    ) -> TestResult {
        if let Some(path) = &case.outside {
            return refused(case, path);
        }
        let call = &case.call;
        let decision = self.decide(&call.borrowed());
        let rules: Vec<String> =
            decision.reasons.iter().map(|reason| reason.rule.to_string()).collect();
        let invalid = match self.catalogue.tool(&call.tool) {
            Some(tool) if case.strict => validate(tool, &call.args).err(),
            _ => None,
        };
        let failure = if let Some(reason) = invalid {
            Some(format!("the arguments do not fit the schema: {reason}"))
        } else if decision.verdict != case.verdict {
            let (expected, found) = (word(case.verdict), word(decision.verdict));
            Some(format!("expected {expected}, decided {found}: {decision}"))
        } else {
            let missing = case.rule.as_ref().filter(|(rule, _)| !rules.contains(rule));
            missing.map(|(rule, _)| format!("`{rule}` did not contribute: {decision}"))
        };
        TestResult {
            name: case.name.clone(),
            span: case.span,
            expected: case.verdict,
            verdict: decision.verdict,
            rules,
            failure,
        }
    }
}

/// What comes of a test whose call is refused before any rule is asked: nothing decides it.
fn refused(case: &Case, path: &str) -> TestResult {
    let why = format!("the call is refused at validation: path `{path}` leaves the project root");
    let failure = match (case.verdict, &case.rule) {
        (Verdict::Deny, None) => None,
        (Verdict::Deny, Some((rule, _))) => Some(format!("`{rule}` did not contribute: {why}")),
        (expected, _) => Some(format!("expected {}, but {why}", word(expected))),
    };
    TestResult {
        name: case.name.clone(),
        span: case.span,
        expected: case.verdict,
        verdict: Verdict::Deny,
        rules: Vec::new(),
        failure,
    }
}

/// Puts the paths of each test into their one form, relative to the project root; a path that leaves
/// it is kept beside the call. Items of lists stay as they are: they may lie outside.
pub(crate) fn resolve(cases: &mut [Case], catalogue: &Catalogue) {
    for case in cases {
        let entry = catalogue.position(&case.call.tool);
        let entry = entry.and_then(|place| catalogue.entries().get(place));
        let paths = entry.into_iter().flat_map(|entry| &entry.paths);
        for selector in paths.filter(|selector| !selector.steps().iter().any(|step| step.each)) {
            case.outside = case.outside.take().or(place(selector, &mut case.call.args));
        }
    }
}

/// Resolves the path that `selector` leads to; the path itself where it leaves the root.
fn place(selector: &Selector, args: &mut Value) -> Option<String> {
    let Found::Value(Value::String(written)) = selector.find(args) else { return None };
    match beneath(written) {
        None => Some(written.clone()),
        Some(resolved) if resolved == *written => None,
        Some(resolved) => {
            selector.place(args, Value::String(resolved));
            None
        }
    }
}

/// A path without `.`, `..` and doubled slashes; nothing where it leads out of its root, or is absolute.
fn beneath(written: &str) -> Option<String> {
    if written.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in written.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::RequireReview => "require_review",
        Verdict::Deny => "deny",
    }
}
