//! What a change of the rules does is shown before it is made.
//! A file against itself is the control: nothing differs.

use serde_json::Value;

use crate::support::Project;

const BEFORE: &str = "\
version: 1
name: t
rules:
  - { name: docs, match: { tool: fs.read, path_glob: docs/** }, action: allow }
tests:
  - name: docs are read
    call: { tool: fs.read, principal: a, args: { path: docs/a.md } }
    expect: { decision: allow }
";
const WORKFLOW: &str = "\
version: 1
name: reads
steps:
  - { name: one, tool: fs.read, with: { path: docs/a.md } }
  - { name: two, tool: fs.read, with: { path: src/b.rs } }
";

fn shifts(ran: &Value) -> Vec<(String, u64, String)> {
    let lines = ran["changed"].as_array().unwrap().iter();
    let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
    lines
        .map(|line| {
            let path = line["call"]["args"]["path"].as_str().unwrap_or_default().to_owned();
            (text(line, "shift"), line["times"].as_u64().unwrap(), path)
        })
        .collect()
}

#[test]
fn two_files_are_held_against_each_other() {
    let project = Project::new();
    project.file("before.yaml", BEFORE);
    project.file("after.yaml", BEFORE.replace("docs/**", "src/**"));
    let ran = project.palisade(&["policy", "diff", "before.yaml", "after.yaml", "--json"]).exits(0);
    let found = shifts(&ran.json());
    assert!(found.iter().any(|(shift, _, path)| shift == "breaking" && path == "docs/a.md"));
    assert!(found.iter().any(|(shift, _, path)| shift == "widening" && path == "src/x"));
    let ran = project.palisade(&["policy", "diff", "before.yaml", "after.yaml"]).exits(0);
    assert!(ran.stdout.contains("BREAKING") && ran.stdout.contains("WIDENING"), "{ran:?}");
    let same = project.palisade(&["policy", "diff", "before.yaml", "before.yaml"]).exits(0);
    assert!(same.stdout.contains(" 0 decided differently"), "control: {same:?}");
    project.file("bad.yaml", "version: 1\nname: t\nrules: [{}]\n");
    let ran = project.palisade(&["policy", "diff", "before.yaml", "bad.yaml"]).exits(2);
    ran.says("policy `bad.yaml`", "", "correct the file");
}

#[test]
fn recorded_calls_are_decided_again_under_another_file() {
    let project = Project::new();
    project.file(".palisade/policy.yaml", BEFORE);
    project.file("docs/a.md", "a");
    project.file("src/b.rs", "b");
    project.file("reads.yaml", WORKFLOW);
    let none = project.palisade(&["policy", "replay", "after.yaml"]).exits(3);
    none.says("policy file `after.yaml`", "", "");
    for _ in 0..2 {
        project.palisade(&["run", "reads.yaml"]).exits(10);
    }
    project.file("after.yaml", BEFORE.replace("docs/**", "src/**"));
    let replay = |more: &[&str]| {
        let words = [&["policy", "replay", "after.yaml", "--json"], more].concat();
        project.palisade(&words).exits(0).json()
    };
    let found = replay(&[]);
    let line = |shift: &str, path: &str| (shift.to_owned(), 2, path.to_owned());
    assert_eq!(shifts(&found), [line("breaking", "docs/a.md"), line("widening", "src/b.rs")]);
    assert_eq!(found["compared"], 4);
    assert_eq!(replay(&["--limit", "1"])["compared"], 1);
    assert_eq!(replay(&["--since", "1d"])["compared"], 4);
    let ran = project.palisade(&["policy", "replay", "after.yaml", "--since", "soon"]).exits(2);
    ran.says("`soon` cannot be", "such as 90d", "policy replay --help");
}

#[test]
fn a_call_on_record_is_explained_by_the_rules_of_its_time() {
    let project = Project::bare();
    let rule =
        "  - { name: docs, match: { tool: fs.read, path_glob: [\"docs/**\"] }, action: allow }\n";
    project.file(".palisade/policy.yaml", format!("version: 1\nname: a\nrules:\n{rule}"));
    for path in ["docs/a.md", "notes.md"] {
        project.file(path, "text");
        project.palisade(&["tool", "call", "fs.read", "-a", &format!("path={path}")]);
    }
    // Other rules since: nothing is allowed any more.
    project.file(".palisade/policy.yaml", "version: 1\nname: b\nrules: []\n");
    let calls = ["audit", "search", "--type", "call.decided", "--json"];
    let calls = project.palisade(&calls).exits(0).json_lines();
    let explained = |call: &Value, code: i32| {
        let sequence = call["sequence"].to_string();
        let words = ["policy", "explain", "--record", &sequence, "--json"];
        project.palisade(&words).exits(code).json()
    };
    let (denied, allowed) = (explained(&calls[0], 6), explained(&calls[1], 0));
    assert_eq!((&denied["same"], &allowed["same"]), (&true.into(), &true.into()));
    let failed = &denied["explanation"]["nearest"][0];
    assert_eq!(
        (&failed["rule"], &failed["failed"][0]["found"]),
        (&"docs".into(), &"notes.md".into())
    );
    let outcomes = allowed["explanation"]["candidates"].to_string();
    assert!(outcomes.contains("docs/a.md") && outcomes.contains("true"), "{outcomes}");
    project.palisade(&["policy", "explain", "--record", "1"]).exits(3).says(
        "record 1 is not a call",
        "",
        "audit search",
    );
    project.palisade(&["policy", "explain", "fs.read", "--record", "1"]).exits(2);
    project.palisade(&["policy", "explain"]).exits(2);
}
