//! The workflows in `examples/`, with the repository's own policy.
//! They run against a repository made for the test, so that the result is known.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Project;

/// What a folder holds: path to content, symbolic links and folders included by name.
type Content = BTreeMap<PathBuf, Vec<u8>>;

/// A project like a clone of the repository: its examples and its policy, and a home with keys in it.
pub(crate) fn clone() -> Project {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // Not below the system's folder for temporary files: a sandbox has one of its own, so that what is missing
    // there tells nothing.
    let project = Project::within(Path::new(env!("CARGO_TARGET_TMPDIR")));
    copy(&repository.join("examples"), &project.path().join("examples"));
    let policy = fs::read(repository.join(".palisade/policy.yaml")).unwrap();
    project.file(".palisade/policy.yaml", policy);
    project
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn content(folder: &Path) -> Content {
    let mut found = Content::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.insert(path.clone(), Vec::new());
            found.extend(content(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

fn git(folder: &Path, arguments: &[&str]) {
    let author = [
        "-c",
        "user.name=Ada",
        "-c",
        "user.email=ada@example.com",
        "-c",
        "init.defaultBranch=main",
    ];
    let mut command = Command::new("git");
    let status = command.args(author).args(arguments).current_dir(folder).status().unwrap();
    assert!(status.success());
}

#[test]
fn release_notes_of_a_repository_elsewhere() {
    let project = clone();
    let repository = project.outside();
    git(&repository, &["init", "--quiet"]);
    for subject in ["journal: keep records", "cli: show runs", "cli: follow runs"] {
        git(&repository, &["commit", "--quiet", "--allow-empty", "--message", subject]);
    }
    let before = content(&project.path().join("examples"));
    let repo = format!("repo={}", repository.display());
    let ran = project.palisade(&["run", "examples/release-notes.yaml", "-i", &repo]).exits(0);
    let run = project.latest();
    let id = run["id"].as_str().unwrap();
    for wanted in [
        id,
        "succeeded in ",
        "notes/release-notes.md",
        "sha256:",
        "records verified, sequence 1 to ",
    ] {
        assert!(ran.stdout.contains(wanted), "{wanted}: {}", ran.stdout);
    }
    let notes = project.palisade(&["artifact", "get", "notes/release-notes.md"]).exits(0).stdout;
    for wanted in
        ["3 commits.", "- cli: follow runs (`", "| cli | 2 |", "| journal | 1 |", "- Ada (3)"]
    {
        assert!(notes.contains(wanted), "{wanted}: {notes}");
    }
    assert_eq!(
        content(&project.path().join("examples")),
        before,
        "the project is never written to"
    );
    assert!(!project.path().join("notes").exists());
}

#[test]
fn a_python_projects_tests() {
    let project = clone();
    project.palisade(&["run", "examples/python-test.yaml"]).exits(0);
    let report = project.palisade(&["artifact", "get", "report/unittest.txt"]).exits(0).stdout;
    assert!(report.contains("OK"), "{report}");
    // The control: a test that fails makes the run fail.
    let test = project.path().join("examples/python-project/tests/test_broken.py");
    fs::write(test, "import unittest\nclass Broken(unittest.TestCase):\n    def test_it(self):\n        self.fail('on purpose')\n").unwrap();
    let ran = project.palisade(&["run", "examples/python-test.yaml"]).exits(10);
    assert!(ran.stdout.contains("failed    test"), "{}", ran.stdout);
}

/// Each step of `examples/denied.yaml`, and what may have stopped it.
const STOPPERS: [(&str, &[&str]); 6] = [
    ("mount-ssh-folder", &["policy rule `builtin:keys`"]),
    ("read-ssh-folder", &["isolation layer `mount namespace`"]),
    ("read-outside-project", &["isolation layer `project root`"]),
    ("write-outside", &["isolation layer `read-only root`"]),
    ("open-network", &["isolation layer `seccomp`", "isolation layer `network namespace`"]),
    ("unlisted-tool", &["policy rule `default deny`"]),
];

#[test]
fn forbidden_acts_are_stopped_and_the_output_says_by_what() {
    const SECRET: &str = "canary-of-the-key-folder";
    let project = clone();
    let keys = project.home().join(".ssh");
    fs::create_dir(&keys).unwrap();
    fs::write(keys.join("id_ed25519"), SECRET).unwrap();
    fs::write(keys.join("authorized_keys"), SECRET).unwrap();
    // The step that tries quietly, pointed at this home's keys.
    let quiet = fs::read_to_string(project.path().join("examples/denied.yaml")).unwrap();
    let quiet = quiet.replace("/root/.ssh", &keys.display().to_string());
    project.file("quiet.yaml", &quiet);
    let home = content(&project.home());
    for file in ["examples/denied.yaml", "quiet.yaml"] {
        let ran = project.palisade(&["run", file]).exits(10);
        let shown = project.palisade(&["runs", "show"]).exits(0);
        for (step, stoppers) in STOPPERS {
            for text in [&ran.stdout, &ran.stderr, &shown.stdout] {
                let mut lines = text.lines().filter(|line| line.contains(step));
                let named = lines.any(|line| stoppers.iter().any(|stopper| line.contains(stopper)));
                assert!(named, "{step} of {file}: {text}");
            }
        }
        let everything = project.palisade(&["runs", "show", "--json", "--receipt"]).stdout;
        let logs = project.palisade(&["runs", "logs"]).all();
        for text in [ran.all(), everything, logs] {
            assert!(!text.contains(SECRET), "{text}");
        }
    }
    let records = project.palisade(&["audit", "export"]).exits(0).stdout;
    assert!(!records.contains(SECRET));
    assert_eq!(content(&project.home()), home);
    assert!(!Path::new("/usr/palisade-was-here").exists());
    // The control: where nothing is forbidden the same home is read.
    let folder = format!("{}/plain", project.home().display());
    fs::create_dir(&folder).unwrap();
    fs::write(format!("{folder}/note"), SECRET).unwrap();
    let control = format!(
        "version: 1\nname: control\nsteps:\n  - {{ name: read, run: [cat, /mnt/note], mounts: [{{ source: {folder}, target: /mnt }}] }}\n"
    );
    project.file("control.yaml", control);
    project.palisade(&["run", "control.yaml"]).exits(0);
    assert!(project.palisade(&["runs", "logs"]).stdout.contains(SECRET));
}
