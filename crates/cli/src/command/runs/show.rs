//! `palisade runs show`: one run, step by step, with what stopped what.

use runner::history::RunHistory;
use runner::{RunState, StepState, StepView};

use super::guard;
use crate::arguments::Global;
use crate::command::follow;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Table, Tone, elapsed, instant, paint};
use crate::session;

pub(super) fn run(global: &Global, run: Option<&str>, receipt: bool) -> Result<Exit, Failure> {
    let (history, layout) = session::history(global)?;
    let id = session::run(&history, run)?;
    let told = history.run(id).map_err(|error| session::history_failure(&error))?;
    if global.json {
        let receipts: Vec<_> = told
            .recorded
            .receipts
            .iter()
            .filter(|_| receipt)
            .map(|((step, attempt), body)| serde_json::json!({ "step": step, "attempt": attempt, "receipt": body }))
            .collect();
        output::json(&serde_json::json!({ "run": told.view, "receipts": receipts }));
        return Ok(Exit::Ok);
    }
    heading(&told);
    steps(&told.view.steps);
    details(&told.view.steps);
    if receipt {
        for ((step, attempt), body) in &told.recorded.receipts {
            output::line(format!("\nreceipt of {step}, attempt {attempt}"));
            output::json(body);
        }
    }
    let summary = &told.view.summary;
    if !summary.state.is_final() && !owned(&layout.control()) {
        output::talk(format!("interrupted: no process works on it; `palisade runs resume {}` goes on", summary.id));
    }
    Ok(Exit::Ok)
}

/// Whether some process owns the project now.
fn owned(socket: &std::path::Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket).is_ok()
}

fn heading(told: &RunHistory) {
    let summary = &told.view.summary;
    let tone = match summary.state {
        RunState::Succeeded => Tone::Good,
        RunState::Failed | RunState::Cancelled => Tone::Bad,
        RunState::Queued | RunState::Running | RunState::Waiting => Tone::Busy,
    };
    output::line(format!("run        {}", summary.id));
    output::line(format!("workflow   {} (sha256:{})", summary.workflow, summary.digest));
    output::line(format!("state      {}", paint(summary.state.name(), tone)));
    output::line(format!("submitted  {} by {}", instant(summary.submitted.0), summary.principal));
    if let Some(finished) = summary.finished {
        output::line(format!("took       {}", elapsed(finished.0 - summary.submitted.0)));
    }
    if let Some(failure) = &summary.failure {
        output::line(format!("failure    {}", output::printable(failure)));
    }
    if told.view.inputs.as_object().is_some_and(|inputs| !inputs.is_empty()) {
        output::line(format!("inputs     {}", told.view.inputs));
    }
    if told.view.outputs.as_object().is_some_and(|outputs| !outputs.is_empty()) {
        output::line(format!("outputs    {}", told.view.outputs));
    }
}

fn steps(steps: &[StepView]) {
    let mut table = Table::new(&["step", "state", "attempt", "took", "what"]);
    for step in steps {
        let took = match (step.started, step.finished) {
            (Some(from), Some(to)) => elapsed(to.0 - from.0),
            _ => String::new(),
        };
        let line = if step.state == StepState::Succeeded { String::new() } else { step.line.clone().unwrap_or_default() };
        table.row([
            step.name.to_string(),
            step.state.name().to_owned(),
            if step.attempt == 0 { String::new() } else { step.attempt.to_string() },
            took,
            output::printable(&line),
        ]);
    }
    output::line(format!("\n{}", table.render()));
}

/// What stopped steps, and what they left.
fn details(steps: &[StepView]) {
    let stopped: Vec<_> = steps.iter().filter_map(|step| Some((&step.name, step.stopped_by.as_ref()?))).collect();
    if !stopped.is_empty() {
        output::line("\nstopped by");
        for (name, by) in stopped {
            output::line(format!("  {name}: {}", guard(by)));
        }
    }
    let kept: Vec<_> = steps
        .iter()
        .flat_map(|step| step.result.iter().flat_map(|result| &result.artifacts).map(move |file| (&step.name, file)))
        .collect();
    if !kept.is_empty() {
        output::line("\nartifacts");
        for (name, file) in kept {
            let size = follow::bytes(file.size);
            output::line(format!("  {}  {size}  sha256:{}  from {name}", file.path, file.digest));
        }
    }
}
