//! `palisade policy`: check a file, run its tests, explain one decision.
//! None of these puts a policy in force: that is the file itself, read by the next run.

use std::path::{Path, PathBuf};

use runner::gate::{self, Principal};
use runner::policy::{self, Explanation, InForce, Truth, Verdict};
use serde_json::{Map, Value};

use crate::arguments::{Explain, Global, Policy};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Table, Tone, paint};
use crate::session;

pub(crate) fn run(global: &Global, command: &Policy) -> Result<Exit, Failure> {
    match command {
        Policy::Check { file } => check(global, file.as_deref()),
        Policy::Test { file } => test(global, file.as_deref()),
        Policy::Explain(explain) => self::explain(global, explain),
    }
}

/// The named file, or the one in force; an error where there is neither.
fn wanted(global: &Global, file: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(file) = file {
        return Ok(file.to_path_buf());
    }
    let configuration = session::configuration(global)?;
    let layout = session::layout(global, &configuration)?;
    session::policy_file(&layout, &configuration).ok_or_else(|| {
        Failure::new(Exit::NotFound, "no policy is in force in this project")
            .fix("`palisade init` writes a starting policy")
    })
}

fn load(path: &Path) -> Result<InForce, Failure> {
    policy::load(Some(path)).map_err(|error| session::policy_failure(&error))
}

fn check(global: &Global, file: Option<&Path>) -> Result<Exit, Failure> {
    let path = wanted(global, file)?;
    let loaded = load(&path)?;
    if global.json {
        output::json(&serde_json::json!({
            "valid": true,
            "file": path,
            "rules": loaded.policy.rule_count(),
            "warnings": loaded.warnings,
        }));
        return Ok(Exit::Ok);
    }
    if let Some(source) = &loaded.source {
        for warning in &loaded.warnings {
            output::talk(output::tame(warning.render(source).trim_end()));
        }
    }
    output::line(format!(
        "{} is valid: {} rules, {} warnings",
        path.display(),
        loaded.policy.rule_count(),
        loaded.warnings.len()
    ));
    Ok(Exit::Ok)
}

fn test(global: &Global, file: Option<&Path>) -> Result<Exit, Failure> {
    let path = wanted(global, file)?;
    let results = policy::test(&load(&path)?.policy);
    let failed = results.iter().filter(|result| !result.passed()).count();
    if global.json {
        output::json(&results);
    } else {
        for result in &results {
            let mark =
                if result.passed() { paint("pass", Tone::Good) } else { paint("FAIL", Tone::Bad) };
            output::line(format!("{mark}  {}", result.name));
            if let Some(failure) = &result.failure {
                output::line(format!("      {}:{}: {failure}", path.display(), result.span.line));
            }
        }
        output::line(format!("{} passed, {failed} failed", results.len() - failed));
    }
    if failed == 0 {
        return Ok(Exit::Ok);
    }
    Ok(Exit::Failure)
}

fn explain(global: &Global, command: &Explain) -> Result<Exit, Failure> {
    let configuration = session::configuration(global)?;
    let layout = session::layout(global, &configuration)?;
    let in_force = session::policy(session::policy_file(&layout, &configuration).as_deref())?;
    let mut principal = Principal::of_this_process();
    if let Some(id) = &command.principal {
        principal = Principal { id: id.clone(), roles: Vec::new(), ..principal };
    }
    if !command.role.is_empty() {
        principal.roles.clone_from(&command.role);
    }
    let arguments = arguments(&command.arguments)?;
    let explanation = gate::explain(&in_force.policy, &principal, &command.tool, &arguments);
    if global.json {
        output::json(&explanation);
    } else {
        print(&explanation);
    }
    Ok(match explanation.decision.verdict {
        Verdict::Allow => Exit::Ok,
        Verdict::Deny | Verdict::RequireReview => Exit::Denied,
    })
}

/// `name=value` pairs as an object; a value that is JSON is taken as JSON.
fn arguments(pairs: &[String]) -> Result<Value, Failure> {
    let mut all = Map::new();
    for pair in pairs {
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            Failure::new(Exit::Usage, format!("argument `{pair}` has no `=`"))
                .fix("write it as `--arg name=value`")
        })?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        all.insert(name.to_owned(), value);
    }
    Ok(Value::Object(all))
}

fn truth(outcome: Truth) -> &'static str {
    match outcome {
        Truth::True => "true",
        Truth::False => "false",
        Truth::Unknown => "unknown",
    }
}

fn print(explanation: &Explanation) {
    let decision = &explanation.decision;
    let (word, tone) = match decision.verdict {
        Verdict::Allow => ("allow", Tone::Good),
        Verdict::Deny => ("deny", Tone::Bad),
        Verdict::RequireReview => ("require_review", Tone::Busy),
    };
    output::line(format!("{}: {decision}", paint(word, tone)));
    for reach in &explanation.hosts {
        output::line(format!("  host {}: {}", output::printable(&reach.host), reach.decision));
    }
    let mut table = Table::new(&["rule", "condition", "wanted", "found", "outcome"]);
    let mut rows = 0;
    for candidate in &explanation.candidates {
        for condition in &candidate.conditions {
            rows += 1;
            table.row([
                candidate.rule.to_string(),
                condition.field.clone(),
                output::printable(&condition.wanted),
                output::printable(&condition.found),
                truth(condition.outcome).to_owned(),
            ]);
        }
    }
    if rows > 0 {
        output::line(format!("\n{}", table.render()));
    }
    for miss in &explanation.nearest {
        let failed: Vec<String> = miss
            .failed
            .iter()
            .map(|condition| {
                format!("{} wants {}, found {}", condition.field, condition.wanted, condition.found)
            })
            .collect();
        output::line(format!(
            "nearest: `{}` would allow it, but {}",
            miss.rule,
            output::printable(&failed.join("; "))
        ));
    }
}
