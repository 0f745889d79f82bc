//! Every limit is reached on purpose; the ending says which, and the host does not notice.
//! The receipt says who kept each limit. Programs that use up without end are in `bombs`.
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

use std::time::Duration;

use sandbox::{End, Layer, Mechanism, Outcome, Spec};
use support::{Project, fails, marker, processes_with, run, stdout, succeeds};

const MIB: u64 = 1024 * 1024;

#[test]
fn wall_time_ends_everything() {
    let marker = marker("wall");
    let project = Project::new();
    // A daemon that forked twice, left the session and ignores every signal it can.
    let script = format!(
        "trap '' TERM HUP INT; (setsid sh -c 'trap \"\" TERM HUP; : {marker}; sleep 1000' \
         >/dev/null 2>&1 &) ; echo ready; sleep 1000"
    );
    let mut spec = project.sh(&script);
    spec.limits.wall = Duration::from_secs(1);
    let mut before = Vec::new();
    let child = sandbox::launch(&spec).unwrap();
    let outcome = child.wait(&mut |_, _| before = processes_with(&marker));
    assert!(!before.is_empty(), "control: they are there before");
    assert_eq!(outcome.end, End::TimedOut);
    assert!(outcome.usage.wall >= Duration::from_secs(1));
    assert_eq!(processes_with(&marker), Vec::<i32>::new());
    assert_eq!(outcome.blocked, None);
}

#[test]
fn what_a_program_leaves_running_dies_with_it() {
    let marker = marker("left");
    let project = Project::new();
    let script = format!("setsid sh -c ': {marker}; sleep 1000' & sleep 0.2; echo started");
    assert_eq!(succeeds(&project.sh(&script)), "started\n");
    assert_eq!(processes_with(&marker), Vec::<i32>::new());
}

#[test]
fn a_flood_of_output_is_cut_and_costs_no_memory() {
    let project = Project::new();
    let mut spec = project.sh("head -c 1073741824 /dev/zero");
    spec.limits.output_bytes = 100_000;
    let mut handed_on = 0;
    let outcome = sandbox::launch(&spec).unwrap().wait(&mut |_, bytes| handed_on += bytes.len());
    assert_eq!(outcome.end, End::OutputExceeded);
    assert_eq!(outcome.stdout.bytes.len(), 100_000);
    assert!(outcome.stdout.truncated && !outcome.stderr.truncated);
    assert_eq!(handed_on, 100_000);
    spec.limits.output_bytes = 2 << 30;
    spec.argv = project.sh("head -c 100000000 /dev/zero").argv;
    let control = run(&spec);
    assert_eq!((control.end, control.stdout.bytes.len()), (End::Exited(0), 100_000_000));
}

#[test]
fn both_streams_count_against_one_limit() {
    let project = Project::new();
    let mut spec = project.sh("head -c 600 /dev/zero; head -c 600 /dev/zero >&2; sleep 9");
    spec.limits.output_bytes = 1000;
    let outcome = run(&spec);
    assert_eq!(outcome.end, End::OutputExceeded);
    assert_eq!(outcome.stdout.bytes.len() + outcome.stderr.bytes.len(), 1000);
}

#[test]
fn a_closed_stream_does_not_end_or_burn_anything() {
    let outcome = run(&Project::new().sh("exec >&-; sleep 0.3; echo late >&2"));
    assert_eq!(outcome.end, End::Exited(0));
    assert_eq!(support::stderr(&outcome), "late\n");
}

#[test]
fn memory_is_bounded() {
    let project = Project::new();
    let take = |mib: u32| {
        let mut spec = project.perl(&format!("my $x = 'y' x ({mib} << 20); print length $x"));
        spec.limits.memory_bytes = Some(96 * MIB);
        spec
    };
    assert_eq!(succeeds(&take(20)), (20 * MIB).to_string(), "control");
    let outcome = run(&take(400));
    assert_eq!(outcome.end, End::OutOfMemory);
    assert_eq!(outcome.blocked.map(|blocked| blocked.layer), Some(Layer::MemoryLimit));
}

#[test]
fn what_is_written_to_memory_file_systems_is_bounded() {
    let project = Project::new();
    for place in ["big", "/tmp/big", "/dev/shm/big", "/home/palisade/big"] {
        let mut spec = project.sh(&format!("head -c 30000000 /dev/zero > {place}"));
        spec.limits.workspace_bytes = 8 * MIB;
        let outcome = run(&spec);
        assert_eq!(outcome.end, End::DiskFull, "{place}");
        assert_eq!(outcome.blocked.map(|blocked| blocked.layer), Some(Layer::DiskLimit));
        spec.limits.workspace_bytes = 64 * MIB;
        assert_eq!(run(&spec).end, End::Exited(0), "control: {place}");
    }
    let mut many = project.sh("i=0; while [ $i -lt 500 ]; do : > f$i || exit 1; i=$((i+1)); done");
    assert_eq!(run(&many).end, End::Exited(0), "control");
    many.limits.workspace_inodes = 100;
    assert_eq!(run(&many).end, End::DiskFull);
    let mut sparse = project.spec(&["truncate", "-s", "1T", "sparse"]);
    sparse.limits.workspace_bytes = 8 * MIB;
    assert_eq!(run(&sparse).end, End::DiskFull);
}

/// Each file by itself, wherever it is written and however it grows; the control is a file that just fits.
#[test]
fn one_file_is_bounded() {
    let project = Project::new();
    project.file("long", &"x".repeat(20_000));
    for (write, ends) in [
        ("head -c {size} /dev/zero > f", true),
        ("head -c {size} /dev/zero > /tmp/f", true),
        ("head -c {half} /dev/zero > f; head -c {half} /dev/zero >> f", true),
        ("truncate -s {size} f", true),
        ("fallocate -l {size} f", true),
        // Two files of half the size each are two files.
        ("head -c {half} /dev/zero > f; head -c {half} /dev/zero > g", false),
    ] {
        let over = |size: u64| {
            let text = write.replace("{size}", &size.to_string());
            let mut spec = project.sh(&text.replace("{half}", &(size / 2).to_string()));
            spec.limits.file_bytes = Some(10_000);
            run(&spec)
        };
        let outcome = over(20_000);
        assert_eq!(outcome.end != End::Exited(0), ends, "{write}: {outcome:?}");
        assert_eq!(over(10_000).end, End::Exited(0), "control: {write}");
        let limits = &outcome.receipt.limits;
        let limit = limits.iter().find(|limit| limit.name == "file").unwrap();
        assert_eq!((limit.value, limit.mechanism), (10_000, Mechanism::Rlimit));
    }
    let mut raised = project.sh("ulimit -f unlimited && head -c 20000 /dev/zero > f");
    raised.limits.file_bytes = Some(10_000);
    assert_ne!(run(&raised).end, End::Exited(0));
    let mut none = project.sh("cat long > /dev/null; : > f; ! echo x > f");
    none.limits.file_bytes = Some(0);
    assert_ne!(run(&none).end, End::Exited(0), "the signal ends it");
    let mut quiet = project.sh("trap '' XFSZ; cat long > /dev/null; : > f; ! echo x > f");
    quiet.limits.file_bytes = Some(0);
    assert_eq!(run(&quiet).end, End::Exited(0), "reading is not bounded, and no byte is written");
}

#[test]
fn processes_are_bounded() {
    let bomb = "my $n = 0; while (1) { my $pid = fork; defined $pid or last; \
                if (!$pid) { sleep 100; exit } $n++ } print $n; exit 3";
    let project = Project::new();
    let mut spec = project.perl(bomb);
    spec.limits.pids = 20;
    let outcome = run(&spec);
    assert_eq!(stdout(&outcome), "19", "twenty with the program itself");
    match mechanism(&outcome, "processes") {
        // The kernel tells nobody; it is known only if the watchdog looked in time.
        Mechanism::Rlimit => assert!(matches!(outcome.end, End::Exited(3) | End::PidsExceeded)),
        _ => assert_eq!(outcome.end, End::PidsExceeded),
    }
    let mut tree: Spec = project.perl("while (1) { fork }");
    tree.limits.pids = 30;
    tree.limits.wall = Duration::from_millis(500);
    assert_eq!(run(&tree).end, End::TimedOut);
}

#[test]
fn open_files_are_bounded() {
    let program = "my @f; while (open(my $f, '<', '/dev/null')) { push @f, $f } print scalar @f";
    let project = Project::new();
    let mut spec = project.perl(program);
    spec.limits.open_files = 50;
    assert_eq!(succeeds(&spec), "47", "fifty with the three streams");
    fails(&project.sh("ulimit -n 4096"));
}

/// Every bound there is on this host, and who keeps it; nothing is merely asked for.
#[test]
fn the_receipt_says_who_keeps_which_limit() {
    let project = Project::new();
    let mut spec = project.sh("exit 0");
    spec.limits.cpu_time = Some(Duration::from_secs(60));
    let outcome = run(&spec);
    let by_group = !outcome.receipt.cgroups.is_empty();
    for (name, value, alone) in [
        ("memory", spec.limits.memory_bytes.unwrap(), Mechanism::Watchdog),
        ("processes", spec.limits.pids.into(), Mechanism::Rlimit),
        ("cpu_time", 60_000, Mechanism::Watchdog),
        ("open_files", spec.limits.open_files.into(), Mechanism::Rlimit),
        ("signals", 4096, Mechanism::Rlimit),
        ("watchers", 32, Mechanism::UserNamespace),
        ("workspace", spec.limits.workspace_bytes, Mechanism::Tmpfs),
        ("workspace_inodes", spec.limits.workspace_inodes, Mechanism::Tmpfs),
        ("output", spec.limits.output_bytes, Mechanism::Supervisor),
        ("wall", 300_000, Mechanism::Supervisor),
    ] {
        let limits = &outcome.receipt.limits;
        let limit = limits.iter().find(|limit| limit.name == name).unwrap();
        assert_eq!(limit.value, value, "{name}");
        let counted = ["memory", "processes", "cpu_time"].contains(&name) && by_group;
        match limit.mechanism {
            Mechanism::CgroupV1 | Mechanism::CgroupV2 => assert!(counted, "{name}"),
            other => assert_eq!((other, counted), (alone, false), "{name}"),
        }
    }
}

#[test]
fn no_core_is_dumped() {
    assert_eq!(succeeds(&Project::new().sh("ulimit -c")), "0\n");
}

#[test]
fn a_processor_limit_needs_a_cgroup() {
    let project = Project::new();
    let mut spec = project.perl("1 while 1");
    spec.limits.cpu_thousandths = Some(200);
    spec.limits.wall = Duration::from_secs(1);
    match sandbox::launch(&spec) {
        Ok(child) => {
            let outcome = child.wait(&mut |_, _| {});
            assert_ne!(mechanism(&outcome, "cpu"), Mechanism::Rlimit);
            let used = outcome.usage.cpu_user + outcome.usage.cpu_system;
            assert!(used < outcome.usage.wall / 2, "{:?}", outcome.usage);
        }
        Err(error) => {
            assert_eq!(error.to_string(), "the cpu limit cannot be enforced");
            assert!(error.fix().unwrap().contains("delegate a cgroup"));
        }
    }
}

fn mechanism(outcome: &Outcome, name: &str) -> Mechanism {
    let mut limits = outcome.receipt.limits.iter();
    limits.find(|limit| limit.name == name).unwrap().mechanism
}

#[test]
fn everything_again_as_an_ordinary_user() {
    support::again_as_an_ordinary_user("everything_again_as_an_ordinary_user");
}
