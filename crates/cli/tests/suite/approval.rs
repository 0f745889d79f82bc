//! Approvals as people use them: what waits is listed and shown, answered with and without an owner, and survives kills.
//! Who may answer in every case is tested below the command line, in the runner.

use std::fs;

use crate::support::{Project, Running, state, wait_for, workflow};

const POLICY: &str = "\
version: 1
name: test
rules:
  - { name: run, match: { tool: [\"exec.*\"] }, action: allow }
  - { name: ask-touch, match: { tool: exec.run, args: { program: touch } }, action: require_review, reason: look first }
";

/// A step that others have to approve, and that keeps what it made.
const STEPS: &str = "  - { name: before, run: [\"true\"] }
  - { name: make, needs: [before], run: [touch, made], artifacts: [made] }\n";

fn project() -> Project {
    let project = Project::bare();
    project.file(".palisade/policy.yaml", POLICY);
    project.file("ask.yaml", workflow(STEPS));
    project
}

/// Leaves a run of an agent waiting; the id of its request.
fn waiting(project: &Project, who: &[&str]) -> String {
    let ran = project.palisade(&[&["run", "ask.yaml", "--detach"][..], who].concat()).exits(10);
    let open = project.palisade(&["approval", "list", "--json"]).exits(0).json();
    let id = open[0]["request"]["id"].as_str().unwrap().to_owned();
    assert!(ran.stderr.contains(&format!("palisade approval approve {id}")), "{}", ran.stderr);
    id
}

const AGENT: [&str; 2] = ["--as", "agent:planner"];

#[test]
fn a_run_waits_until_somebody_approves_and_then_goes_on() {
    let project = project();
    let mut running =
        Running::start(&mut project.command(&["run", "ask.yaml", "--as", "agent:planner"]));
    let line = running.until("needs approval apr_");
    let id = line.split_whitespace().find(|word| word.starts_with("apr_")).unwrap().to_owned();
    assert_eq!(state(&project.latest(), "make"), "awaiting_approval");
    let shown = project.palisade(&["approval", "show", &id]).exits(0).stdout;
    for part in [
        "\"touch\",\"made\"",
        "agent:planner, started by user:",
        "ask-touch: look first",
        "1 of another principal",
        "digest     sha256:",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let explained = project.palisade(&["runs", "explain"]).exits(0).all();
    assert!(explained.contains(&format!("waits for approval {id} (0 of 1)")), "{explained}");
    let told = project.palisade(&["approval", "approve", &id, "--reason", "fine"]).exits(0).stdout;
    assert!(told.contains("(1 of 1)"), "{told}");
    running.end().exits(0);
    let run = project.palisade(&["runs", "show", "--json"]).exits(0).json();
    assert_eq!(state(&run["run"], "make"), "succeeded");
    assert_eq!(
        (
            run["approvals"][0]["state"].as_str(),
            run["approvals"][0]["answers"][0]["reason"].as_str()
        ),
        (Some("consumed"), Some("fine"))
    );
    project.palisade(&["approval", "approve", &id]).exits(5).says(
        "cannot be answered",
        "consumed",
        "approval show",
    );
    project.verifies();
}

#[test]
fn an_approval_is_given_where_nobody_works_on_the_run() {
    let project = project();
    let id = waiting(&project, &AGENT);
    let told = project.palisade(&["approval", "approve", &id[..12]]).exits(0).all();
    assert!(told.contains("approved (1 of 1)") && told.contains("runs resume"), "{told}");
    // Answering began nothing.
    assert_eq!(state(&project.latest(), "make"), "ready");
    // It waits for nobody's answer any more, and is listed only among all.
    assert_eq!(project.palisade(&["approval", "list", "--json"]).json(), serde_json::json!([]));
    let all = project.palisade(&["approval", "list", "--all", "--json"]).json();
    assert_eq!(all[0]["state"], "approved");
    project.palisade(&["approval", "approve", &id]).exits(5).says(
        "cannot be answered",
        "it has every approval that it needs",
        "runs resume run_",
    );
    project.palisade(&["runs", "resume"]).exits(0);
    assert_eq!(state(&project.latest(), "make"), "succeeded");
    project.palisade(&["journal", "rebuild"]).exits(0);
    assert_eq!(project.palisade(&["approval", "list", "--json"]).json(), serde_json::json!([]));
    let all = project.palisade(&["approval", "list", "--all", "--json"]).json();
    assert_eq!(all[0]["state"], "consumed");
}

#[test]
fn nobody_approves_what_they_asked_for_themselves() {
    let project = project();
    let id = waiting(&project, &[]);
    let refused = project.palisade(&["approval", "approve", &id]).exits(5);
    refused.says("cannot be answered", "nobody answers their own call", "approval show");
    assert_eq!(state(&project.latest(), "make"), "awaiting_approval");
}

#[test]
fn a_denial_ends_the_step() {
    let project = project();
    let id = waiting(&project, &AGENT);
    project.palisade(&["approval", "deny", &id, "--reason", "not today"]).exits(0);
    let run = project.latest();
    assert_eq!((state(&run, "make"), run["state"].as_str()), ("denied", Some("failed")));
    let shown = project.palisade(&["runs", "show"]).exits(0).stdout;
    assert!(shown.contains("not today"), "{shown}");
    project.palisade(&["approval", "show", "apr_0"]).exits(3).says(
        "no approval",
        "",
        "approval list",
    );
}

#[test]
fn a_wait_survives_a_kill_and_an_interrupt() {
    let arguments = ["run", "ask.yaml", "--as", "agent:planner"];
    for interrupt in [false, true] {
        let project = project();
        let mut running = Running::start(&mut project.command(&arguments));
        running.until("needs approval apr_");
        if interrupt {
            // What only waits is left to wait instead of being cancelled.
            running.signal("INT");
            running.end().exits(130);
        } else {
            running.kill();
        }
        assert_eq!(project.latest()["state"], "waiting");
        let open = project.palisade(&["approval", "list", "--json"]).json();
        let id = open[0]["request"]["id"].as_str().unwrap().to_owned();
        project.palisade(&["approval", "approve", &id]).exits(0);
        project.palisade(&["runs", "resume"]).exits(0);
        let records = project.palisade(&["audit", "export"]).json_lines();
        let count = |kind: &str| records.iter().filter(|line| line["kind"] == kind).count();
        assert_eq!((count("approval.consumed"), count("approval.granted")), (1, 1));
    }
}

#[test]
fn nobody_acts_as_another_user_and_a_project_registers_nobody() {
    let project = project();
    for id in ["user:root", "agent:", "planner"] {
        project.palisade(&["run", "ask.yaml", "--as", id]).exits(2).says(
            "nobody can act as",
            "only an agent",
            "--as agent:NAME",
        );
    }
    project.file("palisade.yaml", "principals: { \"agent:planner\": { roles: [sre] } }\n");
    let ran = project.palisade(&["config", "show"]).exits(0);
    assert!(
        ran.stderr.contains("`principals` from") && ran.stderr.contains("is ignored"),
        "{ran:?}"
    );
    let folder = project.home().join(".config/palisade");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("palisade.yaml"), "principals: { \"agent:a\": { roles: [operator] } }\n")
        .unwrap();
    let refused = project.palisade(&["run", "ask.yaml"]).exits(2);
    assert!(refused.stderr.contains("cannot have the role `operator`"), "{refused:?}");
}

#[test]
fn resuming_every_run_waits_for_no_person_and_ends_at_the_first_signal() {
    let project = project();
    for _ in 0..2 {
        project.palisade(&[&["run", "ask.yaml", "--detach"][..], &AGENT].concat()).exits(10);
    }
    let go = project.outside().join("go");
    let steps = format!(
        "  - name: hold\n    shell: until test -e /mnt/go; do sleep 0.05; done\n    mounts: [{{ source: {}, target: /mnt }}]\n",
        project.outside().display()
    );
    project.file("hold.yaml", workflow(&steps));
    for _ in 0..2 {
        let mut running = Running::start(&mut project.command(&["run", "hold.yaml"]));
        running.until("started");
        running.kill();
    }
    let states = || -> Vec<String> {
        let runs = project.palisade(&["runs", "list", "--json"]).exits(0).json();
        let state = |run: &serde_json::Value| run["state"].as_str().unwrap().to_owned();
        runs.as_array().unwrap().iter().rev().map(state).collect()
    };
    // Past those that wait, into the first that goes on; a signal ends it there, and the last is not begun.
    let mut resumed = Running::start(&mut project.command(&["runs", "resume"]));
    resumed.until("started: attempt 2");
    resumed.signal("TERM");
    resumed.end().exits(130);
    assert_eq!(states(), ["waiting", "waiting", "cancelled", "running"]);
    // Without a signal everything goes on that can.
    fs::write(go, "").unwrap();
    project.palisade(&["runs", "resume"]).exits(10);
    assert_eq!(states(), ["waiting", "waiting", "cancelled", "succeeded"]);
    // The control: one that is named is waited for, unless it is to be left.
    let run = project.palisade(&["runs", "list", "--state", "waiting", "--json"]).json();
    let id = run[0]["id"].as_str().unwrap();
    let open = project.palisade(&["approval", "list", "--json"]).exits(0).json();
    let open = open.as_array().unwrap().iter().map(|one| &one["request"]);
    let request = open.clone().find(|request| request["subject"]["run"] == id).unwrap();
    let approval = request["id"].as_str().unwrap();
    project.palisade(&["runs", "resume", id, "--detach"]).exits(10);
    let waited = Running::start(&mut project.command(&["runs", "resume", id]));
    wait_for("the owner", || project.path().join(".palisade/peer.sock").exists());
    project.palisade(&["approval", "approve", approval]).exits(0);
    waited.end().exits(0);
}
