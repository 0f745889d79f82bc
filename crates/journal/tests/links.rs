//! Symbolic links in the places of a journal's own files and folders: refused before anything is written.
//! What a state folder must be is `runner`'s to say; a folder above may be a link.
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
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use journal::{ArtifactStore, OpenError, Options, Reader, Store, Verification};
use support::{VIEWS, fill, open, operation, place};

/// Names beside a database that are its own, and whether each is a folder.
const NAMES: [(&str, bool); 12] = [
    ("journal.db", false),
    ("journal.db-wal", false),
    ("journal.db-shm", false),
    ("journal.db.lock", false),
    ("journal.db.reserve", false),
    ("journal.db.checkpoint", false),
    ("journal.db.checkpoint.new", false),
    ("artifacts", true),
    ("artifacts/tmp", true),
    ("artifacts/sha256", true),
    ("archive", true),
    ("archive/writing", false),
];

/// A folder of somebody with a file in it, also below a name a store would look for.
fn precious() -> (tempfile::TempDir, PathBuf) {
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("file");
    fs::write(&file, "precious").unwrap();
    fs::create_dir(elsewhere.path().join("tmp")).unwrap();
    fs::write(elsewhere.path().join("tmp/1-1"), "precious").unwrap();
    (elsewhere, file)
}

/// Every path below a folder with its content.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        }
        let bytes = if path.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        found.push((path, bytes));
    }
    found.sort();
    found
}

#[test]
fn a_link_in_the_place_of_a_file_or_folder_is_refused_and_nothing_it_leads_to_is_touched() {
    for (name, is_folder) in NAMES {
        let (place, (elsewhere, file)) = (place(), precious());
        let link = place.folder.path().join(name);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        let target = if is_folder { elsewhere.path() } else { file.as_path() };
        symlink(target, &link).unwrap();
        let (before, own) = (contents(elsewhere.path()), contents(place.folder.path()));
        let written = Store::open(Options::new(&place.database, VIEWS)).map(drop);
        match written {
            Err(OpenError::Link { path }) => assert_eq!(path, link),
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(contents(elsewhere.path()), before, "{name}");
        assert_eq!(contents(place.folder.path()), own, "{name}: nothing is made either");
        // The control: without the link it is opened.
        fs::remove_file(&link).unwrap();
        fill(&place.database, 1, 3);
        // A reader refuses it as well.
        if !link.exists() {
            symlink(target, &link).unwrap();
            let read = Reader::open(&place.database).map(drop);
            assert!(matches!(read, Err(OpenError::Link { .. })), "{name}: {read:?}");
            assert_eq!(contents(elsewhere.path()), before, "{name}");
        }
    }
}

#[test]
fn a_folder_above_may_be_a_link() {
    let (place, links) = (place(), tempfile::tempdir().unwrap());
    let link = links.path().join("link");
    symlink(place.folder.path(), &link).unwrap();
    let database = link.join("journal.db");
    fill(&database, 1, 5);
    assert_eq!(Verification::new(&database).run().unwrap().records, 5);
    assert_eq!(Verification::new(&place.database).run().unwrap().records, 5);
}

#[test]
fn artifacts_are_stored_and_swept_through_no_link() {
    let (place, (elsewhere, _)) = (place(), precious());
    let before = contents(elsewhere.path());
    let root = place.folder.path().join("artifacts");
    let store = ArtifactStore::at(&root);
    let digest = store.put(b"content").unwrap();
    let folder = store.path(digest).parent().unwrap().to_owned();
    for link in [&folder, &root.join("tmp"), &root] {
        fs::remove_dir_all(link).unwrap();
        symlink(elsewhere.path(), link).unwrap();
        let error = store.put(b"content").unwrap_err();
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert!(why.contains("symbolic link"), "{why}");
        assert_eq!(contents(elsewhere.path()), before);
        fs::remove_file(link).unwrap();
    }
    assert_eq!(store.put(b"content").unwrap(), digest);
    // A sweep removes files, not links and not what they lead to.
    let left = [root.join("tmp/1-1"), root.join("tmp/1-2")];
    fs::write(&left[0], "half").unwrap();
    symlink(elsewhere.path().join("file"), &left[1]).unwrap();
    drop(open(&place.database));
    assert!(!left[0].exists() && left[1].is_symlink());
    assert_eq!(contents(elsewhere.path()), before);
    let mut store = open(&place.database);
    assert!(store.commit_batch(&[operation(1)])[0].is_ok());
}
