//! `palisade sandbox`: what isolation there is, and one command in it, through the gate like everything else.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::channel;

use runner::document::Source;
use runner::executor::Stream;
use runner::{Adopt, Layout, RunId, StepState, Submission, doctor, workflow};
use serde_json::{Value, json};

use super::doctor::table;
use super::follow;
use super::run::unanswered;
use super::runs::guard;
use crate::arguments::{Global, Sandbox};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;
use crate::session;

/// Name of the one step of a command run by itself.
const STEP: &str = "command";

pub(crate) fn run(global: &Global, command: &Sandbox) -> Result<Exit, Failure> {
    match command {
        Sandbox::Probe => probe(global),
        Sandbox::Exec { profile, receipt, command } => exec(global, profile, *receipt, command),
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

/// A workflow of one step, so that the command is decided, recorded and sandboxed like any other.
fn exec(global: &Global, profile: &str, receipt: bool, command: &[String]) -> Result<Exit, Failure> {
    // JSON is YAML; `$` is doubled where it would begin an expression.
    let argv: Vec<String> = command.iter().map(|item| item.replace("${{", "${{ '${{' }}")).collect();
    let step = json!({ "name": STEP, "run": argv, "sandbox": { "profile": profile }, "timeout": "1h" });
    let text = json!({ "version": 1, "name": "sandbox-exec", "steps": [step] }).to_string();
    let source = Source { name: "command line".to_owned(), text };
    let loaded = workflow::load(&source).map_err(|findings| {
        let findings = findings.iter().map(ToString::to_string).collect();
        Failure::new(Exit::Usage, "the command cannot be run").findings(findings)
    })?;
    let (node, layout) = session::start(global, Adopt::Nothing)?;
    let (watcher, events) = channel();
    let submission = Submission {
        workflow: Arc::new(loaded.workflow),
        name: source.name,
        inputs: Value::Null,
        key: None,
    };
    let run = node.submit(submission, Some(watcher)).map_err(|error| unanswered(&error))?.run;
    follow::to_the_end(&node, run, &events, Progress::Quiet)?;
    node.stop().map_err(|error| Failure::new(Exit::Failure, "the journal failed").because(error))?;
    tell(global, &layout, run, receipt)
}

/// Passes on what the command printed, and how it ended.
fn tell(global: &Global, layout: &Layout, run: RunId, receipt: bool) -> Result<Exit, Failure> {
    let history = runner::history::History::open(layout).map_err(|error| session::history_failure(&error))?;
    let told = history.run(run).map_err(|error| session::history_failure(&error))?;
    let receipts: Vec<&Value> = told.recorded.receipts.values().collect();
    if global.json {
        let receipt = receipts.last().filter(|_| receipt);
        output::json(&json!({ "run": told.view, "receipt": receipt }));
    } else {
        for piece in history.logs(run, None) {
            let piece = piece.map_err(|error| session::history_failure(&error))?;
            match piece.stream {
                Stream::Stdout => output::bytes(&piece.bytes()),
                // Nobody listens on standard error any more: the exit code still tells.
                Stream::Stderr => drop(io::stderr().lock().write_all(&piece.bytes())),
            }
        }
        if let Some(body) = receipts.last().filter(|_| receipt) {
            output::json(body);
        }
    }
    let Some(step) = told.view.steps.first() else { return Ok(Exit::Failure) };
    if let Some(by) = &step.stopped_by {
        output::talk(format!("stopped by {}", guard(by)));
    } else if step.state != StepState::Succeeded {
        output::talk(step.line.clone().unwrap_or_default());
    }
    Ok(match step.state {
        StepState::Succeeded => Exit::Ok,
        StepState::Denied => Exit::Denied,
        StepState::Cancelled => Exit::Interrupted,
        _ => Exit::RunFailed,
    })
}
