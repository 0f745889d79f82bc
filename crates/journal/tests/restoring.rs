//! Restoring: a copy that counts only when it is whole, under an epoch of its own, in an empty place.
//! The control of each refusal is the same backup restored where nothing is in the way.
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
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use journal::{
    Generation, Operation, Options, RestoreError, Restoring, Store, Verification, backup,
};
use support::{Place, VIEWS, fill, operation, place};

const KEPT: &[&str] = &["policy.yaml"];
const AHEAD: u64 = 1000;
const MOST: u64 = 100_000;

/// A journal of twenty records, and its backup.
fn backed_up() -> (Place, PathBuf) {
    let place = place();
    fill(&place.database, 1, 20);
    let copy = place.folder.path().join("copy");
    backup(&place.database, None, &copy).unwrap();
    (place, copy.join("journal.db"))
}

fn copied(backup: &Path, target: &Path) -> Result<Restoring, RestoreError> {
    Restoring::copy(backup, &backup.with_file_name("signed"), target, KEPT)
}

fn noted(_: &Generation) -> Operation {
    operation(21)
}

/// The fence of the next opening.
fn epoch(database: &Path) -> u64 {
    Store::open(Options::new(database, VIEWS)).unwrap().epoch()
}

#[test]
fn a_restored_journal_goes_on_under_an_epoch_of_its_own() {
    let (place, copy) = backed_up();
    let target = place.folder.path().join("restored");
    let mut restoring = copied(&copy, &target.join("")).unwrap();
    assert!(!target.exists(), "nothing has its name yet");
    let mut told = None;
    let record = |generation: &Generation| {
        told = Some(generation.clone());
        operation(21)
    };
    let (generation, committed) = restoring.fence(VIEWS, (AHEAD, MOST), record).unwrap();
    assert_eq!(told.as_ref(), Some(&generation), "what is on record is what is so");
    assert_eq!(generation.epoch, generation.before + 1 + AHEAD);
    assert_eq!((generation.checkpoints[0].sequence, committed.last()), (20, 21));
    restoring.publish().unwrap();
    let database = target.join("journal.db");
    assert_eq!(Verification::new(&database).run().unwrap().records, 21);
    assert_eq!(epoch(&database), generation.epoch + 1);
    // The control: the former one counts on from where it was.
    assert!(epoch(&place.database) <= generation.before + 1);
    fill(&database, 22, 25);
    assert_eq!(Verification::new(&database).run().unwrap().records, 25);
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o7777, 0o700);
}

#[test]
fn an_epoch_that_cannot_rise_far_enough_is_refused_and_nothing_is_left() {
    let (place, copy) = backed_up();
    let target = place.folder.path().join("restored");
    let unfinished = place.folder.path().join("restored.unfinished");
    let mut restoring = copied(&copy, &target).unwrap();
    assert!(unfinished.join("journal.db").exists());
    let error = restoring.fence(VIEWS, (AHEAD, AHEAD), noted).unwrap_err();
    assert!(matches!(error, RestoreError::Epoch { before: 1 }), "{error}");
    drop(restoring);
    assert!(!target.exists() && !unfinished.exists());
    let mut restoring = copied(&copy, &target).unwrap();
    let (_, committed) = restoring.fence(VIEWS, (AHEAD, MOST), noted).unwrap();
    assert_eq!(committed.last(), 21);
    restoring.publish().unwrap();
    assert!(target.exists() && !unfinished.exists());
}

#[test]
fn what_comes_into_the_place_meanwhile_stays_and_what_is_kept_is_kept() {
    let (place, copy) = backed_up();
    let target = place.folder.path().join("restored");
    let unfinished = place.folder.path().join("restored.unfinished");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("policy.yaml"), "version: 1").unwrap();
    let restoring = copied(&copy, &target).unwrap();
    fs::write(target.join("journal.db"), "somebody's").unwrap();
    let error = restoring.publish().unwrap_err();
    assert!(matches!(error, RestoreError::Occupied { .. }), "{error}");
    assert_eq!(fs::read_to_string(target.join("journal.db")).unwrap(), "somebody's");
    assert_eq!(fs::read_to_string(target.join("policy.yaml")).unwrap(), "version: 1");
    assert!(!unfinished.exists());
    // A folder or a link of a kept name is not what is kept, and a file is no folder.
    fs::remove_file(target.join("journal.db")).unwrap();
    fs::rename(target.join("policy.yaml"), place.folder.path().join("aside")).unwrap();
    std::os::unix::fs::symlink("../aside", target.join("policy.yaml")).unwrap();
    assert!(matches!(copied(&copy, &target), Err(RestoreError::Occupied { .. })));
    let file = place.folder.path().join("aside");
    assert!(matches!(copied(&copy, &file), Err(RestoreError::Occupied { .. })));
    // The control.
    fs::remove_file(target.join("policy.yaml")).unwrap();
    fs::rename(file, target.join("policy.yaml")).unwrap();
    copied(&copy, &target).unwrap().publish().unwrap();
    assert_eq!(Verification::new(target.join("journal.db")).run().unwrap().records, 20);
    assert_eq!(fs::read_to_string(target.join("policy.yaml")).unwrap(), "version: 1");
    assert!(!unfinished.exists());
}
