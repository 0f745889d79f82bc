//! A merge gives exactly what the program left, and undoing it exactly what was there before.
//! Hostile input is in `hostile`, interruptions are in `interrupted`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a failed test should stop loudly"
)]

mod support;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use proptest::prelude::*;
use support::{Meanwhile, Scene, borrowed, derive_upper, everything, mode, path, tree};
use workspace::{
    Act, Changeset, ConflictKind, Entry, LogFolder, MemoryBlobs, MergeError, MergeLog as _,
    MergeState, Merged, StateFault, merge, state, undo,
};

fn run(scene: &Scene, changes: &Changeset, blobs: &MemoryBlobs) -> Result<Merged, MergeError> {
    merge(borrowed(&scene.project().open()), changes, blobs, &mut scene.log())
}

fn take_back(scene: &Scene) -> Result<Merged, MergeError> {
    undo(borrowed(&scene.project().open()), &mut scene.log())
}

/// What each conflict is about.
fn conflicts(result: Result<Merged, MergeError>) -> Vec<(String, ConflictKind)> {
    match result {
        Err(MergeError::Conflicts(list)) => {
            list.into_iter().map(|one| (one.path.to_string(), one.kind)).collect()
        }
        other => panic!("no conflicts: {other:?}"),
    }
}

fn is_state(result: &Result<Merged, MergeError>, fault: StateFault) -> bool {
    matches!(result, Err(MergeError::State(found)) if *found == fault)
}

#[test]
fn some_of_everything_is_merged_and_taken_back() {
    let scene = everything();
    let before = scene.project().picture();
    let (changes, blobs) = scene.capture().unwrap();
    let merged = run(&scene, &changes, &blobs).unwrap();
    assert_eq!(merged, Merged { written: 8, removed: 5, folders: 8 });
    let after = scene.project().picture();
    let text = |path: &str| fs::read_to_string(scene.project().at(path)).unwrap();
    assert_eq!(text("edited"), "new content");
    assert_eq!(text("dir-to-file"), "file now");
    assert_eq!(text("file-to-dir/inner"), "deep");
    assert_eq!(text("link"), "new content", "the link leads to the edited file now");
    assert_eq!(text("closed/now-open"), "1");
    assert!(["folder", "deleted"].iter().all(|gone| !after.contains_key(Path::new(gone))));
    take_back(&scene).unwrap();
    assert_eq!(scene.project().picture(), before);
    assert!(is_state(&take_back(&scene), StateFault::Undone));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_becomes_any_other_and_back(
        (before, after) in tree::two_trees(),
        opaque in any::<u64>(),
    ) {
        let scene = Scene::new();
        tree::write(&before, &scene.project());
        // A folder nobody may write in can only be written in after it was opened.
        prop_assume!(support::is_root() || !before.values().chain(after.values())
            .any(|shot| *shot == support::Shot::Folder(0o555)));
        let mut draws = 0;
        derive_upper(&before, &after, &scene.upper(), &mut || {
            draws += 1;
            opaque >> (draws % 64) & 1 == 1
        });
        let (changes, blobs) = scene.capture().unwrap();
        prop_assert_eq!(Changeset::from_json(&changes.to_json().unwrap()).unwrap(), changes.clone());
        let project = scene.project().open();
        merge(borrowed(&project), &changes, &blobs, &mut scene.log()).unwrap();
        prop_assert_eq!(scene.project().picture(), after);
        undo(borrowed(&project), &mut scene.log()).unwrap();
        prop_assert_eq!(scene.project().picture(), before);
        support::clear(&scene.project().0);
        support::clear(&scene.upper().0);
    }
}

#[test]
fn every_difference_is_listed_and_nothing_is_written() {
    let scene = everything();
    let (changes, blobs) = scene.capture().unwrap();
    let project = scene.project();
    project.file("edited", "by somebody else");
    fs::remove_file(project.at("deleted")).unwrap();
    project.file("new", "appeared");
    project.file("folder/b/unknown", "1");
    mode(&project.at("mode"), 0o600);
    let before = project.picture();
    let expected = [
        ("deleted", ConflictKind::Vanished),
        ("edited", ConflictKind::Changed),
        ("folder/b", ConflictKind::NotEmpty("unknown".to_owned())),
        ("mode", ConflictKind::Changed),
        ("new", ConflictKind::Appeared),
        ("new/deep", ConflictKind::NoFolder),
        ("new/deep/file", ConflictKind::NoFolder),
        ("new/empty", ConflictKind::NoFolder),
        ("new/link", ConflictKind::NoFolder),
    ];
    let expected = expected.map(|(path, kind)| (path.to_owned(), kind));
    assert_eq!(conflicts(run(&scene, &changes, &blobs)), expected);
    assert_eq!(project.picture(), before);
    assert!(scene.log().records().unwrap().is_empty(), "nothing began");
}

#[test]
fn what_changed_while_the_program_ran_is_never_merged() {
    let scene = Scene::new();
    scene.project().file("a", "1");
    scene.upper().file("a", "2");
    let (changes, blobs) = scene.capture().unwrap();
    let entries = changes.entries().iter().cloned();
    let stale = entries.map(|entry| Entry { stale: true, ..entry }).collect();
    let stale = Changeset::new(stale).unwrap();
    assert_eq!(conflicts(run(&scene, &stale, &blobs)), [("a".to_owned(), ConflictKind::Stale)]);
    run(&scene, &changes, &blobs).expect("the same entry, not stale");
}

#[test]
fn undo_refuses_what_was_changed_since_and_lists_it() {
    let scene = everything();
    let (changes, blobs) = scene.capture().unwrap();
    run(&scene, &changes, &blobs).unwrap();
    let project = scene.project();
    project.file("edited", "edited again");
    project.file("new/deep/mine", "1");
    project.file("deleted", "made again");
    let before = project.picture();
    let expected = [
        ("deleted", ConflictKind::Appeared),
        ("edited", ConflictKind::Changed),
        ("new/deep", ConflictKind::NotEmpty("mine".to_owned())),
    ];
    let expected = expected.map(|(path, kind)| (path.to_owned(), kind));
    assert_eq!(conflicts(take_back(&scene)), expected);
    assert_eq!(project.picture(), before);
    // Once the three are settled it goes through.
    project.file("edited", "new content");
    fs::remove_file(project.at("new/deep/mine")).unwrap();
    fs::remove_file(project.at("deleted")).unwrap();
    take_back(&scene).unwrap();
}

#[test]
fn a_write_in_the_last_moment_is_left_as_it_is() {
    for (act, at) in [(Act::Rename, 0), (Act::Create, 0), (Act::Write, 0), (Act::Dress, 0)] {
        let scene = Scene::new();
        let project = scene.project();
        project.file("a", "old");
        project.file("z", "old");
        scene.upper().file("a", "new");
        scene.upper().file("z", "new");
        let (changes, blobs) = scene.capture().unwrap();
        let mut log = scene.log();
        let mut write = || drop(fs::write(project.at("a"), "by hand"));
        let mut log = Meanwhile { log: &mut log, at: act, left: at, deed: &mut write };
        let result = merge(borrowed(&project.open()), &changes, &blobs, &mut log);
        assert!(
            matches!(&result, Err(MergeError::Overtaken(at)) if at.as_str() == "a"),
            "{result:?}"
        );
        assert_eq!(fs::read_to_string(project.at("a")).unwrap(), "by hand");
        let log = log.log;
        undo(borrowed(&project.open()), log).expect("nothing else was done");
        assert_eq!(fs::read_to_string(project.at("a")).unwrap(), "by hand");
        assert_eq!(fs::read_to_string(project.at("z")).unwrap(), "old");
        assert_eq!(project.picture().len(), 2, "no temporary file is left");
    }
}

#[test]
fn a_removal_in_the_last_moment_takes_nothing_else() {
    let scene = Scene::new();
    let project = scene.project();
    project.file("a", "old");
    scene.upper().whiteout("a");
    let (changes, blobs) = scene.capture().unwrap();
    let mut log = scene.log();
    let mut write = || drop(fs::write(project.at("a"), "by hand"));
    let mut log = Meanwhile { log: &mut log, at: Act::Rename, left: 0, deed: &mut write };
    let result = merge(borrowed(&project.open()), &changes, &blobs, &mut log);
    assert!(matches!(result, Err(MergeError::Overtaken(_))), "{result:?}");
    assert_eq!(fs::read_to_string(project.at("a")).unwrap(), "by hand");
}

#[test]
fn one_log_tells_of_one_merge() {
    let scene = Scene::new();
    scene.upper().file("a", "1");
    let (changes, blobs) = scene.capture().unwrap();
    assert!(is_state(&take_back(&scene), StateFault::Empty));
    assert_eq!(state(&scene.log()).unwrap(), MergeState::Empty);
    run(&scene, &changes, &blobs).unwrap();
    assert_eq!(state(&scene.log()).unwrap(), MergeState::Complete);
    assert!(is_state(&run(&scene, &changes, &blobs), StateFault::Used));
    let project = scene.project().open();
    let again = workspace::resume(borrowed(&project), &blobs, &mut scene.log());
    assert!(is_state(&again, StateFault::Complete));
    take_back(&scene).unwrap();
    assert_eq!(state(&scene.log()).unwrap(), MergeState::Undone);
}

#[test]
fn only_one_process_has_a_log_open() {
    let scene = Scene::new();
    let first = scene.log();
    let folder = support::folder(&scene.folder.path().join("log"));
    let second = LogFolder::open(folder).map(|_| ()).unwrap_err();
    assert_eq!(second.kind(), std::io::ErrorKind::WouldBlock);
    drop(first);
    drop(scene.log());
}

#[test]
fn a_hard_link_is_replaced_and_never_written_through() {
    let scene = Scene::new();
    let twin = scene.outside().file("twin", "both");
    fs::hard_link(&twin, scene.project().at("a")).unwrap();
    scene.upper().file_mode("a", "new", 0o600);
    let (changes, blobs) = scene.capture().unwrap();
    run(&scene, &changes, &blobs).unwrap();
    assert_eq!(fs::read_to_string(&twin).unwrap(), "both");
    assert_eq!(fs::metadata(&twin).unwrap().mode() & 0o777, 0o644);
    assert_eq!(fs::read_to_string(scene.project().at("a")).unwrap(), "new");
}

#[test]
fn what_is_replaced_keeps_its_owner_and_what_is_new_gets_its_folders() {
    let scene = Scene::new();
    let project = scene.project();
    project.file("a", "1");
    project.folder("d");
    let theirs = |path: &str| {
        if support::is_root() {
            std::os::unix::fs::lchown(project.at(path), Some(1234), Some(2345)).unwrap();
        }
    };
    theirs("a");
    theirs("d");
    scene.upper().file("a", "2");
    scene.upper().file("d/new", "3");
    scene.upper().link("d/link", "new");
    scene.upper().folder("d/sub");
    let (changes, blobs) = scene.capture().unwrap();
    run(&scene, &changes, &blobs).unwrap();
    let own = fs::symlink_metadata(scene.folder.path()).unwrap();
    let expected = if support::is_root() { (1234, 2345) } else { (own.uid(), own.gid()) };
    for name in ["a", "d", "d/new", "d/link", "d/sub"] {
        let data = fs::symlink_metadata(project.at(name)).unwrap();
        assert_eq!((data.uid(), data.gid()), expected, "{name}");
    }
}

#[test]
fn what_is_replaced_keeps_its_attributes() {
    let scene = Scene::new();
    let project = scene.project();
    let path = project.file("a", "1");
    rustix::fs::setxattr(&path, c"user.note", b"mine", rustix::fs::XattrFlags::empty()).unwrap();
    scene.upper().file("a", "2");
    let (changes, blobs) = scene.capture().unwrap();
    let note = || {
        let mut value = [0; 16];
        let count = rustix::fs::getxattr(&path, c"user.note", &mut value).unwrap();
        value[..count].to_vec()
    };
    run(&scene, &changes, &blobs).unwrap();
    assert_eq!((fs::read_to_string(&path).unwrap(), note()), ("2".to_owned(), b"mine".to_vec()));
    take_back(&scene).unwrap();
    assert_eq!((fs::read_to_string(&path).unwrap(), note()), ("1".to_owned(), b"mine".to_vec()));
}

#[test]
fn a_name_like_another_of_the_project_is_a_conflict() {
    let scene = Scene::new();
    scene.upper().file("Readme", "1");
    let (changes, blobs) = scene.capture().unwrap();
    scene.project().file("README", "2");
    let collides = ConflictKind::Collides("README".to_owned());
    assert_eq!(conflicts(run(&scene, &changes, &blobs)), [("Readme".to_owned(), collides)]);
    assert_eq!(path("Readme").name(), "Readme");
}

#[test]
fn everything_again_as_an_ordinary_user() {
    support::again_as_an_ordinary_user("everything_again_as_an_ordinary_user");
}
