//! Measurements of this build on this machine, each with a baseline taken in the same run.
//!
//! Nothing here is asserted: figures are printed with the conditions they were taken under. Each bench is one file;
//! `sample` has the clock and the percentiles, `baseline` what a figure is compared with.

mod baseline;
mod conditions;
mod container;
mod gate;
mod journal;
mod policy;
mod redaction;
mod sample;
mod sandbox;
mod steps;
mod ticket;

use serde::Serialize;

/// Which bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bench {
    /// Whole direct calls of a read-only tool.
    Gate,
    /// Appending and verifying records.
    Journal,
    /// Deciding calls.
    Policy,
    /// Finding secrets in text.
    Redaction,
    /// Starting sandboxes, and containers beside them.
    Sandbox,
    /// Starting containers.
    Container,
    /// Whole steps.
    Steps,
    /// Making and checking tickets.
    Ticket,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metric {
    /// Stable name.
    pub name: &'static str,
    /// The figure.
    pub value: f64,
    /// Its unit: `1/s`, `ms`, `us`, `ratio`, `count`, `MB/s`.
    pub unit: &'static str,
}

/// The result of one bench.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// `gate`, `journal`, `policy`, `redaction`, `sandbox`, `container`, `steps` or `ticket`.
    pub bench: &'static str,
    /// What was measured, how, and on what.
    pub conditions: Vec<(String, String)>,
    /// The figures.
    pub metrics: Vec<Metric>,
}

/// Why a bench could not run.
#[derive(Debug, thiserror::Error)]
#[error("{what} failed: {why}")]
pub struct BenchError {
    what: &'static str,
    why: String,
}

impl BenchError {
    fn new(what: &'static str, why: impl std::fmt::Display) -> Self {
        Self { what, why: why.to_string() }
    }
}

/// Runs one bench; scratch files go to a new folder below `scratch` and are removed after.
///
/// # Errors
/// When the machine lacks something the bench needs; no figure is made up.
pub fn run(bench: Bench, scratch: &std::path::Path) -> Result<Report, BenchError> {
    let folder = scratch.join(format!("bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)
        .map_err(|error| BenchError::new("making a scratch folder", error))?;
    let measured = match bench {
        Bench::Gate => gate::measure(&folder),
        Bench::Journal => journal::measure(&folder),
        Bench::Policy => policy::measure(),
        Bench::Redaction => redaction::measure(),
        Bench::Sandbox => {
            sandbox::measure(&folder).and_then(|measured| container::beside(&folder, measured))
        }
        Bench::Container => container::measure(&folder),
        Bench::Steps => steps::measure(&folder),
        Bench::Ticket => ticket::measure(),
    };
    // A scratch folder that stays behind costs space, not correctness.
    drop(std::fs::remove_dir_all(&folder));
    let (name, notes, metrics) = measured?;
    let mut conditions = conditions::of_this_machine();
    conditions.extend(notes);
    Ok(Report { bench: name, conditions, metrics })
}

/// Name, notes on the method, figures.
type Measured = Result<(&'static str, Vec<(String, String)>, Vec<Metric>), BenchError>;

fn metric(name: &'static str, value: f64, unit: &'static str) -> Metric {
    Metric { name, value, unit }
}

fn note(what: &str, how: impl Into<String>) -> (String, String) {
    (what.to_owned(), how.into())
}
