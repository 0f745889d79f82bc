//! `palisade audit`: tampering with the database file is found, and the first bad record is named.
//! The journal's own tests go through every byte; here the whole command is what counts.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use crate::support::{Project, Ran};

/// Row id of sequence 0 of the only log.
const BASE: i64 = 1 << 40;

/// A project with a finished run, a checkpoint kept aside, and the bytes of its database.
struct Victim {
    project: Project,
    database: Vec<u8>,
    records: u64,
}

impl Victim {
    fn new() -> Self {
        let project = Project::new();
        project.run_steps("  - { name: a, run: [echo, hello] }\n  - { name: b, needs: [a], run: [echo, world] }\n").exits(0);
        let aside = project.outside().join("checkpoint").display().to_string();
        project.palisade(&["audit", "verify", "--write-checkpoint", &aside]).exits(0);
        let records = project.verifies();
        let database = fs::read(project.database()).unwrap();
        Self { project, database, records }
    }

    /// Puts the untouched database back.
    fn restore(&self) {
        for side in ["-wal", "-shm"] {
            // After a clean end there may be none.
            drop(fs::remove_file(format!("{}{side}", self.project.database().display())));
        }
        fs::write(self.project.database(), &self.database).unwrap();
    }

    fn verify(&self, more: &[&str]) -> Ran {
        self.project.palisade(&[&["audit", "verify"], more].concat())
    }

    fn aside(&self) -> String {
        self.project.outside().join("checkpoint").display().to_string()
    }
}

/// The database as somebody with a SQLite shell and no respect for triggers has it.
pub(crate) fn attack(database: &Path, sql: &str) {
    let raw = Connection::open(database).unwrap();
    let triggers: Vec<(String, String)> = raw
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert!(!triggers.is_empty());
    for (name, _) in &triggers {
        raw.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    raw.execute_batch(&sql.replace("BASE", &BASE.to_string())).unwrap();
    // A missing trigger would be found by itself.
    triggers.iter().for_each(|(_, sql)| raw.execute_batch(sql).unwrap());
    assert!(raw.total_changes() > 0, "the attack must change something");
}

#[track_caller]
fn names(ran: Ran, sequence: u64) {
    let what = format!("first bad sequence {sequence}");
    ran.exits(20).says(&what, "", "restore a backup");
}

#[test]
fn records_changed_deleted_and_moved_are_named() {
    let victim = Victim::new();
    let check = |sql: &str, sequence: u64| {
        victim.restore();
        victim.verify(&[]).exits(0);
        attack(&victim.project.database(), sql);
        names(victim.verify(&[]), sequence);
    };
    check("UPDATE event SET payload = CAST(payload || ' ' AS BLOB) WHERE id = BASE + 5", 5);
    check("UPDATE event SET leaf = zeroblob(32) WHERE id = BASE + 6", 6);
    check("UPDATE event SET header = CAST(header || x'00' AS BLOB) WHERE id = BASE + 1", 1);
    check("DELETE FROM event WHERE id = BASE + 4", 4);
    check("DELETE FROM event WHERE id <= BASE + 3", 1);
    check(
        "UPDATE event SET id = BASE + 999 WHERE id = BASE + 2;
         UPDATE event SET id = BASE + 2 WHERE id = BASE + 3;
         UPDATE event SET id = BASE + 3 WHERE id = BASE + 999",
        2,
    );
}

#[test]
fn a_changed_byte_of_any_payload_is_named() {
    let victim = Victim::new();
    let raw = Connection::open(victim.project.database()).unwrap();
    let payload = |sequence: u64| -> Vec<u8> {
        let id = BASE + i64::try_from(sequence).unwrap();
        raw.query_row("SELECT payload FROM event WHERE id = ?1", [id], |row| row.get(0)).unwrap()
    };
    let payloads: Vec<Vec<u8>> = (1..=victim.records).map(payload).collect();
    drop(raw);
    for (sequence, payload) in (1..).zip(&payloads) {
        // A long payload goes on in other pages; its beginning stands in one piece.
        let start = &payload[..payload.len().min(100)];
        let windows = victim.database.windows(start.len()).enumerate();
        let places = windows.filter(|(_, window)| *window == start).map(|(place, _)| place);
        // Records may begin alike, and what was moved within the file may have left a copy behind of which no
        // record is made.
        let named: Vec<u64> =
            places.filter_map(|place| changed(&victim, place + start.len() / 2)).collect();
        assert!(named.contains(&sequence), "record {sequence}: {named:?}");
        for other in named {
            assert!(payloads[usize::try_from(other).unwrap() - 1].starts_with(start));
        }
    }
    victim.restore();
    victim.verify(&[]).exits(0);
}

/// Changes one byte of the file; the first bad sequence then.
fn changed(victim: &Victim, at: usize) -> Option<u64> {
    victim.restore();
    let mut bytes = victim.database.clone();
    bytes[at] ^= 1;
    fs::write(victim.project.database(), bytes).unwrap();
    let ran = victim.verify(&["--json"]);
    (ran.code != 0).then(|| ran.exits(20).json()["first_bad_sequence"].as_u64().unwrap())
}

#[test]
fn truncation_is_found_against_a_checkpoint_kept_aside() {
    let victim = Victim::new();
    let cut = format!("DELETE FROM event WHERE id > BASE + {}", victim.records - 2);
    let beside = format!("{}.checkpoint", victim.project.database().display());
    attack(&victim.project.database(), &cut);
    names(victim.verify(&["--checkpoint", &victim.aside()]), victim.records - 1);
    names(victim.verify(&[]), victim.records - 1);
    // Without the checkpoint beside the journal there is what was signed, and without that what the views say of it;
    // an attacker who makes the views anew is found by the one kept aside only.
    fs::remove_file(beside).unwrap();
    names(victim.verify(&[]), victim.records - 1);
    fs::remove_dir_all(victim.project.database().parent().unwrap().join("tiles")).unwrap();
    victim.verify(&[]).exits(20).says("a view made of them does not", "", "journal rebuild");
    victim.verify(&["--tail", "3"]).exits(0);
    names(victim.verify(&["--checkpoint", &victim.aside()]), victim.records - 1);
}

#[test]
fn a_file_cut_short_is_found() {
    let victim = Victim::new();
    for part in [2, 3] {
        victim.restore();
        let half = victim.database.len() / part;
        fs::write(victim.project.database(), &victim.database[..half]).unwrap();
        let ran = victim.verify(&[]);
        assert_eq!(ran.code, 20, "{ran:?}");
    }
}

#[test]
fn machines_are_told_the_first_bad_sequence() {
    let victim = Victim::new();
    attack(&victim.project.database(), "UPDATE event SET payload = NULL WHERE id = BASE + 5");
    let ran = victim.verify(&["--json"]).exits(20);
    let told = ran.json();
    assert_eq!(told["verified"], false);
    assert_eq!(told["first_bad_sequence"], 5);
    assert_eq!(told["error"]["code"], 20);
}

#[test]
fn an_artifact_that_is_not_what_was_recorded_is_not_handed_out() {
    let project = Project::new();
    project
        .run_steps("  - { name: a, shell: \"echo good > out.txt\", artifacts: [\"*.txt\"] }\n")
        .exits(0);
    let listed = project.palisade(&["artifact", "list", "--json"]).exits(0).json();
    let digest = listed[0]["artifact"]["digest"].as_str().unwrap().to_owned();
    project.palisade(&["artifact", "get", &digest]).exits(0);
    let store = project.path().join(".palisade/artifacts");
    let mut files = Vec::new();
    find(&store, &digest[4..], &mut files);
    assert_eq!(files.len(), 1);
    crate::support::set_mode(&files[0], 0o644);
    fs::write(&files[0], "evil\n").unwrap();
    for name in ["out.txt", &digest] {
        let ran = project.palisade(&["artifact", "get", name]).exits(20);
        assert!(!ran.stdout.contains("evil"), "{ran:?}");
    }
}

/// Files below `folder` whose name ends in `end`.
fn find(folder: &Path, end: &str, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            find(&entry.path(), end, found);
        } else if entry.file_name().to_string_lossy().ends_with(end) {
            found.push(entry.path());
        }
    }
}
