//! `palisade sandbox`: what isolation there is, and one command in it, through the gate like everything else.
//! There is no way around the policy here: a command no rule allows is denied.

use std::sync::Arc;

use runner::document::Source;
use runner::executor::Stream;
use runner::history::{History, RunHistory};
use runner::{Adopt, RunState, StepState, Submission, doctor, workflow};
use serde_json::{Value, json};

use super::doctor::table;
use super::follow::{self, Followed, Following};
use super::run::unanswered;
use super::stopped::Stopped;
use crate::arguments::{Exec, Global, Sandbox};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, printable};
use crate::progress::Progress;
use crate::session;

/// Name of the one step of a command run by itself.
const STEP: &str = "command";
/// The tool that runs it.
const TOOL: &str = "exec.run";

pub(crate) fn run(global: &Global, command: &Sandbox) -> Result<Exit, Failure> {
    match command {
        Sandbox::Probe => probe(global),
        Sandbox::Sweep => sweep(global),
        Sandbox::Exec(wanted) => exec(global, wanted),
    }
}

fn probe(global: &Global) -> Result<Exit, Failure> {
    let layers = doctor::isolation();
    if global.json {
        output::json(&layers);
    } else {
        table(&layers);
    }
    let whole = layers.iter().all(|layer| layer.health != doctor::Health::Bad);
    Ok(if whole { Exit::Ok } else { Exit::Failure })
}

/// Takes away what killed processes left; what belongs to a living one is not touched.
fn sweep(global: &Global) -> Result<Exit, Failure> {
    let swept = doctor::sweep();
    if global.json {
        output::json(&swept);
    } else {
        let doctor::Swept { groups, processes, containers, left } = &swept;
        output::line(format!(
            "removed {groups} groups with {processes} processes, and {containers} containers"
        ));
        for one in left {
            output::talk(format!("left: {}", printable(one)));
        }
    }
    Ok(if swept.left.is_empty() { Exit::Ok } else { Exit::Failure })
}

/// A workflow of one step, so that the command is decided, recorded and sandboxed like any other.
fn document(wanted: &Exec) -> String {
    // JSON is YAML; where an argument would begin an expression, the expression is that text.
    let plain = |item: &String| item.replace("${{", "${{ '${{' }}");
    let argv: Vec<String> = wanted.command.iter().map(plain).collect();
    let hosts: Vec<String> = wanted.hosts.iter().map(plain).collect();
    let mut sandbox = serde_json::Map::new();
    let texts = [
        ("template", &wanted.template),
        ("profile", &wanted.profile),
        ("driver", &wanted.driver),
        ("image", &wanted.image),
        ("changes", &wanted.changes),
    ];
    for (name, value) in texts {
        sandbox.extend(value.iter().map(|value| (name.to_owned(), json!(value))));
    }
    for (name, list) in [("hosts", &hosts), ("allow_gaps", &wanted.allow_gaps)] {
        if !list.is_empty() {
            sandbox.insert(name.to_owned(), json!(list));
        }
    }
    // Hosts have one profile; whoever names another is told so.
    if !hosts.is_empty() && wanted.profile.is_none() && wanted.template.is_none() {
        sandbox.insert("profile".to_owned(), json!("standard-net"));
    }
    let mut step = json!({ "name": STEP, "run": argv, "sandbox": sandbox });
    if let (None, Some(step)) = (&wanted.template, step.as_object_mut()) {
        step.insert("timeout".to_owned(), json!("1h"));
    }
    json!({ "version": 1, "name": "sandbox-exec", "steps": [step] }).to_string()
}

fn exec(global: &Global, wanted: &Exec) -> Result<Exit, Failure> {
    let text = document(wanted);
    let source = Source { name: "command line".to_owned(), text };
    let loaded = workflow::load(&source).map_err(|findings| {
        let failure = Failure::new(Exit::Usage, "the command cannot be run")
            .fix("`palisade help sandbox exec`");
        findings.iter().fold(failure, |failure, finding| {
            failure.because(match &finding.hint {
                Some(hint) => format!("{} ({hint})", finding.message),
                None => finding.message.clone(),
            })
        })
    })?;
    let (node, layout) = session::start(global, Adopt::Nothing)?;
    let (watcher, events) = follow::events();
    let workflow = Arc::new(loaded.workflow);
    let (inputs, key, agent) = (Value::Null, None, None);
    let submission = Submission { workflow, name: source.name, inputs, key, agent };
    let run = node.submit(submission, Some(watcher)).map_err(|error| unanswered(&error))?.run;
    let followed = Following { node, layout: &layout, run, events }.follow(Progress::Quiet)?;
    let (history, told) = follow::told(&layout, run)?;
    tell(global, &history, &told, wanted.receipt)?;
    Ok(match (followed, told.view.steps.first().map(|step| step.state)) {
        (Followed::Interrupted | Followed::Left, _) => Exit::Interrupted,
        (_, Some(StepState::Denied)) => Exit::Denied,
        _ if told.view.summary.state == RunState::Succeeded => Exit::Ok,
        _ => Exit::RunFailed,
    })
}

/// Passes on what the command printed, and how it ended.
fn tell(
    global: &Global,
    history: &History,
    told: &RunHistory,
    receipt: bool,
) -> Result<(), Failure> {
    let body = told.recorded.receipts.values().last().filter(|_| receipt);
    if global.json {
        let unheld = told.recorded.without_sandbox;
        output::json(&json!({ "run": told.view, "receipt": body, "unsafe": unheld }));
        return Ok(());
    }
    for piece in history.logs(told.view.summary.id, None) {
        let piece = piece.map_err(|error| session::history_failure(&error))?;
        match piece.stream {
            Stream::Stdout => output::stream(&piece.bytes()),
            Stream::Stderr => output::error_stream(&piece.bytes()),
        }
    }
    if let Some(body) = body {
        output::json(body);
    }
    let Some(step) = told.view.steps.first() else { return Ok(()) };
    if step.state != StepState::Succeeded {
        let (run, state) = (told.view.summary.id, step.state);
        let (by, line) = (step.stopped_by.as_ref(), step.line.as_deref());
        let stopped = Stopped { tool: TOOL, run, state, by, line };
        output::failure(&stopped.failure(global), false);
    }
    Ok(())
}
