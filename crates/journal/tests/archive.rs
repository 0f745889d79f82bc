//! Archiving: records are sealed into files, are read and verified there, and nothing is lost on the way.
//! Each damage to a segment is found and named; an archive that is whole is the control.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use journal::{
    Draft, Fault, FaultReason, LogId, Options, PAYLOAD_INLINE_BYTES_MAX, Reader, Record, SealError,
    Sealing, Segment, Verification, VerifyError, backup, inspect, rebuild,
};
use rusqlite::Connection;
use support::{Place, VIEWS, changes_of, draft, fill, open, operation, place};

const RECORDS: u64 = 200;
/// Records are a millisecond apart.
const HALF: i64 = 100_000;

fn manifest(segment: &Segment) -> Draft {
    let mut draft = draft(0);
    draft.kind = "journal.archived".into();
    draft.time_us = i64::MAX / 4;
    draft.payload = format!("{} {} {}", segment.first, segment.last, segment.digest).into_bytes();
    draft
}

/// The changes of the tests' records; a manifest has none.
fn projector(record: &Record) -> Vec<journal::Change> {
    if record.header.kind == "journal.archived" { Vec::new() } else { changes_of(&record.payload) }
}

fn seal(database: &Path, before_us: i64) -> Vec<Segment> {
    let mut store = open(database);
    let sealing = Sealing { log: LogId::default(), before_us };
    let mut sealed = Vec::new();
    while let Some(segment) = store.seal(&sealing, manifest).unwrap() {
        sealed.push(segment);
    }
    store.close().unwrap();
    sealed
}

fn check(database: &Path) -> Result<(), VerifyError> {
    inspect(&Verification::new(database), VIEWS, projector).map(|_| ())
}

fn fault(database: &Path) -> Fault {
    match check(database) {
        Err(VerifyError::Fault(fault)) => fault,
        other => panic!("no fault: {other:?}"),
    }
}

fn records(database: &Path) -> Vec<Record> {
    Reader::open(database).unwrap().by_log(&LogId::default(), 0, 10_000).unwrap()
}

fn archived() -> (Place, Segment) {
    let place = place();
    fill(&place.database, 1, RECORDS);
    let mut sealed = seal(&place.database, HALF);
    assert_eq!(sealed.len(), 1);
    (place, sealed.remove(0))
}

fn file(place: &Place, segment: &Segment) -> PathBuf {
    place.folder.path().join("archive").join(format!("{}.segment", segment.digest))
}

#[test]
fn archived_records_are_read_and_verified_as_before() {
    let place = place();
    fill(&place.database, 1, RECORDS);
    let before = records(&place.database);
    let segment = seal(&place.database, HALF).remove(0);
    assert_eq!((segment.first, segment.last), (1, 99), "those recorded before the date, no other");
    assert_eq!(segment.leaf, before[98].leaf);
    let after = records(&place.database);
    assert_eq!(after[..before.len()], before);
    assert_eq!(after.len(), before.len() + 1, "and the manifest");
    let raw = Connection::open(&place.database).unwrap();
    let hot: i64 = raw
        .query_row("SELECT count(*) FROM event WHERE payload IS NOT NULL", [], |row| row.get(0))
        .unwrap();
    assert_eq!(hot, 102, "archived payloads have left the database");
    check(&place.database).unwrap();
    let reader = Reader::open(&place.database).unwrap();
    assert_eq!(reader.segments().unwrap(), [segment]);
    let rebuilt = rebuild(Options::new(&place.database, VIEWS), projector).unwrap();
    assert!(rebuilt.views.iter().all(journal::ViewReport::is_identical), "{rebuilt:?}");
}

#[test]
fn archiving_goes_on_where_it_ended() {
    let (place, first) = archived();
    assert_eq!(seal(&place.database, HALF), [], "nothing is due");
    let second = seal(&place.database, HALF * 3 / 2).remove(0);
    assert_eq!((second.first, second.last), (100, 149));
    assert_eq!(second.prev_leaf, first.leaf);
    check(&place.database).unwrap();
    let heads = Reader::open(&place.database).unwrap().logs().unwrap();
    assert_eq!(heads[0].sequence, RECORDS + 2, "one manifest for each segment");
}

#[test]
fn payloads_in_the_artifact_store_stay_there() {
    let place = place();
    let mut store = open(&place.database);
    let mut large = operation(1);
    large.drafts[0].payload = vec![b'x'; PAYLOAD_INLINE_BYTES_MAX + 1];
    large.changes.clear();
    let _ = store.commit_batch(&[large]).pop().unwrap().unwrap();
    store.close().unwrap();
    let before = records(&place.database);
    let segment = seal(&place.database, HALF).remove(0);
    assert_eq!((segment.first, segment.last), (1, 1));
    assert_eq!(records(&place.database)[0], before[0]);
    Verification::new(&place.database).run().unwrap();
}

#[test]
fn a_missing_segment_is_named_with_its_first_record() {
    let (place, segment) = archived();
    let path = file(&place, &segment);
    let aside = path.with_extension("aside");
    fs::rename(&path, &aside).unwrap();
    let found = fault(&place.database);
    assert_eq!(found.sequence, 1);
    assert!(matches!(&found.reason, FaultReason::Archive(why) if why.contains("missing")));
    let reader = Reader::open(&place.database).unwrap();
    assert!(reader.get(&LogId::default(), 5).is_err(), "and is not taken for an empty payload");
    assert!(reader.get(&LogId::default(), 150).unwrap().is_some());
    fs::rename(&aside, &path).unwrap();
    check(&place.database).unwrap();
}

#[test]
fn every_byte_of_a_segment_counts() {
    let (place, segment) = archived();
    let path = file(&place, &segment);
    let good = fs::read(&path).unwrap();
    for at in (0..good.len()).step_by(97).chain([good.len() - 1]) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        let found = fault(&place.database);
        assert!(matches!(found.reason, FaultReason::Archive(_)), "byte {at}: {found}");
        assert!((segment.first..=segment.last).contains(&found.sequence));
    }
    fs::write(&path, &good[..good.len() - 1]).unwrap();
    assert!(matches!(fault(&place.database).reason, FaultReason::Archive(_)));
    fs::write(&path, &good).unwrap();
    check(&place.database).unwrap();
}

#[test]
fn the_database_refuses_to_let_payloads_go_that_no_segment_has() {
    let (place, _) = archived();
    let raw = Connection::open(&place.database).unwrap();
    for sql in [
        "UPDATE event SET payload = NULL WHERE id = (1 << 40) + 150",
        "UPDATE event SET payload = x'00' WHERE id = (1 << 40) + 5",
        "UPDATE event SET header = x'00' WHERE id = (1 << 40) + 5",
        "UPDATE event SET id = id + 1000 WHERE id = (1 << 40) + 5",
        "DELETE FROM event WHERE id = (1 << 40) + 5",
        "DELETE FROM segment",
        "UPDATE segment SET last = last + 50",
        "INSERT INTO segment VALUES ((1 << 40) + 50, (1 << 40) + 120, zeroblob(32))",
    ] {
        let error = raw.execute_batch(sql).unwrap_err();
        assert!(
            error.to_string().contains("append-only")
                || error.to_string().contains("in one segment only"),
            "{sql}: {error}"
        );
    }
    check(&place.database).unwrap();
}

#[test]
fn a_damaged_record_is_not_archived() {
    let place = place();
    fill(&place.database, 1, 20);
    let raw = Connection::open(&place.database).unwrap();
    raw.execute_batch(
        "DROP TRIGGER event_is_not_changed; \
         UPDATE event SET payload = x'7b7d' WHERE id = (1 << 40) + 7",
    )
    .unwrap();
    drop(raw);
    let mut store = open(&place.database);
    let sealing = Sealing { log: LogId::default(), before_us: HALF };
    match store.seal(&sealing, manifest) {
        Err(SealError::Damaged { sequence, .. }) => assert_eq!(sequence, 7),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.head(&LogId::default()).unwrap().0, 20, "nothing was appended");
}

#[test]
fn a_backup_has_the_archive_too() {
    let (place, segment) = archived();
    let target = place.folder.path().join("copy");
    let copied = backup(&place.database, None, &target).unwrap();
    check(&copied.database).unwrap();
    assert_eq!(records(&copied.database), records(&place.database));
    fs::remove_file(file(&place, &segment)).unwrap();
    check(&copied.database).unwrap();
}

#[test]
fn a_database_from_before_there_were_archives_is_read_and_brought_forward() {
    let place = place();
    fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal-v1.db"),
        &place.database,
    )
    .unwrap();
    check(&place.database).unwrap();
    assert_eq!(Reader::open(&place.database).unwrap().segments().unwrap(), []);
    assert_eq!(seal(&place.database, i64::MAX / 8).len(), 1);
    check(&place.database).unwrap();
}
