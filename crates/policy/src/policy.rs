//! A loaded policy: compiled once, never changed, asked for every call.
//!
//! Loading reports everything it finds and gives a policy only if nothing of it was an error, so a bad
//! file can never replace a good policy. Reading the file is the caller's; so is keeping decisions.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::builtin;
use crate::call::{Call, OwnedCall};
use crate::catalogue::Catalogue;
use crate::check::check;
use crate::decision::{Basis, Decision, Layer, Reach};
use crate::document::{Diagnostic, Report, Severity, Source, suggest};
use crate::identifier;
use crate::lint::lint;
use crate::program::{Asked, Field, PatternCache, Program, compile};
use crate::rule::{Case, Rule, read};
use crate::trial::resolve;

/// A compiled policy. Immutable; share it between threads behind an `Arc`.
#[derive(Debug)]
pub struct Policy {
    pub(crate) catalogue: Catalogue,
    pub(crate) rules: Vec<Rule>,
    pub(crate) programs: HashMap<String, Program>,
    /// The built-in rules alone, for calls with a ticket.
    guards: HashMap<String, Program>,
    pub(crate) cases: Vec<Case>,
    digest: [u8; 32],
}

/// What loading a usable file gives.
#[derive(Debug)]
pub struct Loaded {
    /// The policy.
    pub policy: Policy,
    /// What its author should look at; never an error.
    pub warnings: Vec<Diagnostic>,
}

impl Policy {
    /// Reads and compiles a rule file against the tools there are. Built-in rules are added.
    ///
    /// # Errors
    /// Every diagnostic, if any is an error: text that is not YAML, unknown keys, tools or arguments,
    /// bad patterns and units, names used twice, more than 10 000 rules, 8 MiB of text.
    pub fn load(source: &Source, catalogue: &Catalogue) -> Result<Loaded, Vec<Diagnostic>> {
        let mut report = Report::new(source);
        let mut document = read(source, &mut report);
        resolve(&mut document.cases, catalogue);
        let mut rules = builtin::rules();
        rules.extend(document.rules);
        let scopes = check(&rules, catalogue, &mut report);
        expected_rules(&document.cases, &rules, &mut report);
        if report.has_errors() {
            return Err(report.finish().err().unwrap_or_default());
        }
        lint(&rules, &scopes, &mut report);
        let policy =
            Policy::build(&source.text, rules, document.cases, catalogue).map_err(|error| {
                vec![Diagnostic {
                    severity: Severity::Error,
                    message: format!("the patterns are too large together: {error}"),
                    span: None,
                    hint: None,
                    file: source.name.clone(),
                }]
            })?;
        report.finish().map(|warnings| Loaded { policy, warnings })
    }

    /// The policy without a file: built-in rules, and everything else denied.
    #[must_use]
    pub fn empty(catalogue: &Catalogue) -> Policy {
        Policy::build("", builtin::rules(), Vec::new(), catalogue).unwrap_or_else(|_| Policy {
            // Without programs every tool is unknown and every call denied.
            catalogue: catalogue.clone(),
            rules: Vec::new(),
            programs: HashMap::new(),
            guards: HashMap::new(),
            cases: Vec::new(),
            digest: [0; 32],
        })
    }

    fn build(
        text: &str,
        mut rules: Vec<Rule>,
        cases: Vec<Case>,
        catalogue: &Catalogue,
    ) -> Result<Policy, globset::Error> {
        rules.iter_mut().for_each(|rule| rule.fill_defaults(catalogue.entries()));
        let mut cache = PatternCache::default();
        let mut programs = HashMap::with_capacity(catalogue.entries().len());
        let mut guards = HashMap::with_capacity(catalogue.entries().len());
        let built_in = rules.iter().take_while(|rule| rule.layer == Layer::BuiltIn).count();
        let built_in = rules.get(..built_in).unwrap_or_default();
        for entry in catalogue.entries() {
            programs.insert(entry.tool.name.clone(), compile(&rules, entry, &mut cache)?);
            guards.insert(entry.tool.name.clone(), compile(built_in, entry, &mut cache)?);
        }
        let digest = digest(text, catalogue);
        Ok(Policy { catalogue: catalogue.clone(), rules, programs, guards, cases, digest })
    }

    /// Decides one call. Pure and bounded: no I/O, no clock, no recursion over the arguments.
    ///
    /// Anything unknown, missing or unreadable denies or leaves denied.
    #[must_use]
    pub fn decide(&self, call: &Call<'_>) -> Decision {
        match self.program(call.tool) {
            Some(program) => {
                let each = program.asked(call).into_iter();
                let each = each.map(|asked| program.decide(&self.rules, asked));
                each.reduce(Decision::and).unwrap_or_else(|| Decision::without_rule(Basis::NoRule))
            }
            None => Decision::without_rule(Basis::UnknownTool),
        }
    }

    /// Decides one call by the built-in rules alone.
    pub(crate) fn guarded(&self, call: &Call<'_>) -> Decision {
        match self.guards.get(identifier::normal(call.tool).as_ref()) {
            Some(program) => program.decide(&self.rules, Asked::whole(call)),
            None => Decision::without_rule(Basis::UnknownTool),
        }
    }

    /// What is decided on each host that a program asks for, in the order it asks; nothing where it
    /// asks for none. The decision on the call is all of these together.
    #[must_use]
    pub fn reach(&self, call: &Call<'_>) -> Vec<Reach> {
        let Some(program) = self.program(call.tool) else { return Vec::new() };
        let asked = program.asked(call).into_iter().filter(|asked| asked.host.is_some());
        let host = |asked: Asked<'_>| {
            let hosts = program.columns.iter().find(|column| column.field == Field::Host);
            let named = hosts.and_then(|column| column.values(asked).first().copied().flatten());
            named.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        asked
            .map(|asked| Reach { host: host(asked), decision: program.decide(&self.rules, asked) })
            .collect()
    }

    /// SHA-256 over the text of the file, the version of the built-in rules and the catalogue: equal
    /// digests decide equally.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The digest that a policy of this text has, without reading it.
    #[must_use]
    pub fn digest_of(text: &str, catalogue: &Catalogue) -> [u8; 32] {
        digest(text, catalogue)
    }

    /// The tools this policy was compiled against.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// How many rules the file has, built-in rules not counted.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        let built_in = |rule: &&Rule| rule.name.starts_with(builtin::PREFIX);
        self.rules.len() - self.rules.iter().filter(built_in).count()
    }

    /// The calls of the file's tests that reach the rules.
    pub fn test_calls(&self) -> impl Iterator<Item = &OwnedCall> {
        self.cases.iter().filter(|case| case.outside.is_none()).map(|case| &case.call)
    }

    pub(crate) fn program(&self, tool: &str) -> Option<&Program> {
        self.programs.get(identifier::normal(tool).as_ref())
    }
}

/// A test that expects a rule there is not would fail for a reason its author would not see.
fn expected_rules(cases: &[Case], rules: &[Rule], report: &mut Report) {
    let names: HashSet<&str> = rules.iter().map(|rule| rule.name.as_ref()).collect();
    for (case, (name, span)) in cases.iter().filter_map(|case| Some((case, case.rule.as_ref()?))) {
        if !names.contains(name.as_str()) {
            let known: Vec<&str> = rules.iter().map(|rule| rule.name.as_ref()).collect();
            let message = format!("test {}: expect: unknown rule `{name}`", case.number);
            let found = Diagnostic::error(*span, message);
            report.add(found.with_suggestion(suggest(name, &known)));
        }
    }
}

fn digest(text: &str, catalogue: &Catalogue) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"palisade policy 1\n");
    hash.update(builtin::VERSION.to_be_bytes());
    hash.update(catalogue.digest());
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text.as_bytes());
    hash.finalize().into()
}
