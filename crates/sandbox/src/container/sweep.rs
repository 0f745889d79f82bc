//! What a killed supervisor left running: found by label, ended, removed.
//!
//! Only containers of supervisors that are dead are touched: a second supervisor on the same host
//! keeps its own. Mounts and networks need no sweep, they end with the container; control groups
//! are found by the supervisor's number in their name.

use std::io;

use serde::Serialize;
use serde_json::Value;

use super::error::ContainerError;
use super::held::{group_folders, remove, remove_groups};
use super::runtime::{Kind, Runtime};
use super::{EPOCH_LABEL, Epoch, NAME_LABEL};
use crate::epoch::Fate;

/// What a sweep has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Names of the sandboxes that were removed.
    pub removed: Vec<String>,
    /// What could not be removed, each with the reason; the next sweep tries again.
    pub failed: Vec<String>,
    /// Containers of supervisors that are alive, or of which nothing is known here.
    pub kept: usize,
}

/// Removes the containers of every supervisor that is dead; with `epoch`, only those of that one,
/// and whether or not it is dead.
pub fn sweep(kind: Option<Kind>, epoch: Option<&Epoch>) -> Result<Swept, ContainerError> {
    let runtime = Runtime::find(kind)?;
    let mut swept = Swept::default();
    for (name, owner) in list(&runtime)? {
        let ours = match epoch {
            Some(epoch) => owner == *epoch,
            None => owner.fate(Epoch::own()) == Fate::Dead,
        };
        if !ours {
            swept.kept += 1;
            continue;
        }
        let group = name.clone();
        match remove(&runtime, &name).and_then(|()| remove_group(&group)) {
            Ok(()) => swept.removed.push(name),
            Err(error) => swept.failed.push(format!("{name}: {error}")),
        }
    }
    Ok(swept)
}

/// The containers of ours on this host, running or not, with who made them.
fn list(runtime: &Runtime) -> Result<Vec<(String, Epoch)>, ContainerError> {
    let filter = format!("label={EPOCH_LABEL}");
    let format = format!("{{{{.Label \"{NAME_LABEL}\"}}}} {{{{.Label \"{EPOCH_LABEL}\"}}}}");
    let format = match runtime.kind {
        Kind::Podman => "json",
        Kind::Docker => format.as_str(),
    };
    let answer = runtime.ask(&["ps", "--all", "--filter", &filter, "--format", format])?;
    if !answer.success {
        return Err(ContainerError::Refused { what: "listing", text: answer.complaint() });
    }
    Ok(match runtime.kind {
        Kind::Podman => read_json(&answer.stdout),
        Kind::Docker => read_lines(&answer.stdout),
    })
}

fn read_json(bytes: &[u8]) -> Vec<(String, Epoch)> {
    let found: Vec<Value> = serde_json::from_slice(bytes).unwrap_or_default();
    let label = |entry: &Value, name| Some(entry.get("Labels")?.get(name)?.as_str()?.to_owned());
    let entries = found.iter();
    entries
        .filter_map(|entry| {
            let epoch = Epoch::parse(&label(entry, EPOCH_LABEL)?)?;
            Some((label(entry, NAME_LABEL)?, epoch))
        })
        .filter(|(name, _)| is_ours(name))
        .collect()
}

fn read_lines(bytes: &[u8]) -> Vec<(String, Epoch)> {
    let text = String::from_utf8_lossy(bytes);
    text.lines()
        .filter_map(|line| {
            let (name, epoch) = line.trim().split_once(' ')?;
            Some((name.to_owned(), Epoch::parse(epoch)?))
        })
        .filter(|(name, _)| is_ours(name))
        .collect()
}

/// Only names of our own making are handed to the runtime again, whatever a label says.
fn is_ours(name: &str) -> bool {
    name.strip_prefix("palisade-")
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
}

/// The group has the name of the sandbox. It lies at the root of a version 1 hierarchy, and with
/// version 2 beside our own where both supervisors were started the same way; elsewhere it is
/// left to the host.
fn remove_group(name: &str) -> io::Result<()> {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut parents: Vec<&str> =
        own.lines().filter_map(|line| line.splitn(3, ':').nth(2)).collect();
    parents.push("/");
    parents.sort_unstable();
    parents.dedup();
    let groups = parents.iter().map(|parent| format!("{}/{name}", parent.trim_end_matches('/')));
    let groups: Vec<_> = groups.filter(|group| !group_folders(group).is_empty()).collect();
    groups.iter().try_for_each(|group| remove_groups(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_containers_of_ours_are_found() {
        let own = Epoch::own().to_string();
        let text = serde_json::json!([
            { "Labels": { "palisade.sandbox": "palisade-1-c1", "palisade.epoch": own } },
            { "Labels": { "palisade.sandbox": "palisade-1-c2", "palisade.epoch": "nonsense" } },
            { "Labels": { "palisade.sandbox": "--all", "palisade.epoch": own } },
            { "Labels": null },
        ]);
        let found = read_json(text.to_string().as_bytes());
        assert_eq!(found, [("palisade-1-c1".to_owned(), Epoch::own())]);
        let lines = format!("palisade-1-c1 {own}\nother\n-f {own}\n");
        assert_eq!(read_lines(lines.as_bytes()), found);
    }
}
