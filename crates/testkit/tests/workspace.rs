//! From a real sandbox's overlay to the project and back: what the program saw at its end is what
//! a merge leaves, and an undo leaves what was there before.
//! Upper layers no program can make, and every kind of interruption, are tested in `workspace`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a failed test should stop loudly"
)]

use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use proptest::prelude::*;
use rustix::fs::{Mode, OFlags, open};
use sandbox::{End, Outcome, Spec, launch};
use workspace::{
    CaptureError, CaptureLimits, ChangeKind, Changeset, Layers, LogFolder, MemoryBlobs, capture,
    merge, patch, undo,
};

/// A project with a little of everything, and a place for logs.
struct Scene(tempfile::TempDir);

impl Scene {
    fn new() -> Self {
        let scene = Self(tempfile::tempdir().unwrap());
        fs::create_dir(scene.0.path().join("project")).unwrap();
        fs::create_dir(scene.0.path().join("log")).unwrap();
        let built = "mkdir -p d/e same; echo 1 > kept; echo 2 > gone; echo 3 > d/a; echo 4 > d/e/b; \
                     echo 5 > same/inner; ln -s kept link; echo 6 > run; chmod 700 d/e; chmod 640 run";
        sh(&scene.project(), built);
        scene
    }

    fn project(&self) -> std::path::PathBuf {
        self.0.path().join("project")
    }

    fn run(&self, script: &str) -> Outcome {
        let argv = ["sh", "-c", script].map(OsString::from);
        let child = launch(&Spec::new(self.project(), argv)).expect("a sandbox");
        let outcome = child.wait(&mut |_, _| {});
        let complaint = String::from_utf8_lossy(&outcome.stderr.bytes);
        assert_eq!(outcome.end, End::Exited(0), "{complaint}");
        outcome
    }

    fn log(&self) -> LogFolder {
        LogFolder::open(folder(&self.0.path().join("log"))).unwrap()
    }
}

fn folder(path: &Path) -> OwnedFd {
    open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

fn captured(outcome: &Outcome) -> Result<(Changeset, MemoryBlobs), CaptureError> {
    let (upper, lower) = (outcome.layers.upper.as_fd(), outcome.layers.lower.as_fd());
    let mut blobs = MemoryBlobs::default();
    let layers = Layers { upper, lower, began: None };
    capture(&layers, &CaptureLimits::default(), &mut blobs).map(|changes| (changes, blobs))
}

/// Prints everything anybody could notice about a tree, in a fixed order.
const LIST: &str = "find . -mindepth 1 -printf '%y %m %p %l\\n' | LC_ALL=C sort; \
                    find . -type f -exec sha256sum {} + | LC_ALL=C sort";

fn sh(folder: &Path, script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a script, merges what it did, and takes it back.
fn there_and_back(script: &str) {
    let scene = Scene::new();
    let before = sh(&scene.project(), LIST);
    let outcome = scene.run(&format!("{{ {script}; }} >/dev/null 2>&1; {LIST}"));
    let seen = String::from_utf8(outcome.stdout.bytes.clone()).unwrap();
    let (changes, blobs) = captured(&outcome).unwrap();
    let project = folder(&scene.project());
    patch(&changes, project.as_fd(), &blobs).unwrap();
    merge(project.as_fd(), &changes, &blobs, &mut scene.log()).unwrap();
    assert_eq!(sh(&scene.project(), LIST), seen, "{script}");
    undo(project.as_fd(), &mut scene.log()).unwrap();
    assert_eq!(sh(&scene.project(), LIST), before, "{script}");
}

#[test]
fn changes_of_a_real_program_are_told_apart() {
    let scene = Scene::new();
    let outcome = scene.run(
        "echo y >> kept; rm gone; rm -r d; mkdir d; echo z > d/z; mkdir new; ln -s x new/link; \
         cat same/inner; chmod 755 run; ln -sf run link; mv same/inner moved; touch same",
    );
    let (changes, _) = captured(&outcome).unwrap();
    let entries = changes.entries().iter();
    let kinds: Vec<_> = entries.map(|entry| (entry.path.as_str(), entry.kind())).collect();
    use ChangeKind::{Added, Deleted, Mode, Modified, Renamed};
    let expected = [
        ("d/a", Deleted),
        ("d/e", Deleted),
        ("d/e/b", Deleted),
        ("d/z", Added),
        ("gone", Deleted),
        ("kept", Modified),
        ("link", Modified),
        ("moved", Renamed),
        ("new", Added),
        ("new/link", Added),
        ("run", Mode),
        ("same/inner", Deleted),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn a_program_that_changes_nothing_leaves_no_change() {
    let scene = Scene::new();
    let outcome = scene.run("cat kept d/a; ls -lR; touch kept; chmod 640 run");
    assert!(captured(&outcome).unwrap().0.is_empty());
}

#[test]
fn what_real_programs_do_is_merged_and_taken_back() {
    for script in [
        "rm -r d; echo file > d",
        "rm kept; mkdir kept; echo below > kept/x",
        "mv d moved; mv moved/e d",
        "rm -rf ./*",
        "rm -r d; mkdir -p d/e; echo other > d/e/b",
        "rm link; mkdir link; rm -r link; ln -s d link",
        "cp -a d copy; mv copy d/e/copy; rm d/a; ln d/e/b hard",
        "sed -i s/1/one/ kept; printf 'no line feed' > run; : > gone",
        "chmod 000 kept; chmod 700 kept; chmod 500 d; chmod 600 run",
        "git init -q . && git add -A && git -c user.name=a -c user.email=b commit -qm x",
        "perl -e 'for (1..300) { mkdir \"m/$_\" if mkdir(\"m\") || 1; open F, q(>), \"m/$_/f\"; print F $_ }'",
        "tar cf all.tar kept d && mkdir out && tar xf all.tar -C out && rm all.tar",
    ] {
        there_and_back(script);
    }
}

fn operation() -> impl Strategy<Value = String> {
    let name = || {
        prop_oneof![
            Just("d"),
            Just("d/e"),
            Just("d/a"),
            Just("kept"),
            Just("x"),
            Just("x/y"),
            Just("same")
        ]
    };
    prop_oneof![
        (name(), 0..3).prop_map(|(name, text)| format!("echo {text} > {name}")),
        name().prop_map(|name| format!("mkdir -p {name}")),
        name().prop_map(|name| format!("rm -rf {name}")),
        (name(), name()).prop_map(|(from, to)| format!("mv -T {from} {to}")),
        (name(), name()).prop_map(|(from, to)| format!("cp -a -T {from} {to}")),
        (name(), prop_oneof![Just("700"), Just("755"), Just("644")]).prop_map(
            |(name, mode)| format!("[ -d {name} ] && chmod 755 {name} || chmod {mode} {name}")
        ),
        name().prop_map(|name| format!("ln -sfn kept {name}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_a_program_does_is_merged_and_taken_back(
        operations in proptest::collection::vec(operation(), 1..16),
    ) {
        // A link that leads out could come of moving one; only those in the top folder stay in.
        let script = operations.join("; ");
        let deep = |line: &str| line.starts_with("ln") && line.contains('/');
        prop_assume!(!operations.iter().any(|line| deep(line)));
        there_and_back(&script);
    }
}

#[test]
fn hostile_programs_are_refused_with_every_reason() {
    let scene = Scene::new();
    let outcome = scene.run(
        "ln -s /etc/passwd out; ln -s ../../x d/up; mkfifo pipe; chmod 4755 run; mkdir .palisade; \
         perl -e 'open(F, q(>), qq(a\\nb)); open(F, q(>), qq(c\\xff)); open(F, q(>), q(KEPT))'",
    );
    let before = sh(&scene.project(), LIST);
    let Err(CaptureError::Refused(refused)) = captured(&outcome) else { panic!("not refused") };
    let places: Vec<_> = refused.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(places, [".palisade", "KEPT", "a\\nb", "c\\xff", "d/up", "out", "pipe", "run"]);
    assert_eq!(sh(&scene.project(), LIST), before);
}

#[test]
fn a_project_edited_while_the_program_runs_is_never_overwritten() {
    let scene = Scene::new();
    let began = SystemTime::now();
    let argv = ["sh", "-c", "echo program > kept; echo ready; read line"].map(OsString::from);
    let mut spec = Spec::new(scene.project(), argv);
    spec.stdin = Vec::new();
    let mut edited = false;
    let child = launch(&spec).expect("a sandbox");
    let outcome = child.wait(&mut |_, _| {
        edited = true;
        fs::write(scene.project().join("kept"), "by hand").unwrap();
    });
    assert!(edited);
    let (upper, lower) = (outcome.layers.upper.as_fd(), outcome.layers.lower.as_fd());
    let layers = Layers { upper, lower, began: Some(began) };
    let mut blobs = MemoryBlobs::default();
    let changes = capture(&layers, &CaptureLimits::default(), &mut blobs).unwrap();
    let project = folder(&scene.project());
    merge(project.as_fd(), &changes, &blobs, &mut scene.log()).expect_err("a conflict");
    assert_eq!(fs::read_to_string(scene.project().join("kept")).unwrap(), "by hand");
}

/// Runs the other tests once more as the user `nobody`, when they were started as root.
#[test]
fn everything_again_as_an_ordinary_user() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.path().join("tests");
    fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let output = Command::new(&copy)
        .args(["--skip", "everything_again_as_an_ordinary_user"])
        .env("HOME", "/nonexistent")
        .current_dir("/")
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
