//! From a backup to a journal that works again: `palisade journal restore`, and what it refuses.
//! That the same command restores an untouched backup into an empty place is the control of every refusal.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use serde_json::Value;

use crate::support::{Project, Ran, Running, wait_for};

/// Epochs a restored journal is ahead of its backup, at least.
const AHEAD: u64 = 1 << 25;
/// Above the size at which a payload is a file of its own.
const LONG: &str = "20000";

/// A project with a run that left an artifact and an archived range, and its backup.
fn backed_up() -> (Project, PathBuf) {
    let project = Project::new();
    project.run_steps("  - { name: a, run: [echo, hello] }\n").exits(0);
    project.palisade(&["journal", "archive", "--keep", "0s"]).exits(0);
    let print = format!("print('x' * {LONG})");
    let step =
        format!("  - {{ name: b, run: [python3, -c, \"{print}\"], outputs: {{ out: stdout }} }}\n");
    project.run_steps(&step).exits(0);
    let backup = project.outside().join("backup");
    project.palisade(&["journal", "backup", &backup.display().to_string()]).exits(0);
    (project, backup)
}

fn restore(project: &Project, backup: &Path) -> Ran {
    project.palisade(&["journal", "restore", &backup.display().to_string(), "--json"])
}

/// The same, told to a person.
fn tried(project: &Project, backup: &Path) -> Ran {
    project.palisade(&["journal", "restore", &backup.display().to_string()])
}

/// What is in a folder, by name.
fn names(folder: &Path) -> Vec<String> {
    let listing = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        listing.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn of_type(project: &Project, kind: &str) -> Vec<Value> {
    let found = project.palisade(&["audit", "search", "--type", kind, "--json"]).exits(0);
    found.json_lines()
}

#[test]
fn a_restored_backup_verifies_runs_and_verifies_again() {
    let (former, backup) = backed_up();
    let records = former.verifies();
    let project = Project::new();
    let policy = fs::read(project.path().join(".palisade/policy.yaml")).unwrap();
    let told = restore(&project, &backup).exits(0).json();
    assert_eq!((&told["records"], &told["receipt"]), (&records.into(), &(records + 1).into()));
    assert_eq!(project.verifies(), records + 1);
    assert_eq!(fs::read(project.path().join(".palisade/policy.yaml")).unwrap(), policy);
    assert!(!project.path().join(".palisade.unfinished").exists());
    // The former journal goes on, and so does this one, under a key of its own.
    for one in [&former, &project] {
        one.run_steps("  - { name: c, run: [echo, on] }\n").exits(0);
        one.verifies();
    }
    let key =
        |project: &Project| project.palisade(&["audit", "checkpoint", "--key"]).exits(0).stdout;
    assert_ne!(key(&former), key(&project));
    project.palisade(&["journal", "rebuild", "--check"]).exits(0);
    // And again: a second backup of it is restored as well.
    let second = project.outside().join("second");
    project.palisade(&["journal", "backup", &second.display().to_string()]).exits(0);
    let third = Project::new();
    let again = restore(&third, &second).exits(0).json();
    assert!(again["epoch"].as_u64().unwrap() > told["epoch"].as_u64().unwrap() + AHEAD);
    third.run_steps("  - { name: d, run: [echo, on] }\n").exits(0);
    third.verifies();
}

#[test]
fn a_restored_journal_is_out_of_reach_of_the_former_one_and_says_so() {
    let (former, backup) = backed_up();
    let (one, two) = (Project::new(), Project::new());
    let told: Vec<Value> =
        [&one, &two].map(|project| restore(project, &backup).exits(0).json()).to_vec();
    let epoch = |told: &Value, name: &str| told[name].as_u64().unwrap();
    for told in &told {
        assert!(epoch(told, "epoch") >= epoch(told, "before") + AHEAD, "{told}");
        assert!(epoch(told, "epoch") <= u64::from(u32::MAX), "{told}");
    }
    assert_ne!(epoch(&told[0], "epoch"), epoch(&told[1], "epoch"), "two of one backup are two");
    let noted = of_type(&one, "journal.restored");
    let payload = &noted[0]["payload"];
    assert_eq!(noted.len(), 1);
    assert_eq!((&payload["before"], &payload["epoch"]), (&told[0]["before"], &told[0]["epoch"]));
    let end = &payload["checkpoints"][0];
    assert_eq!(end["sequence"], told[0]["records"]);
    let last = end["sequence"].to_string();
    let exported = former.palisade(&["audit", "export", "--from", &last]).exits(0).json_lines();
    assert_eq!(end["leaf"], exported[0]["leaf"], "where the backup ends");
    // Every fence the restored one grants is beyond those of the former one.
    let fence = |project: &Project| -> u64 {
        project.run_steps("  - { name: c, run: [echo, on] }\n").exits(0);
        let started = of_type(project, "step.started");
        let fence = started[0]["payload"]["fence"].as_str().unwrap();
        fence.split('-').next().unwrap().parse().unwrap()
    };
    assert_eq!(fence(&one), epoch(&told[0], "epoch") + 1);
    assert!(fence(&former) < epoch(&told[0], "before") + 10);
}

#[test]
fn nothing_is_restored_over_anything_that_is_there() {
    let (former, backup) = backed_up();
    let before = former.verifies();
    tried(&former, &backup).exits(5).says("overwrites nothing", "", "move the state folder aside");
    assert_eq!(former.verifies(), before);
    for name in ["keys", "tiles", "palisade.db.lock", "notes.txt", "artifacts"] {
        let project = Project::new();
        fs::create_dir(project.path().join(".palisade").join(name)).unwrap();
        let found = names(&project.path().join(".palisade"));
        tried(&project, &backup).exits(5).says(name, "", "move the state folder aside");
        assert_eq!(names(&project.path().join(".palisade")), found, "{name}");
        assert!(!project.path().join(".palisade.unfinished").exists());
    }
    let nothing = Project::bare();
    tried(&nothing, &nothing.outside()).exits(3).says("is not a backup", "palisade.db", "");
    // The controls: nothing at all is there, and only what is no state.
    tried(&nothing, &backup).exits(0);
    tried(&Project::new(), &backup).exits(0);
}

/// One file below a folder whose path has `part` in it.
fn below(folder: &Path, part: &str) -> PathBuf {
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                open.push(entry.path());
            } else if entry.path().display().to_string().contains(part) {
                return entry.path();
            }
        }
    }
    panic!("no `{part}` in {folder:?}");
}

/// Changes the first record's header, as somebody with a SQLite shell does.
fn forge(backup: &Path) {
    let raw = Connection::open(backup.join("palisade.db")).unwrap();
    let sql = "SELECT sql FROM sqlite_schema WHERE name = 'event_is_not_changed'";
    let trigger: String = raw.query_row(sql, [], |row| row.get(0)).unwrap();
    raw.execute_batch("DROP TRIGGER event_is_not_changed").unwrap();
    let sql = "UPDATE event SET header = CAST(header || x'00' AS BLOB) WHERE id = (SELECT max(id) - 3 FROM event)";
    assert_eq!(raw.execute(sql, []).unwrap(), 1);
    raw.execute_batch(&trigger).unwrap();
}

/// Takes the newest records away.
fn cut(backup: &Path) {
    let raw = Connection::open(backup.join("palisade.db")).unwrap();
    let sql = "SELECT sql FROM sqlite_schema WHERE name = 'event_is_not_deleted'";
    let trigger: String = raw.query_row(sql, [], |row| row.get(0)).unwrap();
    raw.execute_batch("DROP TRIGGER event_is_not_deleted").unwrap();
    raw.execute("DELETE FROM event WHERE id > (SELECT max(id) - 2 FROM event)", []).unwrap();
    raw.execute_batch(&trigger).unwrap();
}

#[test]
fn a_damaged_backup_is_refused_and_nothing_of_it_is_left() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 7] = [
        ("first bad sequence", forge),
        ("first bad sequence", cut),
        ("", |backup| fs::write(below(backup, "artifacts/sha256"), "other").unwrap()),
        ("", |backup| fs::remove_file(below(backup, "artifacts/sha256")).unwrap()),
        ("", |backup| fs::remove_file(below(backup, ".segment")).unwrap()),
        ("", |backup| {
            let raw = Connection::open(backup.join("palisade.db")).unwrap();
            raw.execute_batch("DROP TRIGGER log_is_not_deleted").unwrap();
        }),
        ("", |backup| {
            let path = backup.join("palisade.db");
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        }),
    ];
    for (number, (says, damage)) in damages.into_iter().enumerate() {
        let (_former, backup) = backed_up();
        damage(&backup);
        let project = Project::new();
        let found = names(&project.path());
        let ran = tried(&project, &backup).exits(20);
        ran.says(says, "the backup does not verify", "restore an earlier backup");
        assert_eq!(names(&project.path()), found, "{number}");
        assert_eq!(names(&project.path().join(".palisade")), ["policy.yaml"], "{number}");
        project.run_steps("  - { name: a, run: [echo, hello] }\n").exits(0);
    }
}

#[test]
fn what_an_interrupted_restore_leaves_is_no_journal() {
    let (_former, backup) = backed_up();
    // Opened to be read, it waits for somebody who writes: the restore is killed in the middle of its work.
    let pipe = backup.join("tiles/server/kept/tile/entries/000.p/wait");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let project = Project::new();
    let words = ["journal", "restore", &backup.display().to_string()];
    let running = Running::start(&mut project.command(&words));
    let unfinished = project.path().join(".palisade.unfinished");
    wait_for("the unfinished folder", || unfinished.join("tiles").exists());
    running.kill();
    fs::remove_file(&pipe).unwrap();
    assert_eq!(names(&project.path().join(".palisade")), ["policy.yaml"]);
    project.palisade(&["audit", "verify"]).exits(3);
    // What is left is not taken for anything, and named.
    tried(&project, &backup).exits(5).says(".unfinished", "", "can go");
    assert_eq!(names(&project.path().join(".palisade")), ["policy.yaml"]);
    fs::remove_dir_all(&unfinished).unwrap();
    restore(&project, &backup).exits(0);
    project.verifies();
}
