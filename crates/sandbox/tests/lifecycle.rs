//! Nothing is left behind: not by a dropped, cancelled or killed sandbox. Many in a row: `leaks`.
//! Processes are looked for on the host, by a text that no other test uses.
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
use std::process::{Command, Stdio};

use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use sandbox::{Access, Child, End, Mount, launch};
use support::{Project, marker, processes_with, run, wait_for_death};

/// Set in the run of this binary that plays a supervisor to be killed.
const VICTIM: &str = "PALISADE_TEST_VICTIM";

/// A program that is known to run: it has opened a FIFO that only it opens for writing.
fn sleeper(project: &Project, marker: &str) -> Child {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().canonicalize().unwrap();
    mkfifoat(CWD, source.join("up"), Mode::RWXU).unwrap();
    let mut spec = project.sh(&format!(": {marker}; echo > /up/up; sleep 1000; :"));
    let target = "/up".into();
    spec.mounts.push(Mount { source: source.clone(), target, access: Access::Write });
    let child = launch(&spec).unwrap();
    std::fs::read(source.join("up")).unwrap();
    child
}

#[test]
fn many_at_once_from_many_threads() {
    std::thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || {
                let project = Project::new();
                for _ in 0..5 {
                    let outcome = run(&project.sh(&format!("exit {number}")));
                    assert_eq!(outcome.end, End::Exited(number));
                }
            });
        }
    });
}

#[test]
fn a_sandbox_outlives_the_thread_that_launched_it() {
    let project = Project::new();
    let spec = project.sh("sleep 0.3; echo done");
    let child = std::thread::spawn(move || launch(&spec).unwrap()).join().unwrap();
    assert_eq!(child.wait(&mut |_, _| {}).end, End::Exited(0));
}

#[test]
fn a_dropped_child_is_dead() {
    let (project, marker) = (Project::new(), marker("dropped"));
    let child = sleeper(&project, &marker);
    assert!(!processes_with(&marker).is_empty(), "control");
    let groups = child.receipt().cgroups.clone();
    drop(child);
    assert_eq!(processes_with(&marker), Vec::<i32>::new());
    for group in groups {
        assert!(!std::path::Path::new(&group).exists(), "{group}");
    }
}

#[test]
fn a_cancelled_child_is_dead() {
    let (project, marker) = (Project::new(), marker("cancelled"));
    let child = sleeper(&project, &marker);
    let canceller = child.canceller();
    let other = canceller.clone();
    let thread = std::thread::spawn(move || other.cancel());
    assert_eq!(child.wait(&mut |_, _| {}).end, End::Cancelled);
    thread.join().unwrap();
    assert_eq!(processes_with(&marker), Vec::<i32>::new());
    canceller.cancel();
}

#[test]
fn a_program_that_has_ended_was_not_cancelled() {
    let child = launch(&Project::new().sh("exit 5")).unwrap();
    let canceller = child.canceller();
    let outcome = child.wait(&mut |_, _| {});
    canceller.cancel();
    assert_eq!(outcome.end, End::Exited(5));
}

#[test]
fn nothing_survives_a_killed_supervisor() {
    let marker = marker("orphan");
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--nocapture"])
        .env(VICTIM, &marker)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("launched")), "the victim got that far");
    let inside: Vec<_> = processes_with(&marker)
        .into_iter()
        .filter(|pid| *pid != victim.id().cast_signed())
        .filter_map(|pid| pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok())
        .collect();
    assert!(!inside.is_empty(), "control: the program runs");
    victim.kill().unwrap();
    victim.wait().unwrap();
    for process in &inside {
        wait_for_death(process);
    }
    assert_eq!(processes_with(&marker), Vec::<i32>::new());
}

/// Not a test by itself: the supervisor that [`nothing_survives_a_killed_supervisor`] kills.
#[test]
fn victim() {
    let Ok(marker) = std::env::var(VICTIM) else { return };
    let project = Project::new();
    let child = sleeper(&project, &marker);
    println!("launched");
    child.wait(&mut |_, _| {});
}

#[test]
fn everything_again_as_an_ordinary_user() {
    support::again_as_an_ordinary_user("everything_again_as_an_ordinary_user");
}
