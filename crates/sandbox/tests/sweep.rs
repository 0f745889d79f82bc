//! Nothing outlives its supervisor, whenever that is killed; what only a folder can outlive is
//! swept, and nobody living is swept with it.
//!
//! A sweep looks at the whole host, on which other tests may run; so what is judged here is what
//! became of this test's own supervisors.
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

use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use sandbox::{End, SWEEP_MAX, launch, sweep};
use support::{Project, is_root, marker, processes_with, run};

/// How the run of this binary that plays a supervisor passes its time.
const VICTIM: &str = "PALISADE_TEST_VICTIM";
/// How often a supervisor is killed.
const KILLS: u32 = 200;

/// Each test sweeps or counts on what a sweep leaves, so they take turns.
static TURN: Mutex<()> = Mutex::new(());

/// A supervisor in a process of its own, and what it says.
struct Victim {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Victim {
    /// The marker is an argument, so everything that has not executed a program yet carries it.
    fn new(role: &str, marker: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", marker, "--nocapture"])
            .env(VICTIM, role)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    fn says(&mut self, word: &str) -> String {
        let mut lines = self.lines.by_ref().map(Result::unwrap);
        let line = lines.find_map(|line| Some(line.split_once(word)?.1.to_owned()));
        line.expect("the victim got that far")
    }

    /// Kills it and returns the groups it leaves, which lie beside these.
    fn kill(mut self, beside: &[String]) -> Vec<PathBuf> {
        let pid = self.process.id();
        // A host may hold groups of an older run whose supervisor had the same process id.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let started = stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().to_owned();
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let name = format!("palisade-{pid}-{started}-");
        let folders = beside.iter().map(|group| Path::new(group).parent().unwrap());
        let entries = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap().flatten());
        let paths = entries.map(|entry| entry.path());
        paths
            .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(&name))
            .collect()
    }
}

/// Not a test by itself: the supervisor that the tests below kill.
#[test]
fn victim() {
    let Ok(role) = std::env::var(VICTIM) else { return };
    let marker = std::env::args().nth(3).unwrap();
    let project = Project::new();
    match role.as_str() {
        "launching" => {
            println!("begins");
            loop {
                drop(launch(&project.sh(&format!(": {marker}; sleep 1000; :"))).unwrap());
            }
        }
        "frozen" => {
            let child = launch(&project.sh("sleep 1000")).unwrap();
            let groups = &child.receipt().cgroups;
            let group = groups.iter().find(|group| Path::new(group).join("cgroup.freeze").exists());
            let group = group.expect("a group that can be frozen");
            std::fs::write(Path::new(group).join("cgroup.freeze"), "1").unwrap();
            println!("frozen {}", child.pid());
            child.wait(&mut |_, _| {});
        }
        other => panic!("no role `{other}`"),
    }
}

/// Waits until no process carries the marker any more.
fn wait_for_death(marker: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let alive = processes_with(marker);
        if alive.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "still alive: {alive:?}");
        for pid in alive {
            if let Ok(process) = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()) {
                let mut fds = [PollFd::new(&process, PollFlags::IN)];
                poll(&mut fds, Some(&Timespec { tv_sec: 10, tv_nsec: 0 })).unwrap();
            }
        }
    }
}

/// Numbers that look random and are the same in every run.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn mounts() -> usize {
    std::fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count()
}

#[test]
fn a_supervisor_killed_at_any_moment_leaves_nothing_that_a_sweep_does_not_take() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (project, before) = (Project::new(), mounts());
    let own = launch(&project.sh("read x; exit 7")).unwrap();
    let groups = own.receipt().cgroups.clone();
    let (mut state, mut swept) = (0x9E37_79B9_7F4A_7C15, 0);
    let marker = marker("victim");
    for _ in 0..KILLS {
        let mut victim = Victim::new("launching", &marker);
        victim.says("begins");
        let moment = Instant::now() + Duration::from_micros(next(&mut state) % 15_000);
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        let left = victim.kill(&groups);
        wait_for_death(&marker);
        let found = sweep();
        assert!(left.iter().all(|group| !group.exists()), "{left:?} {found:?}");
        swept += left.len();
    }
    assert_eq!(mounts(), before);
    assert!(groups.iter().all(|group| Path::new(group).exists()), "the living are spared");
    assert_eq!(own.wait(&mut |_, _| {}).end, End::Exited(7));
    assert_eq!(swept > 0, !groups.is_empty(), "control: with groups some are left, {swept}");
}

#[test]
fn what_is_frozen_when_its_supervisor_dies_is_swept() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let groups = run(&Project::new().sh("true")).receipt.cgroups;
    if groups.is_empty() {
        assert!(!is_root(), "root has groups on every host this is tested on");
        return;
    }
    let mut victim = Victim::new("frozen", &marker("frozen"));
    let pid: i32 = victim.says("frozen ").trim().parse().unwrap();
    let first = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap();
    let is_dead = || {
        let mut fds = [PollFd::new(&first, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() > 0
    };
    sweep();
    assert!(!is_dead(), "its supervisor lives");
    let left = victim.kill(&groups);
    assert!(!is_dead(), "control: nothing else ends what is frozen");
    assert_eq!(left.len(), groups.len());
    let swept = sweep();
    assert!(is_dead());
    assert!(left.iter().all(|group| !group.exists()), "{left:?} {swept:?}");
    assert!(swept.groups >= left.len() && swept.processes >= 2, "{swept:?}");
}

#[test]
fn what_is_frozen_is_cancelled() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let child = launch(&Project::new().sh("sleep 1000")).unwrap();
    for group in &child.receipt().cgroups {
        let freeze = Path::new(group).join("cgroup.freeze");
        if freeze.exists() {
            std::fs::write(freeze, "1").unwrap();
        }
    }
    child.canceller().cancel();
    assert_eq!(child.wait(&mut |_, _| {}).end, End::Cancelled);
}

#[test]
fn what_forks_while_it_is_killed_is_dead() {
    let marker = marker("races");
    let project = Project::new();
    let mut state = 0xD1B5_4A32_D192_ED03;
    for round in 0..40 {
        let program = format!(
            "my $x = '{marker}'; use POSIX; $SIG{{$_}} = 'IGNORE' for keys %SIG; \
             while (1) {{ fork; POSIX::setsid(); kill 'STOP', $$ if rand() < 0.01 }}"
        );
        let mut spec = project.perl(&program);
        spec.limits.pids = 100;
        let child = launch(&spec).unwrap();
        let moment = Instant::now() + Duration::from_micros(next(&mut state) % 30_000);
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        child.canceller().cancel();
        let begun = Instant::now();
        assert_eq!(child.wait(&mut |_, _| {}).end, End::Cancelled, "{round}");
        assert!(begun.elapsed() < SWEEP_MAX, "{round}");
        assert_eq!(processes_with(&marker), Vec::<i32>::new(), "{round}");
    }
}

/// A program may start another in its own memory and wait for it; both die.
#[test]
fn a_parent_that_waits_in_vfork_is_killed_with_its_child() {
    let marker = marker("vfork");
    let project = Project::new();
    let mut spec = project.spec(&["python3", "-c"]);
    spec.argv.push(
        format!(
            "import subprocess; print('up', flush=True); subprocess.run(['sh', '-c', \
             'trap \"\" TERM INT HUP; kill -STOP $$; : {marker}'])"
        )
        .into(),
    );
    let child = launch(&spec).unwrap();
    let canceller = child.canceller();
    let outcome = child.wait(&mut |_, _| canceller.cancel());
    assert_eq!(outcome.end, End::Cancelled);
    assert_eq!(processes_with(&marker), Vec::<i32>::new());
    assert_eq!(run(&project.sh("exit 4")).end, End::Exited(4));
}

#[test]
fn everything_again_as_an_ordinary_user() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    support::again_as_an_ordinary_user("everything_again_as_an_ordinary_user");
}
