//! What this machine and project need for a run, checked one by one, with a fix for everything that is missing.
//! It changes nothing and starts nothing but one trial sandbox; the layers themselves are judged by `sandbox`.

use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::layout::Layout;
use crate::{audit, policy};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Good,
    /// Works, but less well than it could.
    Weak,
    /// A run cannot work.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What.
    pub name: String,
    /// How it came out.
    pub health: Health,
    /// What was found.
    pub detail: String,
    /// What to do, where something is missing.
    pub fix: Option<String>,
}

/// Looks at everything; changes nothing.
#[must_use]
pub fn examine(layout: &Layout, policy_file: Option<&Path>) -> Vec<Check> {
    let mut checks = isolation();
    checks.push(tool("git"));
    checks.push(policy_check(layout, policy_file));
    checks.extend(journal_check(layout));
    checks
}

/// Every isolation layer as the sandbox sees it.
#[must_use]
pub fn isolation() -> Vec<Check> {
    let layer = |status: sandbox::LayerStatus| Check {
        name: status.name.to_owned(),
        health: match (status.available, status.required) {
            (true, _) => Health::Good,
            (false, false) => Health::Weak,
            (false, true) => Health::Bad,
        },
        detail: status.detail,
        fix: status.fix,
    };
    sandbox::probe().layers.into_iter().map(layer).collect()
}

/// A program that examples and users rely on.
fn tool(name: &str) -> Check {
    let found = Command::new(name).arg("--version").output();
    let version = found.ok().filter(|output| output.status.success());
    let line = version.and_then(|output| {
        String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
    });
    let health = if line.is_some() { Health::Good } else { Health::Weak };
    let fix = line
        .is_none()
        .then(|| format!("install {name}, for example with the system's package manager"));
    Check {
        name: name.to_owned(),
        health,
        detail: line.unwrap_or_else(|| "not found".to_owned()),
        fix,
    }
}

fn policy_check(layout: &Layout, set: Option<&Path>) -> Check {
    let file = policy::chosen(layout, set);
    let (health, detail, fix) = match (policy::load(file.as_deref()), &file) {
        (Ok(loaded), Some(path)) if loaded.warnings.is_empty() => {
            (Health::Good, path.display().to_string(), None)
        }
        (Ok(loaded), Some(path)) => (
            Health::Weak,
            format!("{}: {} warnings", path.display(), loaded.warnings.len()),
            Some("palisade policy check".to_owned()),
        ),
        (Ok(_), None) => (
            Health::Weak,
            "none; everything is denied".to_owned(),
            Some("palisade init writes a starting policy".to_owned()),
        ),
        (Err(error), _) => {
            (Health::Bad, error.to_string(), Some("palisade policy check".to_owned()))
        }
    };
    Check { name: "policy".to_owned(), health, detail, fix }
}

/// The journal, where there is one already: whether its latest records verify.
fn journal_check(layout: &Layout) -> Option<Check> {
    const LATEST: u64 = 1_000;
    if !layout.journal().exists() {
        return None;
    }
    let scope = audit::Scope { range: audit::Range::Tail(LATEST), checkpoints: Vec::new() };
    let (health, detail, fix) = match audit::verify(layout, scope) {
        Ok(verified) => {
            (Health::Good, format!("{} latest records verified", verified.records), None)
        }
        Err(error) => (Health::Bad, error.to_string(), Some("palisade audit verify".to_owned())),
    };
    Some(Check { name: "journal".to_owned(), health, detail, fix })
}
