//! `palisade policy`: check a file, run its tests, explain one decision, hold two files against each other.
//! None of these puts a policy in force: that is the file itself, read by the next run.

mod compare;
mod test;

use std::path::{Path, PathBuf};

use runner::gate::{self, Principal};
use runner::history::History;
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
        Policy::Test { file, coverage, mutate } => {
            let path = wanted(global, file.as_deref())?;
            let also = test::Also { coverage: *coverage, mutation: *mutate };
            test::run(global, &path, &load(&path)?, also)
        }
        Policy::Explain(explain) => self::explain(global, explain),
        Policy::Diff { before, after } => compare::diff(global, before, after),
        Policy::Replay { file, since, limit } => {
            compare::replay(global, file, since.as_deref(), *limit)
        }
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

fn explain(global: &Global, command: &Explain) -> Result<Exit, Failure> {
    let configuration = session::configuration(global)?;
    let layout = session::layout(global, &configuration)?;
    let in_force = session::policy(session::policy_file(&layout, &configuration).as_deref())?;
    let mut principal = session::principals(&configuration).of_this_process();
    if let Some(id) = &command.principal {
        principal = Principal { id: id.clone(), roles: Vec::new(), ..principal };
    }
    if !command.role.is_empty() {
        principal.roles.clone_from(&command.role);
    }
    let arguments = arguments(&command.arguments)?;
    let explanation = gate::explain(&in_force.policy, &principal, &command.tool, &arguments);
    let explanation = match History::open(&layout) {
        Ok(history) => history
            .weigh(explanation, &principal.id, runner::now())
            .map_err(|error| session::history_failure(&error))?,
        // Nothing has happened yet, so nothing is used.
        Err(_) => explanation,
    };
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

/// What the call is held to, and what each layer makes of it.
fn asked(explanation: &Explanation) {
    let decision = &explanation.decision;
    if !decision.constraints.is_empty() {
        output::line(format!("  constraints: {}", decision.constraints));
    }
    for limit in &explanation.limits {
        let amount = limit.amount.map_or_else(|| "an unknown amount".to_owned(), |a| a.to_string());
        let used = limit.used.map_or_else(String::new, |used| format!(", {used} used"));
        let over = if limit.fits == Some(false) { ", which is over it" } else { "" };
        output::line(format!(
            "  limit {} of `{}`: {}; this call takes {amount}{used}{over}",
            limit.limit, limit.rule, limit.wanted
        ));
    }
    if let Some(approve) = &decision.approve {
        output::line(format!("  approval: {approve}"));
    }
    for layer in &explanation.layers {
        let verdict = layer.verdict.map_or("nothing", verdict);
        output::line(format!("  {}: {verdict} ({})", layer.layer, layer.note));
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Deny => "deny",
        Verdict::RequireReview => "require_review",
    }
}

fn print(explanation: &Explanation) {
    let decision = &explanation.decision;
    let tone = match decision.verdict {
        Verdict::Allow => Tone::Good,
        Verdict::Deny => Tone::Bad,
        Verdict::RequireReview => Tone::Busy,
    };
    output::line(format!("{}: {decision}", paint(verdict(decision.verdict), tone)));
    for reach in &explanation.hosts {
        output::line(format!("  host {}: {}", output::printable(&reach.host), reach.decision));
    }
    asked(explanation);
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
