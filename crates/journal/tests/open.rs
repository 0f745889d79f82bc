//! Refusals to open: in use, newer, foreign, missing, unwritable, damaged, shorter than its checkpoint.
//! A refused file is checked to be unchanged; the golden database of each version must open.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

mod support;

use std::path::Path;

use journal::{Access, LogId, OpenError, Options, Reader, SCHEMA_VERSION, Store};
use rusqlite::Connection;
use support::{VIEWS, fill, open, place};

fn refusal(database: &Path) -> OpenError {
    Store::open(Options::new(database, VIEWS)).unwrap_err()
}

#[test]
fn a_second_owner_is_told_who_the_first_is() {
    let place = place();
    let store = open(&place.database);
    let error = refusal(&place.database);
    assert!(matches!(error, OpenError::Busy { pid: Some(pid) } if pid == std::process::id()));
    assert_eq!(error.to_string(), format!("database is in use by process {}", std::process::id()));
    assert!(Reader::open(&place.database).is_ok(), "reading is always possible");
    drop(store);
    drop(open(&place.database));
}

#[test]
fn a_newer_database_is_refused_and_unchanged() {
    let place = place();
    fill(&place.database, 1, 3);
    let raw = Connection::open(&place.database).unwrap();
    raw.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    // A number alone is damage: nothing newer was ever here.
    for error in [refusal(&place.database), Reader::open(&place.database).unwrap_err()] {
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    }
    let migration = "INSERT INTO migration VALUES (?1, 'later', x'00')";
    raw.execute(migration, [SCHEMA_VERSION + 1]).unwrap();
    drop(raw);
    for error in [refusal(&place.database), Reader::open(&place.database).unwrap_err()] {
        let found = SCHEMA_VERSION + 1;
        assert!(matches!(error, OpenError::Newer { found: it, .. } if it == found), "{error}");
    }
    let raw = Connection::open(&place.database).unwrap();
    let epoch: i64 = raw.query_row("SELECT epoch FROM owner", [], |row| row.get(0)).unwrap();
    assert_eq!(epoch, 1);
}

#[test]
fn foreign_files_are_refused_and_unchanged() {
    let check = |content: &[u8]| {
        let place = place();
        std::fs::write(&place.database, content).unwrap();
        for error in [refusal(&place.database), Reader::open(&place.database).unwrap_err()] {
            assert!(matches!(error, OpenError::NotAPalisadeDatabase { .. }), "{error}");
        }
        assert_eq!(std::fs::read(&place.database).unwrap(), content);
    };
    check(b"hello, this is a text file and long enough to be read as a header of a database file ....");
    let other = place();
    let raw = Connection::open(&other.database).unwrap();
    raw.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)").unwrap();
    drop(raw);
    check(&std::fs::read(&other.database).unwrap());
}

#[test]
fn a_missing_database_is_made_only_when_asked() {
    let place = place();
    let existing = Options { access: Access::Existing, ..Options::new(&place.database, VIEWS) };
    assert!(matches!(Store::open(existing).unwrap_err(), OpenError::Missing { .. }));
    assert!(matches!(Reader::open(&place.database).unwrap_err(), OpenError::Missing { .. }));
    assert!(std::fs::read_dir(place.folder.path()).unwrap().next().is_none(), "nothing was made");
    drop(open(&place.database));
}

#[test]
fn a_place_that_cannot_be_written_is_said_so() {
    // A folder that refuses even the superuser, and one below a file.
    let place = place();
    let file = place.folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for database in [Path::new("/proc/palisade/journal.db"), &file.join("journal.db")] {
        let error = refusal(database);
        assert!(matches!(error, OpenError::Unwritable { .. }), "{error:?}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn a_changed_migration_is_damage() {
    let place = place();
    fill(&place.database, 1, 3);
    let raw = Connection::open(&place.database).unwrap();
    raw.execute("UPDATE migration SET checksum = zeroblob(32)", []).unwrap();
    assert!(matches!(refusal(&place.database), OpenError::Corrupt { .. }));
}

#[test]
fn a_damaged_last_record_is_damage() {
    let place = place();
    fill(&place.database, 1, 3);
    let raw = Connection::open(&place.database).unwrap();
    raw.execute_batch("DROP TRIGGER event_is_not_changed; UPDATE event SET leaf = zeroblob(32) WHERE id = (SELECT max(id) FROM event)").unwrap();
    let error = refusal(&place.database);
    assert!(
        matches!(&error, OpenError::Corrupt { detail } if detail.contains("record 3")),
        "{error}"
    );
}

#[test]
fn a_journal_shorter_than_its_checkpoint_does_not_start() {
    let place = place();
    fill(&place.database, 1, 5);
    let raw = Connection::open(&place.database).unwrap();
    raw.execute_batch(
        "DROP TRIGGER event_is_not_deleted; DELETE FROM event WHERE id > (SELECT max(id) FROM event) - 2",
    )
    .unwrap();
    drop(raw);
    let error = refusal(&place.database);
    assert!(
        matches!(&error, OpenError::BehindCheckpoint { log, found: 3, expected: 5 } if *log == LogId::default()),
        "{error}"
    );
    // The control: without the checkpoint the chain alone cannot tell.
    std::fs::remove_file(place.folder.path().join("journal.db.checkpoint")).unwrap();
    drop(open(&place.database));
}

#[test]
fn a_rewritten_record_under_the_checkpoint_does_not_start() {
    let (place, other) = (place(), place());
    fill(&place.database, 1, 5);
    fill(&other.database, 11, 16);
    std::fs::copy(&other.database, &place.database).unwrap();
    let error = refusal(&place.database);
    assert!(
        matches!(&error, OpenError::Corrupt { detail } if detail.contains("checkpoint")),
        "{error}"
    );
}

#[test]
fn a_damaged_checkpoint_file_is_said_so_and_an_empty_one_says_nothing() {
    let place = place();
    fill(&place.database, 1, 5);
    let file = place.folder.path().join("journal.db.checkpoint");
    std::fs::write(&file, "garbage\n").unwrap();
    assert!(matches!(refusal(&place.database), OpenError::Checkpoint { .. }));
    std::fs::write(&file, "").unwrap();
    drop(open(&place.database));
}

#[test]
fn the_golden_database_of_version_1_still_opens() {
    let place = place();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal-v1.db");
    std::fs::copy(fixture, &place.database).unwrap();
    let verified = journal::verify_all(&journal::Verification::new(&place.database)).unwrap();
    assert_eq!(verified[0].records, 12);
    let reader = Reader::open(&place.database).unwrap();
    let records = reader.by_log(&LogId::default(), 0, 100).unwrap();
    let expected: Vec<Vec<u8>> = (1..=12).map(|number| support::draft(number).payload).collect();
    assert_eq!(records.into_iter().map(|it| it.payload).collect::<Vec<_>>(), expected);
    assert!(reader.view_len("runs").unwrap() > 0);
    drop(reader);
    fill(&place.database, 13, 15);
    assert_eq!(journal::Verification::new(&place.database).run().unwrap().records, 15);
}
