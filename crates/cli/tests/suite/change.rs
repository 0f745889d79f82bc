//! What a step changed: shown, merged, taken back; and every reason why it is not.
//! The real binary over a real project; what a merge does to files is tested in its own crate.

use std::fs;

use crate::example;
use crate::support::{Project, workflow};

/// A policy under which steps run and changes outside `secret` may be merged.
const POLICY: &str = "\
version: 1
name: test
rules:
  - { name: run, match: { tool: [\"exec.*\"] }, action: allow }
  - name: merge
    match: { tool: [\"workspace.*\"] }
    action: allow
    except: [ { path_glob: [\"secret/**\"] } ]
";

/// A project in which a step ran `script` and its changes are kept as `kept`.
fn changed(script: &str, kept: &str) -> Project {
    let project = Project::bare();
    project.file(".palisade/policy.yaml", POLICY);
    project.file("a.txt", "one\ntwo\n");
    again(&project, script, kept);
    project
}

fn again(project: &Project, script: &str, kept: &str) {
    let script = script.replace('\n', "\n      ");
    let steps = format!(
        "  - name: edit\n    shell: |\n      {script}\n    outputs: {{ tests_passed: stdout }}\n    \
         sandbox: {{ changes: {kept} }}\n"
    );
    project.file("steps.yaml", workflow(&steps));
    project.palisade(&["run", "steps.yaml"]).exits(0);
}

fn read(project: &Project, name: &str) -> Option<String> {
    fs::read_to_string(project.path().join(name)).ok()
}

fn state(project: &Project) -> [Option<String>; 2] {
    ["a.txt", "b.txt"].map(|name| read(project, name))
}

const EDIT: &str = "sed -i s/one/ONE/ a.txt\necho new > b.txt";

#[test]
fn the_example_is_shown_merged_unseen_and_taken_back() {
    let project = example::clone();
    project.palisade(&["run", "examples/edit.yaml"]).exits(0);
    assert_eq!(read(&project, "notes/edit.md"), None);
    let list = project.palisade(&["workspace", "diff"]).exits(0).stdout;
    assert!(list.contains("A notes/edit.md"), "{list}");
    let patch = project.palisade(&["workspace", "diff", "--patch"]).exits(0).stdout;
    assert!(patch.contains("+written in a sandbox"), "{patch}");
    project.palisade(&["workspace", "merge", "--auto"]).exits(0);
    assert_eq!(read(&project, "notes/edit.md").as_deref(), Some("written in a sandbox\n"));
    project.palisade(&["workspace", "undo"]).exits(0);
    assert_eq!(read(&project, "notes/edit.md"), None);
    let shown = project.palisade(&["runs", "show"]).exits(0).stdout;
    assert!(
        shown.contains("edit: merged by user:") && shown.contains("edit: undone by"),
        "{shown}"
    );
    project.verifies();
}

#[test]
fn a_merge_brings_every_change_and_undo_takes_every_one_back() {
    let project = changed(EDIT, "full");
    let before = state(&project);
    let possible = project.palisade(&["workspace", "merge", "--dry-run"]).exits(0).stdout;
    assert!(possible.contains("can be merged"), "{possible}");
    assert_eq!(state(&project), before);
    project.palisade(&["workspace", "merge"]).exits(0);
    let after = [Some("ONE\ntwo\n".to_owned()), Some("new\n".to_owned())];
    assert_eq!(state(&project), after);
    let twice = project.palisade(&["workspace", "merge"]).exits(5);
    twice.says("merged already", "", "undo");
    project.palisade(&["workspace", "undo"]).exits(0);
    assert_eq!(state(&project), before);
    project.palisade(&["workspace", "undo"]).exits(5).says("not merged", "", "merge");
    project.palisade(&["workspace", "merge"]).exits(0);
    assert_eq!(state(&project), after);
}

#[test]
fn the_list_is_always_shown_and_contents_only_when_kept() {
    let project = changed(EDIT, "none");
    let shown = project.palisade(&["runs", "show"]).exits(0).stdout;
    assert!(shown.contains("M a.txt") && shown.contains("A b.txt"), "{shown}");
    project.palisade(&["workspace", "diff", "--patch"]).exits(3).says(
        "not kept",
        "",
        "changes: patch",
    );
    project.palisade(&["workspace", "merge"]).exits(5).says("not kept", "", "changes: full");
    again(&project, EDIT, "patch");
    let patch = project.palisade(&["workspace", "diff", "--patch"]).exits(0).stdout;
    assert!(patch.contains("-one\n+ONE\n"), "{patch}");
    project.palisade(&["workspace", "merge"]).exits(5).says("not kept", "", "changes: full");
}

#[test]
fn what_changed_meanwhile_is_a_conflict_and_nothing_is_written() {
    let project = changed(EDIT, "full");
    project.file("a.txt", "somebody else's\n");
    let ran = project.palisade(&["workspace", "merge"]).exits(5);
    assert!(ran.stderr.contains("a.txt"), "{}", ran.stderr);
    assert_eq!(state(&project), [Some("somebody else's\n".to_owned()), None]);
    let json = project.palisade(&["workspace", "merge", "--json"]);
    let told: serde_json::Value = serde_json::from_str(json.stdout.trim()).unwrap();
    assert_eq!(told["conflicts"][0]["path"], "a.txt");
}

#[test]
fn files_that_run_later_have_to_be_named() {
    let hook = "mkdir -p .github/workflows\necho 'on: push' > .github/workflows/ci.yml\necho true";
    let project = changed(hook, "full");
    let refused = project.palisade(&["workspace", "merge"]).exits(6);
    refused.says("must be named", ".github/workflows/ci.yml", "--include");
    let unseen = project.palisade(&["workspace", "merge", "--auto"]).exits(6);
    unseen.says("a person must look", ".github/workflows/ci.yml", "merge it yourself");
    assert_eq!(read(&project, ".github/workflows/ci.yml"), None);
    let flags = project.palisade(&["workspace", "diff", "--json"]).json();
    let flags = flags["steps"][0]["changes"]["flags"].as_array().unwrap();
    let mut command = vec!["workspace".to_owned(), "merge".to_owned()];
    for flag in flags {
        command.extend(["--include".to_owned(), flag["path"].as_str().unwrap().to_owned()]);
    }
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    project.palisade(&command).exits(0);
    assert_eq!(read(&project, ".github/workflows/ci.yml").as_deref(), Some("on: push\n"));
}

#[test]
fn nobody_needs_to_look_only_where_tests_passed_and_the_change_is_small() {
    let silent = changed("echo x > b.txt", "full");
    let ran = silent.palisade(&["workspace", "merge", "--auto"]).exits(6);
    ran.says("", "no tests have passed", "");
    let large = changed("seq 1 501 > b.txt\necho true", "full");
    large.palisade(&["workspace", "merge", "--auto"]).exits(6).says("", "501 lines", "");
    let small = changed("seq 1 500 > b.txt\necho true", "full");
    small.palisade(&["workspace", "merge", "--auto"]).exits(0);
}

#[test]
fn policy_decides_about_the_paths_of_a_merge() {
    let project = changed("mkdir -p secret\necho x > secret/b", "full");
    let ran = project.palisade(&["workspace", "merge"]).exits(6);
    ran.says("default deny", "", "workspace.merge");
    assert_eq!(read(&project, "secret/b"), None);
    let records = project.palisade(&["audit", "export"]).exits(0).stdout;
    assert!(records.contains("workspace.merge_denied"), "{records}");
    assert!(!records.contains("workspace.merge_started"), "{records}");
    // The control: the same file elsewhere is merged, and its decision is on record before its outcome.
    again(&project, "echo x > c", "full");
    project.palisade(&["workspace", "merge"]).exits(0);
    let records = project.palisade(&["audit", "export"]).exits(0).stdout;
    let place = |kind: &str| records.find(kind).unwrap();
    assert!(place("workspace.merge_started") < place("workspace.merge_finished"));
}

#[test]
fn an_interrupted_merge_is_completed_by_the_next_command() {
    let project = changed(EDIT, "full");
    project.palisade(&["workspace", "merge"]).exits(0);
    // What a kill between the last step and its record leaves: a log without its end, a marker beside it.
    let merges = project.path().join(".palisade/merges");
    let log = fs::read_dir(&merges).unwrap().next().unwrap().unwrap().path();
    let lines = fs::read_to_string(log.join("merge.log")).unwrap();
    let kept: Vec<&str> = lines.lines().collect();
    fs::write(log.join("merge.log"), format!("{}\n", kept[..kept.len() - 2].join("\n"))).unwrap();
    let name = log.file_name().unwrap().to_str().unwrap().to_owned();
    let run = name.split('.').next().unwrap();
    let marker = format!(
        "{{\"run\":\"{run}\",\"step\":\"edit\",\"attempt\":1,\"doing\":\"merging\",\"folder\":\"{name}\"}}"
    );
    fs::write(merges.join(format!("{name}.open")), marker).unwrap();
    let next = project.palisade(&["run", "steps.yaml"]).exits(0);
    assert!(next.stderr.contains("was completed"), "{}", next.stderr);
    assert!(!merges.join(format!("{name}.open")).exists());
    assert_eq!(state(&project), [Some("ONE\ntwo\n".to_owned()), Some("new\n".to_owned())]);
    project.palisade(&["workspace", "undo", run]).exits(0);
    assert_eq!(state(&project), [Some("one\ntwo\n".to_owned()), None]);
}

#[test]
fn a_merge_that_came_with_a_project_and_nobody_decided_writes_nothing() {
    let victim = changed(EDIT, "full");
    victim.palisade(&["workspace", "merge"]).exits(0);
    let merges = victim.path().join(".palisade/merges");
    let log = fs::read_dir(&merges).unwrap().next().unwrap().unwrap().path();
    let lines = fs::read_to_string(log.join("merge.log")).unwrap();
    let kept: Vec<&str> = lines.lines().collect();
    let cut = format!("{}\n", kept[..kept.len() - 2].join("\n"));
    let name = log.file_name().unwrap().to_str().unwrap().to_owned();
    let run = name.split('.').next().unwrap();
    let marker = format!(
        "{{\"run\":\"{run}\",\"step\":\"edit\",\"attempt\":1,\"doing\":\"merging\",\"folder\":\"{name}\"}}"
    );
    // The same log in a project whose journal knows nothing of it.
    let project = changed("true", "full");
    let planted = project.path().join(".palisade/merges");
    fs::create_dir_all(planted.join(&name)).unwrap();
    fs::write(planted.join(&name).join("merge.log"), cut).unwrap();
    fs::write(planted.join(format!("{name}.open")), marker).unwrap();
    let before = state(&project);
    let next = project.palisade(&["run", "steps.yaml"]);
    assert!(next.stderr.contains("nobody decided it"), "{}", next.stderr);
    assert_eq!(state(&project), before);
}
