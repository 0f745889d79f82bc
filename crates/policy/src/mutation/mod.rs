//! Would the tests of a rule file notice a mistake in it? One small change at a time, and they are run.
//!
//! A change that every test accepts survives: either a test is missing or the rule says more than it has
//! to. Which changes there are is in `change.rs`. Nothing of a changed policy is ever put in force.

mod change;

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::catalogue::{Catalogue, Tool};
use crate::decision::Layer;
use crate::document::{Diagnostic, Source, Span};
use crate::identifier;
use crate::policy::Policy;
use crate::program::{PatternCache, compile};
use change::{Change, changes};

/// Changes tried for one file; the rest is counted, not tried.
const TRIED_MAX: usize = 10_000;

/// What became of the changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mutation {
    /// Changes that were tried.
    pub tried: usize,
    /// Changes beyond the 10 000 that are tried at most.
    pub not_tried: usize,
    /// Those that no test noticed, in the order of the file.
    pub survivors: Vec<Survivor>,
}

/// A change that no test noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Survivor {
    /// Name of the rule.
    pub rule: Arc<str>,
    /// Where the changed part is written.
    pub span: Span,
    /// What was changed, as a fragment.
    pub change: String,
}

/// Why there is nothing to say.
#[derive(Debug, thiserror::Error)]
pub enum MutationError {
    /// The file does not load.
    #[error("the policy has {} errors", .0.len())]
    Load(Vec<Diagnostic>),
    /// A test fails before anything was changed, so it could notice nothing.
    #[error("test `{0}` fails before anything is changed")]
    Failing(String),
}

impl Mutation {
    /// Changes every rule of a file in every way, and runs the tests of the file against each.
    ///
    /// `validate` is that of [`Policy::run_tests`].
    ///
    /// # Errors
    /// [`MutationError`] where the file does not load or a test of it fails as it is.
    pub fn of(
        source: &Source,
        catalogue: &Catalogue,
        validate: impl Fn(&Tool, &Value) -> Result<(), String>,
    ) -> Result<Mutation, MutationError> {
        let policy = Policy::load(source, catalogue).map_err(MutationError::Load)?.policy;
        let failing = policy.run_tests(&validate).into_iter().find(|result| !result.passed());
        if let Some(result) = failing {
            return Err(MutationError::Failing(result.name));
        }
        let mut trial = Trial { policy, cache: PatternCache::default() };
        let mut mutation = Mutation { tried: 0, not_tried: 0, survivors: Vec::new() };
        for place in 0..trial.policy.rules.len() {
            let Some(rule) = trial.policy.rules.get(place) else { continue };
            if rule.layer == Layer::BuiltIn {
                continue;
            }
            let name = rule.name.clone();
            for change in changes(rule) {
                if mutation.tried == TRIED_MAX {
                    mutation.not_tried += 1;
                    continue;
                }
                mutation.tried += 1;
                let (span, what) = (change.span, change.what.clone());
                if !trial.notices(place, change, &validate) {
                    mutation.survivors.push(Survivor { rule: name.clone(), span, change: what });
                }
            }
        }
        Ok(mutation)
    }
}

/// A policy whose rules are changed and put back.
struct Trial {
    policy: Policy,
    cache: PatternCache,
}

impl Trial {
    /// Whether a test fails with the change made. A policy that no longer compiles counts as noticed:
    /// nobody could load it.
    fn notices(
        &mut self,
        place: usize,
        mut change: Change,
        validate: &impl Fn(&Tool, &Value) -> Result<(), String>,
    ) -> bool {
        let mut about = self.tools_of(place);
        self.swap(place, &mut change);
        about.extend(self.tools_of(place));
        let noticed = self.fails(&about, validate);
        self.swap(place, &mut change);
        noticed
    }

    /// Names of the tools that a rule is about and that a test calls.
    fn tools_of(&self, place: usize) -> HashSet<String> {
        let Some(rule) = self.policy.rules.get(place) else { return HashSet::new() };
        let called: HashSet<_> =
            self.policy.cases.iter().map(|case| identifier::normal(&case.call.tool)).collect();
        let entries = self.policy.catalogue.entries().iter();
        let about = entries.filter(|entry| {
            called.contains(entry.tool.name.as_str()) && rule.condition.tools.include(entry)
        });
        about.map(|entry| entry.tool.name.clone()).collect()
    }

    fn swap(&mut self, place: usize, change: &mut Change) {
        if let Some(rule) = self.policy.rules.get_mut(place) {
            std::mem::swap(&mut rule.action, &mut change.action);
            std::mem::swap(&mut rule.condition, &mut change.condition);
            std::mem::swap(&mut rule.except, &mut change.except);
        }
    }

    /// Whether a test that calls one of `tools` fails under the rules as they are now.
    fn fails(
        &mut self,
        tools: &HashSet<String>,
        validate: &impl Fn(&Tool, &Value) -> Result<(), String>,
    ) -> bool {
        let mut before = Vec::new();
        let mut compiled = true;
        for entry in self.policy.catalogue.entries() {
            if !tools.contains(&entry.tool.name) {
                continue;
            }
            match compile(&self.policy.rules, entry, &mut self.cache) {
                Ok(program) => {
                    let name = entry.tool.name.clone();
                    before.push((name.clone(), self.policy.programs.insert(name, program)));
                }
                Err(_) => compiled = false,
            }
        }
        let mut cases = self.policy.cases.iter();
        let failed = !compiled
            || cases.any(|case| {
                tools.contains(identifier::normal(&case.call.tool).as_ref())
                    && !self.policy.run_test(case, validate).passed()
            });
        for (name, program) in before {
            match program {
                Some(program) => self.policy.programs.insert(name, program),
                None => self.policy.programs.remove(&name),
            };
        }
        failed
    }
}
