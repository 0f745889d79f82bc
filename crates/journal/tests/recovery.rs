//! What an earlier owner left in the write-ahead log: recovered, and made durable before anything
//! is appended to it.
//!
//! That the order of the two keeps records through a failed flush is shown on a simulated disk, by
//! the simulator in `testkit`; here are a real file and a killed process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use journal::{
    Access, Durability, LogId, OpenError, Options, Placement, Rewrite, Store, Verification,
};
use rusqlite::Connection;
use support::{VIEWS, fill, open, operation, place};

const CHILD: &str = "PALISADE_TEST_KILLED_OWNER";

/// What the child prints when everything is acknowledged.
const READY: &str = "every record is acknowledged";

/// Records of the child; with `BODY_BYTES` each, the log is longer than what is rewritten at once.
const RECORDS: u64 = 120;

const BODY_BYTES: usize = 8_000;

#[test]
fn the_log_of_a_killed_owner_is_recovered() {
    match std::env::var_os(CHILD) {
        Some(database) => child(Path::new(&database)),
        None => parent(),
    }
}

fn child(database: &Path) {
    let mut store = open(database);
    for number in 1..=RECORDS {
        let mut operation = operation(number);
        operation.drafts[0].payload = vec![b'p'; BODY_BYTES];
        assert!(store.commit_batch(&[operation])[0].is_ok());
    }
    println!("{READY}");
    // Until the parent kills this process with the store open.
    let _ = io::stdin().read(&mut [0]);
}

fn parent() {
    let place = place();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_log_of_a_killed_owner_is_recovered", "--nocapture"])
        .env(CHILD, &place.database)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains(READY)), "the child failed");
    child.kill().unwrap();
    child.wait().unwrap();

    let log = place.folder.path().join("journal.db-wal");
    let left = fs::read(&log).unwrap();
    assert!(left.len() > usize::try_from(RECORDS).unwrap() * BODY_BYTES, "{}", left.len());
    let store = open(&place.database);
    assert_eq!(store.head(&LogId::default()).unwrap().0, RECORDS);
    assert!(fs::read(&log).unwrap().starts_with(&left), "what was in the log is there unchanged");
    drop(store);
    fill(&place.database, RECORDS + 1, RECORDS + 5);
    assert_eq!(Verification::new(&place.database).run().unwrap().records, RECORDS + 5);
}

/// A real file, with another way of making the log durable.
fn options(database: &Path, rewrite: Rewrite) -> Options {
    Options {
        path: database.to_owned(),
        access: Access::Existing,
        placement: Placement::Simulated {
            vfs: "unix".to_owned(),
            durability: Durability::Full,
            rewrite,
        },
        views: VIEWS,
    }
}

fn epoch(database: &Path) -> i64 {
    let raw = Connection::open(database).unwrap();
    raw.query_row("SELECT epoch FROM owner", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_log_that_cannot_be_made_durable_is_not_appended_to() {
    let place = place();
    let mut store = open(&place.database);
    assert!(store.commit_batch(&[operation(1)])[0].is_ok());
    drop(store);
    let failing: Rewrite = |_| Err(io::Error::from(io::ErrorKind::StorageFull));
    let error = Store::open(options(&place.database, failing)).unwrap_err();
    let expected: PathBuf = place.folder.path().join("journal.db-wal");
    assert!(
        matches!(&error, OpenError::LogNotDurable { path, .. } if *path == expected),
        "{error}"
    );
    assert!(error.hint().is_some());
    assert_eq!(epoch(&place.database), 1, "nothing was written");
    // The control: the same opening goes on when the log can be written.
    assert_eq!(Store::open(options(&place.database, |_| Ok(()))).unwrap().epoch(), 2);
}

#[test]
fn the_log_is_held_against_foreign_writers_while_it_is_rewritten() {
    let place = place();
    fill(&place.database, 1, 3);
    let foreign_write: Rewrite = |log| {
        let path = log.to_str().unwrap().trim_end_matches("-wal");
        let foreign = Connection::open(path).unwrap();
        foreign.busy_timeout(std::time::Duration::ZERO).unwrap();
        let refused = foreign.execute_batch("BEGIN IMMEDIATE").unwrap_err();
        assert_eq!(refused.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy));
        Ok(())
    };
    drop(Store::open(options(&place.database, foreign_write)).unwrap());
}
