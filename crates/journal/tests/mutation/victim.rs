//! The databases that are mutated, kept in memory: one closed in good order, one with its newest commits
//! still in the write-ahead log, one whose older records are archived, one that was signed.
//!
//! With each goes what an auditor has elsewhere, a checkpoint of every log, and an independent reading.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use journal::tlog::{NodeKey, Notary, TreeHead, Witness, WitnessError};
use journal::{Checkpoint, Draft, Journal, LogId, Operation, Options, Sealing, Store};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::dump::{self, Dump};
use crate::support::{self, fill, open};

/// Event type of the record that says what was archived; it changes no view.
pub(crate) const MANIFEST: &str = "journal.archived";

/// Records of the first log.
const RECORDS: u64 = 60;

/// A database to be mutated.
pub(crate) struct Victim {
    pub(crate) name: &'static str,
    /// Every file of it, by name.
    files: Vec<(String, Vec<u8>)>,
    pub(crate) checkpoints: Vec<Checkpoint>,
    /// What is known elsewhere to have been signed.
    known: Vec<TreeHead>,
    pub(crate) dump: Dump,
    /// Which b-tree each page belongs to, and the pages above it.
    pub(crate) pages: BTreeMap<u32, (String, Vec<u32>)>,
}

/// A folder in memory, where there is one.
pub(crate) fn workplace() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(crate) fn all() -> Vec<Victim> {
    vec![closed(), with_log(), archived(), signed()]
}

fn closed() -> Victim {
    let place = workplace();
    let database = place.path().join("journal.db");
    fill(&database, 1, RECORDS);
    let mut store = open(&database);
    commit(&mut store, RECORDS + 1, RECORDS + 40, &other());
    store.close().unwrap();
    taken("closed", &database)
}

/// The second log, so that one log's damage must not be told of another.
fn other() -> LogId {
    LogId::new("other", 3).unwrap()
}

fn with_log() -> Victim {
    let place = workplace();
    let database = place.path().join("journal.db");
    fill(&database, 1, RECORDS / 2);
    let mut store = open(&database);
    commit(&mut store, RECORDS / 2 + 1, RECORDS, &LogId::default());
    commit(&mut store, RECORDS + 1, RECORDS + 10, &other());
    // The store is alive while its files are read, as after a crash: nothing was copied from the log.
    let victim = taken("with a write-ahead log", &database);
    assert!(victim.files.iter().any(|(name, bytes)| name.ends_with("-wal") && !bytes.is_empty()));
    drop(store);
    victim
}

fn archived() -> Victim {
    let place = workplace();
    let database = place.path().join("journal.db");
    fill(&database, 1, RECORDS);
    let mut store = open(&database);
    commit(&mut store, RECORDS + 1, RECORDS + 20, &other());
    let sealing = Sealing { log: LogId::default(), before_us: 30_000 };
    let manifest = |_: &journal::Segment| Draft { kind: MANIFEST.into(), ..support::draft(200) };
    assert!(store.seal(&sealing, manifest).unwrap().is_some());
    store.close().unwrap();
    taken("archived", &database)
}

/// Two logs, signed three times, so that the log of logs has several entries.
fn signed() -> Victim {
    let place = workplace();
    let database = place.path().join("journal.db");
    for turn in 0..3 {
        let options = Options::new(&database, support::VIEWS);
        let notary = Notary { key: key(), folder: place.path().join("tiles"), known: Vec::new() };
        let journal = Journal::open_signing(options, notary).unwrap();
        for number in 1..=RECORDS / 3 {
            let _ = journal.commit(support::operation(turn * RECORDS / 3 + number)).unwrap();
        }
        let first = RECORDS + turn * 10;
        for number in first..first + 10 {
            let operation = Operation { log: other(), ..support::operation(number) };
            let _ = journal.commit(operation).unwrap();
        }
        journal.close().unwrap();
        assert_eq!(journal.unsigned(), None);
    }
    let mut victim = taken("signed", &database);
    for name in [
        "tiles/log/default/0/checkpoint",
        "tiles/log/other/3/checkpoint",
        "tiles/server/checkpoint",
        "tiles/server/kept/tile/entries/000.p/6",
    ] {
        victim.files.push((name.to_owned(), fs::read(place.path().join(name)).unwrap()));
    }
    victim.known = witness(&database).newest().unwrap();
    victim
}

fn key() -> NodeKey {
    NodeKey::of(&[7; 32])
}

fn witness(database: &Path) -> Witness {
    Witness::new(&database.with_file_name("tiles"), key().verifier())
}

fn commit(store: &mut Store, first: u64, last: u64, log: &LogId) {
    for number in first..=last {
        let operation = Operation { log: log.clone(), ..support::operation(number) };
        let _ = store.commit_batch(&[operation]).pop().unwrap().unwrap();
    }
}

fn taken(name: &'static str, database: &Path) -> Victim {
    let mut files = Vec::new();
    for suffix in ["", "-wal"] {
        let file = format!("journal.db{suffix}");
        if let Ok(bytes) = fs::read(database.with_file_name(&file)) {
            files.push((file, bytes));
        }
    }
    let reader = journal::Reader::open(database).unwrap();
    let segments = reader.segments().unwrap();
    for segment in &segments {
        let file = format!("archive/{}.segment", segment.digest);
        files.push((file.clone(), fs::read(database.with_file_name(file)).unwrap()));
    }
    let checkpoints = reader.logs().unwrap().iter().map(journal::LogHead::checkpoint).collect();
    let dump = dump::dump(database).unwrap();
    Victim { name, files, checkpoints, known: Vec::new(), dump, pages: pages(database) }
}

/// Pages by SQLite's own account of them.
fn pages(database: &Path) -> BTreeMap<u32, (String, Vec<u32>)> {
    let raw = Connection::open(database).unwrap();
    let mut statement = raw.prepare("SELECT pageno, name, path FROM dbstat").unwrap();
    let rows: Vec<(u32, String, String)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let above = |name: &str, path: &str| {
        let is_above = |other: &str| path != other && path.starts_with(other);
        let found = rows.iter().filter(|(_, n, other)| n == name && is_above(other));
        found.map(|(page, ..)| *page).collect()
    };
    rows.iter().map(|(page, name, path)| (*page, (name.clone(), above(name, path)))).collect()
}

impl Victim {
    /// Writes the database anew into a folder that may hold an earlier copy, and says where it is.
    pub(crate) fn copy_to(&self, folder: &Path) -> PathBuf {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(folder.join(format!("journal.db{suffix}")));
        }
        let _ = fs::remove_dir_all(folder.join("tiles"));
        for (name, bytes) in &self.files {
            fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
            fs::write(folder.join(name), bytes).unwrap();
        }
        folder.join("journal.db")
    }

    /// The segment of a copy, where there is one.
    pub(crate) fn segment(&self, database: &Path) -> Option<PathBuf> {
        let name = &self.files.iter().find(|(name, _)| name.ends_with(".segment"))?.0;
        Some(database.with_file_name(name))
    }

    /// The files of a copy that hold what was signed.
    pub(crate) fn signed_files(&self, database: &Path) -> Vec<PathBuf> {
        let signed = self.files.iter().filter(|(name, _)| name.starts_with("tiles/"));
        signed.map(|(name, _)| database.with_file_name(name)).collect()
    }

    /// What a copy still has of what was signed.
    pub(crate) fn signed(&self, database: &Path) -> Result<Vec<TreeHead>, WitnessError> {
        witness(database).signed(&self.known)
    }

    /// The number of a log in row ids.
    pub(crate) fn number(&self, log: &LogId) -> i64 {
        if *log == LogId::default() { 1 } else { 2 }
    }
}
