//! What the real `git apply` makes of our patches: exactly what the program left.
//! Folders and permission bits git has no words for are compared without.
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
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use support::{Picture, Scene, Shot, borrowed, derive_upper, path, tree};
use workspace::{Patch, PatchError, patch};

fn made(scene: &Scene) -> Patch {
    let (changes, blobs) = scene.capture().unwrap();
    patch(&changes, borrowed(&scene.project().open()), &blobs).unwrap()
}

fn text(patch: &Patch) -> String {
    String::from_utf8(patch.text.clone()).unwrap()
}

/// Applies a patch the way a person would, and returns what git complained about.
fn git_apply(folder: &Path, patch: &Patch) -> Result<(), String> {
    let mut child = Command::new("git")
        .args(["-c", "core.fileMode=true", "apply", "--whitespace=nowarn", "--unsafe-paths", "-"])
        .env("GIT_CEILING_DIRECTORIES", folder.parent().unwrap())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", "/nonexistent")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("git, which these tests need");
    child.stdin.take().unwrap().write_all(&patch.text).unwrap();
    let output = child.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(complaint) }
}

/// A picture as git sees it: no folders, and of bits only whether the owner may execute.
fn as_git_sees(picture: &Picture) -> Picture {
    let seen = picture.iter().filter_map(|(path, shot)| match shot {
        Shot::Folder(_) | Shot::Other(_) => None,
        Shot::Link(target) => Some((path.clone(), Shot::Link(target.clone()))),
        Shot::File(content, mode) => {
            Some((path.clone(), Shot::File(content.clone(), mode & 0o100)))
        }
    });
    seen.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn git_makes_of_a_patch_what_the_program_left((before, after) in tree::two_trees()) {
        let closed = |picture: &Picture| picture.values().any(|shot| *shot == Shot::Folder(0o555));
        // Git knows no empty folders and so does not make way for a file in the place of one.
        let holds_none = |folder: &Path| as_git_sees(&before).keys().all(|path| !path.starts_with(folder));
        let becomes_file = |path: &Path| !matches!(after.get(path), None | Some(Shot::Folder(_)));
        let in_the_way = before.iter().any(|(path, shot)| {
            matches!(shot, Shot::Folder(_))
                && holds_none(path)
                && path.ancestors().any(becomes_file)
        });
        // Nor does it make way for a folder in the place of a link that leads to itself.
        let link_then_folder = before.iter().any(|(path, shot)| {
            matches!((shot, after.get(path)), (Shot::Link(_), Some(Shot::Folder(_))))
        });
        prop_assume!(!closed(&before) && !closed(&after) && !in_the_way && !link_then_folder);
        let scene = Scene::new();
        tree::write(&before, &scene.project());
        derive_upper(&before, &after, &scene.upper(), &mut || false);
        let patch = made(&scene);
        if !patch.text.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"diff --git")) {
            prop_assert_eq!(as_git_sees(&before), as_git_sees(&after));
        } else {
            let applied = git_apply(&scene.project().0, &patch);
            prop_assert!(applied.is_ok(), "{:?}\n{}", applied, String::from_utf8_lossy(&patch.text));
            prop_assert_eq!(as_git_sees(&scene.project().picture()), as_git_sees(&after));
        }
    }
}

#[test]
fn a_patch_reads_like_one_of_git() {
    let scene = Scene::new();
    let (project, upper) = (scene.project(), scene.upper());
    project.file("edited", "one\ntwo\nthree\n");
    upper.file("edited", "one\n2\nthree\n");
    project.file("old name", "moved\n");
    upper.whiteout("old name");
    upper.file("new", "moved\n");
    project.file("run", "#!/bin/sh\n");
    upper.file_mode("run", "#!/bin/sh\n", 0o755);
    upper.file_mode("folder/secret", "x", 0o600);
    upper.link("link", "edited");
    let patch = made(&scene);
    let expected = "folder folder: new, mode 755\n\
        file folder/secret: mode 600\n\
        diff --git a/edited b/edited\n--- a/edited\n+++ b/edited\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n\
        diff --git a/folder/secret b/folder/secret\nnew file mode 100644\n--- /dev/null\n\
        +++ b/folder/secret\n@@ -0,0 +1 @@\n+x\n\\ No newline at end of file\n\
        diff --git a/link b/link\nnew file mode 120000\n--- /dev/null\n+++ b/link\n\
        @@ -0,0 +1 @@\n+edited\n\\ No newline at end of file\n\
        diff --git \"a/old name\" b/new\nsimilarity index 100%\nrename from \"old name\"\nrename to new\n\
        diff --git a/run b/run\nold mode 100644\nnew mode 100755\n";
    assert_eq!(text(&patch), expected);
    assert_eq!((patch.added, patch.removed), (3, 1));
    git_apply(&scene.project().0, &patch).unwrap();
}

#[test]
fn names_made_to_look_like_headers_stay_names() {
    let names = [
        "a b/x",
        "x b/../../outside",
        "--- a",
        "+++ b",
        "@@ -1 +1 @@",
        "diff --git a",
        "\"quoted\"",
        "back\\slash",
        "tab-less\u{a0}space",
        "rename from x",
        "dev/null",
        "-rf",
        "é\u{301}x",
    ];
    let scene = Scene::new();
    for (number, name) in names.iter().filter(|name| !name.contains("..")).enumerate() {
        scene.upper().file(name, format!("content {number}\n"));
        scene.project().file(format!("gone/{name}"), format!("gone {number}\n"));
    }
    scene.upper().whiteout("gone");
    let (changes, _) = scene.capture().unwrap();
    let expected = changes.entries().iter().filter(|entry| entry.after.is_some()).count();
    let patch = made(&scene);
    let surroundings = scene.outside().picture();
    git_apply(&scene.project().0, &patch).unwrap();
    assert_eq!(scene.outside().picture(), surroundings);
    let picture = scene.project().picture();
    let files = names
        .iter()
        .filter(|name| !name.contains(".."))
        .all(|name| matches!(picture.get(Path::new(name)), Some(Shot::File(..))));
    assert!(files, "{picture:?}");
    assert!(picture.len() >= expected);
}

#[test]
fn lines_made_to_look_like_headers_stay_lines() {
    let scene = Scene::new();
    let evil = "--- a/../outside/x\n+++ b/../outside/x\n@@ -0,0 +1 @@\n+pwned\n\
                diff --git a/y b/y\nnew file mode 100755\n";
    scene.project().file("f", "x\n");
    scene.upper().file("f", evil);
    scene.upper().file("g", evil);
    scene.upper().link("l", "diff --git a+b");
    let patch = made(&scene);
    git_apply(&scene.project().0, &patch).unwrap();
    let left = fs::read_to_string(scene.project().at("f")).unwrap();
    assert_eq!(left, evil);
    assert_eq!(scene.project().picture().len(), 3, "no file but those three");
    assert!(scene.outside().picture().is_empty());
}

#[test]
fn what_is_no_text_is_named() {
    let scene = Scene::new();
    scene.project().file("image", b"\x89PNG\0old");
    scene.upper().file("image", b"\x89PNG\0new");
    scene.upper().file("large", vec![b'x'; (1 << 20) + 1]);
    scene.upper().file("latin-1", b"caf\xe9\n");
    let patch = made(&scene);
    let text = String::from_utf8_lossy(&patch.text).into_owned();
    assert!(text.contains("Binary files a/image and b/image differ\n"), "{text}");
    assert!(text.contains("Binary files /dev/null and b/large differ\n"), "{text}");
    assert_eq!(patch.not_shown, [path("image"), path("large")]);
    assert!(patch.text.windows(6).any(|bytes| bytes == b"+caf\xe9\n"), "bytes are kept");
    let complaint = git_apply(&scene.project().0, &patch).unwrap_err();
    assert!(complaint.contains("binary"), "git says why it does not apply: {complaint}");
}

#[test]
fn what_takes_too_long_to_compare_is_named() {
    let scene = Scene::new();
    let lines = |count: u64, by: u64| -> String {
        (0..count).map(|line| format!("{}\n", line * line % by)).collect()
    };
    scene.project().file("at-limit", lines(50_000, 7));
    scene.upper().file("at-limit", lines(50_000, 11));
    scene.project().file("beyond", lines(50_000, 7));
    scene.upper().file("beyond", lines(50_001, 11));
    for at in 0..8 {
        scene.upper().file(format!("many-{at}"), lines(50_000, 5));
    }
    let patch = made(&scene);
    // 400 000 lines in all: the two above took 200 001 of them.
    let names = ["beyond", "many-3", "many-4", "many-5", "many-6", "many-7"];
    assert_eq!(patch.not_shown, names.map(path));
    assert!(patch.added >= 150_000, "{}", patch.added);
}

#[test]
fn a_project_that_changed_gives_no_patch() {
    let scene = Scene::new();
    scene.project().file("a", "old\n");
    scene.upper().file("a", "new\n");
    let (changes, blobs) = scene.capture().unwrap();
    scene.project().file("a", "odd\n");
    let result = patch(&changes, borrowed(&scene.project().open()), &blobs);
    assert!(matches!(result, Err(PatchError::Changed(at)) if at == path("a")));
}
