//! A node from start to stop: runs, cancellation, keys, recovery, and the views derived from its records.
//! Programs really run where a test says `Really`; elsewhere only the records are of interest.

use std::fs;
use std::sync::mpsc::channel;

use crate::support::{PATIENCE, Project, submission, to_the_end, until_end};
use runner::gate::Principals;
use runner::history::History;
use runner::peer::{Client, ClientError, Code};
use runner::{Adopt, Doing, Fact, OpenError, RunState, StartError, StepState, Unanswered, audit};
use serde_json::json;

const THREE: &str = "
version: 1
name: three
steps:
  - { name: a, run: [\"true\"] }
  - { name: b, needs: [a], run: [\"true\"] }
  - { name: denied, run: [curl] }
";

/// One step that waits for ever, so that it can be stopped.
const ENDLESS: &str = "
version: 1
name: endless
steps:
  - { name: wait, shell: \"while true; do read line || exec tail -f /dev/null; done\", timeout: 10m }
";

const ONCE: &str = "
version: 1
name: once
steps:
  - { name: wait, idempotent: false, shell: \"exec tail -f /dev/null\", timeout: 10m }
";

#[test]
fn a_decision_is_recorded_before_its_effect_and_the_outcome_after() {
    let project = Project::new();
    let node = project.node(Doing::Really, Adopt::Nothing);
    let (run, _) =
        to_the_end(&node, "version: 1\nname: one\nsteps:\n  - { name: say, shell: echo said }\n");
    node.stop().unwrap();
    let history = History::open(&project.layout).unwrap();
    let records = history.reader().by_stream(history.log(), &run.0, 0, 100).unwrap();
    let kinds: Vec<&str> = records.iter().map(|record| &*record.header.kind).collect();
    let place = |kind: &str| {
        kinds.iter().position(|found| *found == kind).unwrap_or_else(|| panic!("{kind}: {kinds:?}"))
    };
    assert!(place("run.submitted") < place("step.started"));
    assert!(place("step.started") < place("step.log"));
    assert!(place("step.receipt") < place("step.finished"));
    assert!(place("step.finished") < place("run.finished"));
    let printed: Vec<u8> =
        history.logs(run, None).flat_map(|piece| piece.unwrap().bytes()).collect();
    assert_eq!(printed, b"said\n");
}

#[test]
fn history_tells_what_stopped_a_step() {
    let project = Project::new();
    let node = project.node(Doing::Nothing, Adopt::Nothing);
    let (run, _) = to_the_end(&node, THREE);
    node.stop().unwrap();
    let told = History::open(&project.layout).unwrap().run(run).unwrap();
    assert_eq!(told.view.summary.state, RunState::Failed);
    let denied = told.view.steps.iter().find(|step| &*step.name == "denied").unwrap();
    assert_eq!(denied.state, StepState::Denied);
    assert_eq!(&*denied.stopped_by.as_ref().unwrap().name, "no-curl");
}

#[test]
fn a_second_owner_is_refused_and_the_first_goes_on() {
    let project = Project::new();
    let node = project.node(Doing::Nothing, Adopt::Nothing);
    let in_force = project.in_force();
    // Only the owner draws keys: one that a second process put there would not be the one the first marks with.
    let key = project.layout.keys().join("redaction.key");
    fs::remove_file(&key).unwrap();
    let second = runner::Node::start(runner::Options {
        layout: project.layout.clone(),
        principal: crate::support::user(),
        policy: (in_force.policy, in_force.source),
        principals: Principals::default(),
        policy_file: None,
        extension: None,
        home: None,
        program: None,
        configuration: Vec::new(),
        slots: 1,
        redaction: runner::secrecy::Redaction::default(),
        journal_most: None,
        landlock_floor: 1,
        doing: Doing::Nothing,
        adopt: Adopt::Nothing,
        watcher: None,
    });
    assert!(matches!(second, Err(StartError::Journal(OpenError::Busy { .. }))));
    assert!(!key.exists());
    to_the_end(&node, THREE);
    node.stop().unwrap();
    project.node(Doing::Nothing, Adopt::Nothing).stop().unwrap();
    assert!(key.exists(), "control: an owner draws one");
}

#[test]
fn a_key_runs_its_work_once_also_across_restarts() {
    let project = Project::new();
    let submit = |text: &str| {
        let node = project.node(Doing::Nothing, Adopt::Nothing);
        let (watcher, events) = channel();
        let accepted = node.submit(submission(text, Some("key-1")), Some(watcher));
        if let Ok(accepted) = &accepted
            && !accepted.existing
        {
            until_end(&events, accepted.run);
        }
        let again = node.submit(submission(text, Some("key-1")), None);
        node.stop().unwrap();
        (accepted, again)
    };
    let (first, again) = submit(THREE);
    let first = first.unwrap();
    assert!(!first.existing);
    assert_eq!(again.unwrap().run, first.run);
    let (later, _) = submit(THREE);
    let later = later.unwrap();
    assert!(later.existing && later.run == first.run);
    let (other, _) = submit("version: 1\nname: other\nsteps:\n  - { name: a, run: [\"true\"] }\n");
    assert!(
        matches!(other, Err(Unanswered::Refused(runner::Refusing::KeyTaken(run))) if run == first.run)
    );
    assert_eq!(History::open(&project.layout).unwrap().runs(10, |_| true).unwrap().len(), 1);
}

#[test]
fn another_process_cancels_through_the_peer_socket() {
    let project = Project::new();
    let node = project.node(Doing::Really, Adopt::Nothing);
    let (watcher, events) = channel();
    let run = node.submit(submission(ENDLESS, None), Some(watcher)).unwrap().run;
    let mut client = Client::connect(&project.layout.peer()).unwrap();
    let asked = json!({ "run": run, "reason": "enough" });
    assert_eq!(client.request("run.cancel", asked.clone()).unwrap()["cancel"], "requested");
    let seen = until_end(&events, run);
    assert!(seen.iter().any(|event| matches!(&event.fact, Fact::RunCancelRequested { reason, .. } if &**reason == "enough")));
    let again = client.request("run.cancel", asked).unwrap_err();
    assert!(matches!(again, ClientError::Refused(fault) if fault.code == Code::Conflict));
    node.stop().unwrap();
    let told = History::open(&project.layout).unwrap().run(run).unwrap();
    assert_eq!(told.view.summary.state, RunState::Cancelled);
    assert!(
        matches!(Client::connect(&project.layout.peer()), Err(ClientError::NoOwner)),
        "nobody owns the project now"
    );
}

/// Starts a run, waits until its step runs, and lets the node go without ending the run.
fn interrupted(project: &Project, text: &str) -> runner::RunId {
    let node = project.node(Doing::Really, Adopt::Nothing);
    let (watcher, events) = channel();
    let run = node.submit(submission(text, None), Some(watcher)).unwrap().run;
    loop {
        let event = events.recv_timeout(PATIENCE).unwrap();
        if matches!(event.fact, Fact::StepStarted { .. }) {
            break;
        }
    }
    node.stop().unwrap();
    run
}

#[test]
fn an_interrupted_step_is_done_again_with_a_new_fence() {
    let project = Project::new();
    let run = interrupted(&project, ENDLESS);
    let (watcher, events) = channel();
    let node = project.node_watched(Doing::Nothing, Adopt::Runs(vec![run]), Some((run, watcher)));
    until_end(&events, run);
    node.stop().unwrap();
    let told = History::open(&project.layout).unwrap().run(run).unwrap();
    assert_eq!(told.view.summary.state, RunState::Succeeded);
    assert_eq!(told.view.steps[0].attempt, 2);
}

#[test]
fn an_interrupted_step_that_must_not_repeat_waits_for_a_person() {
    let project = Project::new();
    let run = interrupted(&project, ONCE);
    let (watcher, events) = channel();
    let node = project.node_watched(Doing::Nothing, Adopt::Runs(vec![run]), Some((run, watcher)));
    let unknown = std::iter::from_fn(|| events.recv_timeout(PATIENCE).ok())
        .any(|event| matches!(event.fact, Fact::StepOutcomeUnknown { .. }));
    assert!(unknown);
    let told = History::open(&project.layout).unwrap().run(run).unwrap();
    assert_eq!((told.view.summary.state, told.view.steps[0].attempt), (RunState::Waiting, 1));
    node.retry(run, Some("wait"), Vec::new()).unwrap();
    until_end(&events, run);
    node.stop().unwrap();
}

#[test]
fn views_are_what_the_records_say_byte_for_byte() {
    let project = Project::new();
    let node = project.node(Doing::Nothing, Adopt::Nothing);
    let (run, _) = to_the_end(&node, THREE);
    node.submit(submission(THREE, Some("k")), None).unwrap();
    node.stop().unwrap();
    let (watcher, events) = channel();
    let node = project.node_watched(Doing::Nothing, Adopt::Runs(vec![run]), Some((run, watcher)));
    node.retry(run, None, Vec::new()).unwrap();
    until_end(&events, run);
    node.stop().unwrap();
    let interrupted = interrupted(&project, ENDLESS);
    let rebuilt = audit::rebuild(&project.layout).unwrap();
    for view in &rebuilt.views {
        assert!(view.is_identical(), "{view:?}");
    }
    assert!(rebuilt.views.iter().any(|view| view.rows > 0));
    assert!(History::open(&project.layout).unwrap().open_runs().unwrap().contains(&interrupted));
    audit::verify(&project.layout, audit::Scope::whole()).unwrap();
}

#[test]
fn an_answer_to_a_repeated_submission_waits_until_the_first_is_durable() {
    let project = Project::new();
    let node = project.node(Doing::Nothing, Adopt::Nothing);
    for round in 0..40 {
        let key = format!("key-{round}");
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let accepted = node.submit(submission(THREE, Some(&key)), None).unwrap();
                    let history = History::open(&project.layout).unwrap();
                    let found = history.summary(accepted.run).unwrap();
                    assert!(found.is_some(), "answered before it was durable");
                });
            }
        });
    }
    node.stop().unwrap();
}
