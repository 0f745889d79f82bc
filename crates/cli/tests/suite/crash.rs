//! `kill -9` at many moments of a run, and what is there afterwards.
//!
//! The steps act on a folder outside the project: each execution leaves a line, and the effect is a folder named by the
//! key, which like any receiver of keyed requests takes each key once and at once. The moments are lines of the progress, or the middle of a step that waits for a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Project, Ran, Running, state, wait_for, workflow};

/// Steps of the workflow that may be repeated, and the one that may not.
const REPEATABLE: [&str; 3] = ["first", "left", "last"];
const ONCE: &str = "once";
/// Lines a run that nobody disturbs prints at least: one when it begins, two for each step.
const LINES: usize = 9;

/// A project whose workflow acts on a ledger outside it.
struct Ledger {
    project: Project,
}

impl Ledger {
    fn new() -> Self {
        let project = Project::new();
        let ledger = project.outside().display().to_string();
        // A middle that a test can hold open: the step goes on as soon as nobody holds it.
        let act = "echo \\\"$PALISADE_STEP $PALISADE_IDEMPOTENCY_KEY\\\" >> /ledger/executions; \
                   mkdir \\\"/ledger/effect-$PALISADE_IDEMPOTENCY_KEY\\\" 2>/dev/null || :; \
                   while [ -e /ledger/hold-$PALISADE_STEP ]; do sleep 0.01; done; echo \\\"$PALISADE_STEP done\\\"";
        let step = |name: &str, more: &str| {
            format!(
                "  - name: {name}\n    shell: \"{act}\"\n    mounts: [{{ source: {ledger}, target: /ledger, readonly: false }}]\n{more}"
            )
        };
        let steps = [
            step("first", ""),
            step("left", "    needs: [first]\n"),
            step(ONCE, "    needs: [first]\n    idempotent: false\n"),
            step("last", "    needs: [left, once]\n"),
        ];
        project
            .file("ledger.yaml", format!("version: 1\nname: ledger\nsteps:\n{}", steps.concat()));
        Self { project }
    }

    fn start(&self) -> Running {
        Running::start(&mut self.project.command(&["run", "ledger.yaml"]))
    }

    /// Every execution that began: the step and its key.
    fn begun(&self) -> Vec<(String, String)> {
        let path = self.project.outside().join("executions");
        let text = fs::read_to_string(path).unwrap_or_default();
        let pair =
            |line: &str| line.split_once(' ').map(|(step, key)| (step.to_owned(), key.to_owned()));
        text.lines().map(|line| pair(line).unwrap()).collect()
    }

    /// The steps whose effect has happened, one for each effect.
    fn effects(&self) -> Vec<String> {
        let steps: BTreeMap<String, String> =
            self.begun().into_iter().map(|(step, key)| (key, step)).collect();
        let entries = fs::read_dir(self.project.outside()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut effects: Vec<String> =
            names.filter_map(|name| Some(steps[name.strip_prefix("effect-")?].clone())).collect();
        effects.sort();
        effects
    }

    /// Waits until the effect of `step` has happened.
    #[track_caller]
    fn wait_for_effect(&self, step: &str) {
        wait_for("the effect", || self.effects().iter().any(|name| name == step));
    }

    fn hold(&self, step: &str) -> PathBuf {
        let path = self.project.outside().join(format!("hold-{step}"));
        fs::write(&path, "").unwrap();
        path
    }

    fn executions(&self, step: &str) -> usize {
        self.begun().iter().filter(|(name, _)| name == step).count()
    }

    /// What must hold whatever happened: a key belongs to one step, and a step has one key however often it is done.
    #[track_caller]
    fn keeps_keys(&self) {
        let pairs: BTreeSet<(String, String)> = self.begun().into_iter().collect();
        let steps: BTreeSet<&String> = pairs.iter().map(|(step, _)| step).collect();
        let keys: BTreeSet<&String> = pairs.iter().map(|(_, key)| key).collect();
        assert_eq!((steps.len(), keys.len()), (pairs.len(), pairs.len()), "{pairs:?}");
    }

    fn shown(&self) -> Value {
        self.project.palisade(&["runs", "show", "--json"]).exits(0).json()["run"].clone()
    }

    fn resume(&self) -> Ran {
        self.project.palisade(&["runs", "resume"])
    }
}

/// What a killed run had acknowledged: steps reported as succeeded, on lines that were read.
fn acknowledged(lines: &[String]) -> Vec<&str> {
    let ended = |line: &&String| line.contains(" succeeded ");
    lines.iter().filter(ended).filter_map(|line| line.split_whitespace().next()).collect()
}

/// Goes on with a killed run until it has succeeded, as a person would, and checks what happened on the way.
fn recover(ledger: &Ledger, lines: &[String]) {
    ledger.project.verifies();
    let shown = ledger.shown();
    for step in acknowledged(lines) {
        assert_eq!(state(&shown, step), "succeeded", "an acknowledged step is lost: {lines:?}");
    }
    let before = ledger.executions(ONCE);
    assert!(before <= 1);
    let ended = shown["state"] == "succeeded";
    let ran = ledger.resume();
    if ended {
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stderr.contains("no run is interrupted"), "{ran:?}");
    }
    let shown = ledger.shown();
    if state(&shown, ONCE) == "unknown" {
        // It may have begun: nobody repeats it but a person, who is told how.
        assert_eq!((ran.code, shown["state"].as_str()), (10, Some("waiting")), "{ran:?}");
        assert_eq!(ledger.executions(ONCE), before, "repeated by itself");
        let how = format!("runs retry {} --step {ONCE}", shown["id"].as_str().unwrap());
        for told in [
            &ran,
            &ledger.project.palisade(&["runs", "show"]),
            &ledger.project.palisade(&["runs", "explain"]),
        ] {
            assert!(told.stderr.contains(&how), "{told:?}");
        }
        let id = shown["id"].as_str().unwrap();
        ledger.project.palisade(&["runs", "retry", id, "--step", ONCE]).exits(0);
    } else {
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    let shown = ledger.shown();
    assert_eq!(shown["state"], "succeeded");
    ledger.keeps_keys();
    let mut all: Vec<&str> = REPEATABLE.into_iter().chain([ONCE]).collect();
    all.sort_unstable();
    assert_eq!(ledger.effects(), all, "every step had its effect, and none had it twice");
    ledger.project.verifies();
}

/// Kills a run after so many lines of its progress, and goes on with it.
fn kill_after(lines: usize) {
    let ledger = Ledger::new();
    let mut running = ledger.start();
    let read: Vec<String> = (0..lines).map_while(|_| running.line()).collect();
    running.kill();
    recover(&ledger, &read);
}

#[test]
fn killed_after_any_line_of_progress_a_run_goes_on_and_repeats_nothing() {
    // Three times each: what the other threads do at that moment is never the same.
    for lines in (1..=LINES).cycle().take(3 * LINES) {
        kill_after(lines);
    }
}

#[test]
fn a_step_killed_in_its_middle_is_repeated_under_the_same_key() {
    let ledger = Ledger::new();
    let held = ledger.hold("left");
    let running = ledger.start();
    ledger.wait_for_effect("left");
    wait_for("the other branch", || state_of(&ledger, ONCE) == "succeeded");
    running.kill();
    fs::remove_file(held).unwrap();
    recover(&ledger, &[]);
    assert_eq!((ledger.executions("left"), ledger.executions(ONCE)), (2, 1));
}

#[test]
fn a_step_that_must_not_be_repeated_is_unknown_until_a_person_settles_it() {
    let ledger = Ledger::new();
    let held = ledger.hold(ONCE);
    let running = ledger.start();
    ledger.wait_for_effect(ONCE);
    wait_for("the other branch", || state_of(&ledger, "left") == "succeeded");
    running.kill();
    fs::remove_file(held).unwrap();
    // Resuming more than once changes nothing.
    for _ in 0..2 {
        ledger.resume().exits(10);
        assert_eq!(state(&ledger.shown(), ONCE), "unknown");
        assert_eq!(state(&ledger.shown(), "last"), "pending");
        assert_eq!(ledger.executions(ONCE), 1);
    }
    recover(&ledger, &[]);
    // The person's repetition has the same key, so the effect happened once all the same.
    assert_eq!(ledger.executions(ONCE), 2);
}

#[test]
fn a_waiting_run_can_be_given_up() {
    let ledger = Ledger::new();
    let held = ledger.hold(ONCE);
    let running = ledger.start();
    ledger.wait_for_effect(ONCE);
    running.kill();
    fs::remove_file(held).unwrap();
    ledger.resume().exits(10);
    let id = ledger.shown()["id"].as_str().unwrap().to_owned();
    ledger.project.palisade(&["runs", "cancel", &id]).exits(0);
    assert_eq!(ledger.shown()["state"], "cancelled");
    assert_eq!(ledger.executions(ONCE), 1);
    ledger.project.verifies();
}

#[test]
fn nothing_of_a_killed_run_lives_on() {
    let ledger = Ledger::new();
    let held = ledger.hold("first");
    let mut running = ledger.start();
    running.until("started");
    wait_for("the effect", || ledger.executions("first") == 1);
    let id = ledger.shown()["id"].as_str().unwrap().to_owned();
    assert!(lives(&id), "the control: a step that runs is found");
    running.kill();
    wait_for("the end of what the killed process ran", || !lives(&id));
    fs::remove_file(held).unwrap();
    recover(&ledger, &[]);
}

#[test]
fn several_interrupted_runs_go_on_and_an_interrupt_stops_the_one_that_runs() {
    let project = Project::new();
    project.file("waits.yaml", workflow("  - { name: waits, run: [sleep, \"600\"] }\n"));
    for _ in 0..3 {
        let mut running = Running::start(&mut project.command(&["run", "waits.yaml"]));
        running.until("started");
        running.kill();
    }
    let states = |project: &Project| -> Vec<String> {
        let listed = project.palisade(&["runs", "list", "--json"]).exits(0).json();
        let runs = listed.as_array().unwrap().iter().rev();
        runs.map(|run| run["state"].as_str().unwrap().to_owned()).collect()
    };
    let cancelled =
        |project: &Project| states(project).iter().filter(|state| *state == "cancelled").count();
    // The first is cancelled by another process and the second by a signal; the third stays as it is.
    let mut resumed = Running::start(&mut project.command(&["runs", "resume"]));
    resumed.until("started: attempt 2");
    let first =
        project.palisade(&["runs", "list", "--json"]).json()[2]["id"].as_str().unwrap().to_owned();
    project.palisade(&["runs", "cancel", &first]).exits(0);
    resumed.until("started: attempt 2");
    resumed.signal("INT");
    let ran = resumed.end().exits(130);
    assert_eq!(ran.stdout.matches("cancelled by").count(), 2, "{ran:?}");
    assert_eq!(states(&project), ["cancelled", "cancelled", "running"]);
    // Cancelling a run that nobody works on takes it up only to end it.
    let third = project.latest()["id"].as_str().unwrap().to_owned();
    project.palisade(&["runs", "cancel", &third]).exits(0);
    assert_eq!(cancelled(&project), 3);
    project.palisade(&["runs", "resume"]).exits(0);
    project.verifies();
}

/// Whether a process lives that was started for the run.
fn lives(run: &str) -> bool {
    let wanted = format!("PALISADE_RUN={run}");
    fs::read_dir("/proc").unwrap().filter_map(Result::ok).any(|entry| {
        // A process that ends meanwhile, or belongs to somebody else, cannot be read.
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    })
}

fn state_of(ledger: &Ledger, step: &str) -> String {
    state(&ledger.shown(), step).to_owned()
}
