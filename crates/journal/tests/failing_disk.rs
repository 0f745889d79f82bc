//! A disk that refuses writes: the three answers, and what is there after reopening.
//!
//! The kernel's file size limit stands in for the failing disk. It holds for a whole process, so the
//! test starts itself again under one; what the child acknowledged is checked by the parent.
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
use std::process::Command;

use journal::{CommitError, Reader, Refusal, Verification};
use support::{fill, open, operation, place};

const CHILD: &str = "PALISADE_TEST_FAILING_DISK";

/// Largest file in the child, in the shell's blocks of 512 or 1024 bytes.
const BLOCKS: &str = "1000";

#[test]
fn a_commit_that_fails_in_the_middle_is_indeterminate_and_ends_the_store() {
    match std::env::var_os(CHILD) {
        Some(database) => child(Path::new(&database)),
        None => parent(),
    }
}

/// Commits until the disk refuses, then says how far it got.
fn child(database: &Path) {
    let mut store = open(database);
    let mut acknowledged = 0;
    for number in 1..10_000 {
        match store.commit_batch(&[operation(number)]).pop().unwrap() {
            Ok(committed) => acknowledged = committed.last(),
            Err(CommitError::Indeterminate(_)) => break,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(store.is_stopped());
    let after = store.commit_batch(&[operation(1)]).pop().unwrap();
    assert!(matches!(after, Err(CommitError::NotCommitted(Refusal::Stopped))), "{after:?}");
    store.close().unwrap();
    std::fs::write(database.with_file_name("acknowledged"), acknowledged.to_string()).unwrap();
}

fn parent() {
    let place = place();
    let status = Command::new("sh")
        .args(["-c", &format!("trap '' XFSZ; ulimit -f {BLOCKS}; exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_commit_that_fails_in_the_middle_is_indeterminate_and_ends_the_store"])
        .env(CHILD, &place.database)
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
    let text = std::fs::read_to_string(place.folder.path().join("acknowledged")).unwrap();
    let acknowledged: u64 = text.parse().unwrap();
    assert!(acknowledged > 10, "{acknowledged}");
    let records = Reader::open(&place.database).unwrap().size().unwrap().records;
    // All or nothing of the one whose outcome was unknown, and everything acknowledged.
    assert!(records == acknowledged || records == acknowledged + 1, "{records} {acknowledged}");
    fill(&place.database, 1, 5);
    assert_eq!(Verification::new(&place.database).run().unwrap().records, records + 5);
}
