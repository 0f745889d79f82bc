//! Warm slots: they do what a cold start does, and are used only while nothing has changed.
//! Shutdown and what a crash leaves are in `lifecycle` and here; speed is measured by the bench.
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

use std::io::Write as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use sandbox::{
    Access, Child, End, LaunchError, Mount, Network, Outcome, Pool, PoolCounts, PoolSize, Profile,
    Spec,
};
use support::{Project, explain, run, stderr, stdout};

const SIZE: PoolSize = PoolSize { per_key: 1, total: 4, idle: Duration::from_secs(600) };

fn pool() -> Pool {
    Pool::new(SIZE).unwrap()
}

/// A pool in which one slot waits for specs like this one.
fn prepared(spec: &Spec) -> Pool {
    let pool = pool();
    assert!(pool.prepare(spec).unwrap(), "a slot was made");
    assert_eq!(pool.waiting(), 1);
    pool
}

fn launch(pool: &Pool, spec: &Spec) -> Child {
    pool.launch(spec).unwrap_or_else(|error| panic!("launch: {}", explain(&error)))
}

fn finish(child: Child) -> Outcome {
    child.wait(&mut |_, _| {})
}

/// Launches from a pool and returns whether that was warm, and what was printed.
fn warmth(pool: &Pool, spec: &Spec) -> (bool, String) {
    let outcome = finish(launch(pool, spec));
    assert_eq!(outcome.end, End::Exited(0), "{}", stderr(&outcome));
    (outcome.receipt.warm, stdout(&outcome))
}

#[test]
fn a_slot_is_told_program_environment_folder_and_input() {
    let project = Project::new();
    project.file("sub/own.txt", "own\n");
    let mut spec = project.sh("cat; echo $GIVEN $HOME; pwd; cat own.txt; echo $1 >&2");
    let pool = prepared(&project.spec(&["another-program"]));
    spec.argv.extend(["sh".into(), "argument".into()]);
    spec.env.push(("GIVEN".into(), "value".into()));
    spec.cwd = "/workspace/sub".into();
    spec.stdin = b"input\n".to_vec();
    let outcome = finish(launch(&pool, &spec));
    assert!(outcome.receipt.warm);
    assert_eq!(stdout(&outcome), "input\nvalue /home/palisade\n/workspace/sub\nown\n");
    assert_eq!(stderr(&outcome), "argument\n");
    assert_eq!(pool.counts(), PoolCounts { warm: 1, ..PoolCounts::default() });
}

#[test]
fn warm_and_cold_look_the_same_from_inside() {
    let project = Project::new();
    let looks = [
        "id; hostname; pwd; env | sort; stat -c '%A %U %G %N' /* /dev/* /workspace/*; ulimit -a",
        "cat /proc/self/mountinfo | sed 's/^[0-9]* [0-9]* [0-9:]*//' | sort",
        "grep -v -e ctxt -e Pid -e Vm -e Rss -e Cpus_allowed -e Mems_allowed /proc/self/status",
        "readlink /proc/self/fd/0; ls /proc/self/fd; exit 0",
        "umask; cat /proc/self/comm; tr '\\0' ' ' </proc/self/cmdline; echo /proc/[0-9]*",
    ];
    for look in looks {
        let spec = project.sh(look);
        let pool = prepared(&spec);
        let (warm, seen) = warmth(&pool, &spec);
        assert!(warm);
        assert_eq!(seen, stdout(&run(&spec)), "{look}");
    }
}

#[test]
fn an_empty_input_is_the_same_device_warm_and_cold() {
    let project = Project::new();
    let spec = project.sh("readlink /proc/self/fd/0");
    assert_eq!(warmth(&prepared(&spec), &spec), (true, "/dev/null\n".to_owned()));
    let given = Spec { stdin: b"x".to_vec(), ..project.sh("cat; echo y 2>&1 >/proc/self/fd/0") };
    let outcome = finish(launch(&prepared(&given), &given));
    assert!(outcome.receipt.warm && stdout(&outcome).starts_with('x'));
    assert_ne!(outcome.end, End::Exited(0), "the input is sealed");
}

#[test]
fn the_receipt_of_a_slot_proves_as_much() {
    let project = Project::new();
    let spec = project.sh("exit 0");
    let (warm, cold) = (finish(launch(&prepared(&spec), &spec)).receipt, run(&spec).receipt);
    assert!(warm.warm && !cold.warm);
    assert_eq!(warm.verified, cold.verified);
    assert_eq!(warm.layers, cold.layers);
    assert_eq!(warm.limits, cold.limits);
    assert_eq!(warm.seccomp, cold.seccomp);
    assert_ne!(warm.namespaces.pid, cold.namespaces.pid);
}

#[test]
fn a_slot_with_a_network_has_its_listener() {
    let project = Project::new();
    let connect = r#"use IO::Socket::INET;
        my $socket = IO::Socket::INET->new("127.0.0.1:3128") or die "connect: $!";
        print scalar(<$socket>), $ENV{http_proxy};"#;
    let mut spec = project.perl(connect);
    (spec.profile, spec.network) = (Profile::StandardNet, Network::Proxy);
    let mut child = launch(&prepared(&spec), &spec);
    let listener = TcpListener::from(child.take_listener().expect("a listener"));
    let answering = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.write_all(b"answered\n").unwrap();
    });
    let outcome = finish(child);
    assert_eq!((outcome.end.clone(), outcome.receipt.warm), (End::Exited(0), true));
    answering.join().unwrap();
    assert_eq!(stdout(&outcome), "answered\nhttp://127.0.0.1:3128");
}

#[test]
fn a_slot_is_used_once() {
    let project = Project::new();
    let spec = project.sh("cat left 2>/dev/null; echo x > left; echo x > /tmp/left; ls /tmp");
    let pool = pool();
    let mut sandboxes = Vec::new();
    for _ in 0..4 {
        let outcome = finish(launch(&pool, &spec));
        assert_eq!(stdout(&outcome), "left\n", "nothing of an earlier program is there");
        sandboxes.push(outcome.receipt.sandbox);
        pool.settle();
    }
    sandboxes.dedup();
    assert_eq!(sandboxes.len(), 4);
    assert_eq!(pool.counts(), PoolCounts { warm: 3, cold: 1, ..PoolCounts::default() });
}

#[test]
fn under_strict_a_slot_is_built_in_its_folder() {
    let project = Project::new();
    project.file("sub/x", "");
    let strict = |cwd: &str| Spec {
        profile: Profile::Strict,
        cwd: cwd.into(),
        stdin: b"in\n".to_vec(),
        ..project.spec(&["cat", "-", "/proc/self/cwd/x"])
    };
    let pool = prepared(&strict("/workspace/sub"));
    assert_eq!(warmth(&pool, &strict("/workspace/sub")), (true, "in\n".to_owned()));
    let pool = prepared(&strict("/workspace/sub"));
    let outcome = finish(launch(&pool, &strict("/workspace")));
    assert!(!outcome.receipt.warm, "another folder is another kind of slot");
}

#[test]
fn faults_of_the_program_are_told_as_in_a_cold_start() {
    let project = Project::new();
    project.file("script", "#!/nowhere/interpreter\n");
    let mut faults = vec![
        project.spec(&["no-such-program"]),
        project.spec(&["/etc/passwd"]),
        project.spec(&["./script"]),
        project.spec(&["nowhere-to-look"]),
        project.sh("a\0b"),
        Spec { cwd: "/workspace/missing".into(), ..project.sh("exit 0") },
        Spec { cwd: "relative".into(), ..project.sh("exit 0") },
    ];
    faults[3].env.push(("PATH".into(), "".into()));
    for spec in faults {
        let pool = prepared(&project.sh("exit 0"));
        let Err(error) = pool.launch(&spec) else { panic!("{:?} was launched", spec.argv) };
        assert_eq!(explain(&error), explain(&support::refused(&spec)));
        assert_eq!(pool.counts().cold, 0, "the slot told it: {:?}", spec.argv);
    }
}

#[test]
fn a_program_too_long_for_a_slot_is_started_cold() {
    let project = Project::new();
    let pool = prepared(&project.sh("exit 0"));
    let mut long = project.sh("echo ${#0}");
    long.argv.push("x".repeat(120 * 1024).into());
    assert_eq!(warmth(&pool, &long), (true, format!("{}\n", 120 * 1024)));
    pool.settle();
    long.env.push(("LONG".into(), "x".repeat(20 * 1024).into()));
    assert_eq!(warmth(&pool, &long), (false, format!("{}\n", 120 * 1024)));
    assert_eq!(pool.waiting(), 1, "the slot still waits");
}

/// Makes a slot, changes something, and launches: the slot must not be used, and what the program
/// sees is as after the change.
fn outdated(spec: &Spec, change: impl FnOnce(), expect: &str) {
    let control = prepared(spec);
    assert!(finish(launch(&control, spec)).receipt.warm, "control: unchanged, the slot is used");
    let pool = prepared(spec);
    change();
    let outcome = finish(launch(&pool, spec));
    assert!(!outcome.receipt.warm);
    assert_eq!((stdout(&outcome).as_str(), outcome.end), (expect, End::Exited(0)));
    assert_eq!(pool.counts(), PoolCounts { cold: 1, outdated: 1, ..PoolCounts::default() });
}

#[test]
fn a_hidden_path_that_appears_is_hidden() {
    let project = Project::new();
    let mut spec = project.sh("cat keys/secret deep/er/secret 2>/dev/null; ls keys deep");
    spec.workspace.hidden.extend(["keys".into(), "deep/er".into()]);
    project.file("keys/other", "");
    project.file("deep/other", "");
    let change = || drop(project.file("deep/er/secret", "secret"));
    outdated(&spec, change, "deep:\ner\nother\n\nkeys:\n");
}

#[test]
fn a_hidden_path_that_is_replaced_is_hidden() {
    let project = Project::new();
    let mut spec = project.sh("cat keys/secret 2>/dev/null; ls keys");
    spec.workspace.hidden.push("keys".into());
    project.file("keys/old", "");
    let change = || {
        std::fs::rename(project.path().join("keys"), project.path().join("was")).unwrap();
        project.file("keys/secret", "secret");
    };
    outdated(&spec, change, "");
}

#[test]
fn a_replaced_project_is_shown_as_it_is_now() {
    let outer = Project::new();
    outer.file("project/which", "old");
    let mut spec = outer.sh("cat which");
    spec.workspace.lower = outer.path().join("project");
    let change = || {
        std::fs::rename(outer.path().join("project"), outer.path().join("was")).unwrap();
        outer.file("project/which", "new");
    };
    outdated(&spec, change, "new");
}

#[test]
fn a_replaced_folder_on_the_way_to_a_hidden_path_is_shown_as_it_is_now() {
    let project = Project::new();
    project.file("way/which", "old");
    let mut spec = project.sh("cat way/which");
    spec.workspace.hidden.push("way/hidden".into());
    let change = || {
        std::fs::rename(project.path().join("way"), project.path().join("was")).unwrap();
        project.file("way/which", "new");
    };
    outdated(&spec, change, "new");
}

#[test]
fn a_replaced_mount_source_is_shown_as_it_is_now() {
    let (project, data) = (Project::new(), Project::new());
    data.file("data/which", "old");
    let mut spec = project.sh("cat /data/which");
    let source = data.path().canonicalize().unwrap().join("data");
    let target = "/data".into();
    spec.mounts.push(Mount { source: source.clone(), target, access: Access::Read });
    let change = || {
        std::fs::rename(&source, data.path().join("was")).unwrap();
        data.file("data/which", "new");
    };
    outdated(&spec, change, "new");
}

/// Mounting needs root; as an ordinary user nobody could mount anything there either.
#[test]
fn a_mount_below_what_is_shown_is_shown_as_it_is_now() {
    use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
    if !support::is_root() {
        return;
    }
    let (project, data) = (Project::new(), Project::new());
    data.file("place/which", "old");
    let source = data.path().canonicalize().unwrap();
    let place = source.join("place");
    let mut spec = project.sh("cat /data/place/which");
    spec.mounts.push(Mount { source, target: "/data".into(), access: Access::Read });
    let change = || {
        mount("none", &place, "tmpfs", MountFlags::empty(), None).unwrap();
        data.file("place/which", "new");
    };
    outdated(&spec, change, "new");
    unmount(&place, UnmountFlags::DETACH).unwrap();
}

#[test]
fn a_place_for_a_file_that_has_become_a_link_is_refused_as_in_a_cold_start() {
    let project = Project::new();
    let mut spec = project.sh("cat in/given");
    spec.workspace.files.push(("in/given".into(), b"given".to_vec()));
    project.file("in/other", "");
    let pool = prepared(&spec);
    std::fs::rename(project.path().join("in"), project.path().join("was")).unwrap();
    std::os::unix::fs::symlink("was", project.path().join("in")).unwrap();
    let Err(LaunchError::SetUp { step, .. }) = pool.launch(&spec) else { panic!("launched") };
    assert_eq!(step, "writing `/workspace/in/given`");
    assert_eq!(pool.counts().outdated, 1);
}

#[test]
fn a_missing_project_is_told_and_no_slot_is_used() {
    let outer = Project::new();
    outer.file("project/x", "");
    let mut spec = outer.sh("exit 0");
    spec.workspace.lower = outer.path().join("project");
    let pool = prepared(&spec);
    std::fs::remove_dir_all(&spec.workspace.lower).unwrap();
    assert!(matches!(pool.launch(&spec), Err(LaunchError::Spec(_))));
}

#[test]
fn files_are_shown_as_they_are_when_they_are_read() {
    let project = Project::new();
    project.file("replaced", "old");
    project.file("sub/written", "old");
    project.file("gone", "old");
    let spec = project.sh("cat replaced sub/written sub/added; ls");
    let pool = prepared(&spec);
    std::fs::write(project.path().join("sub/written"), "new ").unwrap();
    std::fs::write(project.path().join("next"), "new ").unwrap();
    std::fs::rename(project.path().join("next"), project.path().join("replaced")).unwrap();
    std::fs::remove_file(project.path().join("gone")).unwrap();
    project.file("sub/added", "new\n");
    let expect = "new new new\nkept.txt\nreplaced\nsub\n";
    assert_eq!(warmth(&pool, &spec), (true, expect.to_owned()));
}

#[test]
fn the_wall_time_counts_from_the_check_out() {
    let project = Project::new();
    let mut spec = project.sh("exit 0");
    spec.limits.wall = Duration::from_millis(1500);
    let pool = prepared(&spec);
    // A second sandbox passes the time: longer than the wall time, without sleeping here.
    assert_eq!(run(&project.sh("sleep 1.6")).end, End::Exited(0));
    let outcome = finish(launch(&pool, &spec));
    assert_eq!((outcome.end, outcome.receipt.warm), (End::Exited(0), true));
    assert!(outcome.usage.wall < Duration::from_millis(1500), "{:?}", outcome.usage.wall);
    pool.settle();
    spec.argv[2] = "sleep 1000".into();
    let outcome = finish(launch(&pool, &spec));
    assert_eq!((outcome.end, outcome.receipt.warm), (End::TimedOut, true), "control");
}

#[test]
fn slots_that_waited_too_long_are_ended() {
    let project = Project::new();
    let spec = project.sh("exit 0");
    let pool = prepared(&spec);
    assert_eq!(pool.expire(Instant::now() + Duration::from_secs(599)), 0);
    assert_eq!(pool.waiting(), 1);
    assert_eq!(pool.expire(Instant::now() + Duration::from_secs(601)), 1);
    assert_eq!(pool.waiting(), 0);
}

#[test]
fn the_pool_ends_idle_slots_by_itself() {
    let project = Project::new();
    let spec = project.sh("exit 0");
    let pool = Pool::new(PoolSize { idle: Duration::from_millis(50), ..SIZE }).unwrap();
    pool.prepare(&spec).unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while pool.waiting() > 0 {
        assert!(Instant::now() < end, "still waiting");
        std::thread::yield_now();
    }
}

#[test]
fn a_pool_is_bounded_and_refills_itself() {
    let projects: Vec<Project> = (0..6).map(|_| Project::new()).collect();
    let pool = Pool::new(PoolSize { per_key: 2, total: 5, ..SIZE }).unwrap();
    for project in &projects {
        warmth(&pool, &project.sh("exit 0"));
        pool.settle();
    }
    assert_eq!(pool.waiting(), 5);
    let (newest, oldest) = (projects.last().unwrap(), projects.first().unwrap());
    assert!(warmth(&pool, &newest.sh("exit 0")).0);
    assert!(!warmth(&pool, &oldest.sh("exit 0")).0, "the oldest kind gave way");
}

#[test]
fn everything_again_as_an_ordinary_user() {
    support::again_as_an_ordinary_user("everything_again_as_an_ordinary_user");
}
