//! `palisade journal`: rebuilding what is derived; copying, restoring and archiving what is recorded.
//! None changes a record; there is no command that does.

mod archived;
mod restored;

use runner::audit;
use serde_json::json;

use crate::arguments::{Global, Journal};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::session;

use super::audit::verification_failure;

pub(crate) fn run(global: &Global, command: &Journal) -> Result<Exit, Failure> {
    let layout = session::layout(global)?;
    match command {
        Journal::Archive(archive) => return archived::run(global, &layout, archive),
        Journal::Restore { backup } => return restored::run(global, &layout, backup),
        Journal::Rebuild { check: true } => {
            audit::check_views(&layout).map_err(|error| verification_failure(&error))?;
            if global.json {
                output::json(&json!({ "identical": true }));
            } else {
                output::line("every view is what the records imply");
            }
        }
        Journal::Rebuild { check: false } => {
            let rebuilt = audit::rebuild(&layout).map_err(|error| match &error {
                audit::RebuildError::Open(open) => session::open_failure(open),
                other => Failure::of(Exit::Failure, other).fix(
                    "make room, or check the records with `palisade audit verify`, and repeat it",
                ),
            })?;
            tell(&rebuilt, global.json);
        }
        Journal::Backup { destination } => {
            let copied = audit::backup(&layout, destination).map_err(|error| match &error {
                audit::BackupError::Open(open) => session::open_failure(open),
                audit::BackupError::Exists { .. } => {
                    Failure::of(Exit::Conflict, &error).fix(
                        "name a place where nothing is yet; what is called `.unfinished` is no backup and can go",
                    )
                }
                audit::BackupError::Io { .. } => Failure::of(Exit::Failure, &error)
                    .fix("name a place that can be written and has room"),
                damaged => Failure::of(Exit::Failure, damaged).fix(
                    "`palisade audit verify` says what is damaged or missing, if there is room where the copy goes",
                ),
            })?;
            if global.json {
                output::json(&json!({
                    "database": copied.database,
                    "bytes": copied.bytes,
                    "records": copied.records,
                    "artifacts": copied.artifacts,
                }));
            } else {
                output::line(format!(
                    "{} and {} copied to {}",
                    output::count(copied.records, "record"),
                    output::count(copied.artifacts, "artifact"),
                    copied.database.display()
                ));
            }
        }
    }
    Ok(Exit::Ok)
}

fn tell(rebuilt: &audit::Rebuilt, as_json: bool) {
    if as_json {
        let views: Vec<_> = rebuilt
            .views
            .iter()
            .map(|view| {
                json!({
                    "view": view.view, "rows": view.rows, "identical": view.is_identical(),
                    "missing": view.missing, "extra": view.extra, "changed": view.changed,
                })
            })
            .collect();
        return output::json(&json!({ "records": rebuilt.records, "views": views }));
    }
    let mut table = Table::new(&["view", "rows", "was"]);
    for view in &rebuilt.views {
        let was = if view.is_identical() {
            "identical".to_owned()
        } else {
            format!("{} missing, {} extra, {} changed", view.missing, view.extra, view.changed)
        };
        table.row([view.view.to_owned(), view.rows.to_string(), was]);
    }
    output::line(table.render());
    output::line(format!("\n{} folded", output::count(rebuilt.records, "record")));
}
