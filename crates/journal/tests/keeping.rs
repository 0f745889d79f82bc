//! Keeping what is written: rebuilding views, backing up, and the artifact store.
//! Each repair has its control: an untouched journal is reported as identical or complete.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

mod support;

use std::io::Read;

use journal::{
    ArtifactError, ArtifactStore, BackupError, Change, Digest, LogId, OpenError, Operation,
    Options, PAYLOAD_INLINE_BYTES_MAX, Reader, RebuildError, Record, Scan, Verification, backup,
    rebuild, verify_all,
};
use rusqlite::Connection;
use support::{VIEWS, changes_of, fill, open, operation, place};

fn options(database: &std::path::Path) -> Options {
    Options::new(database, VIEWS)
}

fn projector(record: &Record) -> Vec<Change> {
    changes_of(&record.payload)
}

fn rows(database: &std::path::Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    Reader::open(database).unwrap().view_scan("runs", &Scan::default(), 10_000).unwrap()
}

#[test]
fn rebuilding_gives_the_same_bytes() {
    let place = place();
    fill(&place.database, 1, 300);
    let before = rows(&place.database);
    assert!(before.len() > 5);
    let rebuilt = rebuild(options(&place.database), projector).unwrap();
    assert_eq!(rebuilt.records, 300);
    assert!(rebuilt.views.iter().all(journal::ViewReport::is_identical), "{rebuilt:?}");
    assert_eq!(rows(&place.database), before);
    fill(&place.database, 301, 310);
    assert!(rebuild(options(&place.database), projector).unwrap().views[0].is_identical());
}

#[test]
fn rebuilding_repairs_and_reports_what_was_different() {
    let place = place();
    fill(&place.database, 1, 300);
    let before = rows(&place.database);
    let raw = Connection::open(&place.database).unwrap();
    raw.execute("DELETE FROM view_runs WHERE key = ?1", [&before[0].0]).unwrap();
    raw.execute(
        "UPDATE view_runs SET value = x'00' WHERE key IN (?1, ?2)",
        [&before[1].0, &before[2].0],
    )
    .unwrap();
    raw.execute("INSERT INTO view_runs VALUES (x'ff', x'ff'), (x'fe', x'fe'), (x'fd', x'')", [])
        .unwrap();
    drop(raw);
    let report = rebuild(options(&place.database), projector).unwrap().views.remove(0);
    assert_eq!((report.missing, report.changed, report.extra), (1, 2, 3));
    assert_eq!(report.rows, before.len() as u64);
    assert_eq!(rows(&place.database), before);
}

#[test]
fn a_rebuild_that_fails_changes_nothing() {
    let place = place();
    fill(&place.database, 1, 30);
    let before = rows(&place.database);
    let wrong = |record: &Record| {
        let view = if record.header.sequence == 20 { "undeclared" } else { "runs" };
        vec![Change { view, key: vec![1], value: None }]
    };
    let error = rebuild(options(&place.database), wrong).unwrap_err();
    assert!(matches!(error, RebuildError::Projection { sequence: 20, .. }), "{error}");
    assert_eq!(rows(&place.database), before);
    let store = open(&place.database);
    let error = rebuild(options(&place.database), projector).unwrap_err();
    assert!(matches!(error, RebuildError::Open(OpenError::Busy { .. })), "{error}");
    drop(store);
}

#[test]
fn a_rebuild_folds_all_logs_in_the_order_of_commits() {
    let place = place();
    let mut store = open(&place.database);
    let logs = ["b", "a", "c"].map(|tenant| LogId::new(tenant, 0).unwrap());
    for number in 0..30_usize {
        let log = logs[number * 7 % 3].clone();
        // The clock stands still, so that only the counter can order them.
        let mut operation = Operation { log, ..operation(1) };
        operation.drafts[0].time_us = 5;
        operation.drafts[0].payload = number.to_string().into_bytes();
        operation.changes.clear();
        assert!(store.commit_batch(&[operation])[0].is_ok());
    }
    drop(store);
    let mut order = Vec::new();
    let fold = |record: &Record| {
        order.push(String::from_utf8(record.payload.clone()).unwrap().parse::<usize>().unwrap());
        Vec::new()
    };
    assert_eq!(rebuild(options(&place.database), fold).unwrap().records, 30);
    assert_eq!(order, (0..30).collect::<Vec<_>>());
}

#[test]
fn a_backup_is_complete_and_made_while_writing() {
    let place = place();
    let mut store = open(&place.database);
    let mut large = operation(2);
    large.drafts[0].payload = vec![b'p'; PAYLOAD_INLINE_BYTES_MAX * 3];
    assert!(store.commit_batch(&[operation(1), large]).iter().all(Result::is_ok));
    let folder = place.folder.path().join("copy");
    let made = backup(&place.database, None, &folder).unwrap();
    assert_eq!((made.records, made.artifacts), (2, 1));
    assert!(store.commit_batch(&[operation(3)])[0].is_ok());
    let verified = verify_all(&Verification::new(&made.database)).unwrap();
    assert_eq!((verified[0].records, verified[0].checkpoints), (2, 1));
    fill(&made.database, 4, 6);
    assert_eq!(Verification::new(&made.database).run().unwrap().records, 5);
    assert_eq!(Verification::new(&place.database).run().unwrap().records, 3);
}

#[test]
fn a_backup_overwrites_nothing() {
    let place = place();
    fill(&place.database, 1, 3);
    let error = backup(&place.database, None, place.folder.path()).unwrap_err();
    assert!(matches!(error, BackupError::Exists { .. }), "{error}");
    let none = place.folder.path().join("none.db");
    let error = backup(&none, None, &place.folder.path().join("copy")).unwrap_err();
    assert!(matches!(error, BackupError::Open(OpenError::Missing { .. })), "{error}");
    assert!(!place.folder.path().join("copy").exists());
}

#[test]
fn a_backup_has_its_name_only_when_it_is_whole() {
    let place = place();
    let mut store = open(&place.database);
    let mut large = operation(1);
    large.drafts[0].payload = vec![b'p'; PAYLOAD_INLINE_BYTES_MAX * 3];
    assert!(store.commit_batch(&[large.clone()])[0].is_ok());
    let artifacts = ArtifactStore::beside(&place.database);
    let file = artifacts.path(artifacts.list().unwrap()[0].digest);
    std::fs::write(&file, "other").unwrap();
    let (copy, unfinished) =
        (place.folder.path().join("copy"), place.folder.path().join("copy.unfinished"));
    let made = || backup(&place.database, None, &copy.join(""));
    let error = made().unwrap_err();
    assert!(matches!(error, BackupError::Artifact(ArtifactError::Damaged { .. })), "{error}");
    // The database was copied already; only the name says that the rest is not.
    assert!(unfinished.join("journal.db").exists() && !copy.exists());
    // What is left is not overwritten, and named.
    std::fs::write(&file, &large.drafts[0].payload).unwrap();
    let error = made().unwrap_err();
    assert!(matches!(&error, BackupError::Exists { path } if *path == unfinished), "{error}");
    std::fs::remove_dir_all(&unfinished).unwrap();
    let made = made().unwrap();
    assert_eq!((made.database, made.artifacts), (copy.join("journal.db"), 1));
    assert!(!unfinished.exists());
    let verified = Verification::new(copy.join("journal.db")).run().unwrap();
    assert_eq!((verified.records, verified.artifacts), (1, 1));
}

/// A source that fails after some bytes.
struct Broken(usize);

impl Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.min(buffer.len());
        self.0 -= count;
        if count == 0 { Err(std::io::ErrorKind::BrokenPipe.into()) } else { Ok(count) }
    }
}

#[test]
fn artifacts_are_named_by_content_and_published_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = ArtifactStore::at(folder.path().join("artifacts"));
    assert_eq!(store.list().unwrap(), []);
    let digest = store.put(b"hello").unwrap();
    assert_eq!(digest, Digest::of(b"hello"));
    assert_eq!(store.put(b"hello").unwrap(), digest);
    assert_eq!(store.put(b"").unwrap(), Digest::of(b""));
    let large = vec![7; 200_000];
    let stored = store.put_reader(&mut large.as_slice(), 200_000).unwrap();
    assert_eq!((stored.size, store.get(stored.digest).unwrap()), (200_000, large.clone()));
    assert_eq!(store.list().unwrap().len(), 3);
    let over = store.put_reader(&mut large.as_slice(), 199_999);
    assert!(matches!(over, Err(ArtifactError::TooLarge { limit: 199_999 })), "{over:?}");
    let broken = store.put_reader(&mut Broken(70_000), u64::MAX);
    assert!(matches!(broken, Err(ArtifactError::Source(_))), "{broken:?}");
    assert_eq!(store.list().unwrap().len(), 3, "failed ones leave nothing");
    assert_eq!(std::fs::read_dir(folder.path().join("artifacts/tmp")).unwrap().count(), 0);
    let missing = Digest::of(b"missing");
    assert!(matches!(store.get(missing), Err(ArtifactError::Missing(it)) if it == missing));
}

#[test]
fn damaged_artifacts_are_refused_and_healed_by_storing_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = ArtifactStore::at(folder.path());
    let digest = store.put(b"hello").unwrap();
    std::fs::write(store.path(digest), b"hellO").unwrap();
    assert!(matches!(store.get(digest), Err(ArtifactError::Damaged { .. })));
    assert!(matches!(store.verify(digest), Err(ArtifactError::Damaged { .. })));
    store.put(b"hello").unwrap();
    assert_eq!(store.verify(digest).unwrap().size, 5);
}
