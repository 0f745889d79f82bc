//! Hostile workspaces, changesets, projects, blobs, logs and archives: whatever they hold, nothing
//! outside the project is written, and what came of each is said.
//! One table per kind. For every kind a naive applier, `control`, shows that the attack works.
//! Archives are no concept here: an artifact that is one is stored as bytes and never unpacked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::too_many_lines,
    missing_docs,
    unreachable_pub,
    reason = "a failed test should stop loudly, and tables are long"
)]

#[path = "../support/mod.rs"]
mod support;

mod archive;
mod changeset;
mod control;
mod project;
mod race;
mod record;
mod upper;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use support::{Picture, Scene, Shot, borrowed};
use workspace::{Changeset, MemoryBlobs, merge};

/// Builds an attack and does what a user would; an error is told with its causes.
type Attack = Box<dyn Fn(&Scene) -> Result<(), String>>;

/// One attack.
pub struct Row {
    pub name: &'static str,
    pub attack: Attack,
    /// A part of the error; `None` if it must go through as a harmless change.
    pub expect: Option<&'static str>,
    /// Whether a temporary file may be left, for a resume or an undo that the attack prevents.
    pub may_leave: bool,
}

impl Row {
    pub fn new(
        name: &'static str,
        expect: Option<&'static str>,
        attack: impl Fn(&Scene) -> Result<(), String> + 'static,
    ) -> Self {
        Self { name, attack: Box::new(attack), expect, may_leave: false }
    }
}

/// An error with its causes.
pub fn told(error: impl Error + 'static) -> String {
    let mut text = error.to_string();
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Captures and merges, as a user would.
pub fn through(scene: &Scene) -> Result<(), String> {
    let (changes, blobs) = scene.capture().map_err(told)?;
    merged(scene, &changes, &blobs)
}

pub fn merged(scene: &Scene, changes: &Changeset, blobs: &MemoryBlobs) -> Result<(), String> {
    let project = scene.project().open();
    merge(borrowed(&project), changes, blobs, &mut scene.log()).map(|_| ()).map_err(told)
}

/// Something worth breaking, beside the project.
pub fn surround(scene: &Scene) {
    let outside = scene.outside();
    outside.file("sentinel", "untouched");
    outside.file_mode("script", "#!/bin/sh\n", 0o755);
    outside.folder("folder/inner");
    outside.file("folder/a", "untouched");
    outside.link("link", "sentinel");
}

/// Everything around the project but what the test itself works with.
pub fn surroundings(scene: &Scene) -> Picture {
    let own = ["project", "upper", "log"];
    let mut around = scene.outside().picture();
    for entry in fs::read_dir(scene.folder.path()).expect("a folder") {
        let name = entry.expect("an entry").file_name();
        if !own.iter().any(|own| name == *own) {
            around.insert(Path::new("..").join(name), Shot::Other(0));
        }
    }
    around
}

fn check(rows: Vec<Row>, least: usize) {
    assert!(rows.len() >= least, "{} rows", rows.len());
    for row in &rows {
        let scene = Scene::quick();
        surround(&scene);
        let before = surroundings(&scene);
        let result = (row.attack)(&scene);
        assert_eq!(surroundings(&scene), before, "{}: something outside changed", row.name);
        match (&result, row.expect) {
            (Ok(()), None) => {}
            (Err(error), Some(part)) if error.contains(part) => {}
            _ => panic!("{}: {result:?}, expected {:?}", row.name, row.expect),
        }
        let temporary = |path: &PathBuf| path.to_string_lossy().contains(".palisade-");
        let left: Vec<_> = scene.project().picture().into_keys().filter(temporary).collect();
        assert!(row.may_leave || left.is_empty(), "{}: left {left:?}", row.name);
        support::clear(scene.folder.path());
        fs::create_dir(scene.folder.path()).expect("for the guard to remove");
    }
}

#[test]
fn workspaces_written_by_a_hostile_program() {
    check(upper::rows(), if support::is_root() { 74 } else { 72 });
}

#[test]
fn changesets_written_by_somebody_else() {
    check(changeset::rows(), 72);
}

#[test]
fn projects_that_became_traps() {
    check(project::rows(), 20);
}

#[test]
fn traps_set_at_the_last_moment() {
    check(race::rows(), 24);
}

#[test]
fn blobs_and_logs_somebody_changed() {
    check(record::rows(), 38);
}

#[test]
fn archives_are_bytes() {
    check(archive::rows(), 8);
}

#[test]
fn there_are_more_than_two_hundred() {
    let all = [upper::rows(), changeset::rows(), project::rows(), race::rows(), record::rows()];
    let count: usize = all.iter().map(Vec::len).sum::<usize>() + archive::rows().len();
    assert!(count > 200, "{count} attacks");
    let mut names: Vec<_> = all.iter().flatten().map(|row| row.name).collect();
    names.sort_unstable();
    let before = names.len();
    names.dedup();
    assert_eq!(names.len(), before, "each attack has its own name");
}

#[test]
fn everything_again_as_an_ordinary_user() {
    support::again_as_an_ordinary_user("everything_again_as_an_ordinary_user");
}
