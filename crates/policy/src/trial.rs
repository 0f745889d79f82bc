//! Runs the tests a rule file carries.
//!
//! A test is a call and the decision its author expects. Whether arguments fit a schema is asked of
//! the caller, who has a validator; this crate has none.

use serde::Serialize;
use serde_json::Value;

use crate::catalogue::Tool;
use crate::decision::Verdict;
use crate::document::Span;
use crate::policy::Policy;
use crate::rule::Case;

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

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::RequireReview => "require_review",
        Verdict::Deny => "deny",
    }
}
