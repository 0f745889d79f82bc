//! Documents and inputs that are wrong: each is told with its place and remedy, and leaves no trace.
//! Exact wording is tested where the messages are made; here exit codes, places and traces.

use std::fs::File;

use crate::support::{Project, Ran, workflow};

const FIX: &str = "nothing was run";

/// Runs a wrong workflow, which must touch nothing.
fn refused(text: impl AsRef<[u8]>) -> Ran {
    let project = Project::new();
    project.file("wrong.yaml", text);
    let ran = project.palisade(&["run", "wrong.yaml"]).exits(2);
    assert!(!project.database().exists(), "a wrong document leaves no trace");
    project.palisade(&["workflow", "validate", "wrong.yaml"]).exits(2);
    ran
}

#[test]
fn a_wrong_workflow_is_told_with_its_place() {
    let check = |text: &str, wanted: &[&str]| {
        let ran = refused(text);
        for part in wanted {
            assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
        }
        ran.says("not a valid workflow", "", FIX);
    };
    check(&workflow("  - name: a\n    run: [echo\n"), &["not valid YAML", "--> wrong.yaml:6:1"]);
    check(
        "version: 1\nname: x\nstesp: []\nsteps:\n  - { name: a, rnu: [echo], run: [echo] }\n",
        &[
            "unknown key `stesp`",
            "did you mean `steps`?",
            "unknown key `rnu`",
            "did you mean `run`?",
            "wrong.yaml:3:1",
            "^^^^^",
            "2 errors",
        ],
    );
    check(
        &workflow(
            "  - { name: a, needs: [b], run: [echo] }\n  - { name: b, needs: [a], run: [echo] }\n",
        ),
        &["steps wait for each other: a → b → a", "wrong.yaml:4:"],
    );
    check(
        "version: one\nname: x\nsteps:\n  - { name: a, run: echo, timeout: soon }\n",
        &[
            "unknown version",
            "run must be a list, found a text",
            "`soon` does not start with a digit",
            "3 errors",
        ],
    );
    check(
        &workflow("  - { name: a, run: [echo, \"${{ steps.b.outputs.x }}\"] }\n"),
        &["wrong.yaml:4:"],
    );
    check(
        &workflow(
            "  - { name: a, needs: [fist], run: [echo] }\n  - { name: first, run: [echo] }\n",
        ),
        &["`fist`"],
    );
    check("", &["the file is empty"]);
    check("just text\n", &["workflow must be a map, found a text"]);
}

#[test]
fn hostile_sizes_and_depths_are_refused_quickly() {
    let text = refused(b"\xff\xfename: x\n");
    text.says("is not UTF-8 text", "byte 0", "save the file as UTF-8");
    let lists =
        format!("version: 1\nname: x\nsteps: {}{}\n", "[".repeat(10_000), "]".repeat(10_000));
    assert!(refused(lists).stderr.contains("deep"));
    let maps =
        format!("version: 1\nname: x\nsteps: {}x{}\n", "{a: ".repeat(10_000), "}".repeat(10_000));
    assert!(refused(maps).stderr.contains("deep"));
    let dashes = format!("version: 1\nname: x\nsteps:\n  {}x\n", "- ".repeat(10_000));
    assert!(refused(dashes).stderr.contains("deep"));
    let expression = format!("\"${{{{ {}1{} }}}}\"", "(".repeat(1_500), ")".repeat(1_500));
    refused(workflow(&format!("  - {{ name: a, run: [echo, {expression}] }}\n")));
    let many: String =
        (0..10_000).map(|step| format!("  - {{ name: s{step}, run: [echo] }}\n")).collect();
    assert!(refused(workflow(&many)).stderr.contains("more than 1000 items"));
}

#[test]
fn a_file_of_100_mb_is_refused_without_being_read_whole() {
    let project = Project::new();
    let path = project.file("big.yaml", workflow("  - { name: a, run: [echo] }\n"));
    File::options().write(true).open(path).unwrap().set_len(100_000_000).unwrap();
    let why = "at most 1048576 bytes";
    project.palisade(&["run", "big.yaml"]).exits(2).says(
        "`big.yaml` is too long",
        why,
        "as files or inputs",
    );
    project.file("good.yaml", workflow("  - { name: a, run: [echo] }\n"));
    let ran = project.palisade(&["run", "good.yaml", "-f", "big.yaml"]).exits(2);
    ran.says("`big.yaml` is too long", why, "");
    let ran = project.palisade(&["run", "good.yaml", "--policy", "big.yaml"]).exits(2);
    ran.says("longer than 8388608 bytes", "", "fewer rules");
    assert!(!project.database().exists());
}

#[test]
fn a_file_that_is_not_there_or_no_file_is_told() {
    let project = Project::new();
    let fix = "name a file that exists";
    project.palisade(&["run", "none.yaml"]).exits(3).says(
        "`none.yaml` cannot be read",
        "No such file",
        fix,
    );
    project.palisade(&["run", "."]).exits(1).says("`.` cannot be read", "Is a directory", fix);
    let missing = project.palisade(&["-C", "nowhere", "runs", "list"]).exits(3);
    missing.says("`nowhere` cannot be used", "No such file", "--project");
    let missing = project.palisade(&["policy", "check", "none.yaml"]).exits(3);
    missing.says("`none.yaml` cannot be read", "No such file", "name a policy file");
    assert!(!project.database().exists());
}

const INPUTS: &str = "\
version: 1
name: inputs
inputs:
  type: object
  additionalProperties: false
  required: [who, count]
  properties:
    who: { type: string }
    count: { type: integer, minimum: 1 }
    loud: { type: boolean, default: false }
steps:
  - { name: a, run: [echo, \"${{ inputs.who }}\", \"${{ inputs.count }}\", \"${{ inputs.loud }}\"] }
";

#[test]
fn inputs_are_read_by_their_type_and_refused_by_name() {
    let project = Project::new();
    project.file("inputs.yaml", INPUTS);
    project.file("list.yaml", "- 1\n");
    project.file("given.yaml", "who: 007\ncount: 2\n");
    let run = |arguments: &[&str]| project.palisade(&[&["run", "inputs.yaml"], arguments].concat());
    let what = "the inputs do not fit the workflow";
    let fix = "-i name=value";
    run(&[]).exits(2).says(what, "`/count` is required", fix).says(what, "`/who` is required", fix);
    run(&["-i", "who=x", "-i", "count=many"]).exits(2).says(
        what,
        "`/count` must be an integer",
        fix,
    );
    run(&["-i", "who=x", "-i", "count=0"]).exits(2).says(what, "`/count`", fix);
    run(&["-i", "who=x", "-i", "count=1", "-i", "lout=true"]).exits(2).says(
        what,
        "did you mean `loud`",
        fix,
    );
    run(&["-i", "who"]).exits(2).says("`who` has no `=`", "", fix);
    run(&["-f", "list.yaml"]).exits(2).says(
        "not a map of inputs",
        "",
        "one `name: value` per line",
    );
    run(&["-f", "none.yaml"]).exits(3).says("`none.yaml` cannot be read", "No such file", "");
    assert!(!project.database().exists(), "a typing mistake leaves no trace");
    // The control: text stays text where the schema wants text, and the command line is laid over the file.
    run(&["-i", "who=3", "-i", "count=3", "-i", "loud=true"]).exits(0);
    assert_eq!(project.palisade(&["runs", "logs"]).stdout, "3 3 true\n");
    run(&["-f", "given.yaml", "-i", "who=a=b"]).exits(0);
    assert_eq!(project.palisade(&["runs", "logs"]).stdout, "a=b 2 false\n");
}

#[test]
fn a_wrong_policy_stops_everything() {
    let project = Project::new();
    project.file("good.yaml", workflow("  - { name: a, run: [echo] }\n"));
    project.file(
        ".palisade/policy.yaml",
        "version: 1\nname: p\nrules:\n  - { name: r, macth: { tool: exec.run }, action: allow }\n",
    );
    for arguments in [
        &["run", "good.yaml"][..],
        &["policy", "check"],
        &["policy", "test"],
        &["sandbox", "exec", "--", "echo"],
    ] {
        let ran = project.palisade(arguments).exits(2);
        assert!(
            ran.stderr.contains("did you mean `match`?") && ran.stderr.contains("policy.yaml:4:"),
            "{ran:?}"
        );
        ran.says("policy `", "", "correct the file");
    }
    assert!(!project.database().exists());
}

#[test]
fn without_a_policy_everything_is_denied() {
    let project = Project::bare();
    project.file("good.yaml", workflow("  - { name: a, run: [echo] }\n"));
    let ran = project.palisade(&["run", "good.yaml"]).exits(10);
    assert!(ran.stderr.contains("palisade init"), "{ran:?}");
    assert!(ran.stdout.contains("policy rule `default deny`"), "{ran:?}");
    project.verifies();
}
