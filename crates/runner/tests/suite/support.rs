//! A project in a temporary folder, with a policy, and nodes started on it.
//! Nothing is asserted here.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use runner::document::Source;
use runner::gate::{self, Gate, Principal, Principals};
use runner::policy::{self, InForce};
use runner::workflow::{self, Loaded};
use runner::{Adopt, Doing, Event, Layout, Node, Options, RunId, Submission, owner};
use serde_json::Value;

/// Longest wait for an event; only a hang takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A policy that allows everything the tests do, except what they want denied.
pub(crate) const POLICY: &str = r#"
version: 1
name: test
rules:
  - { name: read, match: { tool: ["fs.*", "search.*"] }, action: allow, except: [ { path_glob: ["secret/**"] } ] }
  - { name: run, match: { tool: ["exec.*"] }, action: allow }
  - { name: no-curl, match: { tool: exec.run, args: { program: curl } }, action: deny, reason: not here }
  - { name: ask-rm, match: { tool: exec.run, args: { program: rm } }, action: require_review, reason: dangerous }
"#;

/// A project folder.
pub(crate) struct Project {
    /// Kept so that the folder lives as long as the project.
    _folder: tempfile::TempDir,
    pub(crate) layout: Layout,
}

impl Project {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::of(folder.path()).unwrap();
        layout.create().unwrap();
        std::fs::write(layout.policy(), POLICY).unwrap();
        Self { _folder: folder, layout }
    }

    pub(crate) fn path(&self) -> &Path {
        self.layout.project()
    }

    pub(crate) fn in_force(&self) -> InForce {
        policy::load(Some(&self.layout.policy())).unwrap()
    }

    pub(crate) fn gate(&self) -> Gate {
        let home = Some(self.path().join("home"));
        Gate::new(
            self.path().to_path_buf(),
            home,
            self.in_force().policy,
            gate::catalogue().unwrap(),
        )
        .unwrap()
    }

    pub(crate) fn node(&self, doing: Doing, adopt: Adopt) -> Node {
        self.node_watched(doing, adopt, None)
    }

    pub(crate) fn node_watched(
        &self,
        doing: Doing,
        adopt: Adopt,
        watcher: Option<(RunId, std::sync::mpsc::Sender<Event>)>,
    ) -> Node {
        let in_force = self.in_force();
        Node::start(Options {
            layout: self.layout.clone(),
            principal: user(),
            policy: (in_force.policy, in_force.source),
            principals: Principals::default(),
            policy_file: Some(self.layout.policy()),
            extension: None,
            home: None,
            program: None,
            configuration: Vec::new(),
            slots: 4,
            redaction: runner::secrecy::Redaction::default(),
            journal_most: None,
            landlock_floor: 1,
            doing,
            adopt,
            watcher,
        })
        .unwrap()
    }
}

/// The principal of every test.
pub(crate) fn user() -> Principal {
    Principal::recorded("user:tester")
}

/// A workflow from its text.
pub(crate) fn load(text: &str) -> Loaded {
    let source = Source { name: "test.yaml".to_owned(), text: text.to_owned() };
    workflow::load(&source).unwrap_or_else(|findings| panic!("{findings:#?}"))
}

/// A submission of a workflow.
pub(crate) fn submission(text: &str, key: Option<&str>) -> Submission {
    Submission {
        workflow: Arc::new(load(text).workflow),
        name: "test.yaml".to_owned(),
        inputs: Value::Null,
        key: key.map(str::to_owned),
        agent: None,
    }
}

/// Runs a workflow to its end; the run and its events.
pub(crate) fn to_the_end(node: &Node, text: &str) -> (RunId, Vec<Event>) {
    let (watcher, events) = channel();
    let run = node.submit(submission(text, None), Some(watcher)).unwrap().run;
    (run, until_end(&events, run))
}

/// Every event of `run` up to its end.
pub(crate) fn until_end(events: &Receiver<Event>, run: RunId) -> Vec<Event> {
    let mut seen = Vec::new();
    loop {
        let event = events.recv_timeout(PATIENCE).expect("the run should end");
        let last = event.run == run && owner::ends_run(&event);
        seen.push(event);
        if last {
            return seen;
        }
    }
}

/// Says why something could not be tried here, so that nobody takes it for tried.
pub(crate) fn not_tried(what: &str, why: &str) {
    eprintln!("NOT TRIED: {what}: {why}");
}
