//! Changes of the policy that were interrupted: the file says what came of them.
//!
//! It holds the new policy: the change took place. It still holds the old one: it did not, and has to be asked for
//! anew. It holds anything else: somebody changed it by hand meanwhile, and a person has to say what counts.

use std::path::Path;

use engine::run::{Fact, RunId};

use super::replace::{Wanted, stands};
use crate::call::document;
use crate::gate;
use crate::history::{History, HistoryError, Recorded};
use crate::node::Adopt;
use crate::owner::{Owner, Turn};
use crate::{tool, workflow};

/// `adopt` with every change of the policy that had begun and has no end.
pub(crate) fn also(adopt: Adopt, history: &History) -> Result<Adopt, HistoryError> {
    let mut runs = match adopt {
        Adopt::Nothing => Vec::new(),
        Adopt::Runs(runs) => runs,
    };
    for run in history.open_runs()? {
        let name = history.summary(run)?.map(|summary| summary.workflow);
        let named = name.as_deref().and_then(document::tool).is_some_and(tool::is_deed);
        if named && !runs.contains(&run) && began(&history.recorded(run)?) {
            runs.push(run);
        }
    }
    Ok(if runs.is_empty() { Adopt::Nothing } else { Adopt::Runs(runs) })
}

/// Whether it is a deed, as its document and not only its name says, that had begun when nothing more was recorded.
fn began(recorded: &Recorded) -> bool {
    let plan = workflow::recorded(&recorded.document);
    let deed = plan.is_some_and(|plan| workflow::deeds(plan.workflow()).next().is_some());
    deed && recorded.events.last().is_some_and(|event| {
        matches!(event.fact, Fact::StepStarted { .. } | Fact::StepOutcomeUnknown { .. })
    })
}

/// Settles what the file can settle; the runs of what stays unknown.
///
/// # Errors
/// What contradicts itself, in words.
pub(crate) fn settle(
    owner: &mut Owner,
    file: Option<&Path>,
    turn: &mut Turn,
) -> Result<Vec<RunId>, String> {
    let (mut left, doubts) = (Vec::new(), owner.in_doubt());
    if doubts.is_empty() {
        return Ok(left);
    }
    let catalogue = gate::catalogue().map_err(|error| error.to_string())?;
    // A file that cannot be read says nothing.
    let found = file.and_then(|file| Some((file, stands(file, &catalogue).ok()?)));
    for doubt in doubts {
        let wanted = Wanted::of(&doubt.arguments);
        let found = found.filter(|(file, _)| file.display().to_string() == wanted.file);
        let done = match (found, wanted.replaces, wanted.policy) {
            (Some((_, found)), Some(before), Some(after)) if found == after => {
                Some((before, after))
            }
            (Some((_, found)), Some(before), Some(_)) if found == before => None,
            _ => {
                left.push(doubt.run);
                continue;
            }
        };
        owner.settle_deed(&doubt, done, turn).map_err(|error| error.to_string())?;
    }
    Ok(left)
}
