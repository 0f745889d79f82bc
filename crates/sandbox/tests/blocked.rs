//! A failed program names the layer that stopped it, with the line that says so.
//! Texts of many programs as a table, and a few real programs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a failed test should stop loudly"
)]

mod support;

use sandbox::blocked::decide;
use sandbox::{Access, End, Layer, Mount, Outcome, launch};
use support::{Project, run};

fn check_text(outcome: &Outcome, line: &str, expect: Option<Layer>) {
    let stderr = format!("some noise\n{line}\nand more noise\n");
    let found = decide(&End::Exited(1), &outcome.receipt, stderr.as_bytes());
    assert_eq!(found.as_ref().map(|blocked| blocked.layer), expect, "{line}: {found:?}");
    if let Some(blocked) = found {
        assert_eq!(blocked.evidence, line);
    }
}

#[test]
fn messages_point_at_layers() {
    let project = Project::new();
    project.file(".palisade/x", "");
    let mut spec = project.sh("true");
    spec.workspace.hidden = vec![".palisade".into()];
    let source = project.path().canonicalize().unwrap();
    spec.mounts = vec![Mount { source, target: "/data".into(), access: Access::Read }];
    let outcome = run(&spec);
    use Layer::*;
    for (line, expect) in [
        ("touch: cannot touch '/usr/x': Read-only file system", Some(ReadOnlyRoot)),
        ("OSError: [Errno 30] Read-only file system: '/x'", Some(ReadOnlyRoot)),
        ("sh: 1: cannot create /data/x: Read-only file system", Some(MountNamespace)),
        ("curl: (6) Could not resolve host: example.com", Some(NetworkNamespace)),
        (
            "socket.gaierror: [Errno -3] Temporary failure in name resolution",
            Some(NetworkNamespace),
        ),
        ("connect: Network is unreachable", Some(NetworkNamespace)),
        ("OSError: [Errno 97] Address family not supported by protocol", Some(Seccomp)),
        ("unshare: unshare failed: Operation not permitted", Some(Seccomp)),
        ("Bad system call", Some(Seccomp)),
        ("sudo: The \"no new privileges\" flag is set", Some(NoNewPrivileges)),
        ("chown: changing ownership of 'x': Operation not permitted", Some(Capabilities)),
        ("cat: /root/.ssh/id_rsa: No such file or directory", Some(MountNamespace)),
        ("cat: /home/palisade/.ssh/id_rsa: No such file or directory", Some(MountNamespace)),
        ("cat: /workspace/.palisade/x: No such file or directory", Some(HiddenPaths)),
        ("cat: /workspace/missing.txt: No such file or directory", None),
        ("cat: missing.txt: No such file or directory", None),
        ("cat: /usr/bin/missing: No such file or directory", None),
        ("cat: /data/missing: No such file or directory", None),
        ("cat: /workspace/own: Permission denied", None),
        ("cat: /proc/kmsg: Permission denied", Some(Landlock)),
        ("touch: cannot touch '/etc/ssl/certs/x': Permission denied", Some(ReadOnlyRoot)),
        ("sh: 1: Cannot fork: Resource temporarily unavailable", Some(ProcessLimit)),
        ("write error: No space left on device", Some(DiskLimit)),
        ("OSError: [Errno 24] Too many open files", Some(FileLimit)),
        ("error: assertion failed", None),
    ] {
        check_text(&outcome, line, expect);
    }
}

#[test]
fn only_failures_are_explained_and_only_with_bounded_evidence() {
    let receipt = run(&Project::new().sh("true")).receipt;
    let line = format!("touch: '/x{}': Read-only file system", "y".repeat(20_000));
    assert_eq!(decide(&End::Exited(0), &receipt, b"Read-only file system"), None);
    assert_eq!(decide(&End::TimedOut, &receipt, b"Read-only file system"), None);
    assert_eq!(decide(&End::Exited(1), &receipt, b""), None);
    let found = decide(&End::Exited(1), &receipt, line.as_bytes());
    assert!(found.is_none_or(|blocked| blocked.evidence.chars().count() <= 300));
    let odd = decide(&End::Exited(1), &receipt, b"\x1b[31mbad\xff: Read-only file system");
    assert!(!odd.unwrap().evidence.contains('\x1b'));
    assert_eq!(decide(&End::Exited(159), &receipt, b"").unwrap().layer, Layer::Seccomp);
    assert_eq!(decide(&End::OutOfMemory, &receipt, b"").unwrap().layer, Layer::MemoryLimit);
}

#[test]
fn real_programs_are_explained() {
    let project = Project::new();
    for (script, expect) in [
        ("touch /outside", Layer::ReadOnlyRoot),
        ("echo x > /etc/passwd", Layer::ReadOnlyRoot),
        ("cat /root/.ssh/id_rsa", Layer::MountNamespace),
        ("cat ~/.ssh/id_rsa", Layer::MountNamespace),
        ("unshare --user true", Layer::Seccomp),
        ("perl -MSocket -e 'socket(S, AF_INET, SOCK_STREAM, 0) or die $!'", Layer::Seccomp),
    ] {
        let outcome = launch(&project.sh(script)).unwrap().wait(&mut |_, _| {});
        let layer = outcome.blocked.as_ref().map(|blocked| blocked.layer);
        assert_eq!(layer, Some(expect), "{script}: {}", support::stderr(&outcome));
    }
}

#[test]
fn everything_again_as_an_ordinary_user() {
    support::again_as_an_ordinary_user("everything_again_as_an_ordinary_user");
}
