//! `palisade run`: a workflow from file to end, on an engine in this process.

use std::sync::Arc;
use std::sync::mpsc::channel;

use runner::{Adopt, Outline, Refusing, Submission, Unanswered};

use super::follow::{self, Followed};
use super::{inputs, workflow};
use crate::arguments::{Global, Run};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;
use crate::session;

pub(crate) fn run(global: &Global, command: &Run) -> Result<Exit, Failure> {
    let (loaded, source) = workflow::load(&command.workflow)?;
    let given = inputs::of(command.inputs_file.as_deref(), &command.inputs, loaded.workflow.inputs.schema())?;
    let workflow = Arc::new(loaded.workflow);
    // Inputs are checked before the project is touched: a typing mistake should leave no trace.
    if let Err(errors) = workflow.check_inputs(&given) {
        return Err(refused(&Refusing::Inputs(errors)));
    }
    let outline = Outline::of(&workflow);
    let (node, layout) = session::start(global, Adopt::Nothing)?;
    let (watcher, events) = channel();
    let submission =
        Submission { workflow, name: source.name, inputs: given, key: command.idempotency_key.clone() };
    let accepted = node.submit(submission, Some(watcher)).map_err(|error| unanswered(&error))?;
    if accepted.existing {
        output::talk(format!("the idempotency key belongs to run {}; nothing was started", accepted.run));
        return follow::tell(&layout, accepted.run, Followed::Ended, global.json);
    }
    if !global.json {
        output::talk(format!("run {} of {} ({} steps)", accepted.run, outline.workflow, outline.steps.len()));
    }
    let progress = Progress::of(&outline, global.json);
    let followed = follow::to_the_end(&node, accepted.run, &events, progress)?;
    let ended = node.stop();
    let exit = follow::tell(&layout, accepted.run, followed, global.json)?;
    ended.map_err(|error| Failure::new(Exit::Failure, "the journal failed").because(error))?;
    Ok(exit)
}

/// Why a request was not answered.
pub(super) fn unanswered(error: &Unanswered) -> Failure {
    match error {
        Unanswered::Refused(refusing) => refused(refusing),
        Unanswered::Journal(_) | Unanswered::Ending => Failure::of(Exit::Failure, error),
    }
}

fn refused(refusing: &Refusing) -> Failure {
    match refusing {
        Refusing::Inputs(errors) => errors.iter().fold(Failure::of(Exit::Usage, refusing), |failure, error| {
            failure.because(match &error.hint {
                Some(hint) => format!("{error} ({hint})"),
                None => error.to_string(),
            })
        }),
        Refusing::NoStep(_) => Failure::of(Exit::NotFound, refusing),
        Refusing::KeyTaken(_) | Refusing::NothingToRetry | Refusing::Rejected(_) => {
            Failure::of(Exit::Conflict, refusing)
        }
    }
}
