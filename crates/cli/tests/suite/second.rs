//! The second person: root in somebody else's project, somebody else in root's, and what each of them is told.
//! Who may answer a request is tested in `approval` and below the command line.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{
    ORDINARY, Project, Ran, Running, is_root, not_tried, run, set_mode, workflow,
};

const POLICY: &str = "\
version: 1
name: test
rules:
  - { name: run, match: { tool: [\"exec.*\"] }, action: allow }
  - { name: ask-touch, match: { tool: exec.run, args: { program: touch } }, action: require_review, reason: look first }
";

/// A project that two people can see; `None` where this user cannot be two.
struct Two {
    project: Project,
    program: PathBuf,
}

impl Two {
    fn new() -> Option<Self> {
        if !is_root() {
            not_tried("two people", "only root can be somebody else");
            return None;
        }
        let project = Project::bare();
        project.file(".palisade/policy.yaml", POLICY);
        project.file("ask.yaml", workflow("  - { name: make, run: [touch, made] }\n"));
        let root = project.path().parent().unwrap().to_path_buf();
        set_mode(&root, 0o755);
        let program = root.join("palisade");
        fs::copy(env!("CARGO_BIN_EXE_palisade"), &program).unwrap();
        Some(Self { project, program })
    }

    fn ordinary(&self, arguments: &[&str]) -> Command {
        let mut command = self.project.command_of(&self.program, arguments);
        command.uid(ORDINARY).gid(ORDINARY);
        command
    }

    /// Root in the project as it is named from elsewhere.
    fn root(&self, arguments: &[&str]) -> Ran {
        let path = self.project.path().display().to_string();
        let mut command = self.project.command(&[&["-C", &path][..], arguments].concat());
        run(command.current_dir("/"))
    }
}

fn own(path: &Path) {
    chown(path, Some(ORDINARY), Some(ORDINARY)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| own(&entry.unwrap().path()));
    }
}

/// Whether something below is root's.
fn has_roots(path: &Path) -> bool {
    let own = fs::symlink_metadata(path).unwrap().uid() == 0;
    let below = || fs::read_dir(path).unwrap().any(|entry| has_roots(&entry.unwrap().path()));
    own || (path.is_dir() && below())
}

#[test]
fn root_answers_in_somebody_elses_project_through_its_owner_alone() {
    let Some(two) = Two::new() else { return };
    own(two.project.path().parent().unwrap());
    let state = two.project.path().join(".palisade");
    let mut running = Running::start(&mut two.ordinary(&["run", "ask.yaml"]));
    let line = running.until("needs approval apr_");
    let id = line.split_whitespace().find(|word| word.starts_with("apr_")).unwrap().to_owned();
    // The control: whoever asks cannot answer.
    run(&mut two.ordinary(&["approval", "approve", &id])).exits(5).says(
        "cannot be answered",
        "nobody answers their own",
        "",
    );
    let open = two.root(&["approval", "list", "--json"]).exits(0).json();
    assert_eq!(open[0]["request"]["id"], id.as_str());
    two.root(&["approval", "show", "apr_none"]).exits(3).says("no approval", "", "approval list");
    let shown = two.root(&["approval", "show", &id[..12]]).exits(0).stdout;
    assert!(shown.contains("\"touch\",\"made\"") && shown.contains("look first"), "{shown}");
    // Nothing else of it is root's to look at.
    two.root(&["runs", "list"]).exits(1).says("belongs to user #61184", "", "chown");
    let told = two.root(&["approval", "approve", &id]).exits(0).stdout;
    assert!(told.contains("(1 of 1)"), "{told}");
    running.end().exits(0);
    let told = run(&mut two.ordinary(&["runs", "show", "--json"])).exits(0).json();
    let by = &told["approvals"][0]["answers"][0]["by"];
    assert_ne!((by, by), (&open[0]["request"]["subject"]["principal"], &serde_json::Value::Null));
    assert!(!has_roots(&state), "root has left nothing of its own");
    // Nobody is there to ask, and nothing is opened.
    let why = "root opens no file";
    two.root(&["approval", "list"]).exits(5).says("no running process", why, "palisade serve");
    // A link leads root to no other process than that user's.
    let elsewhere = two.project.outside().join("other.sock");
    let _other = UnixListener::bind(&elsewhere).unwrap();
    symlink(&elsewhere, state.join("peer.sock")).unwrap();
    two.root(&["approval", "list"]).exits(5).says("is not trusted", "belongs to user #0", "");
}

#[test]
fn a_stranger_is_told_that_the_project_is_not_theirs() {
    let Some(two) = Two::new() else { return };
    two.project.palisade(&["run", "ask.yaml", "--detach"]).exits(10);
    two.root(&["approval", "list"]).exits(0);
    for command in [&["approval", "list"][..], &["runs", "list"], &["audit", "verify"]] {
        let ran = run(&mut two.ordinary(command)).exits(1);
        ran.says(
            "cannot be looked at",
            "Permission denied",
            "only the user whose project it is, and root",
        );
    }
}
