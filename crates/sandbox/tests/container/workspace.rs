//! The workspace in a container: read, written, captured, limited, and never the project itself.
//! Variables are here too, because they as well come from outside and must not leak back.

use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use sandbox::{Access, End, LaunchError, Mount, Spec};

use crate::setting::{is_possible, launch, run, sh, succeeds};
use crate::support::{Project, stderr, stdout};

#[test]
fn writes_go_to_memory_and_are_captured() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    project.file("deep/er/old.txt", "old");
    let script = "cat kept.txt && echo more >> kept.txt && rm deep/er/old.txt && rm -r deep \
                  && mkdir -p out && echo new > out/new.txt && ln -s /etc/passwd out/link";
    let mut spec = sh(project.path(), script);
    spec.artifacts = vec!["out/*".into()];
    let outcome = run(&spec);
    assert_eq!(outcome.end, End::Exited(0), "{}", stderr(&outcome));
    let upper = PathBuf::from(format!("/proc/self/fd/{}", outcome.layers.upper.as_raw_fd()));
    let kind = |name: &str| upper.join(name).symlink_metadata().expect(name).file_type();
    assert!(kind("deep").is_char_device(), "what was deleted");
    assert!(kind("kept.txt").is_file() && kind("out").is_dir() && kind("out/new.txt").is_file());
    assert!(kind("out/link").is_symlink());
    assert_eq!(std::fs::read_dir(&upper).expect("the upper layer").count(), 3);
    assert_eq!(outcome.artifacts.len(), 1);
    assert_eq!(outcome.artifacts[0].read().expect("an artifact"), b"new\n");
    assert_eq!(outcome.skipped.len(), 1, "a link is never followed");
    assert_eq!(std::fs::read_to_string(project.path().join("kept.txt")).unwrap(), "kept\n");
    assert!(project.path().join("deep/er/old.txt").exists());
    assert!(!project.path().join("out").exists());
}

#[test]
fn the_program_owns_the_project_whoever_owns_it_outside() {
    if !is_possible() {
        return;
    }
    for owner in [0, 4321] {
        let project = Project::new();
        let private = project.file("private.txt", "mine");
        std::fs::set_permissions(&private, std::fs::Permissions::from_mode(0o600)).unwrap();
        for path in [project.path(), &private, &project.path().join("kept.txt")] {
            chown(path, Some(owner), Some(owner)).unwrap();
        }
        let script = "stat -c '%u %g' private.txt && cat private.txt && echo x > private.txt";
        assert_eq!(succeeds(&sh(project.path(), script)), "1000 1000\nmine");
        assert_eq!(std::fs::read_to_string(&private).unwrap(), "mine");
    }
}

#[test]
fn files_are_put_in_and_paths_are_hidden() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    project.file(".secret/key", "key");
    project.file("token", "token");
    let script = "cat given/by/us.txt && echo more >> given/by/us.txt && touch given/by/other \
                  && ls -A .secret && cat token && ! touch .secret/x && ! rm token";
    let mut spec = sh(project.path(), script);
    assert!(!run(&spec).stdout.bytes.starts_with(b"given"), "the control: it is not there");
    spec.workspace.files = vec![("given/by/us.txt".into(), b"given\n".to_vec())];
    spec.workspace.hidden = vec![PathBuf::from(".secret"), "token".into(), "absent".into()];
    assert_eq!(succeeds(&spec), "given\n");
    let control = succeeds(&sh(project.path(), "ls -A .secret && cat token"));
    assert_eq!(control, "key\ntoken");
}

#[test]
fn mounts_are_shown_as_they_were_asked_for() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    let other = Project::new();
    let source = other.path().canonicalize().expect("a path without links");
    let mount =
        |target: &str, access| Mount { source: source.clone(), target: target.into(), access };
    let script = "cat /read/kept.txt && ! touch /read/x && touch /write/y && cat inner/kept.txt";
    let mut spec = sh(project.path(), script);
    spec.mounts = vec![
        mount("/read", Access::Read),
        mount("/write", Access::Write),
        mount("/workspace/inner", Access::Read),
    ];
    assert_eq!(succeeds(&spec), "kept\nkept\n");
    assert!(other.path().join("y").exists(), "writes reach the host");
    assert!(!other.path().join("x").exists());
    spec.mounts = vec![mount("/a:b", Access::Read)];
    assert!(matches!(launch(&spec), Err(LaunchError::Container(_))));
}

#[test]
fn what_is_written_is_limited_in_bytes_and_inodes() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    for place in ["/workspace", "/tmp", "/home/palisade", "/dev/shm"] {
        let mut spec = sh(project.path(), &format!("dd if=/dev/zero of={place}/f bs=1M count=40"));
        spec.limits.workspace_bytes = 8 * 1024 * 1024;
        let outcome = run(&spec);
        assert_eq!(outcome.end, End::DiskFull, "{place}: {}", stderr(&outcome));
        spec.limits.workspace_bytes = 64 * 1024 * 1024;
        assert_eq!(run(&spec).end, End::Exited(0), "the control in {place}");
    }
    let mut spec = sh(project.path(), "for n in $(seq 2000); do echo > f$n || exit 1; done");
    spec.limits.workspace_inodes = 100;
    assert_eq!(run(&spec).end, End::DiskFull);
    spec.limits.workspace_inodes = 10_000;
    assert_eq!(run(&spec).end, End::Exited(0), "the control");
}

#[test]
fn nothing_else_can_be_written() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    let script = "for place in / /bin /etc /run /var /var/tmp /proc/sys/kernel /sys/fs/cgroup /dev; do \
                  touch $place/x 2>/dev/null && echo wrote $place; done; echo done";
    assert_eq!(stdout(&run(&sh(project.path(), script))), "done\n");
}

#[test]
fn variables_reach_the_program_and_nobody_else() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    let secret = crate::support::marker("secret-value");
    let mut spec =
        sh(project.path(), "echo \"$ODD\"; env | grep -c FROM_IMAGE; echo ready; sleep 1000");
    spec.env = vec![
        ("TOKEN".into(), secret.clone().into()),
        ("ODD".into(), " a=b  $x `y` \"z\" 'q' # \\".into()),
        ("LD_PRELOAD".into(), "/no/such/library.so".into()),
    ];
    let child = launch(&spec).expect("a container");
    let canceller = child.canceller();
    let mut text = String::new();
    let mut seen = Vec::new();
    child.wait(&mut |_, bytes| {
        text.push_str(&String::from_utf8_lossy(bytes));
        if text.contains("ready") && seen.is_empty() {
            seen = command_lines();
            canceller.cancel();
        }
    });
    assert!(text.starts_with(" a=b  $x `y` \"z\" 'q' # \\\n0\n"), "{text}");
    assert!(seen.iter().any(|line| line.contains("podman")), "the control: it can be seen");
    assert!(seen.iter().all(|line| !line.contains(&secret)));
    for (name, value) in [("A", "two\nlines"), ("A B", "x"), ("#A", "x"), ("A*", "x"), ("", "x")] {
        spec.env = vec![(name.into(), value.into())];
        assert!(matches!(launch(&spec), Err(LaunchError::Container(_))), "{name}={value}");
    }
}

/// What everybody on the host can read of every process.
fn command_lines() -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("processes").flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).into_owned()).collect()
}

#[test]
fn a_project_behind_a_link_or_absent_is_refused_before_anything_runs() {
    if !is_possible() {
        return;
    }
    let spec = Spec::new("/no/such/project", ["true"]);
    assert!(matches!(launch(&spec), Err(LaunchError::Spec(_))));
    let project = Project::new();
    let mut spec = sh(project.path(), "true");
    let link = project.path().join("link");
    std::os::unix::fs::symlink("/etc", &link).unwrap();
    spec.mounts =
        vec![Mount { source: link, target: Path::new("/x").into(), access: Access::Read }];
    assert!(matches!(launch(&spec), Err(LaunchError::Spec(_))));
}
