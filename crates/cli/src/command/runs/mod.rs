//! `palisade runs`: what happened, and acting on it. One file per command.

mod cancel;
mod explain;
mod list;
mod logs;
mod resume;
mod show;
mod watch;

use runner::{Guard, StoppedBy};

use crate::arguments::{Global, Runs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

pub(crate) fn run(global: &Global, command: Runs) -> Result<Exit, Failure> {
    match command {
        Runs::List { limit, state } => list::run(global, limit, state.as_deref()),
        Runs::Show { run, receipt } => show::run(global, run.as_deref(), receipt),
        Runs::Watch { run } => watch::run(global, run.as_deref()),
        Runs::Logs { run, step } => logs::run(global, run.as_deref(), step),
        Runs::Explain { run } => explain::run(global, run.as_deref()),
        Runs::Cancel { run, reason } => cancel::run(global, &run, &reason),
        Runs::Retry { run, step } => resume::retry(global, &run, step.as_deref()),
        Runs::Resume { run } => resume::resume(global, run.as_deref()),
    }
}

/// What stopped a step, in one line: which kind of guard, which one, why.
pub(super) fn guard(by: &StoppedBy) -> String {
    let kind = match by.kind {
        Guard::Policy => "policy rule",
        Guard::Isolation => "isolation layer",
        Guard::Limit => "limit",
    };
    let detail = output::printable(&by.detail);
    if detail.is_empty() { format!("{kind} `{}`", by.name) } else { format!("{kind} `{}`: {detail}", by.name) }
}
