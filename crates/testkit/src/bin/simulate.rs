//! `simulate`: as many simulated crashes as wanted, and the controls.
//!
//! `simulate [--cycles N] [--seed S]` prints what was survived and at which seed each control was
//! caught. It exits with 1 when something was lost or a control was missed. What is simulated is
//! in `testkit::simulator`.

use std::io::Write as _;
use std::process::ExitCode;
use testkit::simulator::{Control, Kind, Scenario, caught, soak};

/// Seeds in which a control has to be caught.
const CONTROL_SEEDS: u64 = 300;

/// Crash cycles without `--cycles`.
const CYCLES: u64 = 20_000;

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(lines) => {
            // A reader that went away does not change what was found out.
            let _ = writeln!(std::io::stdout(), "{}", lines.join("\n"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> Result<Vec<String>, String> {
    let (mut cycles, mut seed) = (CYCLES, 0);
    while let Some(name) = arguments.next() {
        let value = arguments.next().and_then(|value| value.parse().ok());
        let value = value.ok_or_else(|| format!("`{name}` takes a number"))?;
        match name.as_str() {
            "--cycles" => cycles = value,
            "--seed" => seed = value,
            _ => return Err(format!("`{name}` is unknown; there are `--cycles` and `--seed`")),
        }
    }
    let scenario = Scenario::load().map_err(|violation| violation.to_string())?;
    let survived = soak(&scenario, seed, cycles).map_err(|failed| failed.to_string())?;
    let mut lines = vec![survived.to_string()];
    for control in Control::FAULTS {
        let found = Kind::ALL.map(|kind| caught(&scenario, kind, control, CONTROL_SEEDS));
        let found = found.iter().flatten().min_by_key(|failed| failed.seed);
        let found = found.ok_or_else(|| format!("control {control} was not caught"))?;
        lines.push(format!(
            "control {control} caught by {:?} at seed {}: {}",
            found.kind, found.seed, found.violation
        ));
    }
    Ok(lines)
}
