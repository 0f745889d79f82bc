//! Two hundred sandboxes in a row leave no process, mount, descriptor or group.
//!
//! In a binary of its own, because it counts what this whole process has.

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

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use sandbox::End;
use support::{Project, run};

/// The two tests count, or start, children of this process, so they take turns.
static TURN: Mutex<()> = Mutex::new(());

/// What this process has: children, mounts in its view, descriptors, groups under its name.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    children: String,
    mounts: usize,
    descriptors: usize,
    groups: usize,
}

fn traces(groups: &[String]) -> Traces {
    let count = |path: &Path| std::fs::read_dir(path).unwrap().count();
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let children =
        tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let own = format!("palisade-{}-", std::process::id());
    let named = |group: &String| {
        let siblings = std::fs::read_dir(Path::new(group).parent().unwrap()).unwrap().flatten();
        siblings.filter(|entry| entry.file_name().to_string_lossy().starts_with(&own)).count()
    };
    Traces {
        children: children.collect(),
        mounts: std::fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count(),
        descriptors: count(Path::new("/proc/self/fd")),
        groups: groups.iter().map(named).sum(),
    }
}

#[test]
fn two_hundred_in_a_row_leave_nothing() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let project = Project::new();
    let spec = project.sh("echo x > file; mkdir folder");
    let groups = run(&spec).receipt.cgroups;
    let child = sandbox::launch(&spec).unwrap();
    let during = traces(&groups);
    drop(child);
    let before = traces(&groups);
    assert_ne!(during, before, "control: a running sandbox leaves traces");
    for _ in 0..200 {
        assert_eq!(run(&spec).end, End::Exited(0));
    }
    assert_eq!(traces(&groups), before);
    assert_eq!((before.groups, before.children.as_str()), (0, ""));
}

#[test]
fn everything_again_as_an_ordinary_user() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    support::again_as_an_ordinary_user("everything_again_as_an_ordinary_user");
}
