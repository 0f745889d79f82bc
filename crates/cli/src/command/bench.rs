//! `palisade bench`: figures of this build on this machine, with the conditions they were taken under.
//! What is measured and how is in `runner::bench`; figures are printed, never judged.

use runner::bench;

use crate::arguments::{Bench, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Table};

pub(crate) fn run(global: &Global, what: Bench) -> Result<Exit, Failure> {
    let which = match what {
        Bench::Steps => bench::Bench::Steps,
        Bench::Journal => bench::Bench::Journal,
        Bench::Sandbox => bench::Bench::Sandbox,
        Bench::Container => bench::Bench::Container,
        Bench::Policy => bench::Bench::Policy,
        Bench::Ticket => bench::Bench::Ticket,
        Bench::Redaction => bench::Bench::Redaction,
        Bench::Gate => bench::Bench::Gate,
    };
    // The project's own disk, not a memory file system, is where a journal would live.
    let scratch = global.project.join("target");
    let scratch = if scratch.is_dir() { scratch } else { std::env::temp_dir() };
    if !global.json {
        output::talk("measuring; this takes up to a minute");
    }
    let report = bench::run(which, &scratch).map_err(|error| {
        Failure::of(Exit::Failure, &error).fix("`palisade doctor` checks this machine")
    })?;
    if global.json {
        let conditions: serde_json::Map<String, serde_json::Value> = report
            .conditions
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().into()))
            .collect();
        output::json(&serde_json::json!({
            "bench": report.bench, "conditions": conditions, "metrics": report.metrics,
        }));
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["metric", "value", "unit"]);
    for metric in &report.metrics {
        table.row([metric.name.to_owned(), figure(metric.value), metric.unit.to_owned()]);
    }
    output::line(table.render());
    output::line("");
    for (name, value) in &report.conditions {
        output::line(format!("{name}: {value}"));
    }
    Ok(Exit::Ok)
}

/// A figure with as many digits as it deserves.
fn figure(value: f64) -> String {
    match value {
        large if large >= 1000.0 => format!("{large:.0}"),
        middle if middle >= 10.0 => format!("{middle:.1}"),
        small => format!("{small:.3}"),
    }
}
