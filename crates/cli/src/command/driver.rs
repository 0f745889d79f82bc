//! `palisade driver`: where programs can run, and what is missing where one does not work here.
//! Nothing is installed or pulled; a driver is looked at and at most asked for its version.

use runner::doctor::{self, Check, Health};
use serde_json::json;

use super::doctor::table;
use crate::arguments::{Driver, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Table};

/// Name and description of every driver.
const DRIVERS: [(&str, &str); 2] = [
    ("local", "namespaces, Landlock, seccomp and limits of this machine; the default"),
    ("container", "a container of Podman or Docker, its image named by digest"),
];

pub(super) fn run(global: &Global, command: &Driver) -> Result<Exit, Failure> {
    match command {
        Driver::List => list(global),
        Driver::Check => check(global),
    }
}

fn list(global: &Global) -> Result<Exit, Failure> {
    if global.json {
        let rows: Vec<_> =
            DRIVERS.iter().map(|(name, about)| json!({ "name": name, "about": about })).collect();
        output::json(&rows);
        return Ok(Exit::Ok);
    }
    let mut rows = Table::new(&["driver", "what it is"]);
    for (name, about) in DRIVERS {
        rows.row([name, about]);
    }
    output::line(rows.render());
    Ok(Exit::Ok)
}

/// The local driver has to work; another one may be missing.
fn check(global: &Global) -> Result<Exit, Failure> {
    let checks: Vec<(&str, Vec<Check>)> = doctor::drivers();
    if global.json {
        let rows: Vec<_> = checks
            .iter()
            .map(|(name, checks)| json!({ "driver": name, "works": works(checks), "checks": checks }))
            .collect();
        output::json(&rows);
    } else {
        for (name, checks) in &checks {
            let word = if works(checks) { "works" } else { "does not work here" };
            output::line(format!("driver {name} {word}"));
            table(checks);
        }
    }
    let local = checks.iter().any(|(name, checks)| *name == "local" && works(checks));
    Ok(if local { Exit::Ok } else { Exit::Failure })
}

fn works(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.health != Health::Bad)
}
