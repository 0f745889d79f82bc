//! `palisade runs explain`: why unfinished steps wait, from the code that makes them wait.
//! It gives no advice: what holds a step is the engine's answer, word for word.

use crate::arguments::Global;
use crate::command::ending;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::session;

pub(super) fn run(global: &Global, run: Option<&str>) -> Result<Exit, Failure> {
    let (history, _) = session::history(global)?;
    let id = session::run(&history, run)?;
    let told = history.run(id).map_err(|error| session::history_failure(&error))?;
    session::warn_of(&told);
    let Some(explanation) = told.explain(runner::now()) else {
        return Err(Failure::new(Exit::Failure, format!("run `{id}` cannot be explained"))
            .because("its records do not say where it stands")
            .fix("`palisade audit verify` checks them"));
    };
    if global.json {
        output::json(&explanation);
        return Ok(Exit::Ok);
    }
    output::line(format!("run {id}: {}", explanation.state.name()));
    if let Some(failure) = &explanation.failure {
        output::line(format!("because {}", output::printable(failure)));
    }
    for step in &told.view.steps {
        if let Some(by) = &step.stopped_by {
            output::line(format!("  {}: {}", step.name, output::guard(by)));
        }
    }
    if explanation.steps.is_empty() {
        output::line("no step waits");
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["step", "why", "last"]);
    for step in &explanation.steps {
        table.row([
            step.step.to_string(),
            output::printable(&step.line),
            output::printable(step.last.as_deref().unwrap_or_default()),
        ]);
    }
    output::line(table.render());
    if let Some(how) = ending::approve(global, &told) {
        output::talk(format!("\n{how}"));
    }
    if let Some(how) = ending::settle(global, &told) {
        output::talk(format!("\n{how}"));
    }
    Ok(Exit::Ok)
}
