//! `palisade policy test`: the tests a rule file carries, and how thorough they are.
//!
//! `--coverage` counts and never fails; `--mutate` fails when the tests miss a change, so that it can
//! stand in a pipeline. Neither is looked at while a test fails as it is.

use std::path::Path;

use runner::policy::{self, Coverage, InForce, Mutation, TestResult};
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Table, Tone, paint};

/// What is looked at besides the tests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Also {
    pub(super) coverage: bool,
    pub(super) mutation: bool,
}

pub(super) fn run(
    global: &Global,
    path: &Path,
    policy: &InForce,
    also: Also,
) -> Result<Exit, Failure> {
    let results = policy::test(&policy.policy);
    let passed = results.iter().all(TestResult::passed);
    let coverage = also.coverage.then(|| policy.policy.coverage());
    let mutation = if also.mutation && passed {
        let found = policy::mutate(policy).map_err(|error| Failure::of(Exit::Failure, &error))?;
        Some(found)
    } else {
        None
    };
    if !global.json {
        tests(path, &results);
        coverage.iter().for_each(covered);
        mutation.iter().for_each(|mutation| survived(path, mutation));
    } else if also.coverage || also.mutation {
        output::json(&json!({ "tests": results, "coverage": coverage, "mutation": mutation }));
    } else {
        output::json(&results);
    }
    let noticed = mutation.is_none_or(|mutation| mutation.survivors.is_empty());
    Ok(if passed && noticed { Exit::Ok } else { Exit::Failure })
}

fn tests(path: &Path, results: &[TestResult]) {
    for result in results {
        let mark =
            if result.passed() { paint("pass", Tone::Good) } else { paint("FAIL", Tone::Bad) };
        output::line(format!("{mark}  {}", result.name));
        if let Some(failure) = &result.failure {
            output::line(format!("      {}:{}: {failure}", path.display(), result.span.line));
        }
    }
    let failed = results.iter().filter(|result| !result.passed()).count();
    output::line(format!("{} passed, {failed} failed", results.len() - failed));
}

fn covered(coverage: &Coverage) {
    let mut table = Table::new(&["line", "part", "tests"]);
    let mut row = |line: usize, part: String, tests: usize| {
        let tests = if tests == 0 { "none".to_owned() } else { tests.to_string() };
        table.row([line.to_string(), output::printable(&part), tests]);
    };
    for rule in &coverage.rules {
        let line = rule.span.line;
        row(line, rule.rule.to_string(), rule.contributed);
        for (item, excused) in rule.excused.iter().enumerate() {
            row(line, format!("{}: except item {}", rule.rule, item + 1), *excused);
        }
        for argument in &rule.arguments {
            let name = format!("{}: args.{}", rule.rule, argument.argument);
            row(line, format!("{name} met"), argument.met);
            row(line, format!("{name} not met"), argument.not_met);
        }
    }
    output::line(format!("\n{}", table.render()));
    output::line(format!("{} of {} parts exercised", coverage.covered, coverage.parts));
}

fn survived(path: &Path, mutation: &Mutation) {
    output::line("");
    for survivor in &mutation.survivors {
        output::line(format!(
            "{}  {}:{}: `{}`: {}",
            paint("missed", Tone::Bad),
            path.display(),
            survivor.span.line,
            output::printable(&survivor.rule),
            output::printable(&survivor.change),
        ));
    }
    let missed = mutation.survivors.len();
    output::line(format!("{} changes tried, {missed} missed by the tests", mutation.tried));
    if mutation.not_tried > 0 {
        output::line(format!("{} further changes were not tried", mutation.not_tried));
    }
}
