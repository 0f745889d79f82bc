//! What a change of the policy looks like, what it needs, and what came of it.
//! Calls on record come first; calls that nobody made yet are shown where the new policy lets them through.

use std::path::Path;

use runner::amendment::Amendment;
use runner::history::History;
use runner::policy::Shift;
use runner::{Layout, RunId, StepState};
use serde_json::{Value, json};

use super::{name, value};
use crate::arguments::{Apply, Global};
use crate::command::policy::compare;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, guard, printable};
use crate::session;

/// Most lines shown of calls that nobody made yet.
const MADE_UP_SHOWN: usize = 20;

/// The policy is what it would become.
pub(super) fn same(global: &Global, file: &Path) -> Exit {
    let file = printable(&file.display().to_string());
    if global.json {
        output::json(&json!({ "file": file, "needs": "nothing" }));
    } else {
        output::line(format!("{file} says exactly this already; nothing changes"));
    }
    Exit::Ok
}

/// Every line that changes, and the counts.
pub(super) fn change(amendment: &Amendment) {
    let mut table = compare::table();
    let recorded = &amendment.recorded;
    for line in &recorded.changed {
        table.row(compare::row(line));
    }
    for line in amendment.made_up.iter().take(MADE_UP_SHOWN) {
        let [change, _, rest @ ..] = compare::row(line);
        let [call, before, after, by] = rest;
        table.row([change, "made up".to_owned(), call, before, after, by]);
    }
    if !(recorded.changed.is_empty() && amendment.made_up.is_empty()) {
        output::line(format!("{}\n", table.render()));
    }
    let more = amendment.made_up.len().saturating_sub(MADE_UP_SHOWN);
    if more > 0 {
        output::line(format!("and {more} more made up calls that would be let through"));
    }
    let count = |shift| recorded.count(shift);
    output::line(format!("tests     {} passed", amendment.tests));
    output::line(format!(
        "calls     {} recorded, {} decided differently: {} BREAKING, {} WIDENING, {} narrowing",
        recorded.compared,
        recorded.changed.len(),
        count(Shift::Breaking),
        count(Shift::Widening),
        count(Shift::Narrowing),
    ));
    if !amendment.made_up.is_empty() {
        let calls = match amendment.made_up.len() {
            1 => "1 call that nobody made yet".to_owned(),
            several => format!("{several} calls that nobody made yet"),
        };
        output::line(format!("made up   {calls} would be let through more easily"));
    }
    output::line(format!("policy    sha256:{}", amendment.policy));
    output::line(format!("replaces  sha256:{}", amendment.replaces));
}

/// What it takes, in one word for scripts.
fn word(amendment: &Amendment, command: &Apply) -> &'static str {
    match (amendment.widens(), command.agent.is_some(), amendment.phrase()) {
        (true, ..) => "second_person",
        (false, true, _) => "approval",
        (false, false, Some(_)) => "phrase",
        (false, false, None) => "confirmation",
    }
}

/// What it takes, for a person.
pub(super) fn needs(amendment: &Amendment, command: &Apply) {
    let told = match word(amendment, command) {
        "second_person" => "another person's approval, because it allows more or cannot be shown to allow nothing more".to_owned(),
        "approval" => "somebody else's approval, because an agent asks".to_owned(),
        _ => "your own confirmation, unless the policy in force asks for more".to_owned(),
    };
    output::line(format!("needs     {told}"));
    if let Some(phrase) = amendment.phrase() {
        output::line(format!(
            "          and the phrase `{phrase}`, because so many would be denied"
        ));
    }
}

/// The same for scripts.
pub(super) fn told(amendment: &Amendment, command: &Apply, stands: Option<Value>) -> Value {
    value(amendment, word(amendment, command), stands)
}

/// How the call stands or ended.
pub(super) fn outcome(
    global: &Global,
    (amendment, command): (&Amendment, &Apply),
    layout: &Layout,
    run: RunId,
) -> Result<Exit, Failure> {
    let history = History::open(layout).and_then(|history| history.run(run));
    let view = history.map_err(|error| session::history_failure(&error))?.view;
    let Some(step) = view.steps.first() else {
        return Err(Failure::new(Exit::Failure, format!("run `{run}` has no step")));
    };
    let approval = step.review.as_ref().map(|review| review.request.id);
    if global.json {
        let stands = json!({ "run": run, "state": step.state, "approval": approval });
        output::json(&told(amendment, command, Some(stands)));
    } else {
        let again = session::again(global);
        match (step.state, &step.stopped_by, approval) {
            (StepState::Succeeded, ..) => {
                output::line(format!("done      {} is in force", name(&command.file)));
            }
            (StepState::AwaitingApproval, _, Some(id)) => {
                output::line(format!("waits     for approval {id}"));
                output::talk(format!(
                    "somebody else: {again} approval show {id}\nthen: {again} approval approve {id}"
                ));
                if !session::owned(layout) {
                    output::talk(format!("and: {again} runs resume {run}"));
                }
            }
            (_, Some(by), _) => output::line(format!("stopped   by {}", guard(by))),
            (state, None, _) => {
                let line = step.line.as_deref().unwrap_or_else(|| state.name());
                output::line(format!("{:<9} {}", state.name(), printable(line)));
            }
        }
        match step.state {
            StepState::Succeeded => {}
            StepState::Denied | StepState::Failed | StepState::AwaitingApproval => {
                output::talk("the policy is what it was");
            }
            _ => output::talk(
                "whether the file was replaced is said by the file, and by the next start",
            ),
        }
    }
    Ok(match step.state {
        StepState::Succeeded => Exit::Ok,
        StepState::Denied => Exit::Denied,
        StepState::Cancelled => Exit::RunCancelled,
        _ => Exit::RunFailed,
    })
}
