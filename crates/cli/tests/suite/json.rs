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
    check("runs show", 0, "approvals changes egress merges receipts run unsafe");
    check("runs show --receipt", 0, "approvals changes egress merges receipts run unsafe");
    check("approval list", 0, "[]");
    check("workspace diff", 0, "run steps");
    check("secret list", 0, "[]");
    check("driver list", 0, "[about name]");
    check("sandbox sweep", 0, "containers groups left processes");
    check("runs explain", 0, "failure run state steps");
    check("workflow validate good.yaml", 0, "outline valid warnings");
    check("policy check", 0, "file rules valid warnings");
    check("policy test", 0, "[expected failure name rules span verdict]");
    check("policy test --coverage", 0, "coverage mutation tests");
    check("policy explain exec.run -a program=git", 0, "candidates decision layers nearest");
    check("policy explain exec.run -a program=curl", 6, "candidates decision layers nearest");
    check("audit verify", 0, "artifacts checkpoints first last leaf records unproved verified");
    check("audit checkpoint", 0, "checkpoint key origin root size");
    check("audit checkpoint --key", 0, "key");
    check("audit prove 1 -o ../outside/one.tlog-proof", 0, "key log logs proof sequence");
    check("audit checkpoint -o ../outside/kept", 0, "checkpoint key origin root size");
    check("audit prove --since ../outside/kept", 0, "key proof since");
    check("audit tiles ../outside/tiles", 0, "[folder origin root size]");
    check("audit anchor --file ../outside/anchor", 0, "before commit origin receipt root size");
    check("journal rebuild", 0, "records views");
    check("journal rebuild --check", 0, "identical");
    check("journal archive --keep 1000d", 0, "database_bytes records segments");
    check("journal backup ../outside/copy.db", 0, "artifacts bytes database records");
    check("artifact list", 0, "[artifact step]");
    check("artifact get note.txt", 0, "digest hex output size text");
    check("artifact get note.txt -o ../outside/note", 0, "digest hex output size text");
    check("sandbox probe", 0, "[detail fix health name]");
    check("doctor", 0, "[detail fix health name]");
    check(
        "config show",
        0,
        "engine.slots journal.max_size policy.extension policy.file principals redaction.patterns redaction.rules sandbox.allow_unsafe sandbox.landlock_floor state.folder",
    );
    check(
        "config show --origin",
        0,
        "engine.slots journal.max_size policy.extension policy.file principals redaction.patterns redaction.rules sandbox.allow_unsafe sandbox.landlock_floor state.folder",
    );
    check("tool list", 0, "[arguments effect in_rules name result tags]");
    check("tool show fs.read", 0, "arguments effect in_rules name result tags");
    check("tool call fs.read -a path=good.yaml", 0, "line outputs run state stderr stdout tool");
    check(
        "tool call exec.run -a argv=[\"true\"]",
        0,
        "exit line outputs run state stderr stdout tool",
    );
    check(
        "tool call exec.run -a argv=[\"curl\"]",
        6,
        "line outputs run state stderr stdout stopped_by tool",
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
fn the_schema_of_settings_is_printed_as_one_value() {
    for words in [&["config", "schema"][..], &["config", "schema", "--json"]] {
        let schema = Project::bare().palisade(words).exits(0).json();
        assert_eq!(keys(&schema), "additionalProperties properties title type");
        assert_eq!(schema["properties"]["engine"]["properties"]["slots"]["maximum"], 1024);
    }
}

#[test]
fn the_schema_of_workflow_files_is_printed_as_one_value() {
    for words in [&["workflow", "schema"][..], &["workflow", "schema", "--json"]] {
        let schema = Project::bare().palisade(words).exits(0).json();
        assert_eq!(schema["properties"]["version"]["const"], 1);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        let required = schema["required"].as_array().unwrap();
        // The control: what the loader asks for.
        assert!(required.iter().any(|key| key == "steps"), "{required:?}");
    }
    let help = Project::bare().palisade(&["help", "workflow"]).exits(0).stdout;
    assert!(help.contains("schema") && help.contains("for editors"), "{help}");
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
    let record = "artifact causation correlation counter kind leaf log payload payload_bytes payload_digest prev_leaf principal schema sequence stream time time_us trace version";
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

/// What a bench says has these keys, and these figures among others. One test for each: they take their time.
fn check_bench(bench: &str, wanted: &[&str]) {
    let report = Project::new().palisade(&["bench", bench, "--json"]).exits(0).json();
    assert_eq!(keys(&report), "bench conditions metrics");
    assert_eq!(report["bench"], bench);
    assert_eq!(keys(&report["metrics"]), "[name unit value]");
    let metrics = report["metrics"].as_array().unwrap().iter();
    let names: Vec<&str> = metrics.map(|metric| metric["name"].as_str().unwrap()).collect();
    assert!(wanted.iter().all(|name| names.contains(name)), "{names:?}");
}

#[test]
fn the_ticket_bench_states_its_conditions_and_figures() {
    check_bench(
        "ticket",
        &["ticket_check_p50_us", "ticket_check_text_p50_us", "ticket_check_ed25519_p50_us"],
    );
}

#[test]
fn the_policy_bench_states_its_conditions_and_figures() {
    check_bench(
        "policy",
        &[
            "policy_decision_p50_us",
            "policy_decision_p99_us",
            "policy_decision_10000_rules_p50_us",
            "policy_decision_10000_rules_p99_us",
            "policy_decision_one_tool_p50_us",
            "policy_decision_one_tool_p99_us",
            "policy_load_1000_rules_ms",
            "policy_load_10000_rules_ms",
            "gate_read_p50_us",
        ],
    );
}

#[test]
fn the_sandbox_bench_states_its_conditions_and_figures() {
    check_bench(
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
    );
}

#[test]
fn the_journal_bench_states_its_conditions_and_figures() {
    check_bench(
        "journal",
        &[
            "journal_events_per_s",
            "journal_append_over_fdatasync",
            "journal_verify_events_per_s_core",
        ],
    );
}

#[test]
fn tickets_are_told_with_keys_that_stay() {
    let project = Project::new();
    let policy = "version: 1\nname: test\nrules:\n  - { name: tickets, match: { tool: [\"ticket.*\"] }, action: allow }\n";
    project.file(".palisade/policy.yaml", policy);
    let claims = "arguments epoch expires_us hosts id key narrowed nonce not_before_us paths peer policy principal profile project scopes tenant tools uses workflow";
    let with_text = claims.replace(" tools", " ticket tools");
    let minted = project.palisade(&["ticket", "mint", "--tool", "fs.read", "--json"]).exits(0);
    assert_eq!(keys(&minted.json()), with_text);
    let text = minted.json()["ticket"].as_str().unwrap().to_owned();
    let check = |arguments: &str, code: i32, expect: &str| {
        let words: Vec<&str> = arguments.split(' ').chain(["--json"]).collect();
        let mut command = project.command(&words);
        let ran = crate::support::run(command.env("PALISADE_TICKET", &text)).exits(code);
        assert_eq!(keys(&ran.json()), expect, "{arguments}");
    };
    check("ticket attenuate --life 1s", 0, &with_text);
    check("ticket inspect", 0, claims);
    check("ticket verify", 0, "ticket valid");
    check("ticket rotate", 0, "accepted signing");
    check("ticket rotate --signed", 0, "accepted signing");
    check("ticket key", 0, "keys signing");
    check("ticket revoke --all --yes", 0, "revoked");
    check("ticket verify", 6, "error");
}
