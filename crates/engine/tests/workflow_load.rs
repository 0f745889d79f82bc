//! Documents that load: what becomes of every key, the graph, warnings, limits and the digest.
//!
//! Documents that are refused are in `workflow_errors.rs`; inputs and calls have files of their
//! own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

use engine::expression::{Outcome, Scope, Status, StepFacts};
use engine::policy::document::{Source, read};
use engine::workflow::{
    Access, Action, Driver, Limits, Loaded, OutputSource, Phase, Profile, Retry, SCHEMA, StepIndex,
    Workflow,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const TOOLS: [&str; 2] = ["fs.read", "search.grep"];

const FULL: &str = r#"
version: 1
name: release.notes-2
description: summarise what changed
inputs:
  type: object
  required: [repo]
  properties: { repo: { type: string }, since: { type: string, default: 1 week ago } }
defaults:
  timeout: 10m
  retry: { max_attempts: 3, backoff: { base: 2s } }
  sandbox: { profile: strict, limits: { pids: 32, memory: 512MiB } }
steps:
  - name: log
    run: [git, -C, "${{ inputs.repo }}", log, --since, "${{ inputs.since }}"]
    mounts:
      - { source: "${{ inputs.repo }}" }
      - { source: /var/cache, target: cache, readonly: false }
    outputs: { text: stdout, why: stderr, data: stdout.json }
  - name: count
    needs: [log]
    tool: search.grep
    with: { text: "${{ steps.log.outputs.text }}", pattern: "." }
    timeout: 5s
  - name: write
    needs: [log, count]
    if: ${{ steps.count.outputs.matches > 0 || failure() }}
    shell: |
      cat > notes/all.md
    env: { ZONE: "utc", A: "${{ run.id }}" }
    stdin: ${{ steps.log.outputs.text }}
    files: { notes/title.md: "Title" }
    artifacts: ["notes/*.md"]
    retry: { backoff: { factor: 3, jitter: false } }
    sandbox: { profile: standard, limits: { pids: 64 } }
    idempotent: false
    allow_failure: true
finally:
  - name: report
    if: always()
    run: ["true"]
outputs:
  total: ${{ steps.count.outputs.matches }}
  how: "it ${{ steps.write.outcome }}"
"#;

fn load(document: &str) -> Loaded {
    let source = Source::new("w.yaml", document);
    Workflow::load(&source, &TOOLS).unwrap_or_else(|found| {
        let rendered: Vec<String> = found.iter().map(|found| found.render(&source)).collect();
        panic!("{}", rendered.join("\n"))
    })
}

fn refused(document: &str) -> Vec<String> {
    let source = Source::new("w.yaml", document);
    let found = Workflow::load(&source, &TOOLS).expect_err("the document should be refused");
    found.into_iter().map(|found| found.message).collect()
}

#[test]
fn every_key_finds_its_place() {
    let Loaded { workflow, warnings } = load(FULL);
    assert_eq!(warnings, []);
    assert_eq!(workflow.name, "release.notes-2");
    assert_eq!(workflow.description.as_deref(), Some("summarise what changed"));
    assert_eq!(workflow.source_text, FULL);

    let names: Vec<&str> = workflow.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["log", "count", "write", "report"]);
    let log = &workflow.steps[0];
    let Action::Run { argv } = &log.action else { panic!("not a program") };
    assert_eq!(argv.len(), 6);
    assert_eq!(argv[2].source(), "${{ inputs.repo }}");
    assert_eq!(log.mounts[0].access, Access::Read);
    assert_eq!(log.mounts[0].target, None);
    assert_eq!(log.mounts[1].access, Access::Write);
    let outputs = [
        ("data".to_owned(), OutputSource::StdoutJson),
        ("text".to_owned(), OutputSource::Stdout),
        ("why".to_owned(), OutputSource::Stderr),
    ];
    assert_eq!(log.outputs, outputs);
    assert!(log.idempotent && !log.allow_failure);

    let count = &workflow.steps[1];
    assert_eq!(count.needs, [StepIndex(0)]);
    let Action::Tool { name, with } = &count.action else { panic!("not a tool") };
    assert_eq!((name.as_str(), with.len()), ("search.grep", 2));

    let write = &workflow.steps[2];
    assert_eq!(write.needs, [StepIndex(0), StepIndex(1)]);
    let script = "cat > notes/all.md\n".to_owned();
    assert_eq!(write.action, Action::Shell { script });
    let env: Vec<&str> = write.env.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(env, ["A", "ZONE"]);
    assert_eq!(write.files[0].0, "notes/title.md");
    assert_eq!(write.artifacts, ["notes/*.md"]);
    assert!(!write.idempotent && write.allow_failure);
    assert!(!write.condition.as_ref().unwrap().implies_success());

    let report = &workflow.steps[3];
    assert_eq!(report.phase, Phase::Finally);
    assert!(!report.condition.as_ref().unwrap().implies_success());
}

#[test]
fn settings_are_inherited_key_by_key() {
    let Loaded { workflow, .. } = load(FULL);
    let [log, count, write, _] = workflow.steps.as_slice() else { panic!("four steps") };
    assert_eq!(log.timeout, Duration::from_secs(600));
    assert_eq!(count.timeout, Duration::from_secs(5));
    let two = Duration::from_secs(2);
    assert_eq!(log.retry, Retry { max_attempts: 3, base: two, ..Retry::default() });
    let own = Retry { factor: 3, jitter: false, ..log.retry };
    assert_eq!(write.retry, own);
    let limits = Limits { pids: Some(32), memory_bytes: Some(512 << 20), ..Limits::default() };
    assert_eq!((log.sandbox.profile, log.sandbox.limits), (Profile::Strict, limits));
    let limits = Limits { pids: Some(64), ..limits };
    assert_eq!((write.sandbox.profile, write.sandbox.limits), (Profile::Standard, limits));
}

#[test]
fn a_small_document_gets_the_stated_defaults() {
    let document = "version: 1\nname: w\nsteps:\n  - { name: a, run: [ls] }\n  \
                    - { name: b, tool: fs.read, with: { path: x } }\n";
    let Loaded { workflow, .. } = load(document);
    let [a, b] = workflow.steps.as_slice() else { panic!("two steps") };
    assert_eq!((a.timeout, b.timeout), (Duration::from_secs(300), Duration::from_secs(30)));
    assert_eq!((a.retry.max_attempts, a.sandbox.profile), (1, Profile::Standard));
    assert_eq!(a.sandbox.driver, Driver::Local);
    assert_eq!((a.idempotent, a.allow_failure, a.phase), (true, false, Phase::Body));
    assert_eq!(workflow.check_inputs(&Value::Null), Ok(json!({})));
}

#[test]
fn the_graph_has_order_levels_and_ancestors() {
    let document = "version: 1\nname: w\nsteps:\n  - { name: join, needs: [a, b], run: [ls] }\n  \
                    - { name: a, needs: [start], run: [ls] }\n  \
                    - { name: b, needs: [start], run: [ls] }\n  - { name: start, run: [ls] }\n\
                    finally:\n  - { name: last, needs: [clean], run: [ls] }\n  \
                    - { name: clean, run: [ls] }\n";
    let Loaded { workflow, .. } = load(document);
    let name = |step: &StepIndex| workflow.step(*step).unwrap().name.as_str();
    let levels: Vec<Vec<&str>> =
        workflow.graph().levels().iter().map(|level| level.iter().map(name).collect()).collect();
    assert_eq!(levels, [vec!["start"], vec!["a", "b"], vec!["join"], vec!["clean"], vec!["last"]]);
    let index = |name: &str| workflow.find(name).unwrap().0;
    assert!(workflow.graph().is_before(index("start"), index("join")));
    assert!(!workflow.graph().is_before(index("a"), index("b")));
    let dependants: Vec<&str> =
        workflow.graph().dependants(index("start")).iter().map(name).collect();
    assert_eq!(dependants, ["a", "b"]);
    let body: Vec<&str> = workflow.phase(Phase::Body).map(|(_, step)| step.name.as_str()).collect();
    assert_eq!(body, ["join", "a", "b", "start"]);
}

#[test]
fn the_digest_is_of_the_exact_bytes() {
    let hex = |workflow: &Workflow| -> String {
        workflow.digest.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let document = "version: 1\nname: w\nsteps: [{ name: a, run: [ls] }]\n";
    let first = load(document).workflow;
    // printf 'version: 1\nname: w\nsteps: [{ name: a, run: [ls] }]\n' | sha256sum
    assert_eq!(hex(&first), "9347a3de14d7757ad2e086e51d6f3f03aef21308e5468e7b287a04b787551f66");
    assert_eq!(load(document).workflow, first);
    let other = load(&format!("{document}# comment\n")).workflow;
    assert_eq!(other.steps, first.steps);
    assert_ne!(other.digest, first.digest);
}

#[test]
fn warnings_do_not_keep_a_document_from_loading() {
    let document = "version: 1\nname: w\ninputs: { properties: { a: { tpye: string } } }\n\
                    steps:\n  - { name: a, tool: fs.raed }\n  - { name: b, tool: net.fetch }\n";
    let found = load(document).warnings;
    let found: Vec<(&str, Option<&str>)> =
        found.iter().map(|found| (found.message.as_str(), found.hint.as_deref())).collect();
    let keyword = "`tpye` is not a JSON Schema keyword and is ignored";
    let near = "tool `fs.raed` is not registered; the gate will deny it";
    let far = "tool `net.fetch` is not registered; the gate will deny it";
    assert_eq!(
        found,
        [
            (keyword, Some("did you mean `type`?")),
            (near, Some("did you mean `fs.read`?")),
            (far, None)
        ]
    );
}

#[test]
fn a_value_inside_a_script_is_worth_a_warning() {
    let check = |run: &str, expected: usize| {
        let document = format!("version: 1\nname: w\nsteps:\n  - {{ name: a, run: {run} }}\n");
        let found = load(&document).warnings;
        assert_eq!(found.len(), expected, "{run}: {found:?}");
    };
    check(r#"[sh, -c, "echo ${{ run.id }}"]"#, 1);
    check(r#"[/bin/bash, -e, -c, "echo ${{ run.id }}"]"#, 1);
    check(r#"[sh, -c, "echo $1", sh, "${{ run.id }}"]"#, 0);
    check(r#"[grep, -c, "${{ run.id }}"]"#, 0);
}

#[test]
fn steps_are_counted() {
    let steps = |count: usize| {
        let steps: Vec<String> =
            (0..count).map(|step| format!("  - {{ name: s{step}, run: [ls] }}")).collect();
        format!("version: 1\nname: w\nsteps:\n{}\n", steps.join("\n"))
    };
    assert_eq!(load(&steps(1000)).workflow.steps.len(), 1000);
    assert_eq!(refused(&steps(1001)), ["steps has more than 1000 items"]);
    let both = format!("{}finally:\n  - {{ name: last, run: [ls] }}\n", steps(1000));
    assert_eq!(refused(&both), ["a workflow has at most 1000 steps"]);
    assert_eq!(refused("version: 1\nname: w\nsteps: []\n"), ["steps must not be empty"]);
}

#[test]
fn programs_are_not_called_as_tools() {
    let document = "version: 1\nname: w\nsteps:\n  - { name: a, tool: exec.run, with: {} }\n";
    assert_eq!(refused(document), ["tool `exec.run` is what `run` stands for"]);
}

#[test]
fn lists_and_maps_are_counted() {
    let document = |key: &str, value: String| {
        format!("version: 1\nname: w\nsteps:\n  - name: a\n    {key}: {value}\n")
    };
    let arguments = |count: usize| format!("[{}]", vec!["x"; count].join(", "));
    assert_eq!(load(&document("run", arguments(1024))).workflow.steps.len(), 1);
    assert_eq!(refused(&document("run", arguments(1025))), ["run has more than 1024 items"]);
    let env: Vec<String> = (0..257).map(|name| format!("E{name}: x")).collect();
    let found = refused(&document("run", format!("[ls]\n    env: {{ {} }}", env.join(", "))));
    assert_eq!(found, ["env has more than 256 entries"]);
}

#[test]
fn a_script_is_no_longer_than_the_system_takes() {
    let document = |size: usize| {
        let script = "x".repeat(size);
        format!("version: 1\nname: w\nsteps:\n  - {{ name: a, shell: {script} }}\n")
    };
    assert_eq!(load(&document(128 * 1024 - 1)).workflow.steps.len(), 1);
    assert_eq!(refused(&document(128 * 1024)), ["the script is longer than 128 KiB"]);
}

#[test]
fn oversized_documents_are_refused_by_the_reader() {
    let large = format!("version: 1\nname: w # {}\n", "x".repeat(100_000_000));
    let found = refused(&large);
    assert!(found[0].contains("more than the 1048576 allowed"), "{found:?}");
    let deep = format!("version: 1\nname: {}", "[".repeat(10_000));
    let found = refused(&deep);
    assert!(found[0].contains("nested deeper"), "{found:?}");
}

#[test]
fn a_document_full_of_mistakes_is_refused_quickly() {
    let steps: Vec<String> = (0..1000)
        .map(|step| format!("  - {{ name: s{step}, needs: [x{step}], run: [\"${{{{ inputs.y }}}}\", \"${{{{ steps.z.outcome }}}}\"] }}"))
        .collect();
    let found = refused(&format!("version: 1\nname: w\nsteps:\n{}\n", steps.join("\n")));
    assert_eq!(found.len(), 101);
    assert_eq!(found[100], "900 more problems are not shown");
}

#[test]
fn outputs_of_the_workflow_are_evaluated_at_the_end() {
    let Loaded { workflow, .. } = load(FULL);
    let mut count = StepFacts::bare(Outcome::Succeeded);
    count.outputs.insert("matches".to_owned(), json!(4));
    let mut steps = BTreeMap::from([("count".to_owned(), count)]);
    steps.insert("write".to_owned(), StepFacts::bare(Outcome::Skipped));
    let inputs = json!({});
    let status = Status::Success;
    let scope = Scope { inputs: &inputs, steps: &steps, run_id: "run_0", workflow: "w", status };
    let outputs = workflow.evaluate_outputs(&scope).unwrap();
    assert_eq!(Value::Object(outputs), json!({ "total": 4, "how": "it skipped" }));

    let without: BTreeMap<_, _> = [("count".to_owned(), steps["count"].clone())].into();
    let scope = Scope { steps: &without, ..scope };
    let error = workflow.evaluate_outputs(&scope).unwrap_err();
    let expected =
        "output `how`: value is null, which has no text in `it ${{ steps.write.outcome }}`";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_condition_decides_and_can_fail() {
    let check = |condition: &str, status: Status, expected: Result<bool, &str>| {
        let document = format!(
            "version: 1\nname: w\ninputs: {{ properties: {{ flag: {{}}, off: {{ type: boolean }} }} }}\n\
             steps:\n  - {{ name: a, run: [ls], if: {condition} }}\n"
        );
        let workflow = load(&document).workflow;
        let condition = workflow.steps[0].condition.clone().unwrap();
        let inputs = json!({ "flag": "yes" });
        let steps = BTreeMap::new();
        let scope = Scope { inputs: &inputs, steps: &steps, run_id: "r", workflow: "w", status };
        let found = condition.evaluate(&scope).map_err(|fault| fault.message);
        assert_eq!(found, expected.map_err(str::to_owned), "{}", condition.source());
    };
    check("true", Status::Success, Ok(true));
    check("false", Status::Success, Ok(false));
    check("failure()", Status::Failure, Ok(true));
    check("\"${{ failure() }}\"", Status::Success, Ok(false));
    check("inputs.flag == 'yes'", Status::Success, Ok(true));
    check("inputs.flag", Status::Success, Err("`if` takes a boolean, and this is a string"));
    check("inputs.off", Status::Success, Err("`if` takes a boolean, and this is null"));
}

#[test]
fn the_published_schema_agrees_with_the_loader() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let json = |document: &str| read(&Source::new("w", document)).unwrap().to_json();
    let step = |step: &str| format!("version: 1\nname: w\nsteps:\n  - {step}\n");
    for document in [FULL.to_owned(), step("{ name: a, run: [ls] }")] {
        load(&document);
        let errors: Vec<String> =
            validator.iter_errors(&json(&document)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
    for wrong in [
        step("{ name: a }"),
        step("{ name: A, run: [ls] }"),
        step("{ name: a, run: ls }"),
        step("{ name: a, run: [ls], shell: ls }"),
        step("{ name: a, run: [ls], with: {} }"),
        step("{ name: a, run: [ls], timeout: 5 }"),
        step("{ name: a, run: [ls], retry: { max_attempts: 101 } }"),
        step("{ name: a, run: [ls], sandbox: { driver: modal } }"),
        step("{ name: a, run: [ls], outputs: { a: x } }"),
        step("{ name: a, run: [ls], unknown: 1 }"),
    ] {
        refused(&wrong);
        assert!(!validator.is_valid(&json(&wrong)), "{wrong}");
    }
}
