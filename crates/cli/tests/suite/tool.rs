//! `palisade tool` and `palisade serve`: calls without a workflow file, alone and through the owner.
//! Outputs of steps that must fit a schema are here too.

use std::fs;

use serde_json::json;

use crate::support::{Project, Running, wait_for, workflow};

/// An owner that listens.
fn serving(project: &Project) -> Running {
    let mut owner = Running::start(&mut project.command(&["serve"]));
    owner.until("stop with Ctrl-C");
    owner
}

#[test]
fn a_tool_is_called_by_name_with_typed_arguments() {
    let project = Project::new();
    project.file("a.txt", "hello\n");
    assert_eq!(
        project.palisade(&["tool", "call", "fs.read", "-a", "path=a.txt"]).exits(0).stdout,
        "hello\n"
    );
    let list = project.palisade(&["tool", "call", "fs.list", "--args", r#"{"path":"."}"#]).exits(0);
    assert!(list.stdout.contains("\"a.txt\""), "{list:?}");
    let ran = project.palisade(&[
        "tool",
        "call",
        "exec.run",
        "-a",
        r#"argv=["sh","-c","echo out; echo err >&2; exit 3"]"#,
    ]);
    let ran = ran.exits(10);
    assert!(
        ran.stdout == "out\n" && ran.stderr.contains("err") && ran.stderr.contains("exit code 3"),
        "{ran:?}"
    );
    let denied = project.palisade(&["tool", "call", "exec.run", "-a", r#"argv=["curl"]"#]).exits(6);
    denied.says("the call of `exec.run` was denied", "no-curl", "palisade policy explain exec.run");
    // A command that fails by itself is told in the same form, and what stopped it once.
    let failed = project.palisade(&["sandbox", "exec", "--", "false"]).exits(10);
    assert!(!failed.stderr.contains("failed: failed"), "{failed:?}");
    failed.says("the call of `exec.run` failed", "exit code 1", "palisade runs show");
    let denied = project.palisade(&["sandbox", "exec", "--", "curl"]).exits(6);
    denied.says("was denied", "no-curl", "policy explain exec.run");
    let run = project.run_steps("  - { name: a, run: [curl] }\n").exits(10);
    run.says("failed", "", "palisade policy explain --record SEQUENCE");
    project.verifies();
}

#[test]
fn a_call_that_cannot_be_is_refused_with_the_remedy() {
    let project = Project::new();
    let call = |words: &[&str], code: i32| {
        let words: Vec<&str> = ["tool", "call"].iter().chain(words).copied().collect();
        project.palisade(&words).exits(code)
    };
    call(&["fs.raed"], 3).says("there is no tool `fs.raed`", "", "did you mean `fs.read`?");
    call(&["fs.read"], 2).says("$.path: is required", "", "palisade tool show fs.read");
    call(&["fs.read", "-a", "path"], 2).says("`path` has no `=`", "", "");
    call(&["exec.run", "-a", "argv=ls"], 2).says(
        "$.argv: must be an array, found a string",
        "",
        "",
    );
    call(&["workspace.merge"], 2).says("cannot be called directly", "", "");
    for (text, why) in [
        ("{", "EOF"),
        ("[]", "not an object"),
        (r#"{"path":"a","path":"b"}"#, "`path` is there twice"),
        (r#"{"path":9007199254740993}"#, "write it as a string"),
    ] {
        call(&["fs.read", "--args", text], 2).says(
            "`--args` cannot be read",
            why,
            "write one JSON object",
        );
    }
    project.palisade(&["tool", "show", "fs.raed"]).exits(3);
    assert!(!project.database().exists(), "a typing mistake leaves no trace");
}

#[test]
fn a_call_goes_through_the_owner_where_there_is_one() {
    let project = Project::new();
    project.file("a.txt", "hello\n");
    let owner = serving(&project);
    let read = ["tool", "call", "fs.read", "-a", "path=a.txt"];
    assert_eq!(project.palisade(&read).exits(0).stdout, "hello\n");
    let ran = project
        .palisade(&["tool", "call", "exec.shell", "-a", "script=echo $PALISADE_STEP"])
        .exits(0);
    assert_eq!(ran.stdout, "call\n");
    project.palisade(&["tool", "call", "exec.run", "-a", r#"argv=["curl"]"#]).exits(6);
    let loosened =
        project.palisade(&["--policy", "/dev/null", "tool", "call", "fs.read", "-a", "path=a.txt"]);
    loosened.exits(5).says("another process owns this project", "its own policy", "");
    owner.signal("TERM");
    let ended = owner.end().exits(0);
    assert!(
        ended.stdout.starts_with("listening on ") && ended.stderr.contains("stopped"),
        "{ended:?}"
    );
    assert!(!project.path().join(".palisade/peer.sock").exists());
    // Control: without it the same call is done here.
    assert_eq!(project.palisade(&read).exits(0).stdout, "hello\n");
    project.verifies();
}

#[test]
fn serve_takes_up_interrupted_runs_and_nobody_can_own_the_project_beside_it() {
    let project = Project::new();
    let outside = project.outside();
    let step = format!(
        "  - name: a\n    shell: \"echo begun >> /out/begun; while [ ! -e /out/go ]; do sleep 0.01; done\"\n    \
         mounts: [{{ source: {}, target: /out, readonly: false }}]\n",
        outside.display()
    );
    project.file("w.yaml", workflow(&step));
    let begun = || fs::read_to_string(outside.join("begun")).unwrap_or_default().lines().count();
    let running = Running::start(&mut project.command(&["run", "w.yaml"]));
    wait_for("the first attempt", || begun() == 1);
    running.kill();
    assert_eq!((begun(), project.latest()["state"].as_str()), (1, Some("running")));
    let owner = serving(&project);
    wait_for("the attempt of the run that was taken up", || begun() == 2);
    project.palisade(&["run", "w.yaml"]).exits(5);
    fs::write(outside.join("go"), "").unwrap();
    wait_for("the end of the run", || project.latest()["state"] == "succeeded");
    owner.kill();
    // What it left behind is not taken for a living owner, and what has ended is not begun again.
    let owner = serving(&project);
    owner.signal("INT");
    owner.end().exits(0);
    assert_eq!(begun(), 2);
    project.verifies();
}

#[test]
fn an_output_that_does_not_fit_its_schema_fails_its_step_and_is_not_passed_on() {
    let project = Project::new();
    let steps = |value: &str| {
        format!(
            "  - name: count\n    run: [echo, '{value}']\n    outputs:\n      found:\n        from: stdout.json\n        \
             schema: {{ type: object, required: [n], properties: {{ n: {{ type: integer }} }} }}\n  - name: next\n    \
             needs: [count]\n    run: [echo, \"${{{{ steps.count.outputs.found.n }}}}\"]\n"
        )
    };
    project.run_steps(&steps(r#"{"n":5}"#)).exits(0);
    let failed = project.run_steps(&steps(r#"{"n":"five"}"#)).exits(10);
    let told = "output `found` does not fit its schema: $.n: must be an integer, found a string";
    assert!(failed.all().contains(told), "{failed:?}");
    let run = project.latest();
    assert_eq!(run["steps"][0]["result"].get("outputs"), None);
    assert_eq!(
        (&run["steps"][0]["state"], &run["steps"][1]["state"]),
        (&json!("failed"), &json!("skipped"))
    );
}
