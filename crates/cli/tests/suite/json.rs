//! `--json` of every command: one JSON value, or one a line, with keys that stay.
//! Values are tested elsewhere; this keeps the shapes that scripts rely on.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Project, workflow};

/// The names of an object's keys, as one line; of the first element where it is a list.
fn keys(value: &Value) -> String {
    match value {
        Value::Object(map) => map.keys().map(String::as_str).collect::<Vec<_>>().join(" "),
        Value::Array(list) => format!("[{}]", list.first().map(keys).unwrap_or_default()),
        other => panic!("neither object nor list: {other}"),
    }
}

/// A project with a finished run that kept an artifact.
fn lived_in() -> Project {
    let project = Project::new();
    let step =
        "  - { name: a, shell: \"echo hello; echo note > note.txt\", artifacts: [\"*.txt\"] }\n";
    project.file("good.yaml", workflow(step));
    project.palisade(&["run", "good.yaml"]).exits(0);
    project
}

#[test]
fn every_command_prints_one_value_with_keys_that_stay() {
    let project = lived_in();
    let check = |arguments: &str, code: i32, expect: &str| {
        let words: Vec<&str> = arguments.split(' ').chain(["--json"]).collect();
        let ran = project.palisade(&words).exits(code);
        assert_eq!(keys(&ran.json()), expect, "{arguments}");
    };
    let summary =
        "counts digest failure finished id key principal source started state submitted workflow";
    check("runs list", 0, &format!("[{summary}]"));
    check("runs show", 0, "changes egress merges receipts run unsafe");
    check("runs show --receipt", 0, "changes egress merges receipts run unsafe");
    check("workspace diff", 0, "run steps");
    check("driver list", 0, "[about name]");
    check("sandbox sweep", 0, "containers groups left processes");
    check("runs explain", 0, "failure run state steps");
    check("workflow validate good.yaml", 0, "outline valid warnings");
    check("policy check", 0, "file rules valid warnings");
    check("policy test", 0, "[expected failure name rules span verdict]");
    check("policy explain exec.run -a program=git", 0, "candidates decision nearest");
    check("policy explain exec.run -a program=curl", 6, "candidates decision nearest");
    check("audit verify", 0, "checkpoints first last leaf records verified");
    check("journal rebuild", 0, "records views");
    check("journal backup ../outside/copy.db", 0, "artifacts bytes database records");
    check("artifact list", 0, "[artifact step]");
    check("artifact get note.txt", 0, "digest hex output size text");
    check("artifact get note.txt -o ../outside/note", 0, "digest hex output size text");
    check("sandbox probe", 0, "[detail fix health name]");
    check("doctor", 0, "[detail fix health name]");
    check(
        "config show",
        0,
        "engine.slots policy.file sandbox.allow_unsafe sandbox.landlock_floor state.folder",
    );
    check(
        "config show --origin",
        0,
        "engine.slots policy.file sandbox.allow_unsafe sandbox.landlock_floor state.folder",
    );
    check("init ../outside/new", 0, "folder written");
    check("completion zsh", 0, "script shell");
    check("help", 0, "command help");
    check("help runs show", 0, "command help");
    check("help exit-codes", 0, "[code meaning name]");
    check("help environment", 0, "[meaning setting variable]");
    check("help config", 0, "[default meaning setting]");
}

#[test]
fn a_command_in_a_sandbox_is_told_as_a_run() {
    let project = lived_in();
    let ran = project
        .palisade(&["sandbox", "exec", "--receipt", "--json", "--", "echo", "${{ x }}"])
        .exits(0);
    assert_eq!(keys(&ran.json()), "receipt run unsafe");
    assert_eq!(project.palisade(&["runs", "logs"]).stdout, "${{ x }}\n");
    let plain = project
        .palisade(&["sandbox", "exec", "--", "sh", "-c", "echo out; echo err >&2; exit 3"])
        .exits(10);
    assert_eq!(plain.stdout, "out\n");
    assert!(plain.stderr.contains("err") && plain.stderr.contains("exit code 3"), "{plain:?}");
    project.palisade(&["sandbox", "exec", "--", "curl"]).exits(6);
}

#[test]
fn what_goes_on_is_one_value_a_line() {
    let project = lived_in();
    let kinds = |arguments: &str, code: i32| -> BTreeSet<String> {
        let words: Vec<&str> = arguments.split(' ').chain(["--json"]).collect();
        let lines = project.palisade(&words).exits(code).json_lines();
        assert!(!lines.is_empty(), "{arguments}");
        lines
            .iter()
            .map(|line| {
                line.get("type")
                    .or(line.get("kind"))
                    .map_or_else(|| keys(line), |kind| kind.as_str().unwrap().to_owned())
            })
            .collect()
    };
    let run = "accepted result run.finished run.started run.submitted step.finished step.started";
    assert_eq!(kinds("run good.yaml", 0), run.split(' ').map(str::to_owned).collect());
    let watched = "result run.finished run.started run.submitted step.finished step.started";
    assert_eq!(kinds("runs watch", 0), watched.split(' ').map(str::to_owned).collect());
    assert_eq!(kinds("runs logs", 0), ["attempt step stream text".to_owned()].into());
    assert_eq!(kinds("runs resume", 0), ["result".to_owned()].into());
    assert!(kinds("audit tail", 0).contains("run.finished"));
    assert!(kinds("audit export", 0).contains("node.started"));
    let export = project.palisade(&["audit", "export"]).exits(0).json_lines();
    let record = "counter kind leaf log payload payload_digest prev_leaf principal sequence stream time time_us";
    assert!(export.iter().all(|line| keys(line) == record));
    let sequences: Vec<u64> =
        export.iter().map(|line| line["sequence"].as_u64().unwrap()).collect();
    assert!(sequences.iter().copied().eq(1..=sequences.len() as u64));
    let result =
        project.palisade(&["run", "good.yaml", "--json"]).exits(0).json_lines().pop().unwrap();
    assert_eq!(keys(&result), "audit run type unsafe");
    assert_eq!(keys(&result["audit"]), "first last records");
}

#[test]
fn errors_are_values_too() {
    let project = lived_in();
    project.file("wrong.yaml", format!("nmae: x\n{}", workflow("  - { name: a, run: [echo] }\n")));
    let check = |arguments: &[&str], code: i32| -> Value {
        let ran = project.palisade(&[arguments, &["--json"]].concat()).exits(code);
        let told = ran.json();
        assert_eq!(keys(&told["error"]), "code findings fix what why", "{arguments:?}");
        assert_eq!(told["error"]["code"], code, "{arguments:?}");
        told
    };
    let wrong = check(&["run", "wrong.yaml"], 2);
    assert_eq!(keys(&wrong["error"]["findings"]), "[file hint message severity span]");
    check(&["run", "none.yaml"], 3);
    check(&["run", "good.yaml", "-i", "x"], 2);
    check(&["runs", "show", "run_nothing"], 3);
    check(&["runs", "logs", "--step", "none"], 3);
    check(&["runs", "list", "--state", "done"], 2);
    check(&["runs", "frobnicate"], 2);
    check(&["help", "nothing"], 2);
    check(&["policy", "explain", "exec.run", "-a", "x"], 2);
    check(&["artifact", "get", "nothing"], 3);
    check(&["artifact", "get", &"0".repeat(64)], 3);
    let id = project.latest()["id"].as_str().unwrap().to_owned();
    check(&["runs", "cancel", &id], 5);
    check(&["runs", "retry", &id], 5);
    check(&["runs", "resume", &id], 5);
    check(&["journal", "backup", "good.yaml"], 5);
}

/// The figures a bench promises by name.
const METRICS: [(&str, &[&str]); 3] = [
    ("policy", &["policy_decision_p50_us", "gate_read_p50_us"]),
    (
        "sandbox",
        &[
            "sandbox_cold_p50_ms",
            "sandbox_cold_p99_ms",
            "sandbox_warm_p50_ms",
            "sandbox_warm_p99_ms",
            "sandbox_warm_launch_p50_ms",
            "sandbox_warm_over_exec",
            "sandbox_100_at_once_ms",
            "sandbox_100_succeeded",
        ],
    ),
    (
        "journal",
        &[
            "journal_events_per_s",
            "journal_append_over_fdatasync",
            "journal_verify_events_per_s_core",
        ],
    ),
];

#[test]
fn a_bench_states_its_conditions_and_figures() {
    let project = Project::new();
    for (bench, wanted) in METRICS {
        let report = project.palisade(&["bench", bench, "--json"]).exits(0).json();
        assert_eq!(keys(&report), "bench conditions metrics");
        assert_eq!(report["bench"], bench);
        assert_eq!(keys(&report["metrics"]), "[name unit value]");
        let names: Vec<&str> = report["metrics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|metric| metric["name"].as_str().unwrap())
            .collect();
        assert!(wanted.iter().all(|name| names.contains(name)), "{names:?}");
    }
}
