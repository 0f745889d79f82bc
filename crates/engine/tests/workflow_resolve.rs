//! From a step to its concrete call: what policy sees, what is run, and what cannot be a call.
//!
//! Also the outputs of a finished program and the key under which an effect happens once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

use engine::expression::{Outcome, Scope, Status, StepFacts};
use engine::policy::document::Source;
use engine::workflow::{
    Access, Call, Extent, OutputSource, ResolveError, ResolvedMount, Workflow, Written, collect,
    resolve,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Resolves the step `s`, written in YAML, with some inputs and one finished step `log`.
fn call(step: &str) -> Result<Call, ResolveError> {
    let document = format!(
        "version: 1\nname: w\ninputs: {{ additionalProperties: true }}\nsteps:\n  \
         - {{ name: log, run: [git], outputs: {{ text: stdout }} }}\n  \
         - name: s\n    needs: [log]\n    {}\n",
        step.replace('\n', "\n    ")
    );
    let source = Source::new("w.yaml", document);
    let workflow = match Workflow::load(&source, &["search.grep"]) {
        Ok(loaded) => loaded.workflow,
        Err(found) => panic!("{}", found[0].render(&source)),
    };
    let inputs = json!({
        "repo": "/src/my app; rm -rf /", "n": 7, "list": ["a b", "$(c)", 3], "none": null,
        "zero": "a\u{0}b", "map": { "k": [1] }, "empty": "", "long": "x".repeat(1024 * 1024),
        "many": vec!["x"; 2000],
    });
    let mut log = StepFacts::bare(Outcome::Succeeded);
    log.outputs.insert("text".to_owned(), json!("line\n`id`"));
    let steps = BTreeMap::from([("log".to_owned(), log)]);
    let (run_id, workflow_name, status) = ("run_0", "w", Status::Success);
    let scope = Scope { inputs: &inputs, steps: &steps, run_id, workflow: workflow_name, status };
    resolve(workflow.find("s").unwrap().1, &scope)
}

fn check_error(step: &str, expected: &str) {
    assert_eq!(call(step).expect_err(step).to_string(), expected, "{step}");
}

#[test]
fn a_program_gets_its_arguments_as_values() {
    let step = r#"run: [git, -C, "${{ inputs.repo }}", log, "-n${{ inputs.n }}", "${{ inputs.list }}", "${{ inputs.n > 1 }}"]
mounts: [ { source: "${{ inputs.repo }}" }, { source: /var/cache, target: cache, readonly: false } ]
env: { ZONE: utc, TEXT: "${{ steps.log.outputs.text }}" }
sandbox: { profile: strict }
stdin: "${{ inputs.map }}"
files: { b.txt: "${{ run.id }}\n", a/c.txt: "x" }"#;
    let call = call(step).unwrap();
    let argv = ["git", "-C", "/src/my app; rm -rf /", "log", "-n7", "a b", "$(c)", "3", "true"];
    assert_eq!(call.tool, "exec.run");
    assert_eq!(call.argv, argv);
    assert_eq!(
        call.args,
        json!({
            "program": "git",
            "argv": argv,
            "cwd": ".",
            "env": ["TEXT", "ZONE"],
            "env_values": { "TEXT": "line\n`id`", "ZONE": "utc" },
            "stdin": r#"{"k":[1]}"#,
            "stdin_bytes": 9,
            "timeout": "5m",
            "files": { "a/c.txt": "x", "b.txt": "run_0\n" },
            "profile": "strict",
            "network": false,
            "driver": "local",
            "hosts": [],
            "action": false,
            "mounts": [
                { "source": "/src/my app; rm -rf /", "target": "/src/my app; rm -rf /", "access": "read" },
                { "source": "/var/cache", "target": "cache", "access": "write" },
            ],
        })
    );
    let env = [("TEXT", "line\n`id`"), ("ZONE", "utc")];
    assert_eq!(call.env, env.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(call.stdin, br#"{"k":[1]}"#);
    let files = [("a/c.txt", "x"), ("b.txt", "run_0\n")];
    assert_eq!(call.files, files.map(|(path, text)| (path.to_owned(), text.into())));
    let mount = ResolvedMount {
        source: "/var/cache".to_owned(),
        target: "cache".to_owned(),
        access: Access::Write,
    };
    assert_eq!(call.mounts[1], mount);
}

#[test]
fn a_script_gets_values_through_its_environment_only() {
    let step =
        "shell: |\n  echo \"$TEXT\" $${{ literal\nenv: { TEXT: \"${{ steps.log.outputs.text }}\" }";
    let call = call(step).unwrap();
    let script = "echo \"$TEXT\" ${{ literal\n";
    assert_eq!(call.tool, "exec.shell");
    assert_eq!(call.argv, ["/bin/sh", "-e", "-c", script]);
    let args = json!({
        "script": script, "cwd": ".", "env": ["TEXT"], "env_values": { "TEXT": "line\n`id`" },
        "profile": "standard", "network": false, "stdin_bytes": 0, "timeout": "5m",
        "action": false, "mounts": [], "driver": "local", "hosts": [],
    });
    assert_eq!(call.args, args);
}

#[test]
fn a_tool_gets_typed_arguments() {
    let step = r#"tool: search.grep
with:
  pattern: "."
  text: "${{ steps.log.outputs.text }}"
  count: "${{ inputs.n + 1 }}"
  deep: { list: [1, "${{ inputs.map.k }}", "v${{ inputs.n }}", 1.5, null] }"#;
    let call = call(step).unwrap();
    assert_eq!(call.tool, "search.grep");
    let args = json!({
        "pattern": ".", "text": "line\n`id`", "count": 8,
        "deep": { "list": [1, [1], "v7", 1.5, null] },
    });
    assert_eq!(call.args, args);
    assert_eq!((call.argv.len(), call.env.len(), call.files.len()), (0, 0, 0));
}

#[test]
fn what_cannot_be_a_call_is_an_error_of_its_field() {
    check_error(
        "run: [ls, \"${{ inputs.none }}\"]",
        "`run[1]`: null cannot be an argument of a program in `${{ inputs.none }}`",
    );
    check_error(
        "run: [ls, \"${{ inputs.map }}\"]",
        "`run[1]`: a map cannot be an argument of a program in `${{ inputs.map }}`",
    );
    check_error(
        "run: [ls, \"-${{ inputs.none }}\"]",
        "`run[1]`: value is null, which has no text in `-${{ inputs.none }}`",
    );
    check_error(
        "run: [\"${{ inputs.list }}\"]",
        "`run[0]`: a list cannot be an argument of a program in `${{ inputs.list }}`",
    );
    check_error(
        "run: [\"${{ inputs.empty }}\"]",
        "`run[0]` is empty, so there is no program to run",
    );
    check_error("run: [ls, \"${{ inputs.zero }}\"]", "`run[1]` contains a zero byte");
    check_error("run: [ls]\nenv: { A: \"${{ inputs.zero }}\" }", "`env.A` contains a zero byte");
    check_error("run: [ls, \"${{ inputs.many }}\"]", "`run` is longer than a call may be");
    check_error("run: [ls, \"${{ inputs.long }}\"]", "`run[1]` is longer than a call may be");
    check_error(
        "run: [ls]\nenv: { A: \"${{ inputs.long }}\" }",
        "`env.A` is longer than a call may be",
    );
    check_error(
        "run: [ls]\nmounts: [ { source: \"${{ inputs.empty }}\" } ]",
        "`mounts[0].source`: the path is empty",
    );
    check_error(
        "run: [ls]\nmounts: [ { source: a, target: \"${{ inputs.n }}/../b\" } ]",
        "`mounts[0].target`: the path must not contain `.`, `..` or empty parts",
    );
    check_error(
        "run: [ls]\nfiles: { a: \"${{ inputs.map.absent }}\" }",
        "`files.a`: the map has no field `absent` in `${{ inputs.map.absent }}`",
    );
    check_error(
        "tool: search.grep\nwith: { a: [ { b: \"${{ 1 / 0 }}\" } ] }",
        "`with.a[0].b`: division by zero in `${{ 1 / 0 }}`",
    );
}

#[test]
fn the_idempotency_key_covers_the_whole_call() {
    let key = |step: &str| call(step).unwrap().idempotency_key("run_0", "s");
    let plain = key("run: [ls]");
    let (prefix, hash) = plain.rsplit_once(':').unwrap();
    assert_eq!((prefix, hash.len()), ("run_0:s", 64));
    assert_eq!(plain, key("run: [ls]"));
    let others = [
        "run: [ls, -l]",
        "shell: ls",
        "run: [ls]\nenv: { A: b }",
        "run: [ls]\nenv: { A: c }",
        "run: [ls]\nstdin: b",
        "run: [ls]\nfiles: { a: b }",
        "run: [ls]\nfiles: { a: c }",
        "run: [ls]\nmounts: [ { source: a } ]",
    ];
    let mut keys: Vec<String> = others.iter().map(|step| key(step)).collect();
    keys.push(plain);
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), others.len() + 1);
}

fn outputs(stdout: Written<'_>, declared: &[(&str, OutputSource)]) -> Result<Value, String> {
    let declared: Vec<_> =
        declared.iter().map(|(name, from)| ((*name).to_owned(), *from)).collect();
    let stderr = Written { bytes: b"warning\r\n", extent: Extent::Complete };
    collect(&declared, stdout, stderr).map(Value::Object).map_err(|error| error.to_string())
}

#[test]
fn outputs_are_text_or_json() {
    let check = |stdout: &[u8], source: OutputSource, expected: Result<Value, &str>| {
        let stdout = Written { bytes: stdout, extent: Extent::Complete };
        let expected = expected.map(|value| json!({ "x": value })).map_err(str::to_owned);
        assert_eq!(outputs(stdout, &[("x", source)]), expected);
    };
    check(b"one\n\ntwo\n\n", OutputSource::Stdout, Ok(json!("one\n\ntwo")));
    check(b"", OutputSource::Stdout, Ok(json!("")));
    check(b"ignored", OutputSource::Stderr, Ok(json!("warning")));
    check(b"{\"a\": [1]}\n", OutputSource::StdoutJson, Ok(json!({ "a": [1] })));
    let wrong = "output `x` is not JSON (expected value at line 1 column 1)";
    check(
        b"no",
        OutputSource::StdoutJson,
        Err("output `x` is not JSON (expected ident at line 1 column 2)"),
    );
    check(b"oops", OutputSource::StdoutJson, Err(wrong));
    let binary = "output `x` is not UTF-8 text (byte 2 of stdout)";
    check(b"ab\xff", OutputSource::Stdout, Err(binary));
    let long = vec![b'a'; 1024 * 1024 + 1];
    let expected = "output `x` has 1048577 bytes, more than 1 MiB";
    check(&long, OutputSource::Stdout, Err(expected));
}

#[test]
fn half_an_output_is_none() {
    let stdout = Written { bytes: b"half", extent: Extent::Truncated };
    let expected = "output `x` is incomplete: the program wrote more than was kept";
    assert_eq!(outputs(stdout, &[("x", OutputSource::Stdout)]), Err(expected.to_owned()));
    assert_eq!(outputs(stdout, &[("x", OutputSource::Stderr)]), Ok(json!({ "x": "warning" })));
    assert_eq!(outputs(stdout, &[]), Ok(json!({})));
}
