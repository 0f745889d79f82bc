//! Which layer stopped a program that failed: a guess from evidence, and the evidence with it.
//!
//! A pure function of how the program ended, what was in force and the end of its standard error.
//! It never asks the host whether a path exists: the program writes standard error, so the answer
//! would tell it about files it may not see. Where nothing points at a layer, nothing is claimed.

use std::path::Path;

use serde::Serialize;

use crate::layer::Layer;
use crate::outcome::End;
use crate::receipt::{Receipt, View};
use crate::spec::{Access, HOME, Network, WORKSPACE};

/// Bytes at the end of standard error that are looked at.
pub const EVIDENCE_BYTES_MAX: usize = 8 * 1024;
/// Characters of the evidence that are kept.
const EVIDENCE_CHARS_MAX: usize = 300;

/// The layer that most likely stopped a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Blocked {
    /// Which layer.
    pub layer: Layer,
    /// What that layer does, as a fragment.
    pub explanation: String,
    /// The line of standard error, or the ending, that points at it. Written by the program, so
    /// shortened and escaped.
    pub evidence: String,
}

/// Decides which layer stopped a failed program, if one did.
///
/// `stderr` is the captured standard error; only its end is used. `None` for a success, for an
/// ending the supervisor decided, and where nothing points at a layer.
#[must_use]
pub fn decide(end: &End, receipt: &Receipt, stderr: &[u8]) -> Option<Blocked> {
    const SHELL_SIGSYS: i32 = 128 + libc::SIGSYS;
    let by_end = |layer, explanation: &str, evidence: &str| {
        Some(Blocked { layer, explanation: explanation.to_owned(), evidence: evidence.to_owned() })
    };
    match end {
        End::OutOfMemory => by_end(
            Layer::MemoryLimit,
            "the memory limit of the sandbox was reached",
            "a process was killed for want of memory",
        ),
        End::PidsExceeded => by_end(
            Layer::ProcessLimit,
            "the process limit of the sandbox was reached",
            "a process could not be started",
        ),
        End::CpuExceeded => by_end(
            Layer::CpuLimit,
            "the processor time of the sandbox is limited",
            "everything inside was killed when it was used up",
        ),
        End::DiskFull => by_end(
            Layer::DiskLimit,
            "the writable file system of the sandbox is limited",
            "it was full when the program failed",
        ),
        End::Signalled(libc::SIGSYS) | End::Exited(SHELL_SIGSYS) => by_end(
            Layer::Seccomp,
            "the system call is not on the profile's list",
            "ended by SIGSYS",
        ),
        End::Exited(0) => None,
        End::Exited(_) | End::Signalled(_) => by_text(receipt, stderr),
        End::OutputExceeded | End::TimedOut | End::Cancelled | End::SandboxFailed(_) => None,
    }
}

/// The last line that points at a layer wins: programs say last what made them give up.
fn by_text(receipt: &Receipt, stderr: &[u8]) -> Option<Blocked> {
    let start = stderr.len().saturating_sub(EVIDENCE_BYTES_MAX);
    let text = String::from_utf8_lossy(stderr.get(start..).unwrap_or_default());
    text.lines().rev().find_map(|line| {
        let (layer, explanation) = by_line(receipt, line)?;
        Some(Blocked { layer, explanation, evidence: shorten(line) })
    })
}

/// Words of a message, the layer they point at, and what it does. All words of an entry have to
/// be in the line; the first entry that fits is taken.
const MESSAGES: [(&[&str], Layer, &str); 25] = [
    (&["network is unreachable"], Layer::NetworkNamespace, "there is no route to any network"),
    (&["could not resolve"], Layer::NetworkNamespace, NO_RESOLVER),
    (&["name resolution"], Layer::NetworkNamespace, NO_RESOLVER),
    (&["name or service not known"], Layer::NetworkNamespace, NO_RESOLVER),
    (&["unknown host"], Layer::NetworkNamespace, NO_RESOLVER),
    (&["address family not supported"], Layer::Seccomp, "the profile allows no such sockets"),
    (&["protocol not supported"], Layer::Seccomp, "the profile allows only TCP and Unix sockets"),
    (&["bad system call"], Layer::Seccomp, "the system call is not on the profile's list"),
    (&["socket", "operation not permitted"], Layer::Seccomp, "the profile allows no such sockets"),
    (&["unshare", "operation not permitted"], Layer::Seccomp, "new namespaces are not allowed"),
    (&["mount", "operation not permitted"], Layer::Seccomp, "mounting is not allowed"),
    (&["ptrace", "operation not permitted"], Layer::Seccomp, "tracing is not allowed"),
    (&["setuid"], Layer::NoNewPrivileges, NO_PRIVILEGES),
    (&["sudo", "nosuid"], Layer::NoNewPrivileges, NO_PRIVILEGES),
    (&["no new privileges"], Layer::NoNewPrivileges, NO_PRIVILEGES),
    (&["ownership", "not permitted"], Layer::Capabilities, "no capability to give files away"),
    (&["cannot allocate memory"], Layer::MemoryLimit, "memory is limited"),
    (&["out of memory"], Layer::MemoryLimit, "memory is limited"),
    (&["memoryerror"], Layer::MemoryLimit, "memory is limited"),
    (&["fork", "temporarily unavailable"], Layer::ProcessLimit, "processes are limited"),
    (&["can't start new thread"], Layer::ProcessLimit, "processes and threads are limited"),
    (&["no space left on device"], Layer::DiskLimit, "the writable file system is limited"),
    (&["file size limit exceeded"], Layer::DiskLimit, "the size of a file is limited"),
    (&["file too large"], Layer::DiskLimit, "the size of a file is limited"),
    (&["too many open files"], Layer::FileLimit, "open files are limited"),
];
const NO_RESOLVER: &str = "there is no network and no resolver";
const PROXY_ONLY: &str =
    "nothing leads out but the egress proxy named by `http_proxy`, which resolves names itself";
const NO_PRIVILEGES: &str = "programs gain no privileges by being executed";

fn by_line(receipt: &Receipt, line: &str) -> Option<(Layer, String)> {
    let view = &receipt.view;
    let lower = line.to_lowercase();
    let known =
        MESSAGES.into_iter().find(|(words, _, _)| words.iter().all(|word| lower.contains(word)));
    if let Some((_, layer, explanation)) = known {
        let only_the_proxy = layer == Layer::NetworkNamespace && receipt.network == Network::Proxy;
        let explanation = if only_the_proxy { PROXY_ONLY } else { explanation };
        return Some((layer, explanation.to_owned()));
    }
    let read_only = lower.contains("read-only file system");
    let denied = lower.contains("permission denied") || lower.contains("not permitted");
    let absent = lower.contains("no such file or directory");
    match paths(line).next() {
        Some(path) if read_only => Some(written(view, path)),
        None if read_only => Some((Layer::ReadOnlyRoot, "the root is read-only".to_owned())),
        Some(path) if denied => denied_at(view, path),
        Some(path) if absent => absent_at(view, path),
        _ => None,
    }
}

fn written(view: &View, path: &Path) -> (Layer, String) {
    match view.mounts.iter().find(|mount| path.starts_with(&mount.target)) {
        Some(mount) if mount.access == Access::Read => {
            (Layer::MountNamespace, format!("the mount `{}` is read-only", mount.target))
        }
        _ => (Layer::ReadOnlyRoot, "only the workspace and temporary folders are writable".into()),
    }
}

/// The program owns what it may write, so a refusal elsewhere is not about file modes it could
/// change; which of the two independent layers answered first cannot be told from the text.
fn denied_at(view: &View, path: &Path) -> Option<(Layer, String)> {
    if is_within(&view.hidden, path) {
        return Some((Layer::HiddenPaths, "this part of the project is hidden".to_owned()));
    }
    let ours = is_within(&view.writable, path)
        || view.mounts.iter().any(|mount| path.starts_with(&mount.target));
    if ours {
        return None;
    }
    if is_within(&view.read_only, path) {
        let explanation = "system folders are read-only and belong to others";
        return Some((Layer::ReadOnlyRoot, explanation.to_owned()));
    }
    Some((Layer::Landlock, "no rule allows access there".to_owned()))
}

fn absent_at(view: &View, path: &Path) -> Option<(Layer, String)> {
    if is_within(&view.hidden, path) {
        return Some((Layer::HiddenPaths, "this part of the project is hidden".to_owned()));
    }
    if path.starts_with(HOME) {
        let explanation = "the home folder inside is empty; the user's own is not shown";
        return Some((Layer::MountNamespace, explanation.to_owned()));
    }
    let inside = is_within(&view.read_only, path)
        || is_within(&view.writable, path)
        || path.starts_with("/etc") && is_written(path)
        || view.mounts.iter().any(|mount| path.starts_with(&mount.target));
    let explanation = "this part of the host is not shown inside";
    (!inside).then(|| (Layer::MountNamespace, explanation.to_owned()))
}

/// Files of `/etc` that the sandbox has of its own.
fn is_written(path: &Path) -> bool {
    const OWN: [&str; 4] = ["/etc/passwd", "/etc/group", "/etc/hosts", "/etc/resolv.conf"];
    OWN.into_iter().any(|own| path == Path::new(own))
}

fn is_within(places: &[String], path: &Path) -> bool {
    places.iter().any(|place| path.starts_with(place))
}

/// Absolute paths named in a message; a relative one is about the workspace and is no evidence.
fn paths(line: &str) -> impl Iterator<Item = &Path> {
    let edges = |letter: char| letter.is_whitespace() || "'\"`‘’“”()[]<>,;".contains(letter);
    line.split(edges)
        .map(|word| word.trim_end_matches([':', '.']))
        .filter(|word| word.starts_with('/') && word.len() > 1)
        .map(Path::new)
        .filter(|path| !path.starts_with(WORKSPACE) || path.components().count() > 2)
}

fn shorten(line: &str) -> String {
    let plain = line.trim().chars().take(EVIDENCE_CHARS_MAX);
    plain.map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}
