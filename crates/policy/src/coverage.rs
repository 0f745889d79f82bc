//! What the tests of a rule file exercise: each rule, each `except` item, each argument condition.
//!
//! Read from the same explanations a person gets, so it cannot count what did not happen. It says what was
//! touched, not whether a test would notice a change: that is `mutation/`.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use crate::decision::Layer;
use crate::document::Span;
use crate::explanation::{Contributed, RuleOutcome, Truth};
use crate::policy::Policy;
use crate::rule::Rule;

/// How often the tests of a file exercised each part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Every rule of the file, in its order.
    pub rules: Vec<RuleCoverage>,
    /// Parts that some test exercised.
    pub covered: usize,
    /// All parts: a rule is one, each `except` item one, each argument two, met and not met.
    pub parts: usize,
}

/// How often one rule was exercised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleCoverage {
    /// Name of the rule.
    pub rule: Arc<str>,
    /// Where it is written.
    pub span: Span,
    /// Tests in which it contributed its action.
    pub contributed: usize,
    /// For each `except` item, tests in which it excused the rule.
    pub excused: Vec<usize>,
    /// Each argument of its match.
    pub arguments: Vec<ArgumentCoverage>,
}

/// How often one argument condition was exercised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArgumentCoverage {
    /// The key in `args`.
    pub argument: String,
    /// Tests in which the argument was as asked for.
    pub met: usize,
    /// Tests in which it was not, or was unknown.
    pub not_met: usize,
}

impl Policy {
    /// Runs the calls of every test of the file and counts what they exercise. What the tests expect
    /// plays no part.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        let own = self.rules.iter().filter(|rule| rule.layer == Layer::Rules);
        let mut rules: Vec<RuleCoverage> = own.map(RuleCoverage::none).collect();
        let places: HashMap<Arc<str>, usize> =
            rules.iter().enumerate().map(|(place, rule)| (rule.rule.clone(), place)).collect();
        for call in self.test_calls() {
            for outcome in self.explain(&call.borrowed()).candidates {
                let place = places.get(&outcome.rule).copied();
                if let Some(rule) = place.and_then(|place| rules.get_mut(place)) {
                    rule.count(&outcome);
                }
            }
        }
        let counts = rules.iter().flat_map(RuleCoverage::counts);
        let (covered, parts) = counts
            .fold((0, 0), |(covered, parts), count| (covered + usize::from(count > 0), parts + 1));
        Coverage { rules, covered, parts }
    }
}

impl RuleCoverage {
    fn none(rule: &Rule) -> RuleCoverage {
        let arguments = rule.condition.arguments.iter();
        let none = |key: &str| ArgumentCoverage { argument: key.to_owned(), met: 0, not_met: 0 };
        RuleCoverage {
            rule: rule.name.clone(),
            span: rule.span,
            contributed: 0,
            excused: vec![0; rule.except.len()],
            arguments: arguments.map(|argument| none(&argument.key)).collect(),
        }
    }

    fn count(&mut self, outcome: &RuleOutcome) {
        self.contributed += usize::from(outcome.contribution == Contributed::Action);
        let excusing = outcome.except.iter().filter(|item| item.excuses);
        for item in excusing.filter(|_| outcome.contribution == Contributed::Excepted) {
            if let Some(count) = self.excused.get_mut(item.item - 1) {
                *count += 1;
            }
        }
        for argument in &mut self.arguments {
            let mut own = outcome.conditions.iter();
            let field = |field: &str| field.strip_prefix("args.") == Some(&argument.argument);
            match own.find(|condition| field(&condition.field)).map(|found| found.outcome) {
                Some(Truth::True) => argument.met += 1,
                Some(Truth::False | Truth::Unknown) => argument.not_met += 1,
                None => {}
            }
        }
    }

    fn counts(&self) -> impl Iterator<Item = usize> {
        let arguments = self.arguments.iter().flat_map(|argument| [argument.met, argument.not_met]);
        [self.contributed].into_iter().chain(self.excused.iter().copied()).chain(arguments)
    }
}
