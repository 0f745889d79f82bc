//! `palisade runs`: what happened, and acting on it. One file per command.
//! The end of a run is told in `command::ending`, for all of them alike.

mod beside;
mod cancel;
mod explain;
mod list;
mod logs;
mod resume;
mod show;
mod watch;

pub(super) use beside::letter;

use super::ticket;
use crate::arguments::{Global, Runs};
use crate::exit::Exit;
use crate::failure::Failure;

pub(crate) fn run(global: &Global, command: Runs) -> Result<Exit, Failure> {
    match command {
        Runs::List { limit, state } => list::run(global, limit, state.as_deref()),
        Runs::Show { run, receipt } => show::run(global, run.as_deref(), receipt),
        Runs::Watch { run } => watch::run(global, run.as_deref()),
        Runs::Logs { run, step } => logs::run(global, run.as_deref(), step),
        Runs::Explain { run } => explain::run(global, run.as_deref()),
        Runs::Cancel { run, reason } => cancel::run(global, &run, &reason),
        Runs::Retry { run, step, ticket } => {
            resume::retry(global, &run, step.as_deref(), ticket::presented(&ticket)?)
        }
        Runs::Resume { run, detach } => resume::resume(global, run.as_deref(), detach),
    }
}
