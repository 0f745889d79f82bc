//! How containers end: every typed end, cancellation, a killed supervisor; and what is left.
//! What a program can do before it ends is in `isolation` and `workspace`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sandbox::container::sweep;
use sandbox::{End, LaunchError, Limits, Stream};

use crate::setting::{containers, image, is_possible, launch, run, sh};
use crate::support::{Project, explain, marker, processes_with, stderr, stdout};

const MIB: u64 = 1024 * 1024;

#[test]
fn programs_end_with_their_code_or_signal_and_streams_stay_apart() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    let outcome = run(&sh(project.path(), "echo out; echo err >&2; exit 3"));
    assert_eq!(outcome.end, End::Exited(3));
    assert_eq!((stdout(&outcome).as_str(), stderr(&outcome).as_str()), ("out\n", "err\n"));
    assert_eq!(run(&sh(project.path(), "exit 0")).end, End::Exited(0));
    assert_eq!(run(&sh(project.path(), "exit 125")).end, End::Exited(125));
    assert_eq!(run(&sh(project.path(), "kill -9 $$")).end, End::Signalled(9));
    assert_eq!(run(&sh(project.path(), "kill -15 $$")).end, End::Signalled(15));
}

#[test]
fn standard_input_is_all_there_is_and_then_ends() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    let mut spec = sh(project.path(), "cat; echo end");
    assert_eq!(stdout(&run(&spec)), "end\n");
    spec.stdin = vec![b'x'; 300_000];
    let outcome = run(&spec);
    assert_eq!(outcome.stdout.bytes.len(), 300_000 + 4);
}

#[test]
fn a_program_that_is_not_in_the_image_is_told() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    let mut spec = sh(project.path(), "");
    spec.argv = vec!["no-such-program".into()];
    let outcome = run(&spec);
    let End::SandboxFailed(reason) = &outcome.end else { panic!("{:?}", outcome.end) };
    assert!(reason.contains("No such file"), "{reason}");
}

#[test]
fn what_the_runtime_refuses_is_an_error_in_its_own_words() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    let mut spec = sh(project.path(), "true");
    spec.cwd = PathBuf::from("/no/such/folder");
    let Err(LaunchError::Container(error)) = launch(&spec) else { panic!("was launched") };
    assert!(explain(&error).contains("/no/such/folder"), "{error}");
    assert_eq!(left_of(std::process::id()), Vec::<PathBuf>::new());
}

#[test]
fn memory_beyond_the_limit_is_its_own_end_and_less_is_not() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    let mut spec = sh(project.path(), "x=$(yes | head -c 60000000); echo ${#x}");
    spec.limits = Limits { memory_bytes: Some(32 * MIB), ..Limits::default() };
    let outcome = run(&spec);
    assert_eq!(outcome.end, End::OutOfMemory, "{}", stderr(&outcome));
    spec.limits.memory_bytes = Some(512 * MIB);
    let outcome = run(&spec);
    assert_eq!(outcome.end, End::Exited(0), "the control: {}", stderr(&outcome));
    assert!(outcome.usage.peak_memory > 60 * MIB, "{:?}", outcome.usage);
    assert!(outcome.usage.cpu_user + outcome.usage.cpu_system > Duration::ZERO);
}

#[test]
fn a_program_killed_by_itself_is_not_called_out_of_memory() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    let mut spec = sh(project.path(), "dd if=/dev/zero of=/tmp/f bs=1M count=24; kill -9 $$");
    spec.limits.memory_bytes = Some(64 * MIB);
    assert_eq!(run(&spec).end, End::Signalled(9));
}

#[test]
fn time_and_output_beyond_the_limit_end_everything_inside() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    let mark = marker("slow");
    let script =
        format!("trap '' TERM INT; setsid sleep 1000 {mark} & sh -c 'sleep 1000; : {mark}'");
    let mut spec = sh(project.path(), &script);
    spec.limits.wall = Duration::from_millis(1500);
    let started = Instant::now();
    assert_eq!(run(&spec).end, End::TimedOut);
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
    assert_eq!(processes_with(&mark), Vec::<i32>::new());
    let mut spec = sh(project.path(), "yes");
    spec.limits.output_bytes = 100_000;
    let outcome = run(&spec);
    assert_eq!(outcome.end, End::OutputExceeded);
    assert_eq!(outcome.stdout.bytes.len(), 100_000);
    assert!(outcome.stdout.truncated);
}

#[test]
fn a_container_is_cancelled_from_another_thread() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    let child = launch(&sh(project.path(), "echo ready; sleep 1000")).expect("a container");
    let canceller = child.canceller();
    let outcome = child.wait(&mut |stream, bytes| {
        if (stream, bytes) == (Stream::Stdout, b"ready\n") {
            canceller.cancel();
        }
    });
    assert_eq!(outcome.end, End::Cancelled);
    canceller.cancel();
}

#[test]
fn a_dropped_container_is_ended_and_nothing_of_it_is_left() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    let mark = marker("dropped");
    let spec = sh(project.path(), &format!("sleep 1000; : {mark}"));
    let child = launch(&spec).expect("a container");
    let name = child.receipt().sandbox.clone();
    assert!(containers().contains(&name), "the control: it is there");
    assert!(!processes_with(&mark).is_empty(), "the control: it runs");
    drop(child);
    assert!(!containers().contains(&name));
    assert_eq!(processes_with(&mark), Vec::<i32>::new());
    assert_eq!(groups_of(&name), Vec::<PathBuf>::new());
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    assert!(!mounts.contains("/run/palisade"), "nothing was ever mounted on the host");
}

/// Control groups of this name in any hierarchy.
fn groups_of(name: &str) -> Vec<PathBuf> {
    let roots = std::fs::read_dir("/sys/fs/cgroup").expect("groups").flatten();
    let places = roots.map(|entry| entry.path().join(name));
    places.chain([Path::new("/sys/fs/cgroup").join(name)]).filter(|at| at.exists()).collect()
}

/// Control groups of the containers of one supervisor that is not running any.
fn left_of(pid: u32) -> Vec<PathBuf> {
    (1..50).flat_map(|number| groups_of(&format!("palisade-{pid}-c{number}x"))).collect()
}

/// The supervisor of the test below: starts a container and waits to be killed.
#[test]
fn supervisor_to_be_killed() {
    let Some(project) = std::env::var_os("PALISADE_TEST_VICTIM") else { return };
    let spec = sh(Path::new(&project), "echo ready; sleep 1000");
    let child = launch(&spec).expect("a container");
    println!("name {}", child.receipt().sandbox);
    child.wait(&mut |_, bytes| println!("{}", String::from_utf8_lossy(bytes)));
}

#[test]
fn a_killed_supervisor_leaves_nothing_after_the_next_sweep() {
    use std::io::BufRead as _;
    if !is_possible() {
        return;
    }
    let project = Project::new();
    let _imported = image();
    let mut victim = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "ends::supervisor_to_be_killed", "--nocapture"])
        .env("PALISADE_TEST_VICTIM", project.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a supervisor");
    // Held until the end: a supervisor whose output nobody reads would end by itself.
    let mut lines = std::io::BufReader::new(victim.stdout.take().expect("its output")).lines();
    let mut name = String::new();
    for line in lines.by_ref().map_while(Result::ok) {
        if let Some((_, found)) = line.split_once("name ") {
            name = found.trim().to_owned();
        }
        if line.contains("ready") {
            break;
        }
    }
    // A living supervisor's container is not touched.
    let swept = sweep(None, None).expect("a sweep");
    assert!(!swept.removed.contains(&name) && swept.kept >= 1, "{swept:?}");
    victim.kill().expect("the kill");
    victim.wait().expect("its end");
    assert!(containers().contains(&name), "the control: it outlives its supervisor");
    let swept = sweep(None, None).expect("a sweep");
    assert!(swept.removed.contains(&name), "{swept:?}");
    assert_eq!(swept.failed, Vec::<String>::new());
    assert!(!containers().contains(&name));
    assert_eq!(groups_of(&name), Vec::<PathBuf>::new());
    let again = sweep(None, None).expect("a second sweep");
    assert!(!again.removed.contains(&name), "{again:?}");
}
