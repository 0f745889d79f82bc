//! Anchoring, archiving, disclosing and erasing while a process owns the project, and by nobody else than its user.
//! The same commands without an owner have tests of their own; what they do there is the control.

use std::fs;

use serde_json::Value;

use crate::support::{Project, Running, workflow};

const POLICY: &str = "\
version: 1
name: test
rules:
  - { name: run, match: { tool: [\"exec.*\"] }, action: allow, constraints: { redact: output } }
  - { name: read, match: { tool: [\"fs.*\"] }, action: allow }
";

/// A project with a run that gave a credential back, and the process that owns it.
fn owned() -> (Project, Running) {
    let project = Project::bare();
    project.file(".palisade/policy.yaml", POLICY);
    project.file("a.txt", "hello");
    // Put together when it is printed, so that no file holds it.
    let shell = "printf \"token=%s_%s\" ghp A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8";
    let step = format!("  - {{ name: one, shell: '{shell}', outputs: {{ out: stdout }} }}\n");
    project.file("steps.yaml", workflow(&step));
    project.palisade(&["run", "steps.yaml"]).exits(0);
    let mut serving = Running::start(&mut project.command(&["serve"]));
    serving.until("stop with Ctrl-C");
    (project, serving)
}

fn ends(owner: Running, project: &Project) {
    owner.signal("INT");
    owner.end().exits(0);
    project.verifies();
    project.palisade(&["journal", "rebuild", "--check"]).exits(0);
}

fn of_type(project: &Project, kind: &str) -> Vec<Value> {
    let found = project.palisade(&["audit", "search", "--type", kind, "--json"]).exits(0);
    found.json_lines()
}

fn reads(project: &Project) {
    project.palisade(&["tool", "call", "fs.read", "-a", "path=a.txt"]).exits(0);
}

#[test]
fn an_owner_signs_what_is_anchored_and_records_the_receipt() {
    let (project, owner) = owned();
    let file = project.outside().join("anchor").display().to_string();
    let anchor = || project.palisade(&["audit", "anchor", "--file", &file, "--json"]);
    let first = anchor().exits(0).json();
    let second = anchor().exits(0).json();
    assert_eq!(second["before"], first["size"]);
    assert!(second["size"].as_u64() > first["size"].as_u64(), "what came between is in it");
    let receipts = of_type(&project, "audit.anchored");
    assert_eq!(receipts.len(), 2);
    assert_eq!(receipts[0]["sequence"], second["receipt"]);
    assert_eq!(receipts[0]["payload"]["root"], second["root"]);
    // A proof of the newest record needs no wait either.
    let newest = project.palisade(&["audit", "export"]).exits(0).json_lines().len().to_string();
    project.palisade(&["audit", "prove", &newest]).exits(0);
    // What is kept there of another node is refused before anything is recorded.
    fs::write(&file, "nothing").unwrap();
    anchor().exits(20);
    assert_eq!(of_type(&project, "audit.anchored").len(), 2);
    ends(owner, &project);
    let kept = project.outside().join("kept").display().to_string();
    project.palisade(&["audit", "anchor", "--file", &kept]).exits(0);
    project.palisade(&["audit", "verify", "--checkpoint", &kept]).exits(0);
}

#[test]
fn an_owner_archives_and_goes_on() {
    let (project, owner) = owned();
    reads(&project);
    let before = project.palisade(&["audit", "export"]).exits(0).json_lines();
    let told = project.palisade(&["journal", "archive", "--keep", "0s", "--json"]).exits(0).json();
    assert!(told["records"].as_u64().unwrap() >= before.len() as u64, "{told}");
    let list = project.palisade(&["journal", "archive", "list", "--json"]).exits(0).json();
    assert_eq!(list, told["segments"]);
    let after = project.palisade(&["audit", "export"]).exits(0).json_lines();
    assert_eq!(after[..before.len()], before[..]);
    assert_eq!(of_type(&project, "journal.archived").len(), 1);
    reads(&project);
    // Only what is due: of what is there now nothing is that old, and there is room.
    for words in [["--keep", "1d"], ["--max-size", "1GiB"]] {
        let words = [&["journal", "archive", "--json"], &words[..]].concat();
        assert_eq!(project.palisade(&words).exits(0).json()["records"], 0, "{words:?}");
    }
    let told = project.palisade(&["journal", "archive", "--max-size", "1KiB", "--json"]);
    assert!(told.exits(0).json()["records"].as_u64() > Some(0));
    ends(owner, &project);
}

#[test]
fn an_owner_discloses_and_erases() {
    let (project, owner) = owned();
    let record = of_type(&project, "redaction.committed").remove(0);
    let sequence = record["sequence"].to_string();
    let path = project.outside().join("one.json").display().to_string();
    let disclose = || project.palisade(&["audit", "disclose", &sequence, "-o", &path]);
    disclose().exits(0);
    let key = project.palisade(&["audit", "checkpoint", "--key"]).exits(0).stdout;
    project.palisade(&["audit", "verify", "--disclosure", &path, "--key", key.trim()]).exits(0);
    assert_eq!(
        of_type(&project, "redaction.disclosed")[0]["payload"]["record"],
        record["sequence"]
    );
    project.palisade(&["audit", "disclose", "1"]).exits(3).says("has no commitments", "", "");
    let field = ["audit", "disclose", &sequence, "--field", "/outputs/none"];
    project.palisade(&field).exits(2).says("has commitments to /outputs/out", "", "");
    let run = project.latest()["id"].as_str().unwrap().to_owned();
    let erased = project.palisade(&["audit", "erase", "--run", &run, "--json"]).exits(0).json();
    assert_eq!(erased["records"], 1);
    assert_eq!(of_type(&project, "redaction.erased")[0]["sequence"], erased["receipt"]);
    disclose().exits(3).says("what opens its commitments is not here", "", "");
    assert_eq!(
        project.palisade(&["audit", "erase", "--all", "--json"]).exits(0).json()["records"],
        0
    );
    // What the owner keeps from now on is kept under the new key.
    ends(owner, &project);
    project.palisade(&["run", "steps.yaml"]).exits(0);
    let record = of_type(&project, "redaction.committed").remove(0);
    let sequence = record["sequence"].to_string();
    let again = format!("{path}.again");
    project.palisade(&["audit", "disclose", &sequence, "-o", &again]).exits(0);
}

#[test]
fn what_came_after_a_checkpoint_is_verified_alone() {
    let project = Project::new();
    project.run_steps("  - { name: a, run: [echo, hello] }\n").exits(0);
    let file = project.outside().join("since").display().to_string();
    project.palisade(&["audit", "verify", "--write-checkpoint", &file]).exits(0);
    let since = || project.palisade(&["audit", "verify", "--since", &file, "--json"]);
    assert_eq!(since().exits(0).json()["records"], 0);
    let before = project.verifies();
    project.run_steps("  - { name: b, run: [echo, hello] }\n").exits(0);
    let told = since().exits(0).json();
    assert_eq!(told["first"].as_u64(), Some(before + 1));
    assert_eq!(told["records"].as_u64().unwrap(), project.verifies() - before);
    // A checkpoint that is not true any more, and what is none.
    let text = fs::read_to_string(&file).unwrap();
    let leaf = text.split_whitespace().find(|word| word.len() == 64).unwrap();
    fs::write(&file, text.replace(leaf, &leaf.chars().rev().collect::<String>())).unwrap();
    since().exits(20);
    for wrong in ["nonsense", ""] {
        fs::write(&file, wrong).unwrap();
        let told = project.palisade(&["audit", "verify", "--since", &file]).exits(2);
        told.says("does not say since when", "", "--write-checkpoint FILE");
    }
    project.palisade(&["audit", "verify", "--since", &file, "--tail", "3"]).exits(2);
}

#[test]
fn a_file_without_an_end_is_not_read_to_its_end() {
    let project = Project::bare();
    let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let endless = "/dev/zero";
    for words in [
        ["--proof", endless, "--key", key],
        ["--disclosure", endless, "--key", key],
        ["--checkpoint", endless, "--key", key],
    ] {
        let words = [&["audit", "verify"], &words[..]].concat();
        project.palisade(&words).exits(1).says("cannot be read", "longer than 16 MiB", "");
    }
}
