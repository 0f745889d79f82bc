//! Projects that were changed between capture and merge so that a merge would write elsewhere.
//! A merge that is refused has changed nothing; that is compared in every row.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::fs::FileType;

use super::support::{Scene, mode};
use super::{Row, merged, told};

/// A row in which `trap` is set after the capture of what `fill` wrote.
fn row(
    name: &'static str,
    expect: Option<&'static str>,
    fill: fn(&Scene),
    trap: fn(&Scene),
) -> Row {
    Row::new(name, expect, move |scene: &Scene| {
        let project = scene.project();
        project.file("d/a", "old");
        project.file("d/b", "old");
        fill(scene);
        let (changes, blobs) = scene.capture().map_err(told)?;
        trap(scene);
        let before = project.picture();
        let result = merged(scene, &changes, &blobs);
        if result.is_err() {
            assert_eq!(project.picture(), before, "{name}: refused, and yet the project changed");
        }
        result
    })
}

fn edit(scene: &Scene) {
    scene.upper().file("d/a", "new");
}

fn add(scene: &Scene) {
    scene.upper().file("d/new", "new");
}

fn delete(scene: &Scene) {
    scene.upper().whiteout("d");
}

fn link_folder(scene: &Scene, to: &str) {
    let project = scene.project();
    fs::rename(project.at("d"), project.at("moved")).expect("a free name");
    symlink(to, project.at("d")).expect("a link");
}

fn instead(scene: &Scene, path: &str, target: &str) {
    let path = scene.project().at(path);
    fs::remove_file(&path).expect("a file");
    symlink(target, path).expect("a link");
}

pub fn rows() -> Vec<Row> {
    let no_folder = Some("not a folder of the project");
    let changed = Some("changed in the project meanwhile");
    let mut rows = vec![
        row("trap: folder became a link out", no_folder, edit, |scene| {
            link_folder(scene, "../outside/folder");
        }),
        row("trap: folder of a new file became a link out", no_folder, add, |scene| {
            link_folder(scene, "../outside/folder");
        }),
        row("trap: folder became an absolute link", no_folder, add, |scene| {
            link_folder(scene, &scene.outside().at("folder").to_string_lossy());
        }),
        row("trap: folder became a link within", no_folder, edit, |scene| {
            link_folder(scene, "moved")
        }),
        row("trap: folder became a file", no_folder, add, |scene| {
            fs::remove_dir_all(scene.project().at("d")).expect("a folder");
            scene.project().file("d", "1");
        }),
        row("trap: folder is gone", no_folder, add, |scene| {
            fs::remove_dir_all(scene.project().at("d")).expect("a folder");
        }),
        row("trap: file became a link out", changed, edit, |scene| {
            instead(scene, "d/a", "../../outside/sentinel");
        }),
        row("trap: file became a link to itself", changed, edit, |scene| {
            instead(scene, "d/a", "a")
        }),
        row("trap: file became a FIFO", changed, edit, |scene| {
            fs::remove_file(scene.project().at("d/a")).expect("a file");
            scene.project().node("d/a", FileType::Fifo, 0);
        }),
        row("trap: file became a folder", changed, edit, |scene| {
            fs::remove_file(scene.project().at("d/a")).expect("a file");
            scene.project().folder("d/a");
        }),
        row("trap: file became a hard link out", changed, edit, |scene| {
            let project = scene.project();
            fs::remove_file(project.at("d/a")).expect("a file");
            fs::hard_link(scene.outside().at("sentinel"), project.at("d/a")).expect("a link");
        }),
        row("trap: same bytes, hard link out", None, edit, |scene| {
            let project = scene.project();
            fs::remove_file(project.at("d/a")).expect("a file");
            project.file("twin", "old");
            fs::hard_link(project.at("twin"), project.at("d/a")).expect("a link");
        }),
        row("trap: file became sparse and huge", changed, edit, |scene| {
            let file = fs::File::create(scene.project().at("d/a")).expect("a file");
            file.set_len(1 << 40).expect("a hole");
        }),
        row("trap: deleted folder became a link out", changed, delete, |scene| {
            link_folder(scene, "../outside/folder");
        }),
        row("trap: deleted folder got another file", Some("also holds `mine`"), delete, |scene| {
            scene.project().file("d/mine", "1");
        }),
        row("trap: deleted folder got an odd name", Some("also holds `a\\nb`"), delete, |scene| {
            scene.project().file("d/a\nb", "1");
        }),
        row("trap: new name is a link out by now", Some("appeared in the project"), add, |scene| {
            symlink("../../outside/new", scene.project().at("d/new")).expect("a link");
        }),
        row("trap: new name collides by now", Some("is the same name"), add, |scene| {
            scene.project().file("d/NEW", "1");
        }),
        row(
            "trap: new link leads out by now",
            Some("leads out"),
            |scene| {
                scene.upper().link("l", "vendor/x");
            },
            |scene| {
                symlink("../outside", scene.project().at("vendor")).expect("a link");
            },
        ),
        row("trap: only bits changed", changed, edit, |scene| {
            mode(&scene.project().at("d/a"), 0o600);
        }),
    ];
    if !super::support::is_root() {
        rows.push(row("trap: folder became read-only", Some("cannot be written"), edit, |scene| {
            mode(&scene.project().at("d"), 0o555);
        }));
    }
    rows
}
