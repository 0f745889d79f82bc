//! What this machine and project need for a run, checked one by one, with a fix for everything that is missing.
//! It changes nothing and starts nothing but one trial sandbox; the layers themselves are judged by `sandbox`.

use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::layout::Layout;
use crate::storage::{Level, Usage};
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
pub fn examine(
    layout: &Layout,
    policy_file: Option<&Path>,
    journal_most: Option<u64>,
) -> Vec<Check> {
    let mut checks = isolation();
    checks.extend(project_check(layout.project()));
    checks.push(tool("git"));
    checks.push(policy_check(layout, policy_file));
    checks.extend(journal_check(layout));
    checks.extend(storage_check(layout.project()));
    checks.extend(journal_most.map(|most| size_check(Usage::of_journal(layout, most))));
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

/// What a sweep took away.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Control groups of supervisors that are dead.
    pub groups: usize,
    /// Processes that still ran in them.
    pub processes: usize,
    /// Containers of supervisors that are dead.
    pub containers: usize,
    /// What could not be removed.
    pub left: Vec<String>,
}

/// Takes away what sandboxes of killed processes left behind, of every driver. Those of living ones are not touched.
#[must_use]
pub fn sweep() -> Swept {
    let local = sandbox::sweep();
    let mut swept = Swept { groups: local.groups, processes: local.processes, ..Swept::default() };
    swept.left.extend(local.left.iter().map(|group| group.display().to_string()));
    // Without a runtime there are no containers either.
    if let Ok(found) = sandbox::container::sweep(None, None) {
        swept.containers = found.removed.len();
        swept.left.extend(found.failed);
    }
    swept
}

/// What each driver needs, by the driver's name.
#[must_use]
pub fn drivers() -> Vec<(&'static str, Vec<Check>)> {
    let finding = |finding: sandbox::container::Finding| Check {
        name: finding.name.to_owned(),
        health: match finding.standing {
            sandbox::container::Standing::Good => Health::Good,
            sandbox::container::Standing::Limited | sandbox::container::Standing::Unknown => {
                Health::Weak
            }
            sandbox::container::Standing::Broken => Health::Bad,
        },
        detail: finding.detail,
        fix: finding.fix,
    };
    let container = sandbox::container::check(None, None).into_iter().map(finding);
    vec![("local", isolation()), ("container", container.collect())]
}

/// Whether programs of the project can be executed; inside a sandbox as little as outside.
fn project_check(project: &Path) -> Option<Check> {
    let flags = rustix::fs::statvfs(project).ok()?.f_flag;
    flags.contains(rustix::fs::StatVfsMountFlags::NOEXEC).then(|| Check {
        name: "project".to_owned(),
        health: Health::Weak,
        detail: format!("{} is mounted `noexec`", project.display()),
        fix: Some("mount it with `exec`, or move the project".to_owned()),
    })
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
    let loaded = file
        .as_ref()
        .map_err(ToString::to_string)
        .and_then(|file| policy::load(file.as_deref()).map_err(|error| error.to_string()));
    let (health, detail, fix) = match (loaded, file.ok().flatten()) {
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
        (Err(error), _) => (Health::Bad, error, Some("palisade policy check".to_owned())),
    };
    Check { name: "policy".to_owned(), health, detail, fix }
}

/// The journal, where there is one already: whether its latest records verify.
fn journal_check(layout: &Layout) -> Option<Check> {
    const LATEST: u64 = 1_000;
    if !layout.journal().exists() {
        return None;
    }
    let scope = audit::Scope { range: audit::Range::Tail(LATEST), ..audit::Scope::whole() };
    let (health, detail, fix) = match audit::verify(layout, scope) {
        Ok(verified) => {
            (Health::Good, format!("{} latest records verified", verified.records), None)
        }
        Err(error) => (Health::Bad, error.to_string(), Some("palisade audit verify".to_owned())),
    };
    Some(Check { name: "journal".to_owned(), health, detail, fix })
}

/// Whether the disk that holds the project has room.
fn storage_check(project: &Path) -> Option<Check> {
    let usage = Usage::of(project)?;
    let (health, fix) = match usage.level() {
        Level::Normal => (Health::Good, None),
        Level::Warning => (
            Health::Weak,
            Some(
                "make room on this disk, or keep the state on another with PALISADE_STATE__FOLDER",
            ),
        ),
        Level::Critical | Level::Full => {
            (Health::Weak, Some("make room: new calls are refused on a full disk"))
        }
    };
    let percent = usage.percent();
    Some(Check {
        name: "disk".to_owned(),
        health,
        detail: format!("{percent} % of the project's file system is used"),
        fix: fix.map(str::to_owned),
    })
}

/// Whether the journal has room up to the size it may have.
fn size_check(usage: Usage) -> Check {
    let archive = format!("palisade journal archive --max-size {}KiB", usage.archive_to_kib());
    let (health, fix) = match usage.level() {
        Level::Normal => (Health::Good, None),
        Level::Warning => (Health::Weak, Some(archive)),
        Level::Critical => (
            Health::Weak,
            Some(format!("{archive}, or raise `journal.max_size`: at 100 % new calls are refused")),
        ),
        Level::Full => (
            Health::Bad,
            Some(format!("{archive}, or raise `journal.max_size`: new calls are refused")),
        ),
    };
    let percent = usage.percent();
    Check {
        name: "journal size".to_owned(),
        health,
        detail: format!("{percent} % of `journal.max_size` is used"),
        fix,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_is_nearly_as_large_as_it_may_be_is_told() {
        for (used, health) in
            [(10, Health::Good), (80, Health::Weak), (95, Health::Weak), (100, Health::Bad)]
        {
            let check = size_check(Usage { used, total: 100 });
            assert_eq!((check.health, check.fix.is_none()), (health, health == Health::Good));
            assert_eq!(check.detail, format!("{used} % of `journal.max_size` is used"));
        }
    }

    #[test]
    fn a_project_whose_programs_cannot_be_executed_is_told() {
        let found = project_check(Path::new("/proc")).map(|check| check.health);
        let flags = rustix::fs::statvfs("/proc").unwrap().f_flag;
        let noexec = flags.contains(rustix::fs::StatVfsMountFlags::NOEXEC);
        assert_eq!(found, noexec.then_some(Health::Weak));
        assert_eq!(project_check(Path::new("/usr/bin")), None);
    }

    #[test]
    fn every_layer_of_this_machine_is_told() {
        let names: Vec<String> = isolation().into_iter().map(|check| check.name).collect();
        for name in ["kernel", "user namespace", "landlock", "memory limit", "cpu limit"] {
            assert!(names.iter().any(|known| known == name), "{name}");
        }
    }
}
