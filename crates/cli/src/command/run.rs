//! `palisade run`: a workflow from file to end, on an engine in this process.
//! What happens on the way is shown by `follow`; how it ended is told by `ending`.

use std::sync::Arc;

use runner::{Adopt, Outline, Refusing, Submission, Unanswered, check_key};
use serde_json::json;

use super::follow::{self, Followed, Following, Until};
use super::{ending, inputs, ticket, workflow};
use crate::arguments::{Global, Run};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, printable};
use crate::progress::Progress;
use crate::session;

pub(crate) fn run(global: &Global, command: &Run) -> Result<Exit, Failure> {
    let (loaded, source) = workflow::load(&command.workflow)?;
    let schema = &loaded.workflow.inputs;
    let read = |name: &str, text: &str| schema.read_text(name, text);
    let given = inputs::of(command.inputs_file.as_deref(), ("-i", &command.inputs), read)?;
    // Inputs are checked before the project is touched: a typing mistake should leave no trace.
    if let Err(errors) = loaded.workflow.check_inputs(&given) {
        return Err(refused(&Refusing::Inputs(errors)));
    }
    let key = command.idempotency_key.clone();
    if let Some(Err(refusing)) = key.as_deref().map(check_key) {
        return Err(refused(&refusing));
    }
    let workflow = Arc::new(loaded.workflow);
    let outline = Outline::of(&workflow);
    let agent = match &command.agent {
        Some(id) => Some(session::agent(global, id)?),
        None => None,
    };
    let tickets = ticket::presented(&command.ticket)?;
    let (node, layout) = session::start(global, Adopt::Nothing)?;
    let (watcher, events) = follow::events();
    let submission = Submission { workflow, name: source.name, inputs: given, key, agent };
    let accepted =
        node.submit_with(submission, Some(watcher), tickets).map_err(|error| unanswered(&error))?;
    let run = accepted.run;
    if global.json {
        let existing = accepted.existing;
        output::json_line(&json!({ "type": "accepted", "run": run, "existing": existing }));
    }
    if accepted.existing {
        output::talk(format!("the idempotency key belongs to run {run}; nothing was started"));
        return ending::tell(global, &layout, run, Followed::Ended);
    }
    if !global.json {
        let count = output::count(outline.steps.len(), "step");
        output::talk(format!("run {run} of {} ({count})", printable(&outline.workflow)));
    }
    let progress = Progress::of(&outline, global.json);
    let until = if command.detach { Until::Waits } else { Until::Ends };
    let following = Following { node, layout: &layout, run, events };
    let followed = following.follow_until(until, progress)?;
    ending::tell(global, &layout, run, followed)
}

/// Why a request was not answered.
pub(super) fn unanswered(error: &Unanswered) -> Failure {
    match error {
        Unanswered::Refused(refusing) => refused(refusing),
        Unanswered::Full => Failure::of(Exit::Failure, error)
            .fix("make room on the disk, or `palisade journal archive`, and repeat it"),
        Unanswered::AtSize => Failure::of(Exit::Failure, error)
            .fix("`palisade journal archive --max-size SIZE` with half of that size, or raise `journal.max_size`, and repeat it; `palisade doctor` has the numbers"),
        Unanswered::Journal(_) | Unanswered::Ending => Failure::of(Exit::Failure, error)
            .fix("make room for the journal and repeat the command; `palisade runs list` says what was begun"),
    }
}

fn refused(refusing: &Refusing) -> Failure {
    match refusing {
        Refusing::Inputs(errors) => errors
            .iter()
            .fold(Failure::of(Exit::Usage, refusing), |failure, error| {
                failure.because(match &error.hint {
                    Some(hint) => format!("{error} ({hint})"),
                    None => error.to_string(),
                })
            })
            .fix("give inputs with `-i name=value` or `-f FILE`; the workflow's `inputs:` says which"),
        Refusing::Deed(_) => Failure::of(Exit::Usage, refusing).fix("`palisade tool list` says what asks for it"),
        Refusing::Key => Failure::of(Exit::Usage, refusing)
            .fix("give another key, such as a digest of what it stands for"),
        Refusing::Actions(why) => ticket::unstarted(why),
        Refusing::NoStep(_) => Failure::of(Exit::NotFound, refusing).fix("`palisade runs show` lists the steps"),
        Refusing::KeyTaken(_) => {
            Failure::of(Exit::Conflict, refusing).fix("use another key, or the same workflow and inputs")
        }
        Refusing::NothingToRetry | Refusing::Agent(_) | Refusing::Rejected(_) => {
            Failure::of(Exit::Conflict, refusing).fix("`palisade runs show` says how its steps stand")
        }
    }
}
