//! `palisade policy`: check a file, run its tests, explain one decision, hold two files against each other, and put
//! another one in force. Only the last of them changes anything.

mod apply;
mod compare;
mod explain;
mod test;

use std::path::{Path, PathBuf};

use runner::policy::{self, InForce, PolicyError};

use crate::arguments::{Global, Policy};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::session;

pub(crate) fn run(global: &Global, command: &Policy) -> Result<Exit, Failure> {
    match command {
        Policy::Check { file } => check(global, file.as_deref()),
        Policy::Test { file, coverage, mutate } => {
            let path = wanted(global, file.as_deref())?;
            let also = test::Also { coverage: *coverage, mutation: *mutate };
            test::run(global, &path, &load(&path)?, also)
        }
        Policy::Explain(explain) => explain::run(global, explain),
        Policy::Diff { before, after } => compare::diff(global, before, after),
        Policy::Replay { file, since, limit } => compare::replay(global, file, *since, *limit),
        Policy::Apply(command) => apply::apply(global, command),
    }
}

/// The named file, or the one in force; an error where there is neither.
fn wanted(global: &Global, file: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(file) = file {
        return Ok(file.to_path_buf());
    }
    let layout = session::layout(global)?;
    session::policy_file(global, &layout)?.ok_or_else(|| {
        Failure::new(Exit::NotFound, "no policy is in force in this project")
            .fix("`palisade init` writes a starting policy")
    })
}

fn load(path: &Path) -> Result<InForce, Failure> {
    policy::load(Some(path)).map_err(|error| {
        let failure = session::policy_failure(&error);
        match error {
            PolicyError::Read { .. } => failure.fix("name a policy file that can be read"),
            _ => failure,
        }
    })
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
        "{} is valid: {}, {}",
        path.display(),
        output::count(loaded.policy.rule_count(), "rule"),
        output::count(loaded.warnings.len(), "warning")
    ));
    Ok(Exit::Ok)
}
