//! Many sandboxes in a row, cold and warm by turns, leave nothing; and a hundred run at once.
//!
//! Five hundred by default, `PALISADE_SANDBOXES` as many as wanted (`cargo xtask soak`). In a
//! binary of its own, because it counts what this whole process has; as root also what the kernel
//! holds for everybody, where others make noise, so only growth with the number counts there.

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

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, mkfifoat};
use sandbox::{Access, End, Mount, Pool, PoolSize, Spec, launch};
use support::{Project, children, is_root, run};

/// How many in a row, where not five hundred.
const COUNT: &str = "PALISADE_SANDBOXES";
/// Set in the run of this binary that leaks on purpose.
const LEAK: &str = "PALISADE_TEST_LEAK";
/// Sandboxes at one time.
const CROWD: usize = 100;

/// The tests count, or start, children of this process, so they take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> std::sync::MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What this process has, by name: exactly the same before and after.
type Traces = BTreeMap<&'static str, u64>;

/// Children, mounts in its view, descriptors, groups under its name, namespaces that its
/// children are in, memory mappings, files of the project and the temporary folder.
fn traces(project: &Project) -> Traces {
    let own = std::process::id();
    let lines = |path: &str| std::fs::read_to_string(path).unwrap().lines().count() as u64;
    let children = children();
    BTreeMap::from([
        ("processes", children.len() as u64),
        ("mounts", lines("/proc/self/mountinfo")),
        ("namespaces", namespaces(&children)),
        ("groups", named(Path::new("/sys/fs/cgroup"), &format!("palisade-{own}-"), 4)),
        ("descriptors", entries("/proc/self/fd")),
        ("project files", entries(project.path().to_str().unwrap())),
        ("mappings of shared memory", mappings("/dev/zero") + mappings("memfd")),
    ])
}

/// Distinct namespaces of these processes that are not those of this one.
fn namespaces(children: &[i32]) -> u64 {
    let of = |pid: &str| {
        let links = std::fs::read_dir(format!("/proc/{pid}/ns")).into_iter().flatten().flatten();
        links.filter_map(|link| std::fs::read_link(link.path()).ok()).collect::<Vec<_>>()
    };
    let own = of("self");
    let mut found: Vec<_> = children.iter().flat_map(|pid| of(&pid.to_string())).collect();
    found.retain(|link| !own.contains(link));
    found.sort();
    found.dedup();
    found.len() as u64
}

fn entries(folder: &str) -> u64 {
    std::fs::read_dir(folder).unwrap().count() as u64
}

/// Folders below `folder` whose name starts with `prefix`.
fn named(folder: &Path, prefix: &str, depth: usize) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders
        .map(|entry| {
            let deeper = if depth > 0 { named(&entry.path(), prefix, depth - 1) } else { 0 };
            u64::from(entry.file_name().to_string_lossy().starts_with(prefix)) + deeper
        })
        .sum()
}

fn mappings(name: &str) -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains(name)).count() as u64
}

/// What the kernel holds for everybody, as root can see it: objects by kind, and groups.
fn held() -> Traces {
    const KINDS: [&str; 5] =
        ["net_namespace", "mnt_cache", "pid_namespace", "user_namespace", "uts_namespace"];
    let slabs = std::fs::read_to_string("/proc/slabinfo").unwrap_or_default();
    let groups = std::fs::read_to_string("/proc/cgroups").unwrap_or_default();
    let field = |text: &str, name: &str, index: usize| {
        let mut lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        lines.find(|line| line.first() == Some(&name))?.get(index)?.parse::<u64>().ok()
    };
    let objects = KINDS.iter().filter_map(|name| Some((*name, field(&slabs, name, 1)?)));
    let groups = ["memory", "pids", "freezer"].iter().filter_map(|name| {
        let count = field(&groups, name, 2)?;
        Some((*name, count))
    });
    objects.chain(groups).collect()
}

/// Resident memory of this process in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// One sandbox, every second one from the pool.
fn one(number: usize, pool: &Pool, spec: &Spec) -> bool {
    let launched = if number.is_multiple_of(2) { launch(spec) } else { pool.launch(spec) };
    let outcome = launched.unwrap().wait(&mut |_, _| {});
    assert_eq!(outcome.end, End::Exited(0), "sandbox {number}");
    outcome.receipt.warm
}

#[test]
fn hundreds_in_a_row_leave_nothing() {
    let _turn = turn();
    let count = std::env::var(COUNT).map_or(500, |count| count.parse().unwrap());
    let project = Project::new();
    let spec = project.sh("echo x > file; mkdir folder; (sleep 100 &) ; echo out");
    let size = PoolSize { per_key: 2, total: 2, idle: Duration::from_secs(600) };
    let pool = Pool::new(size).unwrap();
    assert_eq!((0..20).filter(|number| one(*number, &pool, &spec)).count(), 9, "the first is cold");
    pool.settle();
    pool.expire(Instant::now() + size.idle * 2);
    let (before, held_before, memory_before) = (traces(&project), held(), memory());
    let started = Instant::now();
    let warm = (0..count).filter(|number| one(*number, &pool, &spec)).count();
    pool.settle();
    pool.expire(Instant::now() + size.idle * 2);
    let took = started.elapsed();
    assert_eq!(traces(&project), before);
    assert_eq!((before["processes"], before["namespaces"], before["groups"]), (0, 0, 0));
    let grown = settled(&held_before, count as u64 / 4);
    let memory_after = memory();
    println!("{count} sandboxes, {warm} of them warm, in {took:?}");
    println!("before and after: {before:?}");
    println!("held by the kernel: {held_before:?}, then {:?}", held());
    println!("memory: {memory_before} KiB, then {memory_after} KiB");
    assert_eq!(grown, [""; 0], "what grew with the number of sandboxes");
    assert!(memory_after < memory_before + 8192, "{memory_before} KiB, then {memory_after} KiB");
    drop(pool);
}

/// The kernel clears up in the background, and others use it too: waits until nothing has grown by
/// more than `most`, at most half a minute, and returns what has.
fn settled(before: &Traces, most: u64) -> Vec<&'static str> {
    let end = Instant::now() + Duration::from_secs(30);
    let project = Project::new();
    loop {
        let now = held();
        let grown = |name: &&&'static str| now[**name] > before[**name] + most.max(100);
        let grown: Vec<_> = before.keys().filter(grown).copied().collect();
        if grown.is_empty() || Instant::now() > end {
            return grown;
        }
        run(&project.sh("sleep 0.2"));
    }
}

#[test]
fn a_leak_of_each_kind_is_noticed() {
    let _turn = turn();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "leaking", "--nocapture"])
        .env(LEAK, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let all = ["processes", "descriptors", "project files", "namespaces", "groups"];
    // An ordinary user has no groups, and may not see the namespaces of a closed process.
    let seen = if is_root() { &all[..] } else { &all[..3] };
    for kind in seen {
        assert!(text.contains(&format!("grew: {kind}\n")), "{kind}: {text}");
    }
}

/// Not a test by itself: leaks on purpose, says what it sees, and ends with what it leaked.
#[test]
fn leaking() {
    if std::env::var_os(LEAK).is_none() {
        return;
    }
    let project = Project::new();
    run(&project.sh("exit 0"));
    let (before, kept) = (traces(&project), memory());
    for number in 0..8 {
        std::mem::forget(launch(&project.sh("sleep 1000")).unwrap());
        project.file(&format!("left-{number}"), "");
        std::mem::forget(vec![1_u8; 2 << 20]);
    }
    for (name, count) in traces(&project) {
        if count > before[name] {
            println!("grew: {name}");
        }
    }
    assert!(memory() > kept + 8192, "memory that is kept is noticed too");
}

#[test]
fn a_hundred_run_at_once() {
    let _turn = turn();
    let (project, folder) = (Project::new(), tempfile::tempdir().unwrap());
    let source = folder.path().canonicalize().unwrap();
    mkfifoat(CWD, source.join("gate"), Mode::RWXU).unwrap();
    let mut spec = project.sh("read line < /up/gate && echo passed");
    spec.mounts.push(Mount { source, target: "/up".into(), access: Access::Write });
    let before = traces(&project);
    let children: Vec<_> = (0..CROWD).map(|_| launch(&spec).unwrap()).collect();
    let during = traces(&project);
    assert_eq!(during["processes"], before["processes"] + CROWD as u64);
    assert!(during["namespaces"] >= 7 * CROWD as u64 || during["namespaces"] == 0, "{during:?}");
    let mut gate = std::fs::OpenOptions::new();
    let mut gate = gate.read(true).write(true).open(folder.path().join("gate")).unwrap();
    std::io::Write::write_all(&mut gate, "\n".repeat(CROWD).as_bytes()).unwrap();
    for child in children {
        let outcome = child.wait(&mut |_, _| {});
        assert_eq!((outcome.end, outcome.stdout.bytes), (End::Exited(0), b"passed\n".to_vec()));
    }
    drop(gate);
    assert_eq!(traces(&project), before);
}

#[test]
fn everything_again_as_an_ordinary_user() {
    let _turn = turn();
    support::again_as_an_ordinary_user("everything_again_as_an_ordinary_user");
}
