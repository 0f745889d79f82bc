//! `policy apply` as people and scripts use it: what is shown, what is asked for, and what is in force afterwards.
//! Who may approve in every case is tested below the command line, in the runner.

use std::fs;

use serde_json::Value;

use crate::support::{Project, Running, state};

const BEFORE: &str = "\
version: 1
name: before
rules:
  - { name: docs, match: { tool: fs.read, path_glob: \"**/*.md\" }, action: allow }
  - { name: texts, match: { tool: fs.read, path_glob: \"**/*.txt\" }, action: allow }
";
/// Texts are denied now.
const NARROW: &str = "\
version: 1
name: narrow
rules:
  - { name: docs, match: { tool: fs.read, path_glob: \"**/*.md\" }, action: allow }
";
/// Source is allowed now.
const WIDE: &str = "\
version: 1
name: wide
rules:
  - { name: docs, match: { tool: fs.read, path_glob: [\"**/*.md\", \"**/*.rs\"] }, action: allow }
  - { name: texts, match: { tool: fs.read, path_glob: \"**/*.txt\" }, action: allow }
";

fn project() -> Project {
    let project = Project::bare();
    project.file(".palisade/policy.yaml", BEFORE);
    for name in ["a.md", "a.txt", "a.rs"] {
        project.file(name, "x");
    }
    project.file("narrow.yaml", NARROW);
    project.file("wide.yaml", WIDE);
    project
}

fn in_force(project: &Project) -> String {
    fs::read_to_string(project.path().join(".palisade/policy.yaml")).unwrap()
}

fn read(project: &Project, path: &str, code: i32) {
    project.palisade(&["tool", "call", "fs.read", "-a", &format!("path={path}")]).exits(code);
}

/// From now on whoever types is somebody else.
fn become_another(project: &Project) {
    let folder = project.home().join(".config/palisade");
    fs::create_dir_all(&folder).unwrap();
    let uid = own_uid();
    let text = format!("principals: {{ \"{uid}\": {{ id: \"user:second\" }} }}\n");
    fs::write(folder.join("palisade.yaml"), text).unwrap();
}

fn own_uid() -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").unwrap().uid()
}

#[test]
fn a_change_is_shown_and_confirmed_and_then_in_force() {
    let project = project();
    let shown = project.palisade(&["policy", "apply", "narrow.yaml", "--dry-run"]).exits(0);
    assert!(shown.stdout.contains("0 recorded, 0 decided differently"), "{shown:?}");
    assert!(!project.database().exists(), "looking leaves no trace");
    project.palisade(&["policy", "apply", "narrow.yaml"]).exits(2).says(
        "the change is not confirmed",
        "there is no terminal",
        "`--yes`; nothing was changed",
    );
    read(&project, "a.txt", 0);
    let ran = project.palisade(&["policy", "apply", "narrow.yaml", "--yes"]).exits(0);
    for part in
        ["BREAKING", "fs.read {\"path\":\"a.txt\"}", "1 BREAKING, 0 WIDENING", "is in force"]
    {
        assert!(ran.stdout.contains(part), "{part}: {ran:?}");
    }
    assert_eq!(in_force(&project), NARROW);
    read(&project, "a.txt", 6);
    let again = project.palisade(&["policy", "apply", "narrow.yaml", "--yes"]).exits(0);
    assert!(again.stdout.contains("nothing changes"), "{again:?}");
    let change = project.palisade(&["audit", "search", "--type", "policy.changed"]).exits(0);
    assert!(change.stdout.contains("policy.changed"), "{change:?}");
    project.palisade(&["journal", "rebuild", "--check"]).exits(0);
    project.verifies();
}

#[test]
fn a_policy_that_is_no_good_is_told_with_its_place_and_changes_nothing() {
    let project = project();
    project.file("bad.yaml", BEFORE.replace("action: allow", "action: alow"));
    let ran = project.palisade(&["policy", "apply", "bad.yaml", "--yes"]).exits(2);
    assert!(ran.stderr.contains("bad.yaml:4:"), "{ran:?}");
    project.file(
        "failing.yaml",
        format!("{NARROW}tests:\n  - {{ name: texts, call: {{ tool: fs.read, principal: a, args: {{ path: a.txt }} }}, expect: {{ decision: allow }} }}\n"),
    );
    let ran = project.palisade(&["policy", "apply", "failing.yaml", "--yes"]).exits(1);
    ran.says("1 of the new policy's own tests fails", "failing.yaml:6: texts", "in force stays");
    project.palisade(&["policy", "apply", "none.yaml", "--yes"]).exits(3);
    let ran = project.palisade(&["policy", "apply", "wide.yaml", "--yes", "--as", "root"]).exits(2);
    ran.says("nobody can act as `root`", "", "--as agent:NAME");
    assert!(!project.database().exists() && in_force(&project) == BEFORE);
    let bare = Project::bare();
    bare.file("narrow.yaml", NARROW);
    bare.palisade(&["policy", "apply", "narrow.yaml"]).exits(3).says(
        "no policy file is in force",
        "",
        "palisade init",
    );
}

#[test]
fn a_change_is_not_held_against_a_journal_that_cannot_be_read() {
    let project = project();
    let dry = ["policy", "apply", "narrow.yaml", "--dry-run"];
    assert!(project.palisade(&dry).exits(0).stdout.contains("0 recorded"), "there is none yet");
    read(&project, "a.txt", 0);
    let control = project.palisade(&dry).exits(0).stdout;
    assert!(control.contains("1 BREAKING"), "{control}");
    for name in ["palisade.db-wal", "palisade.db-shm"] {
        drop(fs::remove_file(project.path().join(".palisade").join(name)));
    }
    fs::write(project.database(), "no database at all".repeat(1_000)).unwrap();
    for words in [&dry[..], &dry[..3]] {
        let refused = project.palisade(words);
        assert!(refused.code != 0 && !refused.all().contains("0 recorded"), "{refused:?}");
    }
    assert_eq!(in_force(&project), BEFORE);
}

#[test]
fn what_breaks_many_calls_is_applied_with_the_phrase_alone() {
    let project = project();
    for place in 0..6 {
        project.file(&format!("{place}.txt"), "x");
        read(&project, &format!("{place}.txt"), 0);
    }
    let apply = |more: &[&str]| {
        project.palisade(&[&["policy", "apply", "narrow.yaml", "--json"], more].concat())
    };
    let fix = "--phrase";
    let told = |ran: crate::support::Ran, part: &str| {
        assert!(ran.exits(2).all().contains(part), "{part}");
    };
    told(apply(&["--yes"]), fix);
    told(apply(&["--phrase", "break 5 calls"]), "is not the phrase");
    assert_eq!(in_force(&project), BEFORE);
    let ran = apply(&["--phrase", "break 6 calls"]).exits(0).json();
    assert_eq!((ran["breaking"].as_u64(), ran["state"].as_str()), (Some(6), Some("succeeded")));
    assert_eq!(in_force(&project), NARROW);
    // The keys that scripts rely on.
    let keys = |value: &Value| {
        value.as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(keys(&ran), "amendment approval breaking needs phrase run state widening");
    assert_eq!(keys(&apply(&["--yes"]).exits(0).json()), "file needs");
    project.file("wide.yaml", BEFORE);
    let looked = ["policy", "apply", "wide.yaml", "--dry-run", "--json"];
    let looked = project.palisade(&looked).exits(0).json();
    assert_eq!((keys(&looked), looked["run"].is_null()), (keys(&ran), true));
}

#[test]
fn what_allows_more_waits_for_a_second_person() {
    let project = project();
    read(&project, "a.rs", 6);
    let ran = project
        .palisade(&["policy", "apply", "wide.yaml", "--yes", "--detach", "--json"])
        .exits(10)
        .json();
    assert_eq!(
        (&ran["needs"], &ran["state"]),
        (&Value::from("second_person"), &Value::from("awaiting_approval"))
    );
    let id = ran["approval"].as_str().unwrap();
    let shown = project.palisade(&["approval", "show", id]).exits(0).stdout;
    for part in ["WIDENING deny → allow: fs.read by", "1 of principal:user:*", "policy.update"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    project.palisade(&["approval", "approve", id]).exits(5).says(
        "cannot be answered",
        "nobody answers their own call",
        "",
    );
    become_another(&project);
    project.palisade(&["approval", "approve", id]).exits(0);
    assert_eq!(in_force(&project), BEFORE, "answering begins nothing");
    project.palisade(&["runs", "resume"]).exits(0);
    assert_eq!(in_force(&project), WIDE);
    read(&project, "a.rs", 0);
    project.palisade(&["journal", "rebuild", "--check"]).exits(0);
}

#[test]
fn the_process_that_owns_the_project_decides_by_the_new_policy_at_once() {
    let project = project();
    let mut serve = Running::start(&mut project.command(&["serve"]));
    serve.until("stop with");
    read(&project, "a.txt", 0);
    let agent = ["policy", "apply", "narrow.yaml", "--yes", "--as", "agent:planner"];
    let ran = project.palisade(&agent).exits(10);
    assert!(ran.stdout.contains("waits     for approval apr_"), "{ran:?}");
    read(&project, "a.txt", 0);
    let open = project.palisade(&["approval", "list", "--json"]).json();
    let id = open[0]["request"]["id"].as_str().unwrap().to_owned();
    project.palisade(&["approval", "approve", &id]).exits(0);
    crate::support::wait_for("the new policy", || in_force(&project) == NARROW);
    let latest = || state(&project.latest(), "call").to_owned();
    crate::support::wait_for("its record", || latest() == "succeeded");
    read(&project, "a.txt", 6);
    let less = "  - { name: less, match: { tool: fs.read, path_glob: \"b.md\" }, action: deny }\n";
    project.file("narrower.yaml", format!("{NARROW}{less}"));
    project.palisade(&["policy", "apply", "narrower.yaml", "--yes"]).exits(0);
    serve.signal("INT");
    serve.end().exits(0);
    project.verifies();
}

#[test]
fn a_step_that_would_change_the_policy_does_not_load() {
    let project = project();
    project.file("evil.yaml", "version: 1\nname: call.policy.update\nsteps:\n  - { name: call, tool: policy.update, with: { confirmed: \"yes\" } }\n");
    let ran = project.palisade(&["run", "evil.yaml"]).exits(2);
    assert!(ran.stderr.contains("step `call` calls `policy.update`, which no step can"), "{ran:?}");
    assert!(!project.database().exists());
}

#[test]
fn a_change_that_waits_is_not_asked_for_again() {
    let project = project();
    let apply = |more: &[&str]| {
        let words = ["policy", "apply", "wide.yaml", "--yes", "--detach"];
        project.palisade(&[&words[..], more].concat())
    };
    let first = apply(&[]).exits(10);
    assert_eq!(first.stderr.matches("approval approve apr_").count(), 1, "{first:?}");
    apply(&[]).exits(5).says("waits for approval `apr_", "asking again", "approval show apr_");
    let open = || project.palisade(&["approval", "list", "--json"]).exits(0).json();
    assert_eq!(open().as_array().unwrap().len(), 1);
    // The control: somebody else, or after it was taken back, asks for a request of its own.
    apply(&["--as", "agent:planner"]).exits(10);
    let run = open()[0]["request"]["subject"]["run"].as_str().unwrap().to_owned();
    project.palisade(&["runs", "cancel", &run]).exits(0);
    apply(&[]).exits(10);
    assert_eq!(open().as_array().unwrap().len(), 2);
}
