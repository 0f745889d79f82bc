//! Programs people run must run under the filter: what a list forgets shows here.
//!
//! The scripts are in `programs/`. A program that is not on this machine is said to be absent;
//! git and Python must be there.

use std::path::Path;
use std::process::Command;

use sandbox::Profile;
use tempfile::TempDir;

use crate::install::{filtered, say};

const HELLO: (&str, &str) =
    ("hello.c", "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n");

/// Runs a program in a fresh folder with these files; expects success and exactly this output.
fn check(profile: Profile, files: &[(&str, &str)], argv: &[&str], expect: &str) {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    check_in(folder.path(), profile, argv, expect);
}

fn check_in(folder: &Path, profile: Profile, argv: &[&str], expect: &str) {
    let (program, arguments) = argv.split_first().unwrap();
    let mut command = filtered(program, profile);
    let output = command.args(arguments).current_dir(folder).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{argv:?}: {}\n{stdout}{stderr}", output.status);
    assert_eq!(stdout.trim_end(), expect, "{argv:?}\n{stderr}");
}

/// Whether a program is on this machine; says so loudly if not.
fn present(program: &str) -> bool {
    let present = Command::new(program).arg("--version").output().is_ok();
    if !present {
        say(&format!("`{program}` is absent, what it needs is not tested here"));
    }
    present
}

/// The interpreter itself: what `PATH` finds may be a shell script that starts it.
fn python() -> String {
    let query = ["-c", "import sys; print(sys.executable)"];
    let output = Command::new("python3").args(query).output().expect("python3 must be installed");
    String::from_utf8(output.stdout).unwrap().trim().into()
}

#[test]
fn programs_are_really_filtered() {
    let argv = ["grep", "Seccomp:", "/proc/self/status"];
    for profile in [Profile::Strict, Profile::Standard] {
        check(profile, &[], &argv, "Seccomp:\t2");
    }
    let control = Command::new(argv[0]).args(&argv[1..]).output().unwrap();
    assert_ne!(String::from_utf8_lossy(&control.stdout), "Seccomp:\t2\n");
}

#[test]
fn standard_runs_shells_and_coreutils() {
    let script = ("x.sh", include_str!("programs/shell.sh"));
    check(Profile::Standard, &[script], &["sh", "x.sh"], "two through");
    if present("bash") {
        let script = ("x.bash", include_str!("programs/jobs.bash"));
        check(Profile::Standard, &[script], &["bash", "x.bash"], "hi\nsubstituted\n143");
    }
}

#[test]
fn standard_runs_git() {
    let script = ("x.sh", include_str!("programs/git.sh"));
    check(Profile::Standard, &[script], &["sh", "x.sh"], "4");
}

#[test]
fn standard_runs_python() {
    let script = ("x.py", include_str!("programs/standard.py"));
    check(Profile::Standard, &[script], &["python3", "x.py"], "ok");
}

#[test]
fn standard_runs_perl() {
    if present("perl") {
        let script = ("x.pl", include_str!("programs/standard.pl"));
        check(Profile::Standard, &[script], &["perl", "x.pl"], "ok");
    }
}

#[test]
fn standard_runs_node() {
    if present("node") {
        let script = ("x.js", include_str!("programs/standard.js"));
        check(Profile::Standard, &[script], &["node", "x.js"], "ok");
    }
}

#[test]
fn standard_runs_make_and_gcc() {
    if present("gcc") && present("make") {
        let makefile =
            "all: hello other\n\t./hello\nhello other: hello.c\n\tgcc -O2 -pipe -o $@ $<\n";
        let argv = ["make", "-s", "-j2"];
        check(Profile::Standard, &[HELLO, ("Makefile", makefile)], &argv, "hello");
    }
}

#[test]
fn standard_runs_cargo_and_rustc() {
    if present("cargo") && present("rustc") {
        let script = "set -eu\nunset CARGO_TARGET_DIR RUSTFLAGS RUSTC_WRAPPER\n\
            cargo new -q --vcs none hello 2> /dev/null\ncd hello\n\
            cargo run -q --offline\ncargo test -q --offline > /dev/null";
        check(Profile::Standard, &[], &["sh", "-c", script], "Hello, world!");
    }
}

#[test]
fn strict_runs_static_and_dynamic_programs() {
    check(Profile::Strict, &[HELLO], &["cat", "hello.c"], HELLO.1.trim_end());
    if present("gcc") {
        for kind in ["-static", "-static-pie", "-O0"] {
            let folder = TempDir::new().unwrap();
            std::fs::write(folder.path().join(HELLO.0), HELLO.1).unwrap();
            let mut compiler = Command::new("gcc");
            compiler.args([kind, "-o", "hello", "hello.c"]).current_dir(folder.path());
            if compiler.status().unwrap().success() {
                let program = folder.path().join("hello");
                check_in(folder.path(), Profile::Strict, &[program.to_str().unwrap()], "hello");
            } else {
                say(&format!("`gcc {kind}` does not link here, such a program is not tested"));
            }
        }
    }
}

#[test]
fn strict_runs_python() {
    let script = ("x.py", include_str!("programs/strict.py"));
    check(Profile::Strict, &[script], &[&python(), "x.py"], "ok");
}

#[test]
fn strict_runs_node_and_perl() {
    if present("node") {
        let script = "const sum = [1, 2].reduce((a, b) => a + b); console.log(sum)";
        check(Profile::Strict, &[], &["node", "-e", script], "3");
    }
    if present("perl") {
        check(Profile::Strict, &[], &["perl", "-e", "print 1 + 2"], "3");
    }
}

#[test]
fn strict_starts_no_second_process() {
    let folder = TempDir::new().unwrap();
    let argv = ["-c", "echo $(echo second)"];
    let control = Command::new("sh").args(argv).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&control.stdout), "second\n");
    let output =
        filtered("sh", Profile::Strict).args(argv).current_dir(folder.path()).output().unwrap();
    assert_ne!(String::from_utf8_lossy(&output.stdout), "second\n");
    assert!(String::from_utf8_lossy(&output.stderr).contains("fork"));
}
