//! Bombs: programs that use up one thing without end. Each one ends, says by its ending which limit
//! it met, leaves nothing behind, and a sandbox that runs beside it does not notice.
//!
//! Each tries to reach a fixed size and succeeds when it does. That it succeeds with a looser limit
//! is the control: it was the limit that stopped it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a failed test should stop loudly"
)]
#![allow(unsafe_code, reason = "a timer bomb is a system call without a safe form")]

mod support;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::epoll;
use rustix::fs::{MemfdFlags, inotify, memfd_create};
use sandbox::{
    Access, Child, DEATH_MAX, End, LaunchError, Layer, Limits, Mechanism, Mount, Outcome,
    STDIN_BYTES_MAX, Spec, SpecError, launch,
};
use support::{Project, marker, processes_with, refused, run, stderr};

const MIB: u64 = 1024 * 1024;
/// Names a bomb in the run of this binary inside.
const BOMB: &str = "PALISADE_TEST_BOMB";

/// A bomb, what it may use at most, and what it would need.
struct Bomb {
    spec: Spec,
    tight: fn(&mut Limits),
    loose: fn(&mut Limits),
}

impl Bomb {
    /// A bomb of [`bomb`], with everything else generous.
    fn new(project: &Project, name: &str) -> Self {
        let own = std::env::current_exe().unwrap().canonicalize().unwrap();
        let mut spec = project.spec(&["/bomb", "--exact", "bomb", "--nocapture"]);
        spec.env = vec![(BOMB.into(), name.into())];
        spec.mounts.push(Mount { source: own, target: "/bomb".into(), access: Access::Read });
        Self::of(spec)
    }

    fn of(mut spec: Spec) -> Self {
        spec.limits.wall = Duration::from_secs(60);
        Self { spec, tight: |_| {}, loose: |_| {} }
    }

    fn limited(mut self, tight: fn(&mut Limits), loose: fn(&mut Limits)) -> Self {
        (self.tight, self.loose) = (tight, loose);
        self
    }

    /// Runs it beside a neighbour, then without the limit; returns the first outcome.
    fn ends(mut self, expect: fn(&Outcome) -> bool) -> Outcome {
        let usual = self.spec.limits;
        (self.loose)(&mut self.spec.limits);
        let control = run(&self.spec);
        assert_eq!(control.end, End::Exited(0), "control: {}", stderr(&control));
        self.spec.limits = usual;
        (self.tight)(&mut self.spec.limits);
        let outcome = beside_a_neighbour(|| run(&self.spec));
        assert!(expect(&outcome), "{:?}: {}", outcome.end, stderr(&outcome));
        assert!(outcome.usage.wall <= self.spec.limits.wall + DEATH_MAX, "{:?}", outcome.usage);
        for group in &outcome.receipt.cgroups {
            assert!(!std::path::Path::new(group).exists(), "{group} is left");
        }
        outcome
    }
}

/// Works in a sandbox of its own until `act` is over, and must have had no trouble.
fn beside_a_neighbour(act: impl FnOnce() -> Outcome) -> Outcome {
    const WORK: &str = "set -e
        while [ ! -e /up/stop ]; do
            head -c 1000000 /dev/zero > file; mkdir -p a/b/c; ln -s a link
            [ $(cat file | wc -c) = 1000000 ]; rm -r a link file
        done; echo fine";
    let (project, up) = (Project::new(), tempfile::tempdir().unwrap());
    let source = up.path().canonicalize().unwrap();
    let mut spec = project.sh(WORK);
    spec.mounts.push(Mount { source, target: "/up".into(), access: Access::Read });
    (spec.limits.pids, spec.limits.workspace_inodes) = (16, 64);
    let neighbour = launch(&spec).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| Child::wait(neighbour, &mut |_, _| {}));
        let outcome = act();
        fs::write(up.path().join("stop"), "").unwrap();
        let neighbour = waiting.join().unwrap();
        assert_eq!(neighbour.end, End::Exited(0), "neighbour: {}", stderr(&neighbour));
        assert_eq!(neighbour.stdout.bytes, b"fine\n");
        outcome
    })
}

fn keeper(outcome: &Outcome, name: &str) -> Mechanism {
    outcome.receipt.limits.iter().find(|limit| limit.name == name).unwrap().mechanism
}

/// Where a resource limit refuses processes, nobody tells the supervisor of it: then the ending is
/// typed only if the watchdog looked in time, and the program's complaint names the layer.
fn has_too_many(outcome: &Outcome) -> bool {
    match (keeper(outcome, "processes"), &outcome.end) {
        (_, End::PidsExceeded) => true,
        (Mechanism::Rlimit, End::Exited(code)) => *code != 0,
        _ => false,
    }
}

fn is_out_of_memory(outcome: &Outcome) -> bool {
    outcome.end == End::OutOfMemory
}

fn is_full(outcome: &Outcome) -> bool {
    outcome.end == End::DiskFull
}

/// Open files have no ending of their own; the program's complaint names the layer.
fn is_out_of_files(outcome: &Outcome) -> bool {
    let layer = outcome.blocked.as_ref().map(|blocked| blocked.layer);
    matches!(outcome.end, End::Exited(code) if code != 0) && layer == Some(Layer::FileLimit)
}

const SIXTY_CHILDREN: &str = "for (1..60) { my $pid = fork; defined $pid or exit 1; \
                              if (!$pid) { sleep 100; exit } } exit 0";

#[test]
fn fork() {
    let project = Project::new();
    Bomb::of(project.perl(SIXTY_CHILDREN))
        .limited(|limits| limits.pids = 20, |_| {})
        .ends(has_too_many);
}

#[test]
fn fork_without_end() {
    let marker = marker("tree");
    let project = Project::new();
    let mut spec = project.perl(&format!("my $x = '{marker}'; while (1) {{ fork }}"));
    spec.limits.pids = 60;
    spec.limits.wall = Duration::from_secs(1);
    let outcome = beside_a_neighbour(|| run(&spec));
    assert_eq!(outcome.end, End::TimedOut);
    assert!(outcome.usage.wall <= spec.limits.wall + DEATH_MAX);
    assert_eq!(processes_with(&marker), Vec::<i32>::new());
}

#[test]
fn zombies() {
    let project = Project::new();
    let program = "for (1..60) { my $pid = fork; defined $pid or exit 1; $pid or exit } exit 0";
    Bomb::of(project.perl(program)).limited(|limits| limits.pids = 20, |_| {}).ends(has_too_many);
}

#[test]
fn daemons() {
    let marker = marker("daemons");
    let project = Project::new();
    let program = format!(
        "use POSIX; for (1..60) {{ my $pid = fork; defined $pid or exit 1; next if $pid; \
         POSIX::setsid(); fork and exit; $SIG{{$_}} = 'IGNORE' for keys %SIG; \
         kill 'STOP', $$ if rand() < 0.5; exec 'sleep', '1000' if '{marker}' }} exit 0"
    );
    Bomb::of(project.perl(&program)).limited(|limits| limits.pids = 20, |_| {}).ends(has_too_many);
    assert_eq!(processes_with(&marker), Vec::<i32>::new());
}

#[test]
fn threads() {
    let project = Project::new();
    Bomb::new(&project, "threads").limited(|limits| limits.pids = 20, |_| {}).ends(has_too_many);
}

fn memory(name: &str) {
    let project = Project::new();
    let outcome = Bomb::new(&project, name)
        .limited(|limits| limits.memory_bytes = Some(96 * MIB), |_| {})
        .ends(is_out_of_memory);
    assert_eq!(outcome.blocked.map(|blocked| blocked.layer), Some(Layer::MemoryLimit));
}

#[test]
fn memory_in_small_pieces() {
    memory("heap");
}

#[test]
fn memory_in_large_pieces() {
    memory("mappings");
}

#[test]
fn memory_in_files() {
    memory("shm");
}

#[test]
fn memory_without_a_name() {
    memory("memfd");
}

/// What is detached belongs to no process any more, and stays.
#[test]
fn memory_in_segments() {
    let project = Project::new();
    let program = "use IPC::SysV; for (1..30) { my $id = shmget(IPC::SysV::IPC_PRIVATE,                    10_000_000, 0600) // exit 1; shmwrite($id, 'y' x 10_000_000, 0, 10_000_000)                    or exit 1 } select(undef, undef, undef, 1); exit 0";
    Bomb::of(project.perl(program))
        .limited(|limits| limits.memory_bytes = Some(96 * MIB), |_| {})
        .ends(is_out_of_memory);
}

#[test]
fn memory_of_many_processes() {
    let project = Project::new();
    let program = "for (1..10) { next if fork; my $x = 'y' x 30_000_000; sleep 1; exit 0 } \
                   my $bad = 0; while (wait > 0) { $bad ||= $? } exit($bad ? 1 : 0)";
    Bomb::of(project.perl(program))
        .limited(|limits| limits.memory_bytes = Some(96 * MIB), |_| {})
        .ends(is_out_of_memory);
}

#[test]
fn recursion() {
    let project = Project::new();
    let program = "no warnings; sub deep { my $x = 'y' x 1000; deep($_[0] - 1) if $_[0] } \
                   deep(300_000)";
    Bomb::of(project.perl(program))
        .limited(|limits| limits.memory_bytes = Some(96 * MIB), |_| {})
        .ends(is_out_of_memory);
    let outcome = run(&project.sh("f() { f; }; f"));
    assert!(matches!(outcome.end, End::Signalled(_) | End::Exited(1..)), "{:?}", outcome.end);
    assert_eq!(run(&project.sh("f() { [ $1 = 0 ] || f $(($1 - 1)); }; f 50")).end, End::Exited(0));
}

#[test]
fn disk() {
    let project = Project::new();
    Bomb::of(project.sh("head -c 64000000 /dev/zero > file"))
        .limited(|limits| limits.workspace_bytes = 8 * MIB, |_| {})
        .ends(is_full);
}

#[test]
fn disk_by_a_hole() {
    let project = Project::new();
    Bomb::of(project.sh("truncate -s 64M file"))
        .limited(|limits| limits.workspace_bytes = 8 * MIB, |_| {})
        .ends(is_full);
}

#[test]
fn inodes() {
    let project = Project::new();
    for script in [
        "i=0; while [ $i -lt 500 ]; do : > f$i || exit 1; i=$((i+1)); done",
        "i=0; while [ $i -lt 500 ]; do ln -s f f$i || exit 1; i=$((i+1)); done",
        "i=0; while [ $i -lt 500 ]; do mkdir d && cd -P d || exit 1; i=$((i+1)); done",
    ] {
        Bomb::of(project.sh(script))
            .limited(|limits| limits.workspace_inodes = 100, |_| {})
            .ends(is_full);
    }
}

#[test]
fn output() {
    let project = Project::new();
    Bomb::of(project.sh("head -c 32000000 /dev/zero & head -c 32000000 /dev/zero >&2; wait"))
        .limited(|limits| limits.output_bytes = MIB, |limits| limits.output_bytes = 128 * MIB)
        .ends(|outcome| outcome.end == End::OutputExceeded);
}

const SPIN: &str = "fork; my $n = 0; $n++ while (times)[0] < 1.0; wait; exit 0";

#[test]
fn processor_time() {
    let project = Project::new();
    let outcome = Bomb::of(project.perl(SPIN))
        .limited(
            |limits| limits.cpu_time = Some(Duration::from_millis(400)),
            |limits| limits.cpu_time = Some(Duration::from_secs(50)),
        )
        .ends(|outcome| outcome.end == End::CpuExceeded);
    assert_eq!(outcome.blocked.map(|blocked| blocked.layer), Some(Layer::CpuLimit));
    assert!(outcome.receipt.layers.contains(&Layer::CpuLimit));
}

#[test]
fn wall_time() {
    let project = Project::new();
    Bomb::of(project.perl(SPIN))
        .limited(|limits| limits.wall = Duration::from_millis(300), |_| {})
        .ends(|outcome| outcome.end == End::TimedOut);
}

#[test]
fn descriptors() {
    let project = Project::new();
    for name in ["files", "pipes", "sockets", "epolls"] {
        Bomb::new(&project, name)
            .limited(|limits| limits.open_files = 100, |_| {})
            .ends(is_out_of_files);
    }
}

/// Bounds that are the same for every sandbox: the control is the same program without one.
#[test]
fn watchers_and_timers() {
    for (name, count) in [("watchers", 100), ("timers", 4500)] {
        let project = Project::new();
        let outcome = beside_a_neighbour(|| run(&Bomb::new(&project, name).spec));
        assert!(matches!(outcome.end, End::Exited(1)), "{name}: {:?}", outcome.end);
        let reached = |text: &str| -> u32 {
            let words = text.lines().find_map(|line| line.strip_prefix("reached ")).unwrap();
            words.parse().unwrap()
        };
        let within = reached(&stderr(&outcome));
        let control = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "bomb", "--nocapture"])
            .env(BOMB, name)
            .output()
            .unwrap();
        let without = reached(&String::from_utf8_lossy(&control.stderr));
        assert!(within < without, "{name}: {within} inside, {without} outside");
        assert!(within > 0 && within < count, "{name}: {within}");
    }
}

#[test]
fn input() {
    let project = Project::new();
    let mut spec = project.spec(&["true"]);
    spec.stdin = vec![b'x'; STDIN_BYTES_MAX + 1];
    assert!(matches!(refused(&spec), LaunchError::Spec(SpecError::TooMuch { .. })));
    spec.stdin.truncate(STDIN_BYTES_MAX);
    assert_eq!(run(&spec).end, End::Exited(0), "control: nobody reads it");
}

/// Not a test by itself: the program that the tests above run inside.
#[test]
fn bomb() {
    let Ok(name) = std::env::var(BOMB) else { return };
    let mut reached = 0;
    let grown = match name.as_str() {
        "threads" => {
            grow(60, &mut reached, || std::thread::Builder::new().spawn(std::thread::park))
        }
        "heap" => grow(300_000, &mut reached, || Ok(Box::new([1_u8; 1000]))),
        "mappings" => grow(300, &mut reached, || Ok(vec![1_u8; 1 << 20])),
        "shm" => grow_file(&mut File::create("/dev/shm/file").unwrap()),
        "memfd" => grow_file(&mut File::from(memfd_create(c"x", MemfdFlags::CLOEXEC).unwrap())),
        "files" => grow(200, &mut reached, || File::open("/dev/null")),
        "pipes" => grow(150, &mut reached, || {
            let (reading, mut writing) = io::pipe()?;
            writing.write_all(&[1; 4096])?;
            Ok((reading, writing))
        }),
        "sockets" => grow(150, &mut reached, || {
            let (one, mut other) = UnixStream::pair()?;
            other.write_all(&[1; 4096])?;
            Ok((one, other))
        }),
        "epolls" => grow(200, &mut reached, || Ok(epoll::create(epoll::CreateFlags::CLOEXEC)?)),
        "watchers" => grow(100, &mut reached, || Ok(inotify::init(inotify::CreateFlags::CLOEXEC)?)),
        "timers" => grow(6000, &mut reached, timer),
        other => panic!("no bomb `{other}`"),
    };
    if let Err(error) = grown {
        eprintln!("reached {reached}\n{name}: {error}");
        std::process::exit(1);
    }
    eprintln!("reached {reached}");
    std::process::exit(0);
}

/// Makes so many and keeps them all.
fn grow<T>(
    count: u32,
    reached: &mut u32,
    mut one: impl FnMut() -> io::Result<T>,
) -> io::Result<()> {
    let mut kept = VecDeque::new();
    for number in 0..count {
        kept.push_back(one()?);
        *reached = number + 1;
    }
    std::hint::black_box(&kept);
    std::mem::forget(kept);
    Ok(())
}

fn grow_file(file: &mut File) -> io::Result<()> {
    let piece = vec![1_u8; 1 << 20];
    (0..300).try_for_each(|_| file.write_all(&piece))
}

fn timer() -> io::Result<()> {
    let mut id: libc::c_int = 0;
    // SAFETY: `id` is a valid place for the answer, and no event block means the default.
    let made = unsafe {
        let none = std::ptr::null::<u8>();
        libc::syscall(libc::SYS_timer_create, libc::CLOCK_MONOTONIC, none, &raw mut id)
    };
    if made == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[test]
fn everything_again_as_an_ordinary_user() {
    support::again_as_an_ordinary_user("everything_again_as_an_ordinary_user");
}
