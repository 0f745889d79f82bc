//! What the sandbox tests have in common: a project folder, short specs, a second user.
//! Not a test by itself; nothing here asserts what a sandbox should do.
#![allow(dead_code, reason = "every test binary uses a part of this")]

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use sandbox::{End, LaunchError, Outcome, Spec, launch};

/// A project folder that goes away with the test.
pub struct Project(tempfile::TempDir);

impl Project {
    /// A folder with one file, `kept.txt`.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("kept.txt"), "kept\n").expect("a file");
        Self(folder)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(&path, content).expect("a file");
        path
    }

    /// A spec that runs a shell script in this project.
    pub fn sh(&self, script: &str) -> Spec {
        self.spec(&["sh", "-c", script])
    }

    /// A spec that runs a Perl program; Perl is there on every Debian and makes raw calls.
    pub fn perl(&self, program: &str) -> Spec {
        self.spec(&["perl", "-e", program])
    }

    pub fn spec(&self, argv: &[&str]) -> Spec {
        Spec::new(self.path(), argv.iter().map(OsString::from))
    }
}

/// Runs a spec to its end.
pub fn run(spec: &Spec) -> Outcome {
    match launch(spec) {
        Ok(child) => child.wait(&mut |_, _| {}),
        Err(error) => panic!("launch: {}", explain(&error)),
    }
}

/// The error of a spec that must not be launched.
pub fn refused(spec: &Spec) -> LaunchError {
    match launch(spec) {
        Ok(_) => panic!("launched although it must not be"),
        Err(error) => error,
    }
}

/// An error with its causes.
pub fn explain(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(explain).unwrap_or_default();
    format!("{error}: {cause}")
}

pub fn stdout(outcome: &Outcome) -> String {
    String::from_utf8_lossy(&outcome.stdout.bytes).into_owned()
}

pub fn stderr(outcome: &Outcome) -> String {
    String::from_utf8_lossy(&outcome.stderr.bytes).into_owned()
}

/// Runs a script that must succeed and returns what it printed.
pub fn succeeds(spec: &Spec) -> String {
    let outcome = run(spec);
    assert_eq!(outcome.end, End::Exited(0), "{}", stderr(&outcome));
    stdout(&outcome)
}

/// Runs a script that must fail by itself and returns what it complained about.
pub fn fails(spec: &Spec) -> String {
    let outcome = run(spec);
    assert!(
        matches!(outcome.end, End::Exited(code) if code != 0),
        "{:?}, printed {}",
        outcome.end,
        stdout(&outcome)
    );
    stderr(&outcome)
}

/// The same program without a sandbox: the control that shows what the sandbox prevents.
pub fn outside(argv: &[&str]) -> (bool, String) {
    let (program, rest) = argv.split_first().expect("a program");
    let output = Command::new(program).args(rest).output().expect("a child");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs the other tests of this binary once more as the user `nobody`, when they were started as
/// root. Started as an ordinary user they have just run as one, and there is nothing to repeat.
pub fn again_as_an_ordinary_user(own_name: &str) {
    const NOBODY: u32 = 65534;
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("an open folder");
    let copy = folder.path().join("tests");
    let own = std::env::current_exe().expect("the test binary");
    // By another process: one that is launched meanwhile would inherit the copy, open for writing,
    // and a file that is open for writing cannot be executed.
    let copied = Command::new("cp").args([&own, &copy]).status().expect("cp");
    assert!(copied.success(), "a copy others can execute");
    let output = Command::new(&copy)
        .args(["--skip", own_name])
        .env("HOME", "/nonexistent")
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .expect("a second run");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "as an ordinary user:\n{text}");
}

/// Processes of the host whose command line holds `marker`.
pub fn processes_with(marker: &str) -> Vec<i32> {
    let own = std::process::id().cast_signed();
    let entries = std::fs::read_dir("/proc").expect("a list of processes").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| *pid != own)
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(marker))
        })
        .collect()
}

/// Direct children of this process.
pub fn children() -> Vec<i32> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("a list of threads").flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let numbers = |list: String| {
        list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
    };
    lists.flat_map(numbers).collect()
}

/// Waits, at most ten seconds, until this process is dead.
pub fn wait_for_death(process: &std::os::fd::OwnedFd) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(process, PollFlags::IN)];
    let ready = poll(&mut fds, Some(&Timespec { tv_sec: 10, tv_nsec: 0 })).expect("poll");
    assert_eq!(ready, 1, "still alive");
}

/// A text no other test uses.
pub fn marker(name: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
