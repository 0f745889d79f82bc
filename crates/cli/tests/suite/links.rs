//! A repository that brings symbolic links in the places of the state folder: no command follows one, and nothing
//! they lead to is changed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::support::{POLICY, Project, set_mode, workflow};

const GOOD: &str = "  - { name: a, run: [echo, hello] }\n";

/// Commands of every kind: that act, that read, that write the journal, that only look at documents.
const COMMANDS: [&[&str]; 6] = [
    &["run", "good.yaml"],
    &["runs", "list"],
    &["audit", "verify"],
    &["journal", "rebuild"],
    &["policy", "check"],
    &["init"],
];

/// Everything below a folder, with kinds, modes and contents.
fn all(folder: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap();
        if kind.is_dir() {
            found.extend(all(&path));
        }
        let bytes = if kind.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        found.push((path, kind.permissions().mode(), bytes));
    }
    found.sort();
    found
}

#[test]
fn a_cloned_repository_changes_nothing_outside_of_itself() {
    for (name, target) in [
        (".palisade", "."),
        (".palisade/artifacts/tmp", "."),
        (".palisade/artifacts", "."),
        (".palisade/palisade.db", "tmp/file"),
        (".palisade/palisade.db.lock", "tmp/file"),
        (".palisade/palisade.db.reserve", "tmp/file"),
        (".palisade/palisade.db.checkpoint.new", "tmp/file"),
        (".palisade/archive/writing", "tmp/file"),
        (".palisade/tiles/log", "."),
        (".palisade/keys", "."),
    ] {
        let project = Project::bare();
        project.file("good.yaml", workflow(GOOD));
        let outside = project.outside();
        fs::create_dir(outside.join("tmp")).unwrap();
        fs::write(outside.join("tmp/file"), "precious").unwrap();
        fs::write(outside.join("policy.yaml"), POLICY).unwrap();
        set_mode(&outside, 0o755);
        let link = project.path().join(name);
        if name != ".palisade" {
            project.file(".palisade/policy.yaml", POLICY);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
        }
        symlink(outside.join(target), &link).unwrap();
        let before = all(project.path().parent().unwrap());
        for command in COMMANDS {
            let ran = project.palisade(command).exits(1);
            ran.says("is a symbolic link", "", "remove it");
        }
        assert_eq!(all(project.path().parent().unwrap()), before, "{name}");
        // The control: without the link the same project works.
        fs::remove_file(&link).unwrap();
        project.file(".palisade/policy.yaml", POLICY);
        project.palisade(&["run", "good.yaml"]).exits(0);
    }
}

#[test]
fn a_state_folder_below_a_link_of_the_users_own_is_used() {
    let project = Project::new();
    project.file("good.yaml", workflow(GOOD));
    let (real, link) = (project.outside().join("real"), project.outside().join("link"));
    fs::create_dir(&real).unwrap();
    symlink(&real, &link).unwrap();
    let with = |state: &Path, arguments: &[&str]| {
        crate::support::run(project.command(arguments).env("PALISADE_STATE__FOLDER", state))
    };
    with(&link.join("state"), &["run", "good.yaml"]).exits(0);
    with(&real.join("state"), &["audit", "verify"]).exits(0);
    // The last name is no link, also with a slash after it.
    for state in [link.clone(), link.join("")] {
        with(&state, &["run", "good.yaml"]).exits(1).says("is a symbolic link", "", "remove it");
    }
    assert_eq!(fs::read_dir(&real).unwrap().count(), 1);
}

#[test]
fn a_projects_own_policy_is_an_ordinary_file() {
    let project = Project::new();
    project.file("good.yaml", workflow(GOOD));
    let (policy, other) =
        (project.path().join(".palisade/policy.yaml"), project.outside().join("p"));
    fs::rename(&policy, &other).unwrap();
    symlink(&other, &policy).unwrap();
    for command in [&["run", "good.yaml"][..], &["policy", "check"]] {
        project.palisade(command).exits(2).says("is a symbolic link", "", "--policy FILE");
    }
    // The control: whoever names it may name a link, and the file itself is read where it is.
    let named = policy.display().to_string();
    project.palisade(&["run", "good.yaml", "--policy", &named]).exits(0);
    fs::remove_file(&policy).unwrap();
    fs::rename(&other, &policy).unwrap();
    project.palisade(&["run", "good.yaml"]).exits(0);
}
