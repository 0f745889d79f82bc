//! Programs people run must run in a whole sandbox under `standard`, as it is by default.
//!
//! The scripts are in `programs/`; what is missing on this machine is installed. That a filter alone
//! lets programs run is in `seccomp/programs.rs`: here the view of the file system, Landlock, the
//! limits and the missing network take part.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a failed test should stop loudly"
)]

#[path = "../../testkit/src/install.rs"]
mod install;
mod support;

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use install::installed;
use sandbox::{Access, Mount, Spec};
use support::{Project, is_root, succeeds};

/// Runs a script of `programs/` that needs these programs of these packages.
fn check(interpreter: &str, script: &str, needs: &[(&str, &[&str])], expect: &str) {
    for (program, packages) in needs {
        let _path = installed(program, packages);
    }
    let project = Project::new();
    project.file("script", script);
    let text = succeeds(&script_of(&project, interpreter));
    assert_eq!(text.trim_end(), expect.trim_end(), "{interpreter}");
}

fn script_of(project: &Project, interpreter: &str) -> Spec {
    let mut spec = project.sh(&format!("mkdir w && cd w && exec {interpreter} ../script"));
    // The processor may be busy with other tests; nothing here should be about time.
    spec.limits.wall = std::time::Duration::from_secs(600);
    spec
}

#[test]
fn shells() {
    let script = include_str!("seccomp/programs/shell.sh");
    check("dash", script, &[("dash", &["dash"])], "two through");
    let script = include_str!("seccomp/programs/jobs.bash");
    check("bash", script, &[("bash", &["bash"])], "hi\nsubstituted\n143");
}

#[test]
fn git() {
    let expect = "1\nsecond\nfirst\n3\nf\ng";
    check("sh", include_str!("programs/git.sh"), &[("git", &["git"])], expect);
}

#[test]
fn python() {
    let needs: &[(&str, &[&str])] =
        &[("python3", &["python3"]), ("../share/python-wheels", &["python3-venv"])];
    check("/usr/bin/python3", include_str!("programs/python.py"), needs, "ok");
}

#[test]
fn node() {
    check("node", include_str!("programs/node.js"), &[("node", &["nodejs"])], "ok");
}

#[test]
fn perl() {
    let script = include_str!("seccomp/programs/standard.pl");
    check("perl", script, &[("perl", &["perl"])], "ok");
}

#[test]
fn gcc_and_make() {
    let needs: &[(&str, &[&str])] = &[("gcc", &["gcc", "libc6-dev"]), ("make", &["make"])];
    check("sh", include_str!("programs/make.sh"), needs, "10\n10");
}

#[test]
fn go() {
    let expect = "5050 child\n<nil>";
    check("sh", include_str!("programs/go.sh"), &[("go", &["golang-go"])], expect);
}

#[test]
fn tools() {
    let needs: &[(&str, &[&str])] =
        &[("jq", &["jq"]), ("sqlite3", &["sqlite3"]), ("xz", &["xz-utils"]), ("patch", &["patch"])];
    let expect = "\"c\"\n3\nrow 3\n6\nrow 2\na+b\n10\n10\na b \n69a90be6\n1970\nin time\nthrough\n\
                  same\npatched";
    check("bash", include_str!("programs/tools.sh"), needs, expect);
}

/// The toolchain that builds these tests, shown read-only.
#[test]
fn cargo_and_rustc() {
    let query = Command::new("rustc").args(["--print", "sysroot"]).output();
    let root = query.ok().filter(|output| output.status.success()).and_then(|output| {
        let text = String::from_utf8(output.stdout).ok()?;
        PathBuf::from(text.trim()).canonicalize().ok()
    });
    let Some(root) = root else {
        assert!(!is_root(), "rustc must be there: these tests were built by it");
        let message = b"programs: this user cannot read the toolchain, it is not tested here\n";
        return std::io::stderr().write_all(message).unwrap();
    };
    let _linker = installed("gcc", &["gcc", "libc6-dev"]);
    let project = Project::new();
    project.file("script", include_str!("programs/cargo.sh"));
    let mut spec = script_of(&project, "sh");
    spec.mounts.push(Mount { source: root, target: "/toolchain".into(), access: Access::Read });
    spec.env = vec![("PATH".into(), format!("/toolchain/bin:{}", sandbox::PATH).into())];
    assert_eq!(succeeds(&spec), "built 7 4\n");
}

#[test]
fn everything_again_as_an_ordinary_user() {
    support::again_as_an_ordinary_user("everything_again_as_an_ordinary_user");
}
