//! A full disk: the outcomes of what runs still find room, and nothing is lost or stopped.
//!
//! The disk is a real one of 12 MiB, in memory, in a mount namespace of its own: each test starts itself
//! again there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

mod support;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use journal::{CommitError, Journal, Operation, Options, Refusal, Store, Verification};
use support::{VIEWS, open, operation};

const CHILD: &str = "PALISADE_TEST_FULL_DISK";
const NAME: &str = "outcomes_find_room_on_a_full_disk_and_new_calls_are_told";

#[test]
fn outcomes_find_room_on_a_full_disk_and_new_calls_are_told() {
    on_a_small_disk(NAME, child);
}

#[test]
fn a_payload_too_large_for_a_row_finds_room_on_a_full_disk() {
    on_a_small_disk("a_payload_too_large_for_a_row_finds_room_on_a_full_disk", large_payloads);
}

/// Does the test `name` on a disk of 12 MiB.
fn on_a_small_disk(name: &str, test: fn(&Path)) {
    if let Some(disk) = std::env::var_os(CHILD) {
        return test(Path::new(&disk));
    }
    let folder = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=12m,mode=0700 tmpfs \"$0\" && exec \"$@\"";
    let ran = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", mount])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("the disk was full"), "{ran:?}");
}

/// Fills the rest of the disk.
fn fill_up(disk: &Path, name: &str) {
    let mut ballast = File::create(disk.join(name)).unwrap();
    for size in [65_536, 4096, 1] {
        let bytes = vec![1; size];
        while ballast.write_all(&bytes).is_ok() {}
    }
}

fn commit(store: &mut Store, number: u64) -> Result<journal::Committed, CommitError> {
    store.commit_batch(&[operation(number)]).pop().unwrap()
}

fn large(number: u64) -> Operation {
    let mut large = operation(number);
    large.drafts[0].payload = vec![u8::try_from(number % 251).unwrap(); 20_000];
    large
}

fn large_payloads(disk: &Path) {
    let database = disk.join("journal.db");
    let journal = Journal::open(Options::new(&database, VIEWS)).unwrap();
    let _ = journal.commit(operation(1)).unwrap();
    let artifacts = journal.artifacts().unwrap();
    assert!(artifacts.has_room(1 << 20).unwrap());
    fill_up(disk, "ballast");
    assert!(!journal.stats().reserve_spent && !artifacts.has_room(1 << 20).unwrap());
    println!("the disk was full");
    // The payload itself finds the disk full and spends the reserve; so do outcomes after it.
    for outcome in 2..60 {
        let _ = journal.commit(large(outcome)).unwrap();
        assert!(journal.stats().reserve_spent, "and whoever accepts new calls is told");
    }
    // The control: without a reserve a full disk refuses, and the journal goes on all the same.
    fill_up(disk, "more");
    let refused = journal.commit(large(60));
    let full = matches!(refused, Err(CommitError::NotCommitted(Refusal::DiskFull)));
    assert!(full, "{refused:?}");
    fs::remove_file(disk.join("more")).unwrap();
    let last = journal.commit(large(60)).unwrap().last();
    journal.close().unwrap();
    let verified = Verification::new(&database).run().unwrap();
    assert_eq!((verified.last, verified.artifacts), (last, 59));
    // With room again the next commit has a reserve.
    fs::remove_file(disk.join("ballast")).unwrap();
    let journal = Journal::open(Options::new(&database, VIEWS)).unwrap();
    assert!(!journal.stats().reserve_spent);
}

fn child(disk: &Path) {
    let database = disk.join("journal.db");
    let mut store = open(&database);
    let _ = commit(&mut store, 1).unwrap();
    assert!(!store.stats().reserve_spent);
    fill_up(disk, "ballast");
    // The commit that finds the disk full spends the reserve, and says so to who accepts new calls.
    let mut number = 1;
    while !store.stats().reserve_spent {
        number += 1;
        let _ = commit(&mut store, number).unwrap();
        assert!(number < 100, "the disk is not full");
    }
    println!("the disk was full");
    for outcome in number + 1..number + 100 {
        let _ = commit(&mut store, outcome).unwrap();
    }
    number += 99;
    // The control: without a reserve a full disk takes nothing, and the store goes on all the same.
    fill_up(disk, "more");
    let refused = (0..100).find_map(|_| commit(&mut store, number + 1).err());
    // What still fitted was appended; where the log ends is asked below.
    assert!(matches!(refused, Some(CommitError::NotCommitted(Refusal::DiskFull))), "{refused:?}");
    assert!(!store.is_stopped());
    fs::remove_file(disk.join("more")).unwrap();
    let last = commit(&mut store, number + 1).unwrap().last();
    store.close().unwrap();
    assert_eq!(Verification::new(&database).run().unwrap().last, last);
    // With room again the next opening has a reserve.
    fs::remove_file(disk.join("ballast")).unwrap();
    assert!(!open(&database).stats().reserve_spent);
}
