//! Where the journal is kept: full, read-only, unwritable, newer, something else, in use. Each is told with its exit
//! code and remedy, and whatever was recorded before is still there and verifies.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;

use crate::support::{
    ORDINARY, Project, Ran, Running, is_root, not_tried, run, set_mode, state, workflow,
};

const GOOD: &str = "  - { name: a, run: [echo, hello] }\n";

/// A project with one finished run.
fn lived_in() -> (Project, u64) {
    let project = Project::new();
    project.file("good.yaml", workflow(GOOD));
    project.palisade(&["run", "good.yaml"]).exits(0);
    let records = project.verifies();
    (project, records)
}

/// A number in the header of a SQLite database: the version of the schema, or the mark of the application.
fn set_header(database: &Path, at: usize, value: u32) {
    let mut bytes = fs::read(database).unwrap();
    bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
    fs::write(database, bytes).unwrap();
}

const SCHEMA_VERSION_AT: usize = 60;
const APPLICATION_AT: usize = 68;

#[test]
fn a_database_from_a_newer_version_is_left_alone() {
    let (project, records) = lived_in();
    let before = fs::read(project.database()).unwrap();
    let version =
        u32::from_be_bytes(before[SCHEMA_VERSION_AT..SCHEMA_VERSION_AT + 4].try_into().unwrap());
    // A number that no migration made is damage.
    set_header(&project.database(), SCHEMA_VERSION_AT, version + 1);
    project.palisade(&["audit", "verify"]).exits(20).says("page 1", "no migration made", "backup");
    project.palisade(&["run", "good.yaml"]).exits(20).says("no migration made", "", "backup");
    let migrated = |sql: &str| {
        let raw = Connection::open(project.database()).unwrap();
        raw.execute_batch(&format!("PRAGMA journal_mode = DELETE; {sql}")).unwrap();
    };
    migrated(&format!("INSERT INTO migration VALUES ({}, 'later', x'00')", version + 1));
    let newer = fs::read(project.database()).unwrap();
    let what = format!("schema version {}, this program supports up to {version}", version + 1);
    for arguments in [
        &["run", "good.yaml"][..],
        &["runs", "list"],
        &["audit", "verify"],
        &["journal", "rebuild"],
    ] {
        project.palisade(arguments).exits(1).says(&what, "", "or a newer one");
    }
    assert!(fs::read(project.database()).unwrap() == newer, "nothing was written");
    set_header(&project.database(), SCHEMA_VERSION_AT, version);
    migrated(&format!("DELETE FROM migration WHERE version > {version}"));
    assert_eq!(project.verifies(), records);
}

#[test]
fn what_is_no_database_of_ours_is_left_alone() {
    let (project, records) = lived_in();
    let database = fs::read(project.database()).unwrap();
    let mut foreign = database.clone();
    foreign[APPLICATION_AT..APPLICATION_AT + 4].copy_from_slice(&7_u32.to_be_bytes());
    for other in [b"just some text, and quite a lot of it\n".repeat(100), foreign] {
        fs::write(project.database(), &other).unwrap();
        // What lies beside it says that there was a journal.
        project.palisade(&["audit", "verify"]).exits(20).says("page 1", "", "restore a backup");
        for arguments in [&["run", "good.yaml"][..], &["runs", "list"]] {
            let ran = project.palisade(arguments).exits(1);
            ran.says("is not a Palisade database", "", "the file is unchanged");
        }
        assert!(fs::read(project.database()).unwrap() == other, "nothing was written");
    }
    fs::write(project.database(), database).unwrap();
    assert_eq!(project.verifies(), records);
}

#[test]
fn two_processes_on_one_project() {
    let (project, _) = lived_in();
    let gate = project.outside();
    let held = gate.join("hold");
    fs::write(&held, "").unwrap();
    let steps = format!(
        "  - {{ name: waits, shell: \"while [ -e /gate/hold ]; do sleep 0.01; done\", mounts: [{{ source: {}, target: /gate }}] }}\n",
        gate.display()
    );
    project.file("waits.yaml", workflow(&steps));
    let mut first = Running::start(&mut project.command(&["run", "waits.yaml"]));
    first.until("waits  started");
    let owner = format!("in use by process {}", first.pid());
    for arguments in [
        &["run", "good.yaml"][..],
        &["sandbox", "exec", "--", "echo"],
        &["runs", "resume"],
        &["journal", "rebuild"],
    ] {
        project.palisade(arguments).exits(5).says(&owner, "", "stop the other process");
    }
    let run = project.palisade(&["run", "good.yaml"]).exits(5);
    run.says(&owner, "", "meanwhile it answers `tool call`, `approval`");
    // What only reads is let in.
    assert_eq!(
        project.palisade(&["runs", "list", "--json"]).exits(0).json()[0]["state"],
        "running"
    );
    assert_eq!(state(&project.latest(), "waits"), "running");
    let explained = project.palisade(&["runs", "explain"]).exits(0);
    assert!(explained.stdout.contains("waits"), "{explained:?}");
    project.verifies();
    let copy = project.outside().join("copy");
    project.palisade(&["journal", "backup", &copy.display().to_string()]).exits(0);
    // A run is watched to its end from another process.
    let mut watching = Running::start(&mut project.command(&["runs", "watch"]));
    watching.until("waits  started");
    // What was said to be answered meanwhile is.
    project.palisade(&["tool", "call", "fs.read", "-a", "path=good.yaml"]).exits(0);
    assert!(first.lives());
    fs::remove_file(&held).unwrap();
    assert_eq!(first.end().code, 0);
    let watched = watching.end().exits(0);
    assert!(watched.stdout.contains("succeeded"), "{watched:?}");
    // Both are fine after.
    project.palisade(&["run", "good.yaml"]).exits(0);
    project.verifies();
}

#[test]
fn a_run_is_cancelled_from_another_process_and_by_a_signal() {
    let (project, _) = lived_in();
    project.file("waits.yaml", workflow("  - { name: waits, run: [sleep, \"600\"] }\n"));
    for how in ["command", "INT", "TERM"] {
        let mut running = Running::start(&mut project.command(&["run", "waits.yaml"]));
        running.until("waits  started");
        let id = project.latest()["id"].as_str().unwrap().to_owned();
        let code = if how == "command" {
            project.palisade(&["runs", "cancel", &id, "--reason", "not needed"]).exits(0);
            11
        } else {
            running.signal(how);
            130
        };
        let ran = running.end().exits(code);
        assert!(ran.stdout.contains("cancelled by"), "{ran:?}");
        assert_eq!(state(&project.latest(), "waits"), "cancelled");
        let again = project.palisade(&["runs", "cancel", &id]).exits(5);
        again.says("has cancelled already", "", "runs retry");
    }
    project.verifies();
}

/// A program of its own that the ordinary user can run, and the project given to that user.
struct Ordinary {
    project: Project,
    program: PathBuf,
}

impl Ordinary {
    /// As root; any other user is ordinary enough itself.
    fn new() -> Self {
        let project = Project::new();
        let root = project.path().parent().unwrap().to_path_buf();
        set_mode(&root, 0o755);
        project.file("good.yaml", workflow(GOOD));
        let program = root.join("palisade");
        fs::copy(env!("CARGO_BIN_EXE_palisade"), &program).unwrap();
        if is_root() {
            own(&root);
        }
        Self { project, program }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.project.command_of(&self.program, arguments);
        if is_root() {
            command.uid(ORDINARY).gid(ORDINARY);
        }
        command
    }

    fn palisade(&self, arguments: &[&str]) -> Ran {
        run(&mut self.command(arguments))
    }
}

fn own(path: &Path) {
    chown(path, Some(ORDINARY), Some(ORDINARY)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| own(&entry.unwrap().path()));
    }
}

#[test]
fn a_read_only_project_and_home_are_told_and_can_be_worked_in() {
    let ordinary = Ordinary::new();
    let (path, home) = (ordinary.project.path(), ordinary.project.home());
    let (state, kept) = (path.join(".palisade"), path.join("policy"));
    let policy = kept.join("policy.yaml").display().to_string();
    fs::rename(&state, &kept).unwrap();
    [&path, &home].into_iter().for_each(|folder| set_mode(folder, 0o555));
    let told = || {
        let ran = ordinary.palisade(&["run", "good.yaml", "--policy", &policy]).exits(1);
        ran.says(".palisade", "ermi", "PALISADE_STATE__FOLDER");
        ordinary.palisade(&["runs", "list"]).exits(3).says("no journal yet", "", "palisade run");
        ordinary.palisade(&["policy", "check", "--policy", &policy]).exits(0);
    };
    told();
    if is_root() {
        // The state folder is there and belongs to somebody else.
        fs::create_dir(&state).unwrap();
        told();
    } else {
        not_tried("a state folder of another user", "only root can make one");
    }
    // The remedy works, and nothing is written to what is read-only.
    let elsewhere = ordinary.project.outside().join("state");
    let with = |arguments: &[&str]| {
        let mut command = ordinary.command(arguments);
        run(command.env("PALISADE_STATE__FOLDER", &elsewhere).args(["--policy", &policy]))
    };
    with(&["run", "good.yaml"]).exits(0);
    with(&["audit", "verify"]).exits(0);
    assert!(!ordinary.project.database().exists());
    [&path, &home].into_iter().for_each(|folder| set_mode(folder, 0o755));
}

#[test]
fn an_unwritable_database_is_told_and_still_read() {
    let ordinary = Ordinary::new();
    ordinary.palisade(&["run", "good.yaml"]).exits(0);
    let state = ordinary.project.path().join(".palisade");
    let files: Vec<PathBuf> =
        fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.iter().filter(|path| path.is_file()).for_each(|path| set_mode(path, 0o444));
    let ran = ordinary.palisade(&["run", "good.yaml"]).exits(1);
    ran.says("cannot be written", "", "check owner and permissions");
    ordinary.palisade(&["audit", "verify"]).exits(0);
    let listed = ordinary.palisade(&["runs", "list", "--json"]).exits(0).json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    files.iter().filter(|path| path.is_file()).for_each(|path| set_mode(path, 0o644));
    ordinary.palisade(&["run", "good.yaml"]).exits(0);
    ordinary.palisade(&["audit", "verify"]).exits(0);
}

/// A file system of its own, of so many KiB; `None` where this user may not mount one.
struct Small(PathBuf);

impl Small {
    fn mount(at: PathBuf, kib: u32) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let options = format!("size={kib}k,mode=0700");
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&at).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(at))
    }

    fn grow(&self, kib: u32) {
        let options = format!("remount,size={kib}k");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.0).status();
        assert!(status.unwrap().success());
    }

    /// Takes all the room that is left, and returns the file that has it.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = fs::File::create(&path).unwrap();
        for size in [64 * 1024, 4096, 512] {
            while std::io::Write::write(&mut file, &vec![0; size])
                .is_ok_and(|written| written == size)
            {}
        }
        path
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily, for a test that failed may leave a process behind.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[test]
fn a_full_disk_stops_a_run_and_loses_nothing() {
    let (project, _) = lived_in();
    let Some(small) = Small::mount(project.outside().join("small"), 12_288) else {
        return not_tried(
            "a full disk",
            "this user may not mount a small file system; run the tests as root",
        );
    };
    let state = small.0.join("state");
    let with =
        |arguments: &[&str]| run(project.command(arguments).env("PALISADE_STATE__FOLDER", &state));
    let verified =
        || with(&["audit", "verify", "--json"]).exits(0).json()["records"].as_u64().unwrap();
    with(&["run", "good.yaml"]).exits(0);
    let before = verified();

    // Full from the beginning: nothing starts.
    let filler = small.fill();
    let ran = with(&["run", "good.yaml"]).exits(1);
    assert!(ran.stderr.contains("full") || ran.stderr.contains("No space"), "{ran:?}");
    ran.says("", "", "room");
    let during = verified();
    assert!(during >= before);
    assert_eq!(with(&["runs", "list", "--json"]).exits(0).json().as_array().unwrap().len(), 1);
    fs::remove_file(&filler).unwrap();
    with(&["run", "good.yaml"]).exits(0);

    // Full in the middle: what the step prints does not fit.
    let steps = "  - { name: quiet, run: [echo, before] }\n  - { name: loud, needs: [quiet], shell: \"head -c 14000000 /dev/zero | tr '\\\\0' x\" }\n";
    project.file("loud.yaml", workflow(steps));
    let ran = with(&["run", "loud.yaml"]);
    ran.exits(1).says(
        "the journal cannot be written",
        "",
        "make room for the journal, then `palisade runs resume",
    );
    assert!(verified() > during);
    let shown = || with(&["runs", "show", "--json"]).exits(0).json()["run"].clone();
    assert_eq!(
        crate::support::state(&shown(), "quiet"),
        "succeeded",
        "what was acknowledged is kept"
    );

    // With room again the remedy works.
    small.grow(65_536);
    with(&["runs", "resume"]).exits(0);
    assert_eq!(shown()["state"], "succeeded");
    verified();
    drop(small);
    project.verifies();
}

#[test]
fn a_journal_at_its_size_takes_no_new_calls_and_says_so_before() {
    let (project, _) = lived_in();
    let with = |most: &str, arguments: &[&str]| {
        run(project.command(arguments).env("PALISADE_JOURNAL__MAX_SIZE", most))
    };
    let kinds = || -> Vec<String> {
        let search = ["audit", "search", "--type", "storage.size_", "--json"];
        let found = project.palisade(&search).exits(0).json_lines();
        found.iter().rev().map(|record| record["kind"].as_str().unwrap().to_owned()).collect()
    };
    let size = |most: &str| {
        let checks = with(most, &["doctor", "--json"]).json();
        let checks = checks.as_array().unwrap().clone();
        checks.into_iter().find(|check| check["name"] == "journal size").unwrap()
    };
    assert_eq!(size("2MiB")["health"], "good");
    // It grows beyond its size while it runs: what runs is recorded to its end.
    let steps = "  - { name: loud, shell: \"head -c 2200000 /dev/zero | tr '\\\\0' x\", sandbox: { limits: { output: 16MiB } } }\n  - { name: after, needs: [loud], run: [sleep, \"1.1\"] }\n";
    project.file("loud.yaml", workflow(steps));
    let ran = with("2MiB", &["run", "loud.yaml"]).exits(0);
    let warned = ran.stderr.matches("% of `journal.max_size`").count();
    assert_eq!(warned, 1, "there was room when it began: {}", ran.stderr);
    assert!(ran.stderr.contains("`palisade journal archive --max-size 1024KiB` makes room"));
    assert_eq!(state(&project.latest(), "after"), "succeeded");
    assert_eq!(kinds().last().map(String::as_str), Some("storage.size_full"));
    let ran = with("2MiB", &["run", "good.yaml"]).exits(1);
    assert!(ran.stderr.contains("warning: the journal has 1"), "also when it starts: {ran:?}");
    ran.says("has reached `journal.max_size`", "", "journal archive --max-size");
    assert_eq!(size("2MiB")["health"], "bad");
    // Control: with more room, or without a size, it goes on; each crossing is said once.
    with("100MiB", &["run", "good.yaml"]).exits(0);
    project.palisade(&["run", "good.yaml"]).exits(0);
    with("100MiB", &["run", "good.yaml"]).exits(0);
    let kinds = kinds();
    assert_eq!(kinds.last().map(String::as_str), Some("storage.size_normal"));
    assert!(kinds.windows(2).all(|pair| pair[0] != pair[1]), "{kinds:?}");
    with("5", &["run", "good.yaml"]).exits(2).says("is less than 1 MiB", "", "help config");
    // What is advised makes room, also on a journal of a minute.
    with("2MiB", &["run", "good.yaml"]).exits(1);
    let advised = size("2MiB")["fix"].as_str().unwrap().to_owned();
    assert!(advised.starts_with("palisade journal archive --max-size 1024KiB"), "{advised}");
    project.palisade(&["journal", "archive", "--max-size", "1024KiB"]).exits(0);
    let ran = with("2MiB", &["run", "good.yaml"]).exits(0);
    assert!(!ran.stderr.contains("journal.max_size"), "{ran:?}");
    project.verifies();
}

#[test]
fn a_file_is_no_state_folder() {
    let project = Project::new();
    project.file("good.yaml", workflow(GOOD));
    let file = project.outside().join("file");
    fs::write(&file, "").unwrap();
    let ran = run(project.command(&["run", "good.yaml"]).env("PALISADE_STATE__FOLDER", &file));
    ran.exits(1).says("cannot be created", "", "PALISADE_STATE__FOLDER");
    assert!(fs::read(&file).unwrap().is_empty());
}
