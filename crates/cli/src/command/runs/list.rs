//! `palisade runs list`: the latest runs of the project.
//! It reads one view and folds nothing; `show` has the details.

use runner::RunSummary;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Table, elapsed, instant};
use crate::session;

/// A run, and whether a part of it ran without a sandbox.
#[derive(serde::Serialize)]
struct Listed {
    #[serde(flatten)]
    run: RunSummary,
    #[serde(rename = "unsafe", skip_serializing_if = "std::ops::Not::not")]
    unheld: bool,
}

pub(super) fn run(global: &Global, limit: usize, state: Option<&str>) -> Result<Exit, Failure> {
    let (history, _) = session::history(global)?;
    let wanted = |run: &RunSummary| state.is_none_or(|state| run.state.name() == state);
    let runs = history.runs(limit, wanted).map_err(|error| session::history_failure(&error))?;
    let mut listed = Vec::with_capacity(runs.len());
    for run in runs {
        let unheld = history.is_unsafe(run.id).map_err(|error| session::history_failure(&error))?;
        listed.push(Listed { run, unheld });
    }
    if global.json {
        output::json(&listed);
        return Ok(Exit::Ok);
    }
    if listed.is_empty() {
        output::talk("no runs");
        return Ok(Exit::Ok);
    }
    let mut table =
        Table::new(&["run", "workflow", "state", "submitted", "took", "steps", "failure"])
            .spare(["steps", "failure"]);
    for Listed { run, unheld } in &listed {
        let took = run.finished.map_or_else(String::new, |end| elapsed(end.0 - run.submitted.0));
        table.row([
            run.id.to_string(),
            output::printable(&run.workflow),
            format!("{}{}", run.state.name(), if *unheld { " UNSAFE" } else { "" }),
            instant(run.submitted.0),
            took,
            run.counts.total.to_string(),
            output::printable(run.failure.as_deref().unwrap_or_default()),
        ]);
    }
    output::line(table.render());
    Ok(Exit::Ok)
}
