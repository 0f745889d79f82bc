//! `palisade doctor`: everything a run needs here, checked, with a fix for what is missing.
//! It repairs nothing; the checks themselves are in `runner::doctor`.

use runner::doctor::{self, Check, Health};

use crate::arguments::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Table, Tone};
use crate::session;

pub(crate) fn run(global: &Global) -> Result<Exit, Failure> {
    let layout = session::layout(global)?;
    let settings = session::settings(global)?;
    let checks = doctor::examine(&layout, settings.policy_file.as_deref(), settings.journal_most);
    if global.json {
        output::json(&checks);
    } else {
        table(&checks);
    }
    let works = checks.iter().all(|check| check.health != Health::Bad);
    Ok(if works { Exit::Ok } else { Exit::Failure })
}

/// Checks as a table, and below it the fixes.
pub(super) fn table(checks: &[Check]) {
    let tints = [("ok", Tone::Good), ("weak", Tone::Busy), ("missing", Tone::Bad)];
    let mut table = Table::new(&["", "check", "found"]).tinted(tints);
    for check in checks {
        let mark = match check.health {
            Health::Good => "ok",
            Health::Weak => "weak",
            Health::Bad => "missing",
        };
        table.row([mark, &check.name, &output::printable(&check.detail)]);
    }
    output::line(table.render());
    for check in checks {
        if let Some(fix) = &check.fix {
            output::line(format!("\n{}\n  fix: {fix}", check.name));
        }
    }
}
