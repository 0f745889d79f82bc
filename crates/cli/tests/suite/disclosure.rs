//! What was taken out of an outcome can be proved to a stranger, guessed by nobody, and erased for good.
//! The bytes are checked by `palisade-verify` as well, in its own tests.

use std::fs;

use serde_json::Value;

use crate::support::{Project, Ran, workflow};

const POLICY: &str = "\
version: 1
name: test
rules:
  - { name: run, match: { tool: [\"exec.*\"] }, action: allow, constraints: { redact: output } }
  - { name: vault, match: { tool: [\"secret.*\"] }, action: allow }
";

/// Looks like a credential; put together so that this file holds none.
fn token() -> String {
    format!("gh{}_{}", "p", "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8")
}

/// A project with two steps that gave the same credential back, and the records that commit to it.
fn lived_in() -> (Project, Vec<Value>) {
    let project = Project::bare();
    project.file(".palisade/policy.yaml", POLICY);
    let (begin, end) = token().split_once('_').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    // The file itself is recorded, so it is put together only when it is printed.
    let shell = format!("printf \"token=%s_%s\" {begin} {end}");
    let step = |name: &str, after: &str| {
        format!(
            "  - {{ name: {name}, shell: '{shell}', outputs: {{ out: stdout }}, needs: [{after}] }}\n"
        )
    };
    let steps = format!("{}{}", step("one", ""), step("two", "one"));
    project.file("steps.yaml", workflow(&steps));
    project.palisade(&["run", "steps.yaml"]).exits(0);
    let found = committed(&project);
    (project, found)
}

fn committed(project: &Project) -> Vec<Value> {
    let search = ["audit", "search", "--type", "redaction.committed", "--json"];
    let mut found = project.palisade(&search).exits(0).json_lines();
    found.sort_by_key(|record| record["sequence"].as_u64());
    found
}

fn key(project: &Project) -> String {
    project.palisade(&["audit", "checkpoint", "--key"]).exits(0).stdout.trim().to_owned()
}

fn disclose(project: &Project, record: &Value, file: &str, more: &[&str]) -> Ran {
    let sequence = record["sequence"].to_string();
    project.palisade(&[&["audit", "disclose", &sequence, "-o", file], more].concat())
}

#[test]
fn a_value_that_no_record_has_is_proved_to_a_stranger() {
    let (project, found) = lived_in();
    assert_eq!(found.len(), 2);
    let export = project.palisade(&["audit", "export"]).exits(0).stdout;
    assert!(!export.contains(&token()), "it was taken out");
    let of = |record: &Value| record["payload"]["commitments"][0]["commitment"].clone();
    assert!(of(&found[0]).as_str().unwrap().len() == 64);
    assert_ne!(of(&found[0]), of(&found[1]), "equal values cannot be told to be equal");
    let (file, key) = (project.outside().join("one.json"), key(&project));
    let path = file.display().to_string();
    disclose(&project, &found[0], &path, &[]).exits(0);
    let stranger = Project::bare();
    let verify = || stranger.palisade(&["audit", "verify", "--disclosure", &path, "--key", &key]);
    let told = stranger
        .palisade(&["audit", "verify", "--disclosure", &path, "--key", &key, "--json"])
        .exits(0)
        .json();
    let value = told["value"].as_str().unwrap();
    assert_eq!(value, format!("\"token={}\"", token()));
    assert_eq!((&told["step"], &told["field"]), (&"one".into(), &"/outputs/out".into()));
    assert_eq!(told["sequence"], found[0]["sequence"]);
    // What it discloses is one value: the outcome itself is not in it.
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains("step.finished") && text.matches(&token()).count() == 1, "{text}");
    // Controls: another value, salt, place or record.
    let read: Value = serde_json::from_str(&text).unwrap();
    let swapped = |name: &str, from: &str, to: &str| {
        let mut read = read.clone();
        let changed = read[name].as_str().unwrap().replacen(from, to, 1);
        assert_ne!(read[name], *changed);
        read[name] = changed.into();
        fs::write(&file, read.to_string()).unwrap();
        verify().exits(20)
    };
    swapped("value", "token", "taken").says("is not the one that was committed to", "", "believe");
    let first = read["salt"].as_str().unwrap()[..1].to_owned();
    swapped("salt", &first, if first == "0" { "1" } else { "0" });
    swapped("field", "puts/out", "puts/err").says(
        "has no commitment to `/outputs/err`",
        "",
        "believe",
    );
    swapped("record", "one", "two").says("is not the one that is proved", "", "believe");
    swapped("proof", "index ", "index 1");
    fs::write(&file, read.to_string()).unwrap();
    verify().exits(0);
    // That it was done is on record.
    let noted = project.palisade(&["audit", "search", "--type", "redaction.disclosed", "--json"]);
    assert_eq!(noted.exits(0).json_lines()[0]["payload"]["record"], found[0]["sequence"]);
    disclose(&project, &serde_json::json!({ "sequence": 1 }), &path, &[]).exits(3).says(
        "record 1 has no commitments",
        "",
        "redaction.committed",
    );
}

#[test]
fn what_is_erased_is_disclosed_to_nobody_and_every_record_still_verifies() {
    let (project, found) = lived_in();
    let before = project.verifies();
    let path = project.outside().join("one.json").display().to_string();
    disclose(&project, &found[0], &path, &[]).exits(0);
    project.palisade(&["audit", "erase"]).exits(2);
    let run = project.latest()["id"].as_str().unwrap().to_owned();
    let erased = project.palisade(&["audit", "erase", "--run", &run, "--json"]).exits(0).json();
    assert_eq!(erased["records"], 2);
    assert!(erased["receipt"].as_u64().unwrap() > before);
    let gone = disclose(&project, &found[1], &path, &[]).exits(3);
    gone.says("what opens its commitments is not here", "", "redaction.erased");
    assert!(project.verifies() > before);
    assert_eq!(committed(&project), found, "no record changed");
    // What was disclosed before is proved all the same.
    let key = key(&project);
    project.palisade(&["audit", "verify", "--disclosure", &path, "--key", &key]).exits(0);
}

#[test]
fn of_a_secret_of_the_vault_only_the_salt_is_kept() {
    let project = Project::bare();
    project.file(".palisade/policy.yaml", POLICY);
    let file = project.file("value", "hunter22-of-the-vault");
    project.palisade(&["secret", "set", "db", "--file", &file.display().to_string()]).exits(0);
    fs::remove_file(file).unwrap();
    let steps =
        "  - { name: a, shell: 'cat $DB_FILE', secrets: { DB: db }, outputs: { out: stdout } }\n";
    project.run_steps(steps).exits(0);
    let found = committed(&project);
    let path = project.outside().join("one.json").display().to_string();
    let told = disclose(&project, &found[0], &path, &[]).exits(2);
    told.says("only the salt of `/outputs/out` is kept", "a secret of the vault", "--value FILE");
    let value = project.outside().join("value.json").display().to_string();
    for (text, code) in [("\"hunter22-of-the-valley\"", 20), ("\"hunter22-of-the-vault\"\n", 0)] {
        fs::write(&value, text).unwrap();
        disclose(&project, &found[0], &path, &["--value", &value]).exits(code);
    }
    let key = key(&project);
    project.palisade(&["audit", "verify", "--disclosure", &path, "--key", &key]).exits(0);
}
