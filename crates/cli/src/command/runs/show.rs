//! `palisade runs show`: one run, step by step, with what stopped what.
//! It is folded from the run's records each time; a run that goes on is shown as it stands.

use super::beside;
use runner::history::{Missed, RunHistory, approvals_of};
use runner::{Guard, RunState, StepState, StepView};

use crate::arguments::Global;
use crate::command::ending;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Table, Tone, elapsed, guard, instant, paint, printable};
use crate::session;

/// Characters of an input or output that are shown to people.
const SHOWN_CHARACTERS: usize = 200;
/// Inputs, and outputs, that are shown to people.
const SHOWN_VALUES: usize = 20;

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
        let recorded = &told.recorded;
        output::json(&serde_json::json!({
            "run": told.view,
            "receipts": receipts,
            "unsafe": recorded.without_sandbox,
            "egress": recorded.reached,
            "changes": recorded.changes,
            "merges": recorded.merges,
            "approvals": approvals_of(&recorded.events, runner::now()),
        }));
        return Ok(Exit::Ok);
    }
    heading(&told);
    steps(&told.view.steps);
    stopped(&told.view.steps, &history.missed(id), &session::again(global));
    details(&told.view.steps);
    approvals(&told);
    beside::tell(&told, &layout);
    if receipt {
        for ((step, attempt), body) in &told.recorded.receipts {
            output::line(format!("\nreceipt of {step}, attempt {attempt}"));
            output::json(body);
        }
    }
    advise(global, &told, session::owned(&layout));
    Ok(Exit::Ok)
}

/// What a person can do about a run that has not ended; `owned` says whether a process works on the project.
fn advise(global: &Global, told: &RunHistory, owned: bool) {
    let (state, id) = (told.view.summary.state, told.view.summary.id);
    if let Some(how) = ending::approve(global, told) {
        output::talk(format!("\n{how}"));
    }
    if state.is_final() || owned {
        return;
    }
    let command = session::again(global);
    // What is not settled by a person goes on by itself once a process works on the run again.
    match ending::settle(global, told).filter(|_| state == RunState::Waiting) {
        Some(how) => output::talk(format!("\n{how}")),
        None => output::talk(format!(
            "\ninterrupted: no process works on it; `{command} runs resume {id}` goes on"
        )),
    }
}

fn heading(told: &RunHistory) {
    let summary = &told.view.summary;
    let tone = match summary.state {
        RunState::Succeeded => Tone::Good,
        RunState::Failed | RunState::Cancelled => Tone::Bad,
        RunState::Queued | RunState::Running | RunState::Waiting => Tone::Busy,
    };
    output::line(format!("run        {}", summary.id));
    output::line(format!(
        "workflow   {} (sha256:{})",
        printable(&summary.workflow),
        summary.digest
    ));
    output::line(format!("state      {}", paint(summary.state.name(), tone)));
    if told.recorded.without_sandbox {
        output::line(paint(session::UNSAFE_WARNING, Tone::Bad));
    }
    let starter = told.recorded.submission.started_by.as_deref();
    let behalf = starter.map(|by| format!(", started by {by}")).unwrap_or_default();
    let by = printable(&format!("{}{behalf}", summary.principal));
    output::line(format!("submitted  {} by {by}", instant(summary.submitted.0)));
    if let Some(finished) = summary.finished {
        output::line(format!("took       {}", elapsed(finished.0 - summary.submitted.0)));
    }
    if let Some(failure) = &summary.failure {
        output::line(format!("failure    {}", printable(failure)));
    }
    values("inputs", &told.view.inputs);
    values("outputs", &told.view.outputs);
}

/// Inputs or outputs, a line for each; of a long one only its beginning.
fn values(title: &str, values: &serde_json::Value) {
    let Some(values) = values.as_object() else { return };
    let mut title = title;
    for (name, value) in values.iter().take(SHOWN_VALUES) {
        output::line(format!("{title:<10} {}", printable(&beginning(name, &value.to_string()))));
        title = "";
    }
    let more = values.len().saturating_sub(SHOWN_VALUES);
    if more > 0 {
        output::line(format!("{title:<10} … ({more} more; `--json` has all of them)"));
    }
}

fn beginning(name: &str, value: &str) -> String {
    let name: String = name.chars().take(SHOWN_CHARACTERS).collect();
    match value.char_indices().nth(SHOWN_CHARACTERS) {
        None => format!("{name}: {value}"),
        Some((end, _)) => {
            let start = value.get(..end).unwrap_or_default();
            let all = ending::bytes(value.len() as u64);
            format!("{name}: {start}… ({all}; `--json` has all of it)")
        }
    }
}

fn steps(steps: &[StepView]) {
    let mut table = Table::new(&["step", "state", "attempt", "took", "what"]);
    for step in steps {
        let took = match (step.started, step.finished) {
            (Some(from), Some(to)) => elapsed(to.0 - from.0),
            _ => String::new(),
        };
        let line = match step.state {
            StepState::Succeeded => ending::remark(step).unwrap_or_default(),
            _ => printable(step.line.as_deref().unwrap_or_default()),
        };
        table.row([
            step.name.to_string(),
            step.state.name().to_owned(),
            if step.attempt == 0 { String::new() } else { step.attempt.to_string() },
            took,
            line,
        ]);
    }
    output::line(format!("\n{}", table.render()));
}

/// What steps asked approvals for, and what became of it.
fn approvals(told: &RunHistory) {
    let asked = approvals_of(&told.recorded.events, runner::now());
    if asked.is_empty() {
        return;
    }
    output::line("\napprovals");
    for one in asked {
        let given: Vec<&str> = one.answers.iter().map(|answer| &*answer.by).collect();
        let by = if given.is_empty() { String::new() } else { format!(" by {}", given.join(", ")) };
        let why = one.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let (id, step, state) = (one.request.id, &one.request.subject.step, one.state.name());
        output::line(printable(&format!("  {id}  {step}: {state}{by}{why}")));
    }
}

/// What stopped steps, and what came nearest to allowing what no rule allows.
fn stopped(steps: &[StepView], missed: &[Missed], again: &str) {
    let stopped: Vec<_> =
        steps.iter().filter_map(|step| Some((&step.name, step.stopped_by.as_ref()?))).collect();
    if !stopped.is_empty() {
        output::line("\nstopped by");
        for (name, by) in stopped {
            output::line(format!("  {name}: {}", guard(by)));
            let denied = by.kind == Guard::Policy;
            if let Some(near) = missed.iter().find(|near| denied && *near.step == **name) {
                output::missed(near, again)
                    .iter()
                    .for_each(|line| output::line(format!("    {line}")));
            }
        }
    }
}

/// What steps left.
fn details(steps: &[StepView]) {
    let kept: Vec<_> = steps
        .iter()
        .flat_map(|step| {
            step.result
                .iter()
                .flat_map(|result| &result.artifacts)
                .map(move |file| (&step.name, file))
        })
        .collect();
    if !kept.is_empty() {
        output::line("\nartifacts");
        for (name, file) in kept {
            let (path, size) = (printable(&file.path), ending::bytes(file.size));
            output::line(format!("  {path}  {size}  sha256:{}  from {name}", file.digest));
        }
    }
}
