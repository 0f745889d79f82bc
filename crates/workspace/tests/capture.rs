//! From an upper layer made by hand to a changeset: every mark of an overlay is told apart.
//! That a real overlay makes these marks is shown with real sandboxes, in the testkit.
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

use std::time::{Duration, SystemTime};

use support::{Scene, mode, path};
use workspace::{
    CaptureError, CaptureLimits, ChangeKind, Changeset, Layers, MemoryBlobs, Node, RefusedBecause,
    capture,
};

fn changes(scene: &Scene) -> Vec<(String, ChangeKind)> {
    let (changes, _) = scene.capture().expect("a changeset");
    let json = changes.to_json().unwrap();
    assert_eq!(Changeset::from_json(&json).unwrap(), changes, "it survives being written down");
    changes.entries().iter().map(|entry| (entry.path.to_string(), entry.kind())).collect()
}

fn expect(scene: &Scene, expected: &[(&str, ChangeKind)]) {
    let found = changes(scene);
    let found: Vec<_> = found.iter().map(|(path, kind)| (path.as_str(), *kind)).collect();
    assert_eq!(found, expected);
}

#[test]
fn changes_are_told_apart() {
    let scene = Scene::new();
    let (project, upper) = (scene.project(), scene.upper());
    for name in ["gone", "kept", "touched", "mode", "folder/a", "folder/deep/b", "same/x"] {
        project.file(name, name);
    }
    project.link("link", "kept");
    upper.whiteout("gone");
    upper.file("kept", "other");
    upper.file("touched", "touched");
    upper.file_mode("mode", "mode", 0o755);
    upper.opaque("folder");
    upper.file("folder/a", "folder/a");
    upper.file("folder/new", "new");
    upper.folder("same");
    upper.folder("empty");
    upper.link("link", "gone");
    upper.link("new-link", "kept");
    use ChangeKind::{Added, Deleted, Mode, Modified};
    let expected = [
        ("empty", Added),
        ("folder/deep", Deleted),
        ("folder/deep/b", Deleted),
        ("folder/new", Added),
        ("gone", Deleted),
        ("kept", Modified),
        ("link", Modified),
        ("mode", Mode),
        ("new-link", Added),
    ];
    expect(&scene, &expected);
}

#[test]
fn a_deleted_folder_lists_all_that_was_in_it() {
    let scene = Scene::new();
    scene.project().file("a/b/c", "1");
    scene.project().link("a/l", "b");
    scene.upper().whiteout("a");
    let deleted = ["a", "a/b", "a/b/c", "a/l"].map(|path| (path, ChangeKind::Deleted));
    expect(&scene, &deleted);
}

#[test]
fn one_kind_in_the_place_of_another() {
    let scene = Scene::new();
    let (project, upper) = (scene.project(), scene.upper());
    project.file("file", "1");
    project.file("folder/inner", "2");
    project.link("link", "file");
    upper.opaque("file");
    upper.file("file/below", "3");
    upper.file("folder", "4");
    upper.opaque("link");
    use ChangeKind::{Added, Deleted, Replaced};
    let expected = [
        ("file", Replaced),
        ("file/below", Added),
        ("folder", Replaced),
        ("folder/inner", Deleted),
        ("link", Replaced),
    ];
    expect(&scene, &expected);
}

#[test]
fn opaque_folders_hide_what_is_below_them_at_any_depth() {
    let scene = Scene::new();
    let (project, upper) = (scene.project(), scene.upper());
    project.file("a/b/old", "1");
    project.file("a/b/same", "2");
    upper.opaque("a");
    // Not opaque itself: what is above already hides it.
    upper.file("a/b/same", "2");
    expect(&scene, &[("a/b/old", ChangeKind::Deleted)]);
}

#[test]
fn whiteouts_by_attribute_count_where_the_kernel_counts_them() {
    let scene = Scene::new();
    let (project, upper) = (scene.project(), scene.upper());
    project.file("a/gone", "1");
    upper.file("a/gone", "");
    upper.mark("a/gone", "whiteout", b"y");
    upper.mark("a", "opaque", b"x");
    expect(&scene, &[("a/gone", ChangeKind::Deleted)]);
}

#[test]
fn a_whiteout_of_nothing_is_nothing() {
    let scene = Scene::new();
    scene.upper().whiteout("never-was");
    scene.upper().opaque("new");
    scene.upper().whiteout("new/never-was");
    expect(&scene, &[("new", ChangeKind::Added)]);
}

#[test]
fn only_a_certain_renaming_is_one() {
    let scene = Scene::new();
    let (project, upper) = (scene.project(), scene.upper());
    for (name, content) in
        [("one", "unique"), ("two", "twice"), ("also-two", "twice"), ("empty", "")]
    {
        project.file(name, content);
        upper.whiteout(name);
    }
    project.file("copied", "copy");
    upper.file("moved/one", "unique");
    upper.file("moved/two", "twice");
    upper.file("moved/empty", "");
    upper.file("moved/copy", "copy");
    let (changes, _) = scene.capture().unwrap();
    let renamed: Vec<_> = changes
        .entries()
        .iter()
        .filter_map(|entry| Some((entry.path.as_str(), entry.renamed_from.as_ref()?.as_str())))
        .collect();
    assert_eq!(renamed, [("moved/one", "one")]);
    assert_eq!(changes.get(&path("moved/one")).unwrap().kind(), ChangeKind::Renamed);
}

#[test]
fn what_is_captured_is_what_was_written() {
    let scene = Scene::new();
    scene.upper().file_mode("a", "content", 0o750);
    let (changes, blobs) = scene.capture().unwrap();
    let Some(Node::File { digest, size, mode }) = &changes.get(&path("a")).unwrap().after else {
        panic!("no file")
    };
    assert_eq!((*size, *mode), (7, 0o750));
    assert!(blobs.holds(digest));
}

#[test]
fn limits_end_a_capture_and_name_themselves() {
    let scene = Scene::new();
    for name in ["a", "b", "c"] {
        scene.upper().file(name, [0; 100]);
    }
    let whole = CaptureLimits { entries: 3, file_bytes: 100, total_bytes: 300 };
    assert!(scene.capture_within(&whole).is_ok());
    let few = scene.capture_within(&CaptureLimits { entries: 2, ..whole });
    assert!(matches!(few, Err(CaptureError::Limit { what: "entries", limit: 2 })), "{few:?}");
    let small = scene.capture_within(&CaptureLimits { total_bytes: 299, ..whole });
    assert!(matches!(small, Err(CaptureError::Limit { what: "bytes", limit: 299 })), "{small:?}");
    let Err(CaptureError::Refused(refused)) =
        scene.capture_within(&CaptureLimits { file_bytes: 99, ..whole })
    else {
        panic!("not refused")
    };
    assert!(refused.iter().all(|one| one.reason == RefusedBecause::TooLarge(100)));
    assert_eq!(refused.len(), 3, "all are listed, not the first");
}

#[test]
fn limits_count_what_a_deletion_takes_along() {
    let scene = Scene::new();
    for name in ["a/1", "a/2", "a/3"] {
        scene.project().file(name, "1");
    }
    scene.upper().whiteout("a");
    let limits = CaptureLimits { entries: 3, ..CaptureLimits::default() };
    let few = scene.capture_within(&limits);
    assert!(matches!(few, Err(CaptureError::Limit { what: "entries", .. })), "{few:?}");
}

#[test]
fn a_file_the_project_changed_meanwhile_is_stale() {
    let scene = Scene::new();
    let (project, upper) = (scene.project(), scene.upper());
    project.file("edited", "old");
    upper.file("edited", "new");
    let (over, under) = (upper.open(), project.open());
    let stale = |began| {
        let (upper, lower) = (support::borrowed(&over), support::borrowed(&under));
        let layers = Layers { upper, lower, began: Some(began) };
        let blobs = &mut MemoryBlobs::default();
        let changes = capture(&layers, &CaptureLimits::default(), blobs).unwrap();
        changes.entries()[0].stale
    };
    let hour = Duration::from_secs(3600);
    assert!(stale(SystemTime::now() - hour), "it changed after the program began");
    assert!(!stale(SystemTime::now() + hour), "it did not");
}

#[test]
fn bits_of_new_files_are_kept_and_dangerous_ones_refused() {
    let scene = Scene::new();
    scene.project().folder("shared-by-a-group");
    mode(&scene.project().at("shared-by-a-group"), 0o2775);
    scene.upper().folder("shared-by-a-group");
    mode(&scene.upper().at("shared-by-a-group"), 0o2775);
    scene.upper().file("shared-by-a-group/new", "1");
    // What the project has anyway is no change.
    expect(&scene, &[("shared-by-a-group/new", ChangeKind::Added)]);
    mode(&scene.upper().at("shared-by-a-group"), 0o2755);
    let Err(CaptureError::Refused(refused)) = scene.capture() else { panic!("not refused") };
    assert_eq!(refused[0].reason, RefusedBecause::Mode(0o2755));
}

#[test]
fn what_the_builder_of_a_sandbox_put_there_can_be_left_out() {
    let scene = Scene::new();
    scene.upper().file("mount/point/x", "1");
    scene.upper().file("mounted", "1");
    let (changes, _) = scene.capture().unwrap();
    let rest = changes.without(&path("mount")).unwrap();
    let left: Vec<_> = rest.entries().iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(left, ["mounted"]);
}

#[test]
fn everything_again_as_an_ordinary_user() {
    support::again_as_an_ordinary_user("everything_again_as_an_ordinary_user");
}
