//! How a run ended, told to a person or a machine, and what the shell sees of it.
//! It follows nothing: the run has ended, or was left, when this is asked.

use runner::history::{History, RunHistory};
use runner::{Layout, RunId, RunState, StepState, StepView, audit};

use super::follow::{Followed, told};
use crate::arguments::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Tone, elapsed, guard, paint, printable};
use crate::session;

/// Records that are verified at the end of a run at least, where there are so many; about a tenth of a second.
const VERIFIED_RECORDS: u64 = 100_000;
/// Lines shown of what a failed step printed last.
const TAIL_LINES: usize = 3;
/// Bytes looked at to find them.
const TAIL_BYTES: usize = 4 * 1024;

/// Prints how a run ended: id, artifacts, time, and the line of the journal that proves it.
///
/// # Errors
/// When the journal cannot be read or does not verify.
pub(super) fn tell(
    global: &Global,
    layout: &Layout,
    run: RunId,
    followed: Followed,
) -> Result<Exit, Failure> {
    let (history, told) = told(layout, run)?;
    let verified = audit::verify(layout, scope(&history, run)?);
    if global.json {
        let audit = verified.as_ref().ok().map(|found| {
            serde_json::json!({ "records": found.records, "first": found.first, "last": found.last })
        });
        output::json_line(&serde_json::json!({
            "type": "result",
            "run": told.view,
            "audit": audit,
            "unsafe": told.recorded.without_sandbox,
        }));
    } else {
        print(&history, &told);
        if let Ok(found) = &verified {
            output::line(format!(
                "audit     {} verified, sequence {} to {}",
                output::count(found.records, "record"),
                found.first,
                found.last
            ));
        }
        advise(global, &told);
    }
    if let Err(error) = verified {
        return Err(super::audit::verification_failure(&error));
    }
    Ok(match (followed, told.view.summary.state) {
        (Followed::Interrupted | Followed::Left, _) => Exit::Interrupted,
        (_, RunState::Succeeded) => Exit::Ok,
        (_, RunState::Cancelled) => Exit::RunCancelled,
        _ => Exit::RunFailed,
    })
}

/// What is verified at the end of a run: everything, or of a long journal its tail with the whole run in it, so that
/// a run does not take longer the more was recorded before it.
fn scope(history: &History, run: RunId) -> Result<audit::Scope, Failure> {
    let failed = |error: audit::ReadError| session::history_failure(&error.into());
    let (reader, log) = (history.reader(), history.log());
    let first = reader.by_stream(log, &run.0, 0, 1).map_err(failed)?;
    let last = reader.head(log).map_err(failed)?.map_or(0, |head| head.sequence);
    let begun = first.first().map_or(1, |record| record.header.sequence);
    let range = match last {
        0..=VERIFIED_RECORDS => audit::Range::Whole,
        last => audit::Range::Tail((last.saturating_sub(begun) + 1).max(VERIFIED_RECORDS)),
    };
    Ok(audit::Scope { range, ..audit::Scope::whole() })
}

fn print(history: &History, told: &RunHistory) {
    let summary = &told.view.summary;
    let took = summary.finished.map(|end| format!(" in {}", elapsed(end.0 - summary.submitted.0)));
    let tone = if summary.state == RunState::Succeeded { Tone::Good } else { Tone::Bad };
    let state = paint(summary.state.name(), tone);
    let took = took.unwrap_or_default();
    output::line(format!(
        "run       {} {} {state}{took}",
        summary.id,
        printable(&summary.workflow)
    ));
    if told.recorded.without_sandbox {
        output::line(paint(session::UNSAFE_WARNING, Tone::Bad));
    }
    if let Some(failure) = &summary.failure {
        output::line(format!("failure   {}", printable(failure)));
    }
    let steps = &told.view.steps;
    let width = steps.iter().map(|step| step.name.chars().count()).max().unwrap_or(0);
    for step in steps {
        one(history, told, step, width);
    }
}

/// What there is to say of one step: what stopped it, how it failed, what it left.
fn one(history: &History, told: &RunHistory, step: &StepView, width: usize) {
    let name = &step.name;
    if let Some(by) = &step.stopped_by {
        output::line(format!("stopped   {name:<width$}  by {}", guard(by)));
    } else if matches!(step.state, StepState::Failed | StepState::TimedOut | StepState::Unknown) {
        let state = step.state.name();
        let line = step.line.as_deref().unwrap_or_default();
        let why = line.strip_prefix(state).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(line);
        output::line(format!("{state:<9} {name:<width$}  {}", printable(why)));
        for line in tail(history, told.view.summary.id, name) {
            output::line(format!("          | {}", printable(&line)));
        }
    }
    if let Some(note) = remark(step) {
        output::line(format!("note      {name:<width$}  {note}"));
    }
    for file in step.result.iter().flat_map(|result| &result.artifacts) {
        let (path, size) = (printable(&file.path), bytes(file.size));
        output::line(format!("artifact  {path}  {size}  sha256:{}", file.digest));
    }
}

/// What there is to know of a step that ended well, such as what it left and was not kept.
pub(super) fn remark(step: &StepView) -> Option<String> {
    let message = step.result.as_ref()?.message.as_deref()?;
    (step.state == StepState::Succeeded).then(|| printable(message))
}

/// The last lines a step printed on standard error, or on standard output where it printed nothing there.
fn tail(history: &History, run: RunId, step: &str) -> Vec<String> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    for piece in history.logs(run, Some(step.to_owned())).filter_map(Result::ok) {
        let kept: &mut Vec<u8> = match piece.stream {
            runner::executor::Stream::Stdout => &mut stdout,
            runner::executor::Stream::Stderr => &mut stderr,
        };
        kept.extend(piece.bytes());
        let past = kept.len().saturating_sub(TAIL_BYTES);
        drop(kept.drain(..past));
    }
    let shown = if stderr.is_empty() { stdout } else { stderr };
    let text = String::from_utf8_lossy(&shown);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines
        .iter()
        .skip(lines.len().saturating_sub(TAIL_LINES))
        .map(|line| (*line).to_owned())
        .collect()
}

/// What a person can do next.
fn advise(global: &Global, told: &RunHistory) {
    let (command, id) = (session::again(global), told.view.summary.id);
    if let Some(how) = approve(global, told) {
        output::talk(how);
    }
    match settle(global, told) {
        Some(how) => output::talk(how),
        None if told.view.summary.state == RunState::Succeeded => {
            output::talk(format!("next: {command} runs show {id}"))
        }
        None if told.view.summary.state.is_final() => {
            let became = told.view.summary.state.name();
            let failure = Failure::new(Exit::RunFailed, format!("run `{id}` {became}"));
            output::failure(&failure.fix(fix(&command, told)), false)
        }
        None => {
            output::talk(format!("it has not ended; `{command} runs resume {id}` goes on with it"))
        }
    }
}

/// What helps with a run that did not succeed.
fn fix(command: &str, told: &RunHistory) -> String {
    let id = told.view.summary.id;
    let denied = told.view.steps.iter().find(|step| step.state == StepState::Denied);
    match denied {
        Some(_) => format!(
            "the policy has to allow what was denied: `{command} audit search --run {id} --type call.decided` lists the \
             calls, `{command} policy explain --record SEQUENCE` says what each rule wants"
        ),
        None => format!(
            "`{command} runs show {id}` says more; `{command} runs retry {id}` does failed steps again"
        ),
    }
}

/// How to answer the open requests of a run; `None` where there are none.
pub(super) fn approve(global: &Global, told: &RunHistory) -> Option<String> {
    let command = session::again(global);
    let open = told.view.steps.iter().filter(|step| step.state == StepState::AwaitingApproval);
    let lines: Vec<String> = open
        .filter_map(|step| Some((&step.name, step.review.as_ref()?.request.id)))
        .map(|(name, id)| {
            format!("  {command} approval show {id}      what step {name} would do\n  {command} approval approve {id}")
        })
        .collect();
    (!lines.is_empty()).then(|| format!("it waits for an approval:\n{}", lines.join("\n")))
}

/// How to settle the steps of a run whose outcome is unknown; `None` where there are none.
pub(super) fn settle(global: &Global, told: &RunHistory) -> Option<String> {
    let (command, id) = (session::again(global), told.view.summary.id);
    let unknown = told.view.steps.iter().filter(|step| step.state == StepState::Unknown);
    let lines: Vec<String> = unknown
        .map(|step| format!("  {command} runs retry {id} --step {}   does it again", step.name))
        .collect();
    if lines.is_empty() {
        return None;
    }
    Some(format!(
        "a step that must not be repeated was interrupted; look whether its effect happened, then settle it:\n{}\n  \
         {command} runs cancel {id}   gives the run up",
        lines.join("\n")
    ))
}

/// A number of bytes with a unit a person would choose.
pub(super) fn bytes(count: u64) -> String {
    match count {
        0..1024 => format!("{count} B"),
        1024..1_048_576 => format!("{} KiB", count.div_ceil(1024)),
        _ => format!("{} MiB", count.div_ceil(1_048_576)),
    }
}
