//! The policy extension: asked after the rules, held by a sandbox, and a denial whenever it fails.
//! Each way of failing has its control: one that answers as it should.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::install::installed;
use crate::support::{Project, Ran};

const EVERYTHING: &str = "\
version: 1
name: t
rules:
  - { name: all, match: { tool: exec.run }, action: allow }
";
const SHELL: &str = "  - { name: say, run: [\"echo\", \"hello\"] }\n";

/// A project whose user has configured `program` as the extension.
fn project(program: &str) -> Project {
    let project = Project::new();
    project.file(".palisade/policy.yaml", EVERYTHING);
    let folder = project.home().join(".config/palisade");
    fs::create_dir_all(&folder).unwrap();
    let path = project.outside().join("extension");
    fs::write(&path, program).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let text = format!("policy: {{ extension: {} }}\n", path.display());
    fs::write(folder.join("palisade.yaml"), text).unwrap();
    project
}

/// The rule that stopped the only step of the latest run, with what it said.
fn stopped(project: &Project) -> (String, String) {
    let run = project.latest();
    let by = &step(&run, "say")["stopped_by"];
    (
        by["name"].as_str().unwrap_or_default().into(),
        by["detail"].as_str().unwrap_or_default().into(),
    )
}

/// The step called `name` of a run.
fn step<'a>(run: &'a Value, name: &str) -> &'a Value {
    run["steps"].as_array().unwrap().iter().find(|step| step["name"] == name).unwrap()
}

fn push(project: &Project, words: &str) -> Ran {
    project.run_steps(&format!("  - {{ name: say, run: [\"git\", \"push\"{words}] }}\n"))
}

/// A Python program whose `answer(number)` gives the bytes to send after the first question.
fn python(answer: &str) -> String {
    installed("python3", &["python3"]);
    format!(
        "#!/usr/bin/env python3
import json, os, socket, struct, sys, time
def frame(message):
    return struct.pack('>I', len(message)) + message
def word(number, decision):
    return frame(json.dumps({{'version': 1, 'number': number, 'decision': decision}}).encode())
def answer(number):
{answer}
peer = socket.socket(fileno=3)
while True:
    (length,) = struct.unpack('>I', peer.recv(4, socket.MSG_WAITALL))
    number = json.loads(peer.recv(length, socket.MSG_WAITALL))['number']
    peer.sendall(word(number, 'pass') if number == 1 else answer(number))
"
    )
}

fn check_sample(text: &str) {
    let project = project(text);
    project.run_steps(SHELL).exits(0);
    push(&project, ", \"--force\"").exits(10);
    let (name, detail) = stopped(&project);
    assert_eq!(name, "extension");
    assert!(detail.contains("a forced push rewrites what others have"), "{detail}");
    let decided = project.palisade(&["policy", "explain", "exec.run", "-a", "argv=[\"git\"]"]);
    decided.exits(0);
}

#[test]
fn the_python_sample_denies_what_rules_allow() {
    installed("python3", &["python3"]);
    check_sample(include_str!("../../../../examples/extensions/no_force_push.py"));
}

#[test]
fn the_typescript_sample_denies_what_rules_allow() {
    installed("node", &["nodejs"]);
    let npm = installed("npm", &["npm"]);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("package.json"), "{}").unwrap();
    let source = include_str!("../../../../examples/extensions/no_force_push.ts");
    fs::write(folder.path().join("sample.ts"), source).unwrap();
    let quiet =
        ["install", "--silent", "--no-audit", "--no-fund", "typescript@5", "@types/node@18"];
    let done = |program: &Path, words: &[&str]| {
        let mut command = std::process::Command::new(program);
        let ran = command.args(words).current_dir(folder.path()).output().unwrap();
        assert!(ran.status.success(), "{program:?} {words:?}: {ran:?}");
    };
    done(&npm, &quiet);
    let words = ["--strict", "--target", "es2022", "--module", "commonjs", "sample.ts"];
    done(&folder.path().join("node_modules/.bin/tsc"), &words);
    check_sample(&fs::read_to_string(folder.path().join("sample.js")).unwrap());
}

#[test]
fn whatever_goes_wrong_with_it_denies() {
    for (answer, expect) in [
        ("    os._exit(1)", "crashed"),
        ("    time.sleep(60)", "did not answer in time"),
        ("    return b'\\0\\0\\0\\2{}'", "no valid answer"),
        ("    return b'\\xff' * 8", "no valid answer"),
        ("    return word(number + 1, 'allow')", "no valid answer"),
        ("    return word(number, 'maybe')", "no valid answer"),
        ("    return word(number, 'allow') + b'x'", "no valid answer"),
    ] {
        let project = project(&python(answer));
        project.run_steps(SHELL).exits(10);
        let (name, detail) = stopped(&project);
        assert_eq!(name, "extension", "{answer}");
        assert!(detail.contains(expect), "{answer}: {detail}");
    }
    let project = project(&python("    return word(number, 'pass')"));
    project.run_steps(SHELL).exits(0);
}

#[test]
fn it_is_started_again_once() {
    let crash = "    os._exit(1)";
    let project = project(&python(crash));
    let steps: String = ["a", "b", "c", "d"]
        .map(|name| format!("  - {{ name: {name}, run: [\"true\"] }}\n"))
        .concat();
    project.run_steps(&steps).exits(10);
    let run = project.latest();
    let details: Vec<String> = ["a", "b", "c", "d"]
        .map(|name| step(&run, name)["stopped_by"]["detail"].as_str().unwrap().to_owned())
        .into();
    let crashed = details.iter().filter(|detail| detail.contains("crashed")).count();
    let away = details.iter().filter(|detail| detail.contains("not available")).count();
    assert_eq!((crashed, away), (2, 2), "{details:?}");
}

#[test]
fn one_that_cannot_start_starts_nothing() {
    for (program, expect) in
        [("#!/no/such/interpreter\n", "extension"), ("#!/bin/sh\nexit 3\n", "crashed")]
    {
        let project = project(program);
        let ran = project.run_steps(SHELL).exits(1);
        ran.says(expect, "", "`policy.extension`");
    }
    let absent = project("");
    fs::remove_file(absent.outside().join("extension")).unwrap();
    absent.run_steps(SHELL).exits(1).says("cannot be read", "No such file", "`policy.extension`");
}

#[test]
fn a_project_cannot_bring_its_own() {
    let project = Project::new();
    project.file(".palisade/policy.yaml", EVERYTHING);
    project.file("palisade.yaml", "policy: { extension: mine }\n");
    project.file("mine", "#!/bin/sh\nexit 3\n");
    let ran = project.run_steps(SHELL).exits(0);
    assert!(ran.stderr.contains("policy.extension"), "it is told: {ran:?}");
    let shown = project.palisade(&["config", "show", "--json"]).exits(0).json();
    assert_ne!(shown["policy.extension"]["value"], Value::from("mine"));
}
