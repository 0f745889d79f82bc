//! The read-only tools: what they answer, and that nothing outside the project can be reached through them.
//! Each refusal has a control that shows the file could be read without the rule.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Instant;

use runner::executor::fast::{
    self, Allowed, FastError, LINE_BYTES, OpenError, RESULT_BYTES, TEXT_BYTES, Until,
};
use runner::history::History;
use runner::{Adopt, Doing, RunState, StepState};
use serde_json::{Value, json};

use crate::support::{PATIENCE, POLICY, Project, submission, to_the_end, until_end};

fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("docs/deep")).unwrap();
    fs::create_dir_all(root.join(".palisade")).unwrap();
    fs::write(root.join(".palisade/palisade.db"), "needle").unwrap();
    fs::write(root.join("docs/a.md"), "first\nneedle one\n").unwrap();
    fs::write(root.join("docs/deep/b.md"), "needle two\nneedle three").unwrap();
    fs::write(root.join("binary"), [0xff, 0xfe, 0]).unwrap();
    folder
}

fn call(root: &Path, tool: &str, arguments: &Value) -> Result<Value, FastError> {
    let until = Until::default();
    let allowed = Allowed { file: &mut |_| Some(u64::MAX), largest: None, until: &until };
    fast::call(root, tool, arguments, allowed)
}

fn ask(root: &Path, tool: &str, arguments: Value) -> Value {
    call(root, tool, &arguments).unwrap()
}

#[test]
fn each_tool_answers() {
    let folder = project();
    let root = folder.path();
    let read = ask(root, "fs.read", json!({ "path": "docs/a.md" }));
    assert_eq!(read, json!({ "text": "first\nneedle one\n", "size": 17, "truncated": false }));
    let listed = ask(root, "fs.list", json!({ "path": "docs" }));
    assert_eq!(
        listed["entries"],
        json!([{ "name": "a.md", "kind": "file" }, { "name": "deep", "kind": "folder" }])
    );
    assert_eq!(ask(root, "fs.exists", json!({ "path": "docs" }))["kind"], "folder");
    assert_eq!(ask(root, "fs.exists", json!({ "path": "nothing" })), json!({ "exists": false }));
    let globbed = ask(root, "search.glob", json!({ "pattern": "docs/**/*.md" }));
    assert_eq!(globbed["paths"], json!(["docs/a.md", "docs/deep/b.md"]));
    let found = ask(root, "search.grep", json!({ "pattern": "needle", "path": "." }));
    assert_eq!(found["matches"], 3, "the state folder is not searched: {found}");
    assert_eq!(found["lines"][0], json!({ "file": "docs/a.md", "line": 2, "text": "needle one" }));
    let text = ask(root, "search.grep", json!({ "pattern": ".", "text": "a\n\nb\n" }));
    assert_eq!(text["matches"], 2);
}

#[test]
fn a_link_out_of_the_project_is_not_followed() {
    let folder = project();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("key"), "secret").unwrap();
    symlink(outside.path(), folder.path().join("way-out")).unwrap();
    symlink(outside.path().join("key"), folder.path().join("key")).unwrap();
    for path in ["way-out/key", "key", "docs/../../key"] {
        let refused = call(folder.path(), "fs.read", &json!({ "path": path }));
        assert!(
            matches!(refused, Err(FastError::Open(OpenError::Escapes(_)))),
            "{path}: {refused:?}"
        );
    }
    let found = ask(folder.path(), "search.grep", json!({ "pattern": "secret", "path": "." }));
    assert_eq!(found["matches"], 0);
    // The control: the same file read without the rule is there.
    assert_eq!(fs::read_to_string(folder.path().join("way-out/key")).unwrap(), "secret");
}

#[test]
fn what_cannot_be_read_as_text_says_so_and_does_not_hang() {
    let folder = project();
    let root = folder.path();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let refused = |path: &str| call(root, "fs.read", &json!({ "path": path })).unwrap_err();
    assert!(matches!(refused("pipe"), FastError::Kind { wanted: "file", .. }));
    assert!(matches!(refused("docs"), FastError::Kind { wanted: "file", .. }));
    assert!(matches!(refused("binary"), FastError::Binary(_)));
    assert!(matches!(refused("absent"), FastError::Open(OpenError::Missing(_))));
    let pattern = call(root, "search.grep", &json!({ "pattern": "(", "path": "." })).unwrap_err();
    assert!(matches!(pattern, FastError::Pattern { .. }));
}

#[test]
fn a_long_file_is_cut_at_a_character_and_said_so() {
    let folder = project();
    let length = usize::try_from(TEXT_BYTES).unwrap();
    fs::write(folder.path().join("long"), format!("x{}", "é".repeat(length))).unwrap();
    let read = ask(folder.path(), "fs.read", json!({ "path": "long" }));
    assert_eq!(read["truncated"], true);
    assert_eq!(read["text"].as_str().unwrap().len(), length - 1);
}

#[test]
fn a_state_folder_is_opened_under_no_name() {
    let folder = project();
    for (kept, holds) in [("data/kept", "palisade.db"), ("served", "peer.sock"), (".PALISADE", "x")]
    {
        fs::create_dir_all(folder.path().join(kept).join("keys")).unwrap();
        fs::write(folder.path().join(kept).join(holds), "").unwrap();
        fs::write(folder.path().join(kept).join("keys/token-1.secret"), "canary").unwrap();
    }
    for tool in ["fs.read", "fs.list", "fs.exists", "search.grep", "search.glob"] {
        for path in ["data/kept/keys/token-1.secret", "served", "served/keys", ".PALISADE/keys"] {
            let found = call(folder.path(), tool, &json!({ "path": path, "pattern": "*" }));
            let refused = matches!(found, Err(FastError::Open(OpenError::State(_))));
            assert!(refused, "{tool} {path}: {found:?}");
        }
    }
    let found = || ask(folder.path(), "search.grep", json!({ "path": ".", "pattern": "canary" }));
    assert_eq!(found()["matches"], 0);
    // Control: a folder that holds no state is searched.
    fs::remove_file(folder.path().join("served/peer.sock")).unwrap();
    assert_eq!(found()["matches"], 1);
    let listed = ask(folder.path(), "fs.list", json!({ "path": "served/keys" }));
    assert_eq!(listed["entries"][0]["name"], "token-1.secret");
}

#[test]
fn a_search_looks_only_into_files_it_may_read() {
    let folder = project();
    let found = |deep: Option<u64>| {
        let mut filter = |path: &str| if path.contains("deep") { deep } else { Some(17) };
        let until = Until::default();
        let allowed = Allowed { file: &mut filter, largest: None, until: &until };
        let arguments = json!({ "pattern": "needle", "path": "." });
        fast::call(folder.path(), "search.grep", &arguments, allowed).unwrap()["matches"].clone()
    };
    assert_eq!(found(None), 1);
    assert_eq!(found(Some(22)), 1, "it is larger");
    assert_eq!(found(Some(23)), 3);
}

#[test]
fn a_search_that_did_not_look_at_everything_says_so() {
    let search = |fill: &dyn Fn(&Path)| {
        let folder = tempfile::tempdir().unwrap();
        fill(folder.path());
        ask(folder.path(), "search.grep", json!({ "pattern": "needle", "path": "." }))
    };
    let length = usize::try_from(TEXT_BYTES).unwrap();
    let behind = |bytes: usize| {
        search(&|root| {
            fs::write(root.join("a"), format!("{}\nneedle", "x".repeat(bytes))).unwrap();
        })
    };
    // Control: a file of just the length that is read has all its lines searched.
    let all = behind(length - "\nneedle".len());
    assert_eq!((&all["matches"], &all["truncated"]), (&json!(1), &json!(false)));
    let cut = behind(length);
    assert_eq!((&cut["matches"], &cut["truncated"]), (&json!(0), &json!(true)));

    let long = search(&|root| {
        fs::write(root.join("a"), format!("needle{}", "x".repeat(LINE_BYTES))).unwrap();
    });
    assert_eq!(long["lines"][0]["text"].as_str().unwrap().len(), LINE_BYTES);
    assert_eq!(long["truncated"], true);
    let lines = RESULT_BYTES / LINE_BYTES + 2;
    let much = search(&|root| {
        for part in 0..lines / 100 + 1 {
            let line = format!("needle{}\n", "x".repeat(LINE_BYTES - 6));
            fs::write(root.join(format!("f{part}")), line.repeat(100)).unwrap();
        }
    });
    let shown: usize = much["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["text"].as_str().unwrap().len())
        .sum();
    assert!(shown > RESULT_BYTES && shown <= RESULT_BYTES + LINE_BYTES, "{shown}");
    assert_eq!(much["truncated"], true);
}

/// Every tool, with arguments by which it answers.
fn tools() -> [(&'static str, Value); 6] {
    [
        ("fs.read", json!({ "path": "docs/a.md" })),
        ("fs.list", json!({ "path": "docs" })),
        ("fs.exists", json!({ "path": "docs" })),
        ("search.glob", json!({ "pattern": "**" })),
        ("search.grep", json!({ "pattern": "needle", "path": "." })),
        ("search.grep", json!({ "pattern": "needle", "text": "needle" })),
    ]
}

#[test]
fn a_tool_ends_at_its_deadline_and_when_it_is_stopped() {
    let folder = project();
    let ask = |until: &Until, tool: &str, arguments: &Value| {
        let allowed = Allowed { file: &mut |_| Some(u64::MAX), largest: None, until };
        fast::call(folder.path(), tool, arguments, allowed)
    };
    let now = Instant::now();
    for (tool, arguments) in tools() {
        let late = ask(&Until::new(Some(now)), tool, &arguments);
        assert!(matches!(late, Err(FastError::TimedOut)), "{tool}: {late:?}");
        let early = Until::new(now.checked_add(PATIENCE));
        assert!(ask(&early, tool, &arguments).is_ok(), "{tool}");
        early.stop().stop();
        let stopped = ask(&early, tool, &arguments);
        assert!(matches!(stopped, Err(FastError::Cancelled)), "{tool}: {stopped:?}");
    }
}

#[test]
fn a_search_that_is_stopped_looks_no_further_and_tells_nothing() {
    let folder = project();
    for number in 0..50 {
        fs::write(folder.path().join(format!("docs/{number}.md")), "needle\n").unwrap();
    }
    for (tool, arguments) in tools().into_iter().skip(3).take(2) {
        let asked = |stop_at: Option<usize>| {
            let (mut files, until) = (0, Until::default());
            let stop = until.stop();
            let mut file = |_: &str| {
                files += 1;
                if Some(files) == stop_at {
                    stop.stop();
                }
                Some(u64::MAX)
            };
            let allowed = Allowed { file: &mut file, largest: None, until: &until };
            let found = fast::call(folder.path(), tool, &arguments, allowed);
            (files, matches!(found, Err(FastError::Cancelled)))
        };
        assert_eq!(asked(Some(5)), (5, true), "{tool}");
        assert_eq!(asked(Some(53)), (53, true), "{tool}: at its last file");
        assert_eq!(asked(None), (53, false), "{tool}");
    }
}

/// Files that take minutes to search: one, under many names.
fn endless(project: &Project) {
    let first = project.path().join("0");
    fs::write(&first, "hay\n".repeat(usize::try_from(TEXT_BYTES).unwrap() / 4)).unwrap();
    for number in 1..4_000 {
        fs::hard_link(&first, project.path().join(number.to_string())).unwrap();
    }
}

fn search(timeout: &str) -> String {
    format!(
        "version: 1\nname: search\nsteps:\n  - {{ name: find, tool: search.grep, with: {{ pattern: needle, path: . }}, timeout: {timeout} }}\n"
    )
}

#[test]
fn a_search_of_a_cancelled_run_is_stopped_and_one_that_takes_too_long_times_out() {
    let project = Project::new();
    endless(&project);
    let node = project.node(Doing::Really, Adopt::Nothing);
    let (watcher, events) = channel();
    let run = node.submit(submission(&search("10m"), None), Some(watcher)).unwrap().run;
    while events.recv_timeout(PATIENCE).unwrap().kind() != "step.started" {}
    node.cancel(run, "enough").unwrap();
    until_end(&events, run);
    let (late, _) = to_the_end(&node, &search("50ms"));
    node.stop().unwrap();
    let history = History::open(&project.layout).unwrap();
    let told = |run| {
        let view = history.run(run).unwrap().view;
        (view.summary.state, view.steps[0].state)
    };
    assert_eq!(told(run), (RunState::Cancelled, StepState::Cancelled));
    assert_eq!(told(late), (RunState::Failed, StepState::TimedOut));
    let line = format!("{:?}", history.run(late).unwrap().view.steps[0]);
    assert!(line.contains("longer than allowed"), "{line}");
}

#[test]
fn the_shorter_of_a_steps_time_and_the_decisions_counts() {
    for (step, rule, ended) in [
        ("10m", "50ms", StepState::TimedOut),
        ("50ms", "10m", StepState::TimedOut),
        ("10m", "10m", StepState::Cancelled),
    ] {
        let project = Project::new();
        endless(&project);
        let constraints = format!("action: allow, constraints: {{ timeout: {rule} }}, except");
        let policy = POLICY.replacen("action: allow, except", &constraints, 1);
        assert_ne!(policy, POLICY);
        fs::write(project.layout.policy(), policy).unwrap();
        let node = project.node(Doing::Really, Adopt::Nothing);
        let (watcher, events) = channel();
        let run = node.submit(submission(&search(step), None), Some(watcher)).unwrap().run;
        while events.recv_timeout(PATIENCE).unwrap().kind() != "step.started" {}
        if ended == StepState::Cancelled {
            node.cancel(run, "the control: neither is short").unwrap();
        }
        until_end(&events, run);
        node.stop().unwrap();
        let history = History::open(&project.layout).unwrap();
        assert_eq!(history.run(run).unwrap().view.steps[0].state, ended, "{step} and {rule}");
    }
}

#[test]
fn a_file_larger_than_the_decision_allows_is_not_read() {
    let folder = project();
    let read = |largest| {
        let until = Until::default();
        let allowed = Allowed { file: &mut |_| None, largest: Some(largest), until: &until };
        fast::call(folder.path(), "fs.read", &json!({ "path": "docs/a.md" }), allowed)
    };
    assert!(matches!(read(16), Err(FastError::TooLarge { size: 17, largest: 16, .. })));
    assert!(read(17).is_ok());
}
