//! Traps set between two operations of a running merge, by a process that may write the project.
//! Whatever it does, nothing of ours lands outside, and what it wrote is not overwritten.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use rustix::fs::FileType;
use workspace::{Act, MergeError, merge, undo};

use super::support::{Meanwhile, Scene, borrowed};
use super::{Row, told};

const OVERTAKEN: Option<&str> = Some("somebody else changed it during the merge");

/// A row in which `deed` happens before the `nth` operation of this kind.
fn row(
    name: &'static str,
    expect: Option<&'static str>,
    (at, left): (Act, usize),
    deed: fn(&Scene),
) -> Row {
    Row::new(name, expect, move |scene: &Scene| {
        let (project, upper) = (scene.project(), scene.upper());
        project.file("d/a", "old");
        project.file("d/gone", "old");
        upper.whiteout("d/gone");
        upper.file("d/a", "new");
        upper.file("d/new", "new");
        upper.file("d/sub/x", "new");
        let (changes, blobs) = scene.capture().map_err(told)?;
        let mut log = scene.log();
        let mut done = false;
        let mut once = || {
            done = true;
            deed(scene);
        };
        let mut log = Meanwhile { log: &mut log, at, left, deed: &mut once };
        let result = merge(borrowed(&project.open()), &changes, &blobs, &mut log);
        let log = log.log;
        if result.is_err() {
            match undo(borrowed(&project.open()), log) {
                Ok(_) | Err(MergeError::Conflicts(_) | MergeError::Overtaken(_)) => {}
                other => panic!("{name}: {other:?}"),
            }
        }
        assert!(done, "{name}: the moment never came");
        result.map(|_| ()).map_err(told)
    })
}

/// Moves the folder away and puts a link out in its place.
fn swap_folder(scene: &Scene) {
    let project = scene.project();
    fs::rename(project.at("d"), project.at("aside")).expect("a free name");
    symlink("../outside/folder", project.at("d")).expect("a link");
}

fn swap_new_folder(scene: &Scene) {
    let project = scene.project();
    fs::rename(project.at("d/sub"), project.at("d/other")).expect("a free name");
    symlink("../../outside/folder", project.at("d/sub")).expect("a link");
}

fn temporary(scene: &Scene) -> PathBuf {
    let entries = fs::read_dir(scene.project().at("d")).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let ours = |path: &PathBuf| path.to_string_lossy().contains(".palisade-");
    paths.into_iter().find(ours).expect("a temporary file")
}

fn swap_temporary(scene: &Scene) {
    let path = temporary(scene);
    fs::remove_file(&path).expect("a file");
    symlink("../../outside/sentinel", path).expect("a link");
}

fn link_temporary(scene: &Scene) {
    let path = temporary(scene);
    fs::remove_file(&path).expect("a file");
    fs::hard_link(scene.outside().at("sentinel"), path).expect("a hard link");
}

fn swap(scene: &Scene, path: &str) {
    let path = scene.project().at(path);
    let _ = fs::remove_file(&path);
    symlink("../../outside/sentinel", path).expect("a link");
}

pub fn rows() -> Vec<Row> {
    let mut rows = folders();
    rows.extend(files());
    rows
}

fn folders() -> Vec<Row> {
    vec![
        row(
            "race: folder swapped before a temporary file",
            OVERTAKEN,
            (Act::Create, 0),
            swap_folder,
        ),
        row("race: folder swapped before content", OVERTAKEN, (Act::Write, 0), swap_folder),
        row("race: folder swapped before bits", OVERTAKEN, (Act::Dress, 0), swap_folder),
        row("race: folder swapped before a removal", OVERTAKEN, (Act::Rename, 0), swap_folder),
        row("race: folder swapped before an exchange", OVERTAKEN, (Act::Rename, 1), swap_folder),
        row("race: folder swapped before a placement", OVERTAKEN, (Act::Rename, 2), swap_folder),
        row("race: folder swapped before a deletion", OVERTAKEN, (Act::Unlink, 0), swap_folder),
        row(
            "race: folder swapped before a new folder",
            OVERTAKEN,
            (Act::MakeFolder, 0),
            swap_folder,
        ),
        row(
            "race: new folder swapped before its bits",
            OVERTAKEN,
            (Act::Dress, 2),
            swap_new_folder,
        ),
        row("race: new folder swapped before a file in it", OVERTAKEN, (Act::Create, 2), |scene| {
            swap_new_folder(scene);
        }),
        row(
            "race: new folder swapped before its last bits",
            None,
            (Act::SetMode, 0),
            swap_new_folder,
        ),
        row("race: link where a new folder goes", OVERTAKEN, (Act::MakeFolder, 0), |scene| {
            symlink("../../outside/folder", scene.project().at("d/sub")).expect("a link");
        }),
    ]
}

fn files() -> Vec<Row> {
    vec![
        row(
            "race: temporary file swapped before content",
            OVERTAKEN,
            (Act::Write, 0),
            swap_temporary,
        ),
        row("race: temporary file swapped before bits", OVERTAKEN, (Act::Dress, 0), swap_temporary),
        row(
            "race: temporary file swapped before an exchange",
            OVERTAKEN,
            (Act::Rename, 1),
            swap_temporary,
        ),
        row(
            "race: temporary file swapped before a placement",
            OVERTAKEN,
            (Act::Rename, 2),
            swap_temporary,
        ),
        row(
            "race: temporary file became a hard link out",
            OVERTAKEN,
            (Act::Rename, 1),
            link_temporary,
        ),
        row("race: file swapped before an exchange", OVERTAKEN, (Act::Rename, 1), |scene| {
            swap(scene, "d/a")
        }),
        row("race: file gone before an exchange", OVERTAKEN, (Act::Rename, 1), |scene| {
            fs::remove_file(scene.project().at("d/a")).expect("a file");
        }),
        row("race: file became a FIFO before an exchange", OVERTAKEN, (Act::Rename, 1), |scene| {
            fs::remove_file(scene.project().at("d/a")).expect("a file");
            scene.project().node("d/a", FileType::Fifo, 0);
        }),
        row(
            "race: file became a folder before an exchange",
            OVERTAKEN,
            (Act::Rename, 1),
            |scene| {
                fs::remove_file(scene.project().at("d/a")).expect("a file");
                scene.project().file("d/a/mine", "1");
            },
        ),
        row("race: link where a new file goes", OVERTAKEN, (Act::Rename, 2), |scene| {
            swap(scene, "d/new")
        }),
        row("race: file swapped before its removal", OVERTAKEN, (Act::Rename, 0), |scene| {
            swap(scene, "d/gone");
        }),
        row(
            "race: file became a folder before its removal",
            OVERTAKEN,
            (Act::Rename, 0),
            |scene| {
                fs::remove_file(scene.project().at("d/gone")).expect("a file");
                scene.project().file("d/gone/mine", "1");
            },
        ),
    ]
}
