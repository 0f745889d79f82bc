//! Hosts that stand in the way: inside a container, and where `/proc` hides processes.
//!
//! The container is a real one, of Podman and runc, with the host's `/usr` and this test binary in
//! it. The flags are those of `docs/hosts.md`: with them everything is in force, without them the
//! refusal names them. Making containers and mounts needs root, so an ordinary user tests nothing
//! here; inside the containers both are tried.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a failed test should stop loudly"
)]

#[path = "../../testkit/src/install.rs"]
mod install;
mod support;

use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use std::os::fd::AsRawFd;

use sandbox::{End, LaunchError, Layer, Mechanism, launch, probe};
use support::{Project, is_root, run, stderr};

/// What the run of this binary in a container is to find out.
const ROLE: &str = "PALISADE_TEST_ROLE";
/// What a container needs so that sandboxes can be made in it.
const ALLOWED: [&str; 2] = ["--security-opt=seccomp=unconfined", "--security-opt=unmask=ALL"];
/// What it does not need, taken away to show it.
const TIGHT: [&str; 3] = ["--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only"];

fn needs_root() -> bool {
    if !is_root() {
        std::io::stderr().write_all(b"hosts: needs root, nothing is tested here\n").unwrap();
    }
    is_root()
}

/// Runs a role in a container that has nothing but the host's `/usr` and this binary.
fn in_container(role: &str, options: &[&str]) -> String {
    let podman = install::installed("podman", &["podman", "runc"]);
    let runc = install::installed("runc", &["runc"]);
    let root = tempfile::tempdir().unwrap();
    std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for folder in ["usr", "etc", "tmp", "proc", "dev", "sys", "run", "var/tmp", "root"] {
        std::fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(root.path().join("tmp"), open).unwrap();
    for name in ["bin", "sbin", "lib", "lib64"] {
        if Path::new("/usr").join(name).exists() {
            symlink(format!("usr/{name}"), root.path().join(name)).unwrap();
        }
    }
    std::fs::write(root.path().join("tests"), "").unwrap();
    let own = std::env::current_exe().unwrap();
    let output = Command::new(podman)
        .args(["--cgroup-manager=cgroupfs", "--runtime", runc.to_str().unwrap(), "run", "--rm"])
        .args(["--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"])
        .args(["--volume=/usr:/usr:ro", &format!("--volume={}:/tests:ro", own.display())])
        .arg(format!("--env={ROLE}={role}"))
        .args(options)
        .args(["--rootfs", root.path().to_str().unwrap()])
        .args(["/tests", "--exact", "inside", "--nocapture"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{role} {options:?}\n{text}\n{errors}");
    text
}

/// Not a test by itself: what is done in a container, or where `/proc` hides.
#[test]
fn inside() {
    match std::env::var(ROLE).as_deref() {
        Ok("work") => work(),
        Ok("explain") => explain(),
        Ok(other) => panic!("no role `{other}`"),
        Err(_) => {}
    }
}

/// Everything is in force, and the limits end what they should.
fn work() {
    let found = probe();
    assert!(found.is_usable(), "{found:#?}");
    let project = Project::new();
    let outcome = run(&project.sh("echo x > made; id -u; cat kept.txt"));
    assert_eq!(outcome.end, End::Exited(0), "{}", stderr(&outcome));
    assert_eq!(outcome.stdout.bytes, b"1000\nkept\n");
    let upper = format!("/proc/self/fd/{}/made", outcome.layers.upper.as_raw_fd());
    assert_eq!(std::fs::read(upper).expect("what was written"), b"x\n");
    for layer in [Layer::UserNamespace, Layer::WorkspaceOverlay, Layer::Landlock, Layer::Seccomp] {
        assert!(outcome.receipt.layers.contains(&layer), "{layer}");
    }
    let mut heavy = project.perl("my @x; push @x, 'y' x 1_000_000 for 1..400");
    heavy.limits.memory_bytes = Some(96 << 20);
    assert_eq!(run(&heavy).end, End::OutOfMemory);
    let mut forks = project.perl("for (1..60) { my $p = fork // exit 1; $p or sleep 100 } sleep 9");
    forks.limits.pids = 20;
    let forked = run(&forks);
    let kept = |name: &str| {
        forked.receipt.limits.iter().find(|limit| limit.name == name).unwrap().mechanism
    };
    match kept("processes") {
        Mechanism::Rlimit => assert!(matches!(forked.end, End::PidsExceeded | End::Exited(1))),
        _ => assert_eq!(forked.end, End::PidsExceeded),
    }
    println!("memory {:?}, processes {:?}", kept("memory"), kept("processes"));
}

/// Nothing is run, and the refusal and the probe say the same.
fn explain() {
    let error = match launch(&Project::new().sh("true")) {
        Ok(_) => panic!("launched"),
        Err(error) => error,
    };
    assert!(matches!(error, LaunchError::Unsupported(_) | LaunchError::Limit(_)), "{error:?}");
    println!("refused {}: {}", support::explain(&error), error.fix().unwrap());
    for layer in probe().layers {
        println!("{} {} {}", layer.name, layer.detail, layer.fix.unwrap_or_default());
    }
}

#[test]
fn a_default_container_is_refused_and_the_flags_are_named() {
    if !needs_root() {
        return;
    }
    for user in ["--user=0", "--user=1000:1000"] {
        let text = in_container("explain", &[user]);
        assert!(text.contains("seccomp profile forbids it"), "{text}");
        assert!(text.contains("seccomp=unconfined --security-opt unmask=ALL"), "{text}");
        assert!(text.contains("this is a container of Podman"), "{text}");
        let text = in_container("explain", &[user, ALLOWED[0]]);
        assert!(text.contains("parts of the present one are covered"), "{text}");
        assert!(text.contains("unmask=ALL"), "{text}");
    }
}

#[test]
fn a_container_that_allows_it_runs_sandboxes_with_every_layer() {
    if !needs_root() {
        return;
    }
    for (user, keepers) in [
        (&["--user=0", "--cap-add=SETFCAP"][..], "memory Watchdog, processes Watchdog"),
        (&["--user=1000:1000"], "memory Watchdog, processes Rlimit"),
    ] {
        let text = in_container("work", &[&ALLOWED[..], &TIGHT, user].concat());
        assert!(text.contains(keepers), "{text}");
    }
    let text = in_container("explain", &[&ALLOWED[..], &TIGHT, &["--user=0"]].concat());
    assert!(text.contains("--cap-add=SETFCAP"), "{text}");
    let groups = "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw";
    let text = in_container("work", &[ALLOWED[0], ALLOWED[1], groups]);
    assert!(text.contains("memory Cgroup") && text.contains("processes Cgroup"), "{text}");
}

/// As an ordinary user nothing could be watched there; root sees everything.
#[test]
fn a_proc_that_hides_processes_is_named() {
    if !needs_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.path().join("tests");
    let own = std::env::current_exe().unwrap();
    assert!(Command::new("cp").args([&own, &copy]).status().unwrap().success());
    for (options, role) in [("rw", "work"), ("hidepid=2", "explain")] {
        let script = format!(
            "mount -t proc -o {options} proc /proc && cd / && exec setpriv --reuid 65534 \
             --regid 65534 --clear-groups {} --exact inside --nocapture",
            copy.display()
        );
        let output = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "sh", "-c", &script])
            .env(ROLE, role)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(text.contains("mount `/proc` without `hidepid`"), role == "explain", "{text}");
    }
}
