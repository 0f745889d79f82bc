//! The life of waiting slots: what dies, what is replaced, and that nothing is left of them.
//! In a binary of its own, because it looks at the children of this process.
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
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use sandbox::{Access, End, Mount, Pool, PoolCounts, PoolSize};
use support::{Project, children, is_root, wait_for_death};

/// Set in the run of this binary that plays a supervisor to be killed.
const VICTIM: &str = "PALISADE_TEST_VICTIM";
const SIZE: PoolSize = PoolSize { per_key: 2, total: 4, idle: Duration::from_secs(600) };

/// Tests look at the children of this process, so they take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn handle(pid: i32) -> OwnedFd {
    pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap()
}

/// Processes that a slot consists of: the first one and the one that waits to be the program.
fn inside(first: i32) -> Vec<i32> {
    let file = format!("/proc/{first}/task/{first}/children");
    let list = std::fs::read_to_string(file).unwrap();
    list.split_whitespace().map(|pid| pid.parse().unwrap()).chain([first]).collect()
}

#[test]
fn a_slot_that_died_is_noticed_and_replaced() {
    let _turn = turn();
    let project = Project::new();
    let spec = project.sh("exit 7");
    for victim in [0, 1] {
        let pool = Pool::new(PoolSize { per_key: 1, ..SIZE }).unwrap();
        assert!(pool.prepare(&spec).unwrap());
        let slot = inside(children()[0]);
        let handles = [handle(slot[0]), handle(slot[1])];
        kill_process(Pid::from_raw(slot[victim]).unwrap(), Signal::KILL).unwrap();
        handles.iter().for_each(wait_for_death);
        let outcome = pool.launch(&spec).unwrap().wait(&mut |_, _| {});
        assert_eq!((outcome.end, outcome.receipt.warm), (End::Exited(7), false));
        assert_eq!(pool.counts(), PoolCounts { cold: 1, lost: 1, ..PoolCounts::default() });
        pool.settle();
        assert_eq!(pool.waiting(), 1, "another one waits");
        assert!(pool.launch(&spec).unwrap().wait(&mut |_, _| {}).receipt.warm);
    }
}

#[test]
fn a_dead_slot_is_not_kept() {
    let _turn = turn();
    let project = Project::new();
    let spec = project.sh("exit 0");
    let pool = Pool::new(SIZE).unwrap();
    pool.prepare(&spec).unwrap();
    assert_eq!(pool.expire(std::time::Instant::now()), 0);
    let slot = inside(children()[0]);
    let dead = handle(slot[1]);
    kill_process(Pid::from_raw(slot[1]).unwrap(), Signal::KILL).unwrap();
    wait_for_death(&dead);
    assert_eq!(pool.expire(std::time::Instant::now()), 1, "a dead one is not kept");
    assert_eq!((pool.waiting(), children()), (0, Vec::new()));
}

#[test]
fn a_slot_that_does_not_answer_is_killed_before_a_cold_start() {
    let _turn = turn();
    let project = Project::new();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().canonicalize().unwrap();
    let mut spec = project.sh("echo ran >> /up/runs");
    spec.mounts.push(Mount { source, target: "/up".into(), access: Access::Write });
    let pool = Pool::new(PoolSize { per_key: 1, ..SIZE }).unwrap();
    pool.prepare(&spec).unwrap();
    let slot = inside(children()[0]);
    let dead = handle(slot[0]);
    kill_process(Pid::from_raw(slot[0]).unwrap(), Signal::STOP).unwrap();
    let child = pool.launch(&spec).unwrap();
    wait_for_death(&dead);
    assert!(!child.receipt().warm);
    assert_eq!(child.wait(&mut |_, _| {}).end, End::Exited(0));
    assert_eq!(std::fs::read_to_string(folder.path().join("runs")).unwrap(), "ran\n");
    assert_eq!(pool.counts(), PoolCounts { cold: 1, lost: 1, ..PoolCounts::default() });
}

#[test]
fn a_dropped_pool_ends_its_slots_and_no_program() {
    let _turn = turn();
    let project = Project::new();
    let pool = Pool::new(SIZE).unwrap();
    let running = pool.launch(&project.sh("sleep 0.5; echo done")).unwrap();
    pool.settle();
    let warm = pool.launch(&project.sh("sleep 0.5; echo done")).unwrap();
    assert!(warm.receipt().warm);
    pool.settle();
    assert_eq!((pool.waiting(), children().len()), (2, 4), "control");
    drop(pool);
    assert_eq!(children().len(), 2, "only the programs are left");
    for child in [running, warm] {
        let outcome = child.wait(&mut |_, _| {});
        assert_eq!((outcome.end, outcome.stdout.bytes), (End::Exited(0), b"done\n".to_vec()));
    }
    assert_eq!(children(), Vec::<i32>::new());
}

#[test]
fn nothing_of_a_pool_survives_its_killed_supervisor() {
    let _turn = turn();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let line =
        lines.find_map(|line| line.unwrap().split_once("slots: ").map(|(_, list)| list.to_owned()));
    let slots: Vec<i32> = line.unwrap().split(' ').map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(slots.len(), 6, "control: three slots of two processes each");
    let handles: Vec<_> = slots.into_iter().map(handle).collect();
    victim.kill().unwrap();
    victim.wait().unwrap();
    handles.iter().for_each(wait_for_death);
}

/// Not a test by itself: the supervisor that is killed while slots wait.
#[test]
fn victim() {
    if std::env::var_os(VICTIM).is_none() {
        return;
    }
    let projects = [Project::new(), Project::new()];
    let pool = Pool::new(SIZE).unwrap();
    for (project, count) in projects.iter().zip([2, 1]) {
        (0..count).for_each(|_| assert!(pool.prepare(&project.sh("exit 0")).unwrap()));
    }
    let slots: Vec<_> =
        children().into_iter().flat_map(inside).map(|pid| pid.to_string()).collect();
    println!("slots: {}", slots.join(" "));
    // Waits for the end that comes from outside.
    support::run(&projects[0].sh("sleep 1000"));
}

#[test]
fn the_memory_of_a_slot_is_closed_to_other_processes() {
    let _turn = turn();
    let project = Project::new();
    let pool = Pool::new(SIZE).unwrap();
    pool.prepare(&project.sh("exit 0")).unwrap();
    let slot = inside(children()[0]);
    assert_eq!(slot.len(), 2);
    for pid in slot {
        // Root may read everything; nobody else may, not even the same user.
        let read = std::fs::read_link(format!("/proc/{pid}/exe"));
        assert_eq!(read.is_ok(), is_root());
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.rsplit('\t').next().unwrap().to_owned()
        };
        assert_eq!(field("CapBnd:"), "0000000000000000");
        assert_eq!(field("NoNewPrivs:"), "1");
    }
    let waiting = std::fs::read_to_string(format!("/proc/{}/status", inside(children()[0])[0]));
    assert!(waiting.unwrap().contains("Seccomp:\t2"), "the filter is in force while it waits");
}

#[test]
fn many_threads_share_one_pool() {
    let _turn = turn();
    let projects = [Project::new(), Project::new(), Project::new()];
    let pool = Pool::new(PoolSize { per_key: 2, total: 3, ..SIZE }).unwrap();
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (pool, project) = (&pool, &projects[number % 3]);
            scope.spawn(move || {
                for _ in 0..15 {
                    let child = pool.launch(&project.sh(&format!("exit {number}"))).unwrap();
                    let end = child.wait(&mut |_, _| {}).end;
                    assert_eq!(end, End::Exited(number.try_into().unwrap()));
                }
            });
        }
    });
    pool.settle();
    let counts = pool.counts();
    assert_eq!(counts.warm + counts.cold, 90);
    assert!(counts.warm > 0 && pool.waiting() <= 3, "{counts:?}");
    drop(pool);
    assert_eq!(children(), Vec::<i32>::new());
}

#[test]
fn everything_again_as_an_ordinary_user() {
    let _turn = turn();
    support::again_as_an_ordinary_user("everything_again_as_an_ordinary_user");
}
