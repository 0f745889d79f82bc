//! Specs that cannot be run: each is a clear error before anything is started.
//! Faults that only the inside can see (a missing program or folder) are in `run`.
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

use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use sandbox::{Access, ENTRIES_MAX, End, Mount, Spec};
use support::{Project, explain, refused, run, succeeds};

fn check(change: impl FnOnce(&mut Spec), expect: &str) {
    let project = Project::new();
    let mut spec = project.sh("true");
    change(&mut spec);
    let text = explain(&refused(&spec));
    assert!(text.contains(expect), "`{text}` should say `{expect}`");
}

#[test]
fn programs_and_strings() {
    check(|spec| spec.argv.clear(), "no program was named");
    check(|spec| spec.argv[0] = "".into(), "no program was named");
    check(|spec| spec.argv.push("a\0b".into()), "argument `a\\x00b` holds a NUL byte");
    check(|spec| spec.env.push(("A\0".into(), "".into())), "environment variable");
    check(|spec| spec.env.push(("A".into(), "\0".into())), "environment variable");
    check(|spec| spec.cwd = "relative".into(), "working directory `relative` is not an absolute");
    check(|spec| spec.cwd = "/workspace/../etc".into(), "without `..`");
    check(|spec| spec.stdin = vec![0; sandbox::STDIN_BYTES_MAX + 1], "standard input exceed");
}

#[test]
fn projects() {
    check(|spec| spec.workspace.lower = "/no/such/folder".into(), "No such file or directory");
    check(|spec| spec.workspace.lower = "/etc/hostname".into(), "Not a directory");
    check(|spec| spec.workspace.lower = "/a\0b".into(), "NUL byte");
    let project = Project::new();
    let name = project.path().join("loop");
    std::os::unix::fs::symlink(&name, &name).unwrap();
    check(|spec| spec.workspace.lower = name, "Too many levels of symbolic links");
}

#[test]
fn places_in_the_workspace() {
    for bad in ["/absolute", "../up", "a/../../up", ""] {
        check(|spec| spec.workspace.hidden.push(bad.into()), "is not a relative path");
        check(|spec| spec.workspace.files.push((bad.into(), Vec::new())), "is not a relative path");
        check(|spec| spec.artifacts.push(bad.into()), "is not a relative path");
    }
    check(|spec| spec.artifacts.push("a[".into()), "artifact pattern `a[` is malformed");
    check(|spec| spec.artifacts = vec!["*".into(); ENTRIES_MAX + 1], "exceed the limit of 64");
    check(
        |spec| {
            spec.workspace.hidden.push(".palisade".into());
            spec.workspace.files.push((".palisade/policy.yaml".into(), Vec::new()));
        },
        "is taken by the hidden path `.palisade`",
    );
}

#[test]
fn mounts() {
    let mount = |source: &str, target: &str| Mount {
        source: source.into(),
        target: target.into(),
        access: Access::Read,
    };
    let with = |source: &str, target: &str, expect: &str| {
        check(|spec| spec.mounts.push(mount(source, target)), expect);
    };
    with("/no/such", "/data", "mount source `/no/such` cannot be used: No such file");
    with("relative", "/data", "mount source `relative` is not an absolute path");
    with("/usr", "data", "mount target `data` is not an absolute path");
    with("/usr", "/data/../etc", "is not an absolute path without `..`");
    for taken in [
        "/",
        "//",
        "/usr",
        "/usr/local/x",
        "/etc/ssh",
        "/proc",
        "/proc/1",
        "/dev/x",
        "/workspace",
        "/workspace/.",
        "/tmp",
        "/home/palisade",
        "/lib64",
        "/.proof",
    ] {
        with("/usr", taken, "is taken by the sandbox itself");
    }
    check(
        |spec| spec.mounts = vec![mount("/usr", "/a"), mount("/etc", "/a/")],
        "mount target `/a` is taken by another mount",
    );
    let project = Project::new();
    let link = project.path().join("link");
    std::os::unix::fs::symlink("/usr", &link).unwrap();
    with(link.to_str().unwrap(), "/data", "passes through a symbolic link");
    with(&format!("{}/lib", link.display()), "/data", "passes through a symbolic link");
}

#[test]
fn a_mount_target_through_a_link_of_the_project_is_refused() {
    let (project, elsewhere) = (Project::new(), Project::new());
    std::os::unix::fs::symlink(elsewhere.path(), project.path().join("link")).unwrap();
    let mut spec = project.sh("true");
    spec.mounts = vec![Mount {
        source: "/usr".into(),
        target: "/workspace/link/usr".into(),
        access: Access::Read,
    }];
    let text = explain(&refused(&spec));
    assert!(text.starts_with("mounting `/workspace/link/usr`"), "{text}");
    assert!(!elsewhere.path().join("usr").exists());
}

#[test]
fn limits_of_zero() {
    check(|spec| spec.limits.workspace_bytes = 0, "the limit of workspace bytes is zero");
    check(|spec| spec.limits.workspace_inodes = 0, "the limit of workspace inodes is zero");
    check(|spec| spec.limits.pids = 0, "the limit of processes is zero");
    check(|spec| spec.limits.memory_bytes = Some(0), "the limit of memory is zero");
    check(|spec| spec.limits.open_files = 0, "the limit of open files is zero");
}

#[test]
fn a_workspace_of_loops_and_odd_names_is_a_workspace() {
    let project = Project::new();
    let path = |bytes: &[u8]| project.path().join(std::ffi::OsString::from_vec(bytes.to_vec()));
    std::os::unix::fs::symlink("loop", path(b"loop")).unwrap();
    std::os::unix::fs::symlink("..", path(b"up")).unwrap();
    for name in [&b"new\nline"[..], b"\xff\xfe", b"a:b,c\\d", b" ", b"-rf"] {
        std::fs::write(path(name), "x").unwrap();
    }
    assert_eq!(succeeds(&project.sh("ls -A | wc -l; cat -- *b,c*")), "9\nx");
    let odd = project.path().join("p:q,r\\s=t\n");
    std::fs::create_dir(&odd).unwrap();
    std::fs::write(odd.join("f"), "in\n").unwrap();
    assert_eq!(succeeds(&Spec::new(PathBuf::from(&odd), ["cat", "f"])), "in\n");
}

#[test]
fn the_current_folder_of_the_caller_does_not_matter() {
    let project = Project::new();
    let spec = Spec::new(project.path(), ["pwd"]);
    assert_eq!(run(&spec).end, End::Exited(0));
}

#[test]
fn everything_again_as_an_ordinary_user() {
    support::again_as_an_ordinary_user("everything_again_as_an_ordinary_user");
}
