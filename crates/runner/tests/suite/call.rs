//! Direct calls: a tool used without a workflow file is decided, recorded and recovered like a step.
//! Some come over the socket, some from the process itself.

use std::time::Duration;

use runner::call::{Call, CallError, Direct, Told};
use runner::gate::Principals;
use runner::history::History;
use runner::peer::{Client, ClientError};
use runner::{Adopt, Doing, Node, RunState, StepState, call};
use serde_json::{Value, json};

use crate::support::{PATIENCE, Project, user};

fn wanted(tool: &str, args: Value) -> Call {
    Call { tool: tool.to_owned(), args: args.as_object().cloned().unwrap() }
}

/// Places a call and waits for its end.
fn done(node: &Node, tool: &str, args: Value) -> Told {
    let mut direct = Direct::place(node.desk(), &user(), &wanted(tool, args)).unwrap();
    assert!(!direct.wait(PATIENCE, &|| false), "it should end");
    direct.told(node.desk()).unwrap()
}

fn kinds(project: &Project, run: runner::RunId) -> Vec<String> {
    let history = History::open(&project.layout).unwrap();
    let records = history.reader().by_stream(history.log(), &run.0, 0, 100).unwrap();
    records.iter().map(|record| record.header.kind.to_string()).collect()
}

#[test]
fn a_call_is_decided_recorded_and_answered_like_a_step() {
    let project = Project::new();
    std::fs::write(project.path().join("a.txt"), "one\ntwo ${{ inputs.path }}\n").unwrap();
    let node = project.node(Doing::Really, Adopt::Nothing);
    let told = done(&node, "fs.read", json!({ "path": "./a.txt" }));
    assert_eq!(told.state, StepState::Succeeded);
    assert_eq!(told.outputs["text"], "one\ntwo ${{ inputs.path }}\n");
    let found = done(&node, "search.grep", json!({ "pattern": "two", "text": "${{ x }}\ntwo" }));
    assert_eq!(found.outputs["lines"][0]["line"], 2);
    node.stop().unwrap();
    let order = [
        "run.submitted",
        "call.decided",
        "run.started",
        "step.started",
        "step.finished",
        "run.finished",
    ];
    assert_eq!(kinds(&project, told.run), order);
    // Whoever reads the journal is told the same as whoever asked.
    let history = History::open(&project.layout).unwrap();
    assert_eq!(call::recorded(&history, told.run).unwrap(), told);
    assert_eq!(&*history.run(told.run).unwrap().view.summary.principal, user().id);
}

#[test]
fn limits_and_constraints_for_files_hold_in_a_search_from_above() {
    let project = Project::new();
    let policy = "
version: 1
name: test
rules:
  - { name: search, match: { tool: search.grep }, action: allow }
  - { name: counted, match: { tool: search.grep, path_glob: [\"docs/counted/**\"] }, action: allow, limits: [ { count: 1, per: principal, window: 1h } ] }
  - { name: small, match: { tool: search.grep, path_glob: [\"docs/small/**\"] }, action: allow, constraints: { max_file_size: 8 } }
  - { name: masked, match: { tool: search.grep, path_glob: [\"docs/masked/**\"] }, action: allow, constraints: { redact: output } }
";
    std::fs::write(project.layout.policy(), policy).unwrap();
    for folder in ["counted", "small", "masked", "open"] {
        std::fs::create_dir_all(project.path().join("docs").join(folder)).unwrap();
        std::fs::write(project.path().join("docs").join(folder).join("s"), "needle one\n").unwrap();
    }
    std::fs::write(project.path().join("docs/small/t"), "needle\n").unwrap();
    let node = project.node(Doing::Really, Adopt::Nothing);
    let found = |path: &str| -> Vec<String> {
        let told = done(&node, "search.grep", json!({ "pattern": "needle", "path": path }));
        assert_eq!(told.state, StepState::Succeeded, "{path}");
        let lines = told.outputs["lines"].as_array().unwrap().iter();
        lines.map(|line| line["file"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(found("docs"), ["docs/open/s", "docs/small/t"]);
    // Asked for by itself each is found, and held to its rule.
    assert_eq!(found("docs/masked/s"), ["docs/masked/s"]);
    assert_eq!(found("docs/counted/s"), ["docs/counted/s"]);
    let again = done(&node, "search.grep", json!({ "pattern": "x", "path": "docs/counted/s" }));
    assert_eq!(again.state, StepState::Denied);
    node.stop().unwrap();
}

#[test]
fn the_policy_decides_about_calls() {
    let project = Project::new();
    let node = project.node(Doing::Really, Adopt::Nothing);
    let denied = done(&node, "exec.run", json!({ "argv": ["curl", "example.org"] }));
    assert_eq!(denied.state, StepState::Denied);
    assert_eq!(&*denied.stopped_by.unwrap().name, "no-curl");
    let excepted = done(&node, "fs.read", json!({ "path": "secret/key" }));
    assert_eq!((excepted.state, excepted.outputs.len()), (StepState::Denied, 0));
    let outside = done(&node, "fs.read", json!({ "path": "../../etc/passwd" }));
    assert_eq!((outside.state, outside.outputs.len()), (StepState::Denied, 0));
    assert!(!kinds(&project, denied.run).contains(&"step.started".to_owned()));
}

#[test]
fn a_program_gets_its_arguments_as_they_are_and_its_output_comes_back() {
    let project = Project::new();
    let node = project.node(Doing::Really, Adopt::Nothing);
    let odd = "${{ inputs.x }} $${{ a'b\"c";
    let told = done(&node, "exec.run", json!({ "argv": ["printf", "%s", odd] }));
    assert_eq!((told.state, told.exit, told.stdout.as_str()), (StepState::Succeeded, Some(0), odd));
    let args = json!({ "script": "cat; echo \"$NAME\" >&2; exit 3", "stdin": "in ${{", "env": { "NAME": "${{ x }}" } });
    let told = done(&node, "exec.shell", args);
    assert_eq!((told.state, told.exit), (StepState::Failed, Some(3)));
    assert_eq!((told.stdout.as_str(), told.stderr.as_str()), ("in ${{", "${{ x }}\n"));
}

#[test]
fn a_call_that_makes_no_sense_leaves_no_trace() {
    let project = Project::new();
    let node = project.node(Doing::Nothing, Adopt::Nothing);
    for (tool, args) in [
        ("fs.read", json!({ "pth": "a" })),
        ("fs.raed", json!({})),
        ("workspace.merge", json!({})),
        ("exec.run", json!({ "argv": ["a"], "sandbox": { "profile": "none" } })),
        ("exec.run", json!({ "argv": ["a"], "profile": "proxy" })),
    ] {
        let refused = Direct::place(node.desk(), &user(), &wanted(tool, args)).unwrap_err();
        assert!(!matches!(refused, CallError::Unanswered(_) | CallError::History(_)), "{refused}");
    }
    node.stop().unwrap();
    assert!(History::open(&project.layout).unwrap().runs(10, |_| true).unwrap().is_empty());
}

#[test]
fn a_call_over_the_socket_is_the_same_call() {
    let project = Project::new();
    std::fs::write(project.path().join("a.txt"), "read me").unwrap();
    let node = project.node(Doing::Really, Adopt::Nothing);
    let mut client = Client::connect(&project.layout.peer()).unwrap();
    let asked = json!({ "tool": "fs.read", "args": { "path": "a.txt" } });
    let told = client.request("tool.call", asked).unwrap();
    assert_eq!(
        (&told["state"], &told["outputs"]["text"]),
        (&json!("succeeded"), &json!("read me"))
    );
    let run: runner::RunId = told["run"].as_str().unwrap().parse().unwrap();
    let view = client.request("run.get", json!({ "run": run })).unwrap();
    assert_eq!(
        view["principal"],
        Principals::default().of_this_process().id,
        "the kernel says who it is"
    );
    assert_eq!(view["steps"][0]["grant"]["tool"], "fs.read");
    let asked = json!({ "tool": "exec.run", "args": { "argv": ["curl"] } });
    let denied = client.request("tool.call", asked).unwrap();
    assert_eq!(denied["stopped_by"]["name"], "no-curl");
    node.stop().unwrap();
    assert_eq!(
        kinds(&project, run),
        [
            "run.submitted",
            "call.decided",
            "run.started",
            "step.started",
            "step.finished",
            "run.finished"
        ]
    );
}

/// A program that ends only when it is stopped.
const ENDLESS: [&str; 3] = ["tail", "-f", "/dev/null"];

#[test]
fn a_call_that_takes_long_is_answered_as_running_and_can_be_cancelled() {
    let project = Project::new();
    let node = project.node(Doing::Really, Adopt::Nothing);
    let mut client = Client::connect(&project.layout.peer()).unwrap();
    let asked = json!({ "tool": "exec.run", "args": { "argv": ENDLESS }, "wait_ms": 1 });
    let told = client.request("tool.call", asked).unwrap();
    assert_eq!(told["state"], "running");
    client.request("run.cancel", json!({ "run": told["run"], "reason": "enough" })).unwrap();
    let view = client.request("run.get", json!({ "run": told["run"], "wait_ms": 60_000 })).unwrap();
    assert_eq!(
        (&view["state"], &view["cancel"]["reason"]),
        (&json!("cancelled"), &json!("enough"))
    );
    node.stop().unwrap();
}

#[test]
fn a_node_that_ends_does_not_wait_for_those_who_wait_for_it() {
    let project = Project::new();
    let node = project.node(Doing::Really, Adopt::Nothing);
    let path = project.layout.peer();
    let waiting = std::thread::spawn(move || {
        let mut client = Client::connect(&path).unwrap();
        let asked = json!({ "tool": "exec.run", "args": { "argv": ENDLESS }, "wait_ms": 60_000 });
        client.request("tool.call", asked)
    });
    // Its start is on record with its submission.
    let open = || History::open(&project.layout).unwrap().runs(1, |_| true).unwrap().pop();
    while open().is_none() {
        std::thread::yield_now();
    }
    node.stop().unwrap();
    let answer = waiting.join().unwrap();
    assert!(!matches!(answer, Err(ClientError::NoOwner)), "{answer:?}");
    // The call is still open, and a program that may have had an effect is not repeated by itself.
    let run = open().unwrap();
    let node = project.node(Doing::Really, Adopt::Runs(vec![run.id]));
    let view = || History::open(&project.layout).unwrap().run(run.id).unwrap().view;
    // The first records of the node are on their way to the disk.
    let mut settled = view();
    while settled.summary.state == RunState::Running {
        std::thread::yield_now();
        settled = view();
    }
    assert_eq!((settled.summary.state, settled.steps[0].attempt), (RunState::Waiting, 1));
    assert!(!call::goes_on(&settled));
    node.stop().unwrap();
}

#[test]
fn a_wait_ends_when_it_is_no_longer_wanted() {
    let project = Project::new();
    let node = project.node(Doing::Really, Adopt::Nothing);
    let mut direct =
        Direct::place(node.desk(), &user(), &wanted("exec.run", json!({ "argv": ENDLESS })))
            .unwrap();
    assert!(direct.wait(Duration::ZERO, &|| false), "it goes on");
    assert!(direct.wait(PATIENCE, &|| true), "it goes on");
    assert!(
        call::read_arguments("{\"a\":1,\"a\":2}").is_err() && call::read_arguments("[]").is_err()
    );
    assert_eq!(call::read_arguments("{\"a\":1}").unwrap()["a"], 1);
    node.stop().unwrap();
    assert!(!direct.wait(PATIENCE, &|| false), "nobody is left to say more");
}

#[test]
fn a_call_that_was_placed_is_told_even_before_anything_is_heard_of_it() {
    let project = Project::new();
    let node = project.node(Doing::Really, Adopt::Nothing);
    for _ in 0..20 {
        let call = wanted("exec.run", json!({ "argv": ["true"] }));
        let direct = Direct::place(node.desk(), &user(), &call).unwrap();
        let told = direct.told(node.desk()).unwrap();
        assert_eq!((told.run, told.tool.as_str()), (direct.run(), "exec.run"));
    }
}
