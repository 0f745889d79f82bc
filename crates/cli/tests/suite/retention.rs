//! `palisade journal archive` and `palisade audit search|export`: old records change their place and stay found.
//! What the same commands say before the archiving is the control.
//! The journal and its library have tests of their own for what goes wrong; here it is the commands.

use std::fs;

use serde_json::Value;

use crate::support::Project;

/// A project with two finished runs.
fn lived_in() -> Project {
    let project = Project::new();
    project.run_steps("  - { name: first, run: [echo, hello] }\n").exits(0);
    project.run_steps("  - { name: second, run: [echo, world] }\n").exits(0);
    project
}

fn export(project: &Project) -> Vec<String> {
    let ran = project.palisade(&["audit", "export"]).exits(0);
    ran.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn archived_records_are_exported_shown_and_verified_as_before() {
    let project = lived_in();
    let before = export(&project);
    let archived = project.palisade(&["journal", "archive", "--keep", "0s", "--json"]).exits(0);
    let told = archived.json();
    assert_eq!(told["records"].as_u64().unwrap(), before.len() as u64);
    let after = export(&project);
    assert_eq!(after[..before.len()], before, "byte for byte");
    assert!(after.last().unwrap().contains("journal.archived"));
    project.palisade(&["audit", "verify"]).exits(0);
    project.palisade(&["journal", "rebuild", "--check"]).exits(0);
    let shown = project.palisade(&["runs", "show"]).exits(0);
    assert!(shown.stdout.contains("second"), "{shown:?}");
    let list = project.palisade(&["journal", "archive", "list", "--json"]).exits(0).json();
    assert_eq!(list[0]["first"], 1);
    // And life goes on.
    project.run_steps("  - { name: third, run: [echo, more] }\n").exits(0);
    project.palisade(&["audit", "verify"]).exits(0);
}

#[test]
fn a_missing_segment_is_a_failed_verification_that_names_it() {
    let project = lived_in();
    project.palisade(&["journal", "archive", "--keep", "0s"]).exits(0);
    let folder = project.database().with_file_name("archive");
    for entry in fs::read_dir(&folder).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    project.palisade(&["audit", "verify"]).exits(20).says("first bad sequence 1", "segment", "");
}

#[test]
fn nothing_is_archived_unless_something_says_what() {
    let project = lived_in();
    project.palisade(&["journal", "archive"]).exits(2).says("which records", "", "--before WHEN");
    project.palisade(&["journal", "archive", "--keep", "soon"]).exits(2);
    project.palisade(&["journal", "archive", "--max-size", "1MB"]).exits(2);
    project.palisade(&["journal", "archive", "--keep", "1d", "--max-size", "1GiB"]).exits(2);
    let told = project.palisade(&["journal", "archive", "--keep", "1d", "--json"]).exits(0).json();
    assert_eq!(told["records"], 0, "nothing is that old");
}

#[test]
fn a_search_finds_by_type_principal_run_time_and_text() {
    let project = lived_in();
    let all = export(&project).len();
    let found = |arguments: &[&str]| -> Vec<Value> {
        let words = [&["audit", "search", "--json"], arguments].concat();
        project.palisade(&words).exits(0).json_lines()
    };
    assert_eq!(found(&[]).len(), all);
    let finished = found(&["--type", "run.finished"]);
    assert_eq!(finished.len(), 2);
    assert!(finished[0]["sequence"].as_u64() > finished[1]["sequence"].as_u64(), "newest first");
    assert_eq!(found(&["--type", "run.finished", "--limit", "1"]), finished[..1]);
    assert_eq!(found(&["--text", "second", "--type", "step.started"]).len(), 1);
    assert_eq!(found(&["--text", "Second"]).len(), 0);
    assert_eq!(found(&["--since", "1h"]).len(), all);
    assert_eq!(found(&["--until", "2001-01-01"]).len(), 0);
    assert_eq!(found(&["--principal", "user:nobody-at-all"]).len(), 0);
    let run = project.latest()["id"].as_str().unwrap().to_owned();
    let of_run = found(&["--run", &run]);
    assert!(!of_run.is_empty() && of_run.len() < all);
    project.palisade(&["audit", "search", "--since", "yesterday"]).exits(2);
    project.palisade(&["audit", "search", "--run", "run_nothing"]).exits(3);
}

#[test]
fn an_export_goes_to_a_new_file_as_lines_or_as_ocsf() {
    let project = lived_in();
    let file = project.outside().join("events.json").display().to_string();
    project.palisade(&["audit", "export", "--format", "ocsf", "-o", &file]).exits(0);
    let events: Vec<Value> = fs::read_to_string(&file)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.len(), export(&project).len());
    for event in &events {
        assert_eq!(event["metadata"]["version"], "1.6.0");
        let class = event["class_uid"].as_u64().unwrap();
        assert_eq!(event["type_uid"], class * 100 + event["activity_id"].as_u64().unwrap());
    }
    assert!(events.iter().any(|event| event["class_uid"] == 6003));
    project.palisade(&["audit", "export", "-o", &file]).exits(5).says("exists", "", "");
    let none = project.palisade(&["audit", "export", "--until", "2001-01-01"]).exits(0);
    assert_eq!(none.stdout, "");
}
