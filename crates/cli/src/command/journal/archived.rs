//! `palisade journal archive`: seal old records into files, and list what was sealed.
//! Which records and how is `runner`'s and the journal's; nothing is deleted by any of it.

use runner::Layout;
use runner::audit::{self, Due, SealFailure, Segment};
use serde_json::{Value, json};

use crate::arguments::{Archive, ArchiveCommand, Due as Typed, Global};
use crate::command::ending::bytes;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::session;

pub(super) fn run(global: &Global, layout: &Layout, archive: &Archive) -> Result<Exit, Failure> {
    if let Some(ArchiveCommand::List) = archive.command {
        let segments = audit::segments(layout).map_err(|error| refused(&error))?;
        list(&segments, global.json);
        return Ok(Exit::Ok);
    }
    let archived = audit::archive(layout, due(&archive.due)?).map_err(|error| refused(&error))?;
    let records: u64 = archived.segments.iter().map(records).sum();
    if global.json {
        output::json(&json!({
            "records": records,
            "segments": archived.segments.iter().map(told).collect::<Vec<_>>(),
            "database_bytes": archived.database_bytes,
        }));
    } else {
        let segments = output::count(archived.segments.len(), "segment");
        output::line(format!("{} archived in {segments}", output::count(records, "record")));
        output::line(format!("the database has {}", bytes(archived.database_bytes)));
    }
    Ok(Exit::Ok)
}

fn due(typed: &Typed) -> Result<Due, Failure> {
    let before = typed.before.or(typed.keep).map(|moment| Due::Before(runner::Micros(moment.0)));
    before.or(typed.max_size.map(Due::Beyond)).ok_or_else(|| {
        Failure::new(Exit::Usage, "nothing says which records to archive")
            .fix("add --before WHEN, --keep AGE or --max-size SIZE")
    })
}

fn list(segments: &[Segment], as_json: bool) {
    if as_json {
        return output::json(&segments.iter().map(told).collect::<Vec<_>>());
    }
    let mut table = Table::new(&["log", "first", "last", "size", "file"]);
    for segment in segments {
        table.row([
            segment.log.to_string(),
            segment.first.to_string(),
            segment.last.to_string(),
            bytes(segment.file_bytes),
            format!("{}.segment", segment.digest),
        ]);
    }
    output::line(table.render());
}

fn records(segment: &Segment) -> u64 {
    segment.last.saturating_sub(segment.first).saturating_add(1)
}

fn told(segment: &Segment) -> Value {
    json!({
        "log": segment.log.to_string(),
        "first": segment.first,
        "last": segment.last,
        "prev_leaf": segment.prev_leaf.to_string(),
        "leaf": segment.leaf.to_string(),
        "file": format!("{}.segment", segment.digest),
        "bytes": segment.file_bytes,
    })
}

fn refused(error: &SealFailure) -> Failure {
    match error {
        SealFailure::Open(open) => session::open_failure(open),
        SealFailure::Owner(owner) => session::not_answered(owner),
        other => Failure::of(Exit::Failure, other).fix(
            "make room, or check the records with `palisade audit verify`, and repeat it; what was sealed stays sealed",
        ),
    }
}
