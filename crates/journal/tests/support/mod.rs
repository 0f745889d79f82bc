//! Small makers of operations and databases for the tests of this crate.
//!
//! Not a test itself; every test file uses a part of it.
#![allow(dead_code, reason = "every test file uses another part")]

use std::path::{Path, PathBuf};

use journal::{Change, Digest, Draft, LogId, Operation, Options, Store, Stream};
use tempfile::TempDir;

/// The views the tests declare.
pub(crate) const VIEWS: &[&str] = &["runs", "queue"];

/// A folder that goes away, and the database path in it.
pub(crate) struct Place {
    /// The folder.
    pub(crate) folder: TempDir,
    /// The database.
    pub(crate) database: PathBuf,
}

/// A new, empty place.
pub(crate) fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("journal.db");
    Place { folder, database }
}

/// Opens the database of a place for writing.
pub(crate) fn open(database: &Path) -> Store {
    Store::open(Options::new(database, VIEWS)).unwrap()
}

/// A draft whose every field depends on `number`.
pub(crate) fn draft(number: u64) -> Draft {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&(number / 3).to_be_bytes());
    Draft {
        stream: Stream { class: "run".into(), id },
        kind: if number.is_multiple_of(2) { "step.started".into() } else { "step.finished".into() },
        time_us: i64::try_from(number).unwrap() * 1000,
        principal: format!("user:{}", number % 5),
        correlation: (number.is_multiple_of(2)).then_some([7; 16]),
        causation: (number.is_multiple_of(3)).then_some([8; 16]),
        trace: (number.is_multiple_of(4)).then_some([9; 16]),
        schema: Digest::of(b"schema"),
        payload: format!("{{\"number\":{number}}}").into_bytes(),
    }
}

/// An operation of one record and the view change that follows from it.
pub(crate) fn operation(number: u64) -> Operation {
    let draft = draft(number);
    Operation { log: LogId::default(), changes: changes_of(&draft.payload), drafts: vec![draft] }
}

/// The changes a payload of [`draft`] implies: the projector of the tests.
pub(crate) fn changes_of(payload: &[u8]) -> Vec<Change> {
    let number = payload.iter().fold(0_u64, |sum, byte| sum * 31 % 1_000_003 + u64::from(*byte));
    let key = (number % 17).to_be_bytes().to_vec();
    let value = (!number.is_multiple_of(5)).then(|| payload.to_vec());
    vec![Change { view: "runs", key, value }]
}

/// Commits operations `first..=last`, ten to a group, and closes the store in good order.
pub(crate) fn fill(database: &Path, first: u64, last: u64) {
    let mut store = open(database);
    let operations: Vec<Operation> = (first..=last).map(operation).collect();
    for group in operations.chunks(10) {
        for answer in store.commit_batch(group) {
            let _ = answer.unwrap();
        }
    }
    store.close().unwrap();
}
