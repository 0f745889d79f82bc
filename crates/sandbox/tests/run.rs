//! What a program in a sandbox gets and gives back: arguments, environment, streams, exit codes.
//! What it must not get is in `isolation`, what it must not use up in `limits`.
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

use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use sandbox::{End, LaunchError, Profile, Stream, launch};
use support::{Project, explain, fails, refused, run, stderr, stdout, succeeds};

#[test]
fn endings_are_the_program_s_own() {
    let project = Project::new();
    for (script, expect) in [
        ("exit 0", End::Exited(0)),
        ("exit 1", End::Exited(1)),
        ("exit 255", End::Exited(255)),
        ("kill -TERM $$", End::Signalled(15)),
        ("kill -KILL $$", End::Signalled(9)),
        ("kill -SEGV $$", End::Signalled(11)),
    ] {
        assert_eq!(run(&project.sh(script)).end, expect, "{script}");
    }
}

#[test]
fn streams_are_kept_apart() {
    let outcome = run(&Project::new().sh("echo out; echo err >&2; echo more"));
    assert_eq!(stdout(&outcome), "out\nmore\n");
    assert_eq!(stderr(&outcome), "err\n");
    assert!(!outcome.stdout.truncated);
}

#[test]
fn output_is_handed_on_as_it_comes() {
    let project = Project::new();
    let child = launch(&project.sh("echo one; echo two >&2")).unwrap();
    let mut seen = (Vec::new(), Vec::new());
    let outcome = child.wait(&mut |stream, bytes| match stream {
        Stream::Stdout => seen.0.extend_from_slice(bytes),
        Stream::Stderr => seen.1.extend_from_slice(bytes),
    });
    assert_eq!(seen.0, outcome.stdout.bytes);
    assert_eq!(seen.1, outcome.stderr.bytes);
    assert_eq!(seen, (b"one\n".to_vec(), b"two\n".to_vec()));
}

#[test]
fn input_larger_than_any_pipe_comes_back_whole() {
    let project = Project::new();
    let mut spec = project.spec(&["cat"]);
    spec.stdin = (0..5_000_000_u32).map(|number| number as u8).collect();
    assert_eq!(run(&spec).stdout.bytes, spec.stdin);
}

#[test]
fn input_that_nobody_reads_blocks_nobody() {
    let project = Project::new();
    let mut spec = project.spec(&["true"]);
    spec.stdin = vec![b'x'; 5_000_000];
    assert_eq!(run(&spec).end, End::Exited(0));
}

#[test]
fn input_is_empty_or_sealed() {
    let project = Project::new();
    assert_eq!(succeeds(&project.sh("wc -c")), "0\n");
    let mut spec =
        project.perl("open(F, '+</dev/stdin') or exit 0; syswrite(F, 'y' x 99) and exit 1");
    spec.stdin = b"x".to_vec();
    assert_eq!(run(&spec).end, End::Exited(0));
}

#[test]
fn the_environment_is_what_was_given_and_four_defaults() {
    let project = Project::new();
    let mut spec = project.spec(&["env"]);
    spec.env = vec![("A".into(), "1".into()), ("HOME".into(), "/tmp".into())];
    let text = succeeds(&spec);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let path = format!("PATH={}", sandbox::PATH);
    assert_eq!(lines, ["A=1", "HOME=/tmp", &path, "TMPDIR=/tmp", "USER=palisade"]);
}

#[test]
fn arguments_may_hold_any_byte_but_nul() {
    let project = Project::new();
    let mut spec = project.spec(&["printf", "%s|"]);
    spec.argv.push(std::ffi::OsString::from_vec(b"a\n\xff".to_vec()));
    spec.argv.push("".into());
    assert_eq!(run(&spec).stdout.bytes, b"a\n\xff||");
}

#[test]
fn the_working_directory_is_inside() {
    let project = Project::new();
    project.file("sub/file", "");
    let mut spec = project.sh("pwd; ls");
    spec.cwd = "/workspace/sub".into();
    assert_eq!(succeeds(&spec), "/workspace/sub\nfile\n");
    spec.cwd = "/workspace/missing".into();
    let error = refused(&spec);
    assert!(explain(&error).contains("entering `/workspace/missing`: No such file"), "{error:?}");
}

#[test]
fn a_missing_program_is_named_with_the_places_tried() {
    let project = Project::new();
    let mut spec = project.spec(&["no-such-program"]);
    spec.env = vec![("PATH".into(), "/usr/bin:relative:/bin".into())];
    let LaunchError::ProgramMissing { program, searched } = refused(&spec) else { panic!() };
    assert_eq!(program, "no-such-program");
    assert_eq!(searched, ["/usr/bin/no-such-program", "/bin/no-such-program"]);
    let LaunchError::ProgramMissing { searched, .. } = refused(&project.spec(&["./none"])) else {
        panic!()
    };
    assert_eq!(searched, ["./none"]);
}

#[test]
fn a_program_that_cannot_be_executed_says_why() {
    let project = Project::new();
    project.file("plain", "not executable");
    let script = project.file("script", "#!/no/such/interpreter\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(script, mode).unwrap();
    for (program, expect) in [
        ("./plain", "Permission denied"),
        ("./script", "No such file or directory"),
        ("/usr", "Permission denied"),
    ] {
        let error = refused(&project.spec(&[program]));
        assert!(matches!(error, LaunchError::ProgramRefused { .. }), "{program}: {error:?}");
        assert!(explain(&error).contains(expect), "{program}: {error:?}");
    }
}

#[test]
fn too_many_arguments_are_refused_by_name() {
    let project = Project::new();
    let mut spec = project.spec(&["true"]);
    spec.argv.extend((0..100).map(|_| "x".repeat(100_000).into()));
    assert!(matches!(refused(&spec), LaunchError::ArgumentsTooLong));
}

#[test]
fn files_are_put_into_the_workspace_and_nowhere_else() {
    let project = Project::new();
    let mut spec = project.sh("cat new/folder/a.txt kept.txt");
    spec.workspace.files =
        vec![("new/folder/a.txt".into(), b"made\n".to_vec()), ("kept.txt".into(), b"x\n".to_vec())];
    assert_eq!(succeeds(&spec), "made\nx\n");
    assert!(!project.path().join("new").exists());
    assert_eq!(std::fs::read_to_string(project.path().join("kept.txt")).unwrap(), "kept\n");
}

#[test]
fn files_are_never_written_through_a_link_of_the_project() {
    let project = Project::new();
    let elsewhere = Project::new();
    std::os::unix::fs::symlink(elsewhere.path(), project.path().join("link")).unwrap();
    std::os::unix::fs::symlink("/tmp/evil", project.path().join("name")).unwrap();
    for place in ["link/new.txt", "name"] {
        let mut spec = project.sh("true");
        spec.workspace.files = vec![(PathBuf::from(place), b"x".to_vec())];
        let error = refused(&spec);
        assert!(explain(&error).contains("writing `/workspace/"), "{error:?}");
    }
    assert!(!elsewhere.path().join("new.txt").exists());
}

#[test]
fn strict_is_tighter_than_standard() {
    let project = Project::new();
    let own = "cp /bin/true ./own && ./own";
    let strict = |script: &str| {
        let mut spec = project.sh(script);
        spec.profile = Profile::Strict;
        spec
    };
    succeeds(&project.sh(own));
    assert_eq!(succeeds(&strict("echo builtin")), "builtin\n");
    fails(&strict(own));
    assert_eq!(succeeds(&project.sh("head -1 /proc/uptime >/dev/null; echo there")), "there\n");
    fails(&strict("read line </proc/uptime"));
}

#[test]
fn strict_does_not_execute_what_was_put_into_the_workspace() {
    let project = Project::new();
    std::fs::copy("/bin/true", project.path().join("own")).unwrap();
    let mut spec = project.spec(&["./own"]);
    assert_eq!(run(&spec).end, End::Exited(0));
    spec.profile = Profile::Strict;
    assert!(matches!(refused(&spec), LaunchError::ProgramRefused { .. }));
}

#[test]
fn usage_is_measured() {
    let usage = run(&Project::new().perl("my $x = 'y' x 30_000_000; 1 for 1..3_000_000")).usage;
    assert!(usage.peak_memory > 30_000_000, "{usage:?}");
    assert!(usage.wall >= usage.cpu_user && !usage.cpu_user.is_zero(), "{usage:?}");
}

#[test]
fn everything_again_as_an_ordinary_user() {
    support::again_as_an_ordinary_user("everything_again_as_an_ordinary_user");
}
