//! The simulated disk under plain SQLite: what is lost, what never is, and that a seed decides it.
//!
//! Each durability claim has a control beside it that must lose something.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

use journal::{Access, Durability, Options, Placement, Rewrite, Store};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::Path;
use testkit::disk::{self, Disk, Honesty, Survival, VFS_NAME};
use testkit::draw::Draw;

fn connect(synchronous: &str) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags_and_vfs("db", OpenFlags::default(), VFS_NAME)?;
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", synchronous)?;
    db.execute("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, body BLOB)", [])?;
    Ok(db)
}

fn rows(db: &Connection) -> Vec<i64> {
    let mut all = db.prepare("SELECT id FROM t ORDER BY id").unwrap();
    all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// What one seed left behind.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    acknowledged: usize,
    lost: usize,
    trace: [u8; 32],
}

/// Inserts rows, loses power at a drawn operation, reopens and counts what is missing, `cycles`
/// times over one disk.
fn crash_cycles(seed: u64, synchronous: &str, honesty: Honesty, cycles: usize) -> Left {
    let disk = Disk::new(seed);
    disk.set_honesty(honesty);
    let mut draw = Draw::new(seed);
    let (mut acknowledged, mut lost, mut next) = (Vec::new(), 0, 0);
    for _ in 0..cycles {
        disk.cut_power_after(draw.between(1, 60));
        let mut db = connect(synchronous);
        while let Ok(open) = &db {
            next += 1;
            let body = vec![7_u8; usize::try_from(draw.below(6_000)).unwrap()];
            if open.execute("INSERT INTO t(id, body) VALUES (?, ?)", (next, body)).is_ok() {
                acknowledged.push(next);
            } else {
                db = Err(rusqlite::Error::InvalidQuery);
            }
        }
        drop(db);
        disk.crash(*draw.pick(&Survival::ALL).unwrap());
        let Ok(db) = connect(synchronous) else {
            lost += acknowledged.len();
            break;
        };
        let present = rows(&db);
        lost += acknowledged.iter().filter(|id| present.binary_search(id).is_err()).count();
        acknowledged.retain(|id| present.binary_search(id).is_ok());
        if honesty == Honesty::Honest && synchronous != "off" {
            let verdict: String = db.query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
            assert_eq!(verdict, "ok", "seed {seed}");
        }
    }
    Left { acknowledged: acknowledged.len(), lost, trace: disk.trace() }
}

#[test]
fn full_synchronous_never_loses_an_acknowledged_row() {
    let mut acknowledged = 0;
    for seed in 0..300 {
        let left = crash_cycles(seed, "full", Honesty::Honest, 6);
        assert_eq!(left.lost, 0, "seed {seed}");
        acknowledged += left.acknowledged;
    }
    assert!(acknowledged > 3_000, "only {acknowledged} rows were acknowledged");
}

#[test]
fn controls_lose_acknowledged_rows() {
    let table = [("normal", Honesty::Honest), ("off", Honesty::Honest), ("full", Honesty::Lying)];
    for (synchronous, honesty) in table {
        let caught = (0..20).find(|seed| crash_cycles(*seed, synchronous, honesty, 6).lost > 0);
        assert!(caught.is_some(), "{synchronous} on a disk that is {honesty:?} lost nothing");
    }
}

#[test]
fn the_same_seed_gives_the_same_operations() {
    for seed in 0..50 {
        let first = crash_cycles(seed, "full", Honesty::Honest, 3);
        assert_eq!(first, crash_cycles(seed, "full", Honesty::Honest, 3), "seed {seed}");
        assert_ne!(first.trace, crash_cycles(seed + 1_000, "full", Honesty::Honest, 3).trace);
    }
}

#[test]
fn readers_and_a_writer_share_the_log() {
    let disk = Disk::new(1);
    let (writer, reader) = (connect("full").unwrap(), connect("full").unwrap());
    writer.execute("INSERT INTO t(id) VALUES (1)", []).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    assert_eq!(rows(&reader), [1]);
    writer.execute("INSERT INTO t(id) VALUES (2)", []).unwrap();
    assert_eq!(rows(&reader), [1], "a read transaction sees one state");
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(rows(&reader), [1, 2]);

    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = reader.execute("INSERT INTO t(id) VALUES (3)", []).unwrap_err();
    assert_eq!(refused.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    writer.execute_batch("ROLLBACK; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    assert_eq!(rows(&reader), [1, 2]);
    drop((writer, reader, disk));
}

#[test]
fn a_failed_sync_is_reported_and_not_acknowledged() {
    let disk = Disk::new(1);
    let db = connect("full").unwrap();
    db.execute("INSERT INTO t(id) VALUES (1)", []).unwrap();
    disk.fail_sync_after(0);
    let failed = db.execute("INSERT INTO t(id) VALUES (2)", []).unwrap_err();
    assert_eq!(failed.sqlite_error_code(), Some(ErrorCode::SystemIoFailure));
    drop(db);
    disk.crash(Survival::Everything);
    let left = rows(&connect("full").unwrap());
    assert!(left == [1] || left == [1, 2], "{left:?}");
}

#[test]
fn a_full_disk_refuses_the_row_and_keeps_the_others() {
    let disk = Disk::new(1);
    let db = connect("full").unwrap();
    db.execute("INSERT INTO t(id) VALUES (1)", []).unwrap();
    disk.limit(Some(disk.used()));
    let refused = db.execute("INSERT INTO t(id) VALUES (2)", []).unwrap_err();
    assert_eq!(refused.sqlite_error_code(), Some(ErrorCode::DiskFull));
    assert_eq!(rows(&db), [1]);
    disk.limit(None);
    db.execute("INSERT INTO t(id) VALUES (2)", []).unwrap();
    drop(db);
    disk.crash(Survival::Nothing);
    assert_eq!(rows(&connect("full").unwrap()), [1, 2]);
}

#[test]
fn a_handle_from_before_the_crash_is_dead() {
    let disk = Disk::new(1);
    let zombie = connect("full").unwrap();
    zombie.execute("INSERT INTO t(id) VALUES (1)", []).unwrap();
    disk.crash(Survival::Nothing);
    let db = connect("full").unwrap();
    assert!(zombie.execute("INSERT INTO t(id) VALUES (2)", []).is_err());
    drop(zombie);
    assert_eq!(rows(&db), [1]);
    db.execute("INSERT INTO t(id) VALUES (3)", []).unwrap();
    assert_eq!(rows(&db), [1, 3]);
    drop((db, disk));
}

/// A sync fails, the process goes on under a new connection, and later the power is lost: once in
/// the middle, at operation `cut`, and once in the end. `mend` runs before the database is opened.
/// Gives the acknowledged rows that are gone.
fn lost_after_a_failed_sync(mend: Rewrite, cut: u64) -> Vec<i64> {
    let disk = Disk::new(1);
    let db = connect("full").unwrap();
    let mut acknowledged = vec![1];
    db.execute("INSERT INTO t(id) VALUES (1)", []).unwrap();
    disk.fail_sync_after(0);
    db.execute("INSERT INTO t(id) VALUES (2)", []).unwrap_err();
    disk.restart();
    drop(db);
    disk.cut_power_after(cut);
    for first in [3, 6] {
        let db = mend(Path::new("db-wal")).ok().and_then(|()| connect("full").ok());
        for id in first..first + 3 {
            let insert = |db: &Connection| db.execute("INSERT INTO t(id) VALUES (?)", [id]);
            if db.as_ref().is_some_and(|db| insert(db).is_ok()) {
                acknowledged.push(id);
            }
        }
        disk.crash(Survival::Nothing);
    }
    assert!(acknowledged.ends_with(&[6, 7, 8]), "{acknowledged:?}");
    let left = rows(&connect("full").unwrap());
    acknowledged.retain(|id| !left.contains(id));
    acknowledged
}

#[test]
fn rewriting_the_log_saves_what_follows_a_failed_sync() {
    let nothing: Rewrite = |_| Ok(());
    assert_eq!(lost_after_a_failed_sync(nothing, u64::MAX), [3, 4, 5]);
    for cut in (0..40).chain([u64::MAX]) {
        assert_eq!(lost_after_a_failed_sync(disk::rewrite, cut), [] as [i64; 0], "cut at {cut}");
    }
}

/// SQLite swallows a failed switch to the write-ahead log, which must not be taken for a journal.
#[test]
fn no_journal_opens_past_a_failed_sync() {
    let options = || Options {
        path: "db".into(),
        access: Access::Create,
        placement: Placement::Simulated {
            vfs: VFS_NAME.to_owned(),
            durability: Durability::Full,
            rewrite: disk::rewrite,
        },
        views: &[],
    };
    let (mut refused, mut opened) = (0, 0);
    for syncs in 0..12 {
        let disk = Disk::new(1);
        for _ in 0..2 {
            disk.fail_sync_after(syncs);
            let failed = disk.counts().failed_syncs;
            match Store::open(options()) {
                Ok(_) => {
                    assert_eq!(disk.counts().failed_syncs, failed, "sync {syncs} failed");
                    opened += 1;
                }
                Err(_) => refused += 1,
            }
            disk.heal();
            disk.restart();
        }
        Store::open(options()).unwrap();
    }
    assert!(refused > 5 && opened > 5, "{refused} refused, {opened} opened");
}
