//! The controls: what a naive applier does with the same attacks. Each of them works.
//! An attack whose control wrote nothing outside would prove nothing about ours.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use super::archive::tar_entry;
use super::support::{Scene, mode, picture};
use super::{surround, surroundings};

/// Writes a file the way one does who trusts names and looks at nothing.
fn write(root: &Path, name: &str, content: &[u8]) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    fs::write(path, content).expect("a file");
}

/// Runs a naive attack and expects that it reaches outside.
fn reaches_outside(name: &str, attack: impl Fn(&Scene, &Path)) {
    let scene = Scene::quick();
    surround(&scene);
    let before = surroundings(&scene);
    attack(&scene, &scene.project().0);
    assert_ne!(surroundings(&scene), before, "{name}: the control wrote nothing outside");
}

#[test]
fn control_names_that_lead_out() {
    reaches_outside("up", |_, root| write(root, "../outside/sentinel", b"evil"));
    reaches_outside("up in the middle", |_, root| write(root, "a/../../outside/new", b"evil"));
    reaches_outside("absolute", |scene, root| {
        write(root, &scene.outside().at("new").to_string_lossy(), b"evil");
    });
}

#[test]
fn control_links_of_a_changeset() {
    reaches_outside("a link and a file below it", |_, root| {
        symlink("../outside", root.join("l")).expect("a link");
        write(root, "l/sentinel", b"evil");
    });
    reaches_outside("two links that add up", |_, root| {
        fs::create_dir(root.join("d")).expect("a folder");
        symlink("..", root.join("d/up")).expect("a link");
        symlink("d/up/../outside", root.join("l")).expect("a link");
        write(root, "l/sentinel", b"evil");
    });
}

#[test]
fn control_projects_that_became_traps() {
    reaches_outside("folder became a link", |scene, root| {
        symlink("../outside/folder", root.join("d")).expect("a link");
        let upper = scene.upper();
        upper.file("d/a", "new");
        write(root, "d/a", &fs::read(upper.at("d/a")).expect("a file"));
    });
    reaches_outside("file became a link", |_, root| {
        symlink("../outside/sentinel", root.join("a")).expect("a link");
        write(root, "a", b"new");
    });
    reaches_outside("file became a hard link", |scene, root| {
        fs::hard_link(scene.outside().at("sentinel"), root.join("a")).expect("a hard link");
        write(root, "a", b"new");
    });
    reaches_outside("bits of a hard link", |scene, root| {
        fs::hard_link(scene.outside().at("sentinel"), root.join("a")).expect("a hard link");
        mode(&root.join("a"), 0o777);
    });
    reaches_outside("deleted folder became a link", |_, root| {
        symlink("../outside/folder", root.join("d")).expect("a link");
        fs::remove_file(root.join("d/a")).expect("a file");
    });
}

#[test]
fn control_traps_set_at_the_last_moment() {
    reaches_outside("looked at, then written", |_, root| {
        write(root, "a", b"old");
        let looked = fs::symlink_metadata(root.join("a")).expect("a file");
        assert!(looked.is_file(), "the naive check finds nothing wrong");
        fs::remove_file(root.join("a")).expect("a file");
        symlink("../outside/sentinel", root.join("a")).expect("a link");
        write(root, "a", b"new");
    });
    reaches_outside("temporary file of a known name", |_, root| {
        symlink("../outside/sentinel", root.join("a.tmp")).expect("a link");
        write(root, "a.tmp", b"new");
    });
}

#[test]
fn control_logs_that_are_believed() {
    reaches_outside("path out of a log", |_, root| {
        let line = r#"{"path":"../outside/sentinel"}"#;
        let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
        fs::remove_file(root.join(record["path"].as_str().expect("a path"))).expect("a file");
    });
    reaches_outside("content kept through a link", |scene, _| {
        let incoming = scene.folder.path().join("log/incoming");
        symlink("../outside/sentinel", &incoming).expect("a link");
        fs::write(incoming, "kept").expect("a file");
    });
}

#[test]
fn control_archives_that_are_unpacked() {
    let unpack = |root: &Path, archive: &[u8]| {
        let name = archive.split(|byte| *byte == 0).next().expect("a name");
        write(root, std::str::from_utf8(name).expect("text"), b"evil");
    };
    let archive = tar_entry("../outside/sentinel", b'0', "", b"evil");
    reaches_outside("archive", |_, root| unpack(root, &archive));
}

#[test]
fn control_patches_whose_names_are_not_quoted() {
    reaches_outside("header in a name", |_, root| {
        let name = "x\n--- /dev/null\n+++ b/../outside/new\n@@ -0,0 +1 @@\n+evil\n";
        let patch = format!("--- /dev/null\n+++ b/{name}");
        let mut child = Command::new("git")
            .args(["apply", "--unsafe-paths", "--recount", "-"])
            .env("GIT_CEILING_DIRECTORIES", root.parent().expect("a parent"))
            .current_dir(root)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("git, which these tests need");
        let patch = patch.replace("--- /dev/null\n+++ b/x\n", "");
        child.stdin.take().expect("a pipe").write_all(patch.as_bytes()).expect("a reader");
        assert!(child.wait().expect("an end").success());
    });
}

#[test]
fn control_kinds_and_names_that_a_copy_takes_along() {
    let scene = Scene::quick();
    let root = scene.project().0;
    // `cp -a` stands for whoever copies everything.
    let upper = scene.upper();
    upper.file_mode("setuid", "1", 0o4755);
    upper.file(".palisade/policy.yaml", "allow");
    upper.file("a\nb", "1");
    upper.link("out", "/etc/passwd");
    upper.node("pipe", rustix::fs::FileType::Fifo, 0);
    let copied =
        Command::new("cp").args(["-a", "."]).arg(&root).current_dir(&upper.0).status().expect("cp");
    assert!(copied.success());
    assert_eq!(fs::metadata(root.join("setuid")).expect("a file").mode() & 0o7777, 0o4755);
    for name in [".palisade/policy.yaml", "a\nb", "out", "pipe"] {
        assert!(picture(&root).contains_key(Path::new(name)), "{name:?}");
    }
}

#[test]
fn control_names_that_fold_lose_a_file() {
    let scene = Scene::quick();
    // A file system that ignores case, as one that lower-cases every name.
    let write = |name: &str, content: &str| {
        fs::write(scene.project().at(name.to_lowercase()), content).expect("a file");
    };
    write("README", "the project's");
    write("ReadMe", "the program's");
    assert_eq!(scene.project().picture().len(), 1, "one of the two is lost");
}

#[test]
fn control_blobs_that_are_believed() {
    let scene = Scene::quick();
    let claimed = workspace::Digest::of(b"harmless");
    let stored = b"evil";
    write(&scene.project().0, "a", stored);
    let written = fs::read(scene.project().at("a")).expect("a file");
    assert_ne!(workspace::Digest::of(&written), claimed, "nobody noticed");
}
