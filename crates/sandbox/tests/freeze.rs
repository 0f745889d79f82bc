//! Freezing and resuming: everything stands still, time does not count, and ending still works.
//! As root also on a host without the unified hierarchy, which is played by unmounting it.
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

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use sandbox::{Access, Child, End, FreezeError, Freezer, Mount, Spec, launch};
use support::{Project, explain, is_root, marker, processes_with, run, wait_for_death};

/// Set in the run of this binary that plays a supervisor to be killed.
const VICTIM: &str = "PALISADE_TEST_VICTIM";
/// Writes as fast as it can, in a process of its own beside others that only wait.
const COUNTER: &str =
    "sleep 1000 & (setsid sh -c 'echo > /up/up; while :; do echo >> /up/count; done') & wait";

/// A sandbox in which a daemon adds to a file of the host, and that file.
struct Counter {
    child: Child,
    folder: tempfile::TempDir,
}

impl Counter {
    fn start(change: impl FnOnce(&mut Spec)) -> Self {
        let project = Project::new();
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().canonicalize().unwrap();
        mkfifoat(CWD, source.join("up"), Mode::RWXU).unwrap();
        let mut spec = project.sh(COUNTER);
        spec.mounts.push(Mount { source, target: "/up".into(), access: Access::Write });
        change(&mut spec);
        let child = launch(&spec).unwrap();
        std::fs::read(folder.path().join("up")).unwrap();
        Self { child, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("count")
    }
}

/// Passes a little time without sleeping here.
fn pass(seconds: &str) {
    assert_eq!(run(&Project::new().sh(&format!("sleep {seconds}"))).end, End::Exited(0));
}

/// Whether the counter goes on while a little time passes.
fn counts(file: &Path) -> bool {
    let size = || std::fs::metadata(file).map_or(0, |found| found.len());
    let before = size();
    pass("0.2");
    before != size()
}

/// Freezes; `None` where nothing is delegated, which never is so for root.
fn frozen(child: &Child) -> Option<Freezer> {
    let freezer = child.freezer();
    match freezer.freeze() {
        Ok(()) => Some(freezer),
        Err(FreezeError::NotDelegated) if !is_root() => None,
        Err(error) => panic!("freeze: {}", explain(&error)),
    }
}

#[test]
fn everything_stands_still_and_goes_on() {
    let counter = Counter::start(|_| {});
    assert!(counts(&counter.file()), "control: it counts");
    let Some(freezer) = frozen(&counter.child) else { return };
    assert!(freezer.is_frozen());
    assert!(!counts(&counter.file()));
    freezer.freeze().unwrap();
    for _ in 0..3 {
        freezer.resume().unwrap();
        assert!(!freezer.is_frozen());
        assert!(counts(&counter.file()));
        freezer.freeze().unwrap();
        assert!(!counts(&counter.file()));
    }
    freezer.resume().unwrap();
    freezer.resume().unwrap();
    assert!(counts(&counter.file()));
}

#[test]
fn a_storm_of_forks_is_frozen_too() {
    let counter = Counter::start(|spec| {
        spec.limits.pids = 24;
        let fork = "(echo >> /up/count) & (echo >> /up/count)";
        let storm = format!("(while :; do {fork}; done) 2>/dev/null & ").repeat(3);
        let storm = storm.replace("/up/count", "/up/storm");
        spec.argv[2] = format!("{storm} {COUNTER}").into();
    });
    let Some(freezer) = frozen(&counter.child) else { return };
    let storm = counter.folder.path().join("storm");
    assert!(!counts(&counter.file()) && !counts(&storm));
    freezer.resume().unwrap();
    assert!(counts(&storm), "control: it forks again");
}

#[test]
fn frozen_time_does_not_count_against_the_wall_time() {
    let project = Project::new();
    let mut spec = project.sh("sleep 1; echo done");
    spec.limits.wall = Duration::from_millis(1800);
    let child = launch(&spec).unwrap();
    let Some(freezer) = frozen(&child) else { return };
    let waiting = std::thread::spawn(move || child.wait(&mut |_, _| {}));
    pass("2.5");
    freezer.resume().unwrap();
    let outcome = waiting.join().unwrap();
    assert_eq!(outcome.end, End::Exited(0));
    assert!(outcome.usage.wall > Duration::from_secs(2), "frozen time is part of the usage");
    spec.argv[2] = "sleep 1000".into();
    let child = launch(&spec).unwrap();
    let freezer = frozen(&child).unwrap();
    freezer.resume().unwrap();
    assert_eq!(child.wait(&mut |_, _| {}).end, End::TimedOut, "control: the wall time is kept");
}

#[test]
fn a_frozen_sandbox_can_be_cancelled() {
    let marker = marker("frozen-cancel");
    let counter = Counter::start(|spec| spec.argv.push((&marker).into()));
    let Some(_freezer) = frozen(&counter.child) else { return };
    assert!(!processes_with(&marker).is_empty(), "control");
    counter.child.canceller().cancel();
    assert_eq!(counter.child.wait(&mut |_, _| {}).end, End::Cancelled);
    assert_eq!(processes_with(&marker), Vec::<i32>::new());
}

#[test]
fn a_frozen_sandbox_can_be_dropped_and_leaves_no_group() {
    let marker = marker("frozen-drop");
    let counter = Counter::start(|spec| spec.argv.push((&marker).into()));
    let Some(freezer) = frozen(&counter.child) else { return };
    let name = format!("*/palisade-{}*", counter.child.receipt().sandbox);
    let groups = || {
        let found = Command::new("find")
            .args(["/sys/fs/cgroup", "-type", "d", "-path", &name])
            .output()
            .unwrap();
        String::from_utf8_lossy(&found.stdout).lines().count()
    };
    assert!(groups() > counter.child.receipt().cgroups.len(), "control: there is one more group");
    drop(counter);
    assert_eq!((processes_with(&marker), groups()), (Vec::new(), 0));
    assert!(matches!(freezer.freeze(), Err(FreezeError::Ended)));
    assert!(matches!(freezer.resume(), Err(FreezeError::Ended)));
    assert!(!freezer.is_frozen());
}

#[test]
fn what_has_ended_is_not_frozen() {
    let child = launch(&Project::new().sh("exit 3")).unwrap();
    let freezer = child.freezer();
    assert_eq!(child.wait(&mut |_, _| {}).end, End::Exited(3));
    let expected = if is_root() { "Ended" } else { "NotDelegated or Ended" };
    assert!(
        matches!(freezer.freeze(), Err(FreezeError::Ended | FreezeError::NotDelegated)),
        "{expected}"
    );
}

#[test]
fn without_a_delegated_group_it_is_refused_and_nothing_changes() {
    let counter = Counter::start(|_| {});
    let freezer = counter.child.freezer();
    match freezer.freeze() {
        Ok(()) => freezer.resume().unwrap(),
        Err(error @ FreezeError::NotDelegated) => {
            assert!(!is_root() && error.fix().unwrap().contains("delegate"));
        }
        Err(other) => panic!("{}", explain(&other)),
    }
    assert!(counts(&counter.file()) && !freezer.is_frozen());
}

#[test]
fn nothing_survives_a_supervisor_killed_while_it_was_frozen() {
    let marker = marker("frozen-orphan");
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--nocapture"])
        .env(VICTIM, &marker)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("frozen")), "the victim got that far");
    let inside: Vec<_> = processes_with(&marker)
        .into_iter()
        .filter(|pid| *pid != victim.id().cast_signed())
        .filter_map(|pid| pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok())
        .collect();
    assert!(!inside.is_empty(), "control: the program is there");
    victim.kill().unwrap();
    victim.wait().unwrap();
    for process in &inside {
        wait_for_death(process);
    }
    assert_eq!(processes_with(&marker), Vec::<i32>::new());
}

/// Not a test by itself: the supervisor that is killed.
#[test]
fn victim() {
    let Ok(marker) = std::env::var(VICTIM) else { return };
    let counter = Counter::start(|spec| spec.argv.push(marker.into()));
    let freezer = counter.child.freezer();
    assert!(freezer.freeze().is_ok() || !is_root());
    println!("frozen");
    counter.child.wait(&mut |_, _| {});
}

#[test]
fn everything_again_with_the_older_freezer() {
    if !is_root() {
        return;
    }
    let own = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c"])
        .arg("umount -a -t cgroup2 && ! grep -q ' cgroup2 ' /proc/self/mountinfo && exec \"$0\" \"$@\"")
        .arg(own)
        .args(["--skip", "everything_again"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "with the older freezer:\n{text}");
    assert!(text.contains("nothing_survives_a_supervisor_killed_while_it_was_frozen ... ok"));
}

#[test]
fn everything_again_as_an_ordinary_user() {
    support::again_as_an_ordinary_user("everything_again_as_an_ordinary_user");
}
