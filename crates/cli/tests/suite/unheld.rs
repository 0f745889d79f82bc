//! Programs without the sandbox: only where the user's configuration and the command both say so, and marked for ever.
//! What holds a program that is sandboxed is not tested here.

use std::fs;

use serde_json::Value;

use crate::support::{Project, Ran, wait_for, workflow};

const ALLOW: &str = "sandbox: { allow_unsafe: true }\n";

/// A project whose user allows it.
fn allowed() -> Project {
    let project = Project::new();
    let folder = project.home().join(".config/palisade");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("palisade.yaml"), ALLOW).unwrap();
    project
}

fn run(project: &Project, script: &str, flags: &[&str]) -> Ran {
    let steps = format!("  - {{ name: a, shell: {script:?}, timeout: 20s }}\n");
    project.file("steps.yaml", workflow(&steps));
    project.palisade(&[flags, &["run", "steps.yaml"]].concat())
}

fn written(project: &Project) -> bool {
    project.path().join("out").exists()
}

#[test]
fn it_needs_the_users_configuration_and_the_command() {
    let project = Project::new();
    let refused = run(&project, "echo x > out", &["--unsafe"]).exits(6);
    refused.says("without the sandbox", "sandbox.allow_unsafe", "--unsafe");
    // Neither a project nor the environment can allow it.
    project.file("palisade.yaml", ALLOW);
    run(&project, "echo x > out", &["--unsafe"]).exits(6);
    let mut command = project.command(&["--unsafe", "run", "steps.yaml"]);
    crate::support::run(command.env("PALISADE_SANDBOX__ALLOW_UNSAFE", "true")).exits(6);
    assert!(!written(&project));
    // Allowed and not asked for: the sandbox holds it.
    let project = allowed();
    run(&project, "echo x > out", &[]).exits(0);
    assert!(!written(&project));
    // Both: nothing holds it, which is the control of everything above.
    run(&project, "echo x > out", &["--unsafe"]).exits(0);
    assert!(written(&project));
}

#[test]
fn the_variable_asks_as_the_flag_does() {
    let project = allowed();
    project.file("steps.yaml", workflow("  - { name: a, shell: \"echo x > out\" }\n"));
    let mut command = project.command(&["run", "steps.yaml"]);
    crate::support::run(command.env("PALISADE_UNSAFE", "yes")).exits(0);
    assert!(!written(&project));
    let mut command = project.command(&["run", "steps.yaml"]);
    crate::support::run(command.env("PALISADE_UNSAFE", "1")).exits(0);
    assert!(written(&project));
}

#[test]
fn every_record_and_every_display_says_so() {
    let project = allowed();
    let ran = run(&project, "echo printed", &["--unsafe"]).exits(0);
    assert!(ran.stdout.contains("UNSAFE") && ran.stderr.contains("UNSAFE"), "{}", ran.all());
    for command in [
        &["runs", "show"][..],
        &["runs", "list"],
        &["runs", "logs"],
        &["runs", "explain"],
        &["runs", "watch"],
    ] {
        let said = project.palisade(command).exits(0).all();
        assert!(said.contains("UNSAFE"), "{command:?}: {said}");
    }
    let records = project.palisade(&["audit", "export"]).exits(0).json_lines();
    let of_runs: Vec<&Value> =
        records.iter().filter(|record| record["stream"]["class"] == "run").collect();
    assert!(of_runs.len() >= 5, "{of_runs:#?}");
    for record in &of_runs {
        assert_eq!(record["payload"]["unsafe"], true, "{record:#}");
    }
    project.verifies();
    let rebuilt = project.palisade(&["journal", "rebuild"]).exits(0).stdout;
    assert!(!rebuilt.contains("changed"), "{rebuilt}");
    assert!(project.palisade(&["runs", "list"]).stdout.contains("UNSAFE"));
    // A run that is held is not marked.
    run(&project, "true", &[]).exits(0);
    assert!(!project.palisade(&["runs", "show"]).all().contains("UNSAFE"));
}

#[test]
fn policy_decides_and_may_forbid_it() {
    let project = allowed();
    let deny = "  - { name: held-only, match: { tool: [\"exec.*\"], args: { unsafe: true } }, action: deny }\n";
    let policy = crate::support::POLICY.replace("tests:\n", &format!("{deny}tests:\n"));
    project.file(".palisade/policy.yaml", policy);
    run(&project, "echo x > out", &["--unsafe"]).exits(10);
    assert_eq!(project.latest()["steps"][0]["stopped_by"]["name"], "held-only");
    run(&project, "echo x > out", &[]).exits(0);
    let strict = crate::support::POLICY.replace(
        "match: { tool: [\"exec.*\"] }, action: allow",
        "match: { tool: [\"exec.*\"] }, action: allow, constraints: { profile: strict }",
    );
    project.file(".palisade/policy.yaml", strict);
    run(&project, "echo x > out", &["--unsafe"]).exits(10);
    assert_eq!(project.latest()["steps"][0]["state"], "denied");
    assert!(!written(&project));
}

#[test]
fn it_is_ended_with_everything_it_started() {
    let project = allowed();
    let steps = "  - { name: a, shell: \"sleep 1000 & echo $! > pid; wait\", timeout: 1s }\n";
    project.file("steps.yaml", workflow(steps));
    project.palisade(&["--unsafe", "run", "steps.yaml"]).exits(10);
    assert_eq!(project.latest()["steps"][0]["state"], "timed_out");
    let pid = fs::read_to_string(project.path().join("pid")).unwrap();
    let status = format!("/proc/{}/stat", pid.trim());
    wait_for("the end of what it started", || {
        fs::read_to_string(&status).map_or(true, |stat| stat.contains(") Z"))
    });
}

#[test]
fn its_output_and_its_files_are_bounded() {
    let project = allowed();
    let steps = "  - { name: a, shell: \"while echo 0123456789; do :; done\", sandbox: { limits: { output: 64KiB } } }\n  \
                 - { name: b, shell: \"ulimit -n\", outputs: { files: stdout }, sandbox: { limits: { open_files: 77 } } }\n";
    project.file("steps.yaml", workflow(steps));
    project.palisade(&["--unsafe", "run", "steps.yaml"]).exits(10);
    let run = project.latest();
    assert_eq!(run["steps"][0]["stopped_by"]["name"], "output");
    assert_eq!(run["steps"][1]["result"]["outputs"]["files"], "77");
}

#[test]
fn what_needs_a_workspace_is_refused() {
    let project = allowed();
    for keys in ["files: { a: b }", "artifacts: [out]", "sandbox: { changes: full }"] {
        project
            .file("steps.yaml", workflow(&format!("  - {{ name: a, run: [\"true\"], {keys} }}\n")));
        let ran = project.palisade(&["--unsafe", "run", "steps.yaml"]).exits(10);
        assert!(ran.all().contains("no workspace of its own"), "{}", ran.all());
    }
}

#[test]
fn below_the_users_floor_of_landlock_nothing_runs() {
    let project = Project::new();
    let folder = project.home().join(".config/palisade");
    fs::create_dir_all(&folder).unwrap();
    let floor = |generation: u32| {
        let text = format!("sandbox: {{ landlock_floor: {generation} }}\n");
        fs::write(folder.join("palisade.yaml"), text).unwrap();
    };
    floor(1);
    run(&project, "true", &[]).exits(0);
    floor(99);
    let refused = run(&project, "true", &[]).exits(10);
    assert!(refused.stderr.contains("99 is demanded"), "{}", refused.stderr);
    // A project cannot lower it again.
    project.file("palisade.yaml", "sandbox: { landlock_floor: 1 }\n");
    run(&project, "true", &[]).exits(10);
}
