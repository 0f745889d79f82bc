//! `palisade audit`: the journal as an audit log — its newest records, whether it verifies, all of it.
//! It reads stored bytes and needs no owner; what counts as a fault is the journal's to say.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use runner::audit::{self, Checkpoint, Filter, Order, Range, Record, Scope};
use runner::history::History;
use serde_json::{Value, json};

use crate::arguments::{Audit, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, instant, stamp};
use crate::session;

/// Records read at a time.
const PAGE: usize = 1_000;
/// Longest wait for new records before looking again.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) fn run(global: &Global, command: Audit) -> Result<Exit, Failure> {
    match command {
        Audit::Tail { count, follow } => tail(global, count, follow),
        Audit::Verify { tail, checkpoint, write_checkpoint } => {
            verify(global, tail, checkpoint.as_deref(), write_checkpoint.as_deref())
        }
        Audit::Export { from } => export(global, from),
    }
}

fn tail(global: &Global, count: u64, follow: bool) -> Result<Exit, Failure> {
    let (history, _) = session::history(global)?;
    let filter = Filter { order: Order::NewestFirst, ..Filter::default() };
    let wanted = usize::try_from(count).unwrap_or(usize::MAX);
    let mut latest = history
        .reader()
        .filter(history.log(), &filter, wanted)
        .map_err(|error| unreadable(&error))?;
    latest.reverse();
    for record in &latest {
        print(record, global.json);
    }
    if !follow {
        return Ok(Exit::Ok);
    }
    let cursor = latest.last().map_or(0, |record| record.header.sequence);
    let log = history.log().clone();
    let mut records = history.into_reader().subscribe(log, cursor);
    loop {
        for record in records.wait(PAGE, PATIENCE).map_err(|error| unreadable(&error))? {
            print(&record, global.json);
        }
        if output::closed() {
            return Ok(Exit::Ok);
        }
    }
}

fn verify(
    global: &Global,
    tail: Option<u64>,
    checkpoint: Option<&Path>,
    write: Option<&Path>,
) -> Result<Exit, Failure> {
    let configuration = session::configuration(global)?;
    let layout = session::layout(global, &configuration)?;
    let checkpoints = checkpoint.map(read_checkpoints).transpose()?.unwrap_or_default();
    let scope = Scope { range: tail.map_or(Range::Whole, Range::Tail), checkpoints };
    let found = match audit::verify(&layout, scope) {
        Ok(found) => found,
        Err(error) => return Err(verification_failure(&error)),
    };
    if let Some(path) = write {
        let kept = Checkpoint { log: found.log.clone(), sequence: found.last, leaf: found.leaf };
        std::fs::write(path, kept.to_string()).map_err(|error| {
            Failure::new(
                Exit::Failure,
                format!("checkpoint `{}` cannot be written", path.display()),
            )
            .because(error.to_string())
            .fix("name a file in a folder that can be written")
        })?;
    }
    if global.json {
        output::json(&json!({
            "verified": true,
            "records": found.records,
            "first": found.first,
            "last": found.last,
            "leaf": found.leaf.to_string(),
            "checkpoints": found.checkpoints,
        }));
    } else {
        output::line(format!(
            "{} records verified, sequence {} to {}",
            found.records, found.first, found.last
        ));
        output::line(format!("leaf {}", found.leaf));
    }
    Ok(Exit::Ok)
}

/// A journal that does not verify: the first bad record, or why nothing could be found out.
pub(super) fn verification_failure(error: &audit::VerifyError) -> Failure {
    match error {
        audit::VerifyError::Fault(fault) => {
            let what =
                format!("the journal does not verify: first bad sequence {}", fault.sequence);
            Failure::new(Exit::Verification, what)
                .because(fault.reason.to_string())
                .fix("keep the file as evidence and restore a backup; records before this one are intact")
                .detail("verified", false)
                .detail("first_bad_sequence", fault.sequence)
        }
        audit::VerifyError::Open(open) => session::open_failure(open),
        other => Failure::of(Exit::Failure, other)
            .fix("repeat it; nothing is known about the records yet"),
    }
}

fn read_checkpoints(path: &Path) -> Result<Vec<Checkpoint>, Failure> {
    let named = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let exit = if error.kind() == ErrorKind::NotFound { Exit::NotFound } else { Exit::Failure };
        Failure::new(exit, format!("checkpoint `{named}` cannot be read"))
            .because(error.to_string())
            .fix("name a file written with `palisade audit verify --write-checkpoint FILE`")
    })?;
    Checkpoint::parse_all(&text).map_err(|error| {
        Failure::of(Exit::Usage, &error)
            .because(format!("in `{named}`"))
            .fix("name a file written with `palisade audit verify --write-checkpoint FILE`")
    })
}

fn export(global: &Global, from: u64) -> Result<Exit, Failure> {
    let (history, _) = session::history(global)?;
    let mut after = from.saturating_sub(1);
    loop {
        let page = exported(&history, after)?;
        let Some(last) = page.last().filter(|_| !output::closed()) else { return Ok(Exit::Ok) };
        after = last.header.sequence;
        for record in &page {
            output::json_line(&as_json(record));
        }
    }
}

fn exported(history: &History, after: u64) -> Result<Vec<Record>, Failure> {
    history.reader().by_log(history.log(), after, PAGE).map_err(|error| unreadable(&error))
}

fn unreadable(error: &audit::ReadError) -> Failure {
    Failure::of(Exit::Verification, error)
        .fix("`palisade audit verify` says which record is damaged")
}

fn print(record: &Record, as_json_line: bool) {
    if as_json_line {
        output::json_line(&as_json(record));
        return;
    }
    let header = &record.header;
    let what = serde_json::from_slice::<Value>(&record.payload).ok();
    let step =
        what.as_ref().and_then(|body| body.get("step")).and_then(Value::as_str).unwrap_or_default();
    output::line(format!(
        "{:>8}  {}  {:<24} {:<20} {}",
        header.sequence,
        instant(header.time.micros),
        output::printable(&header.kind),
        output::printable(&header.principal),
        output::printable(step),
    ));
}

/// A record for machines: the header's fields, the leaf, and the payload as it was recorded.
fn as_json(record: &Record) -> Value {
    let header = &record.header;
    let payload = serde_json::from_slice::<Value>(&record.payload)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&record.payload).into_owned()));
    json!({
        "log": header.log.to_string(),
        "sequence": header.sequence,
        "time": stamp(header.time.micros),
        "time_us": header.time.micros,
        "counter": header.time.counter,
        "kind": header.kind,
        "stream": { "class": header.class, "id": hex(&header.stream) },
        "principal": header.principal,
        "payload_digest": header.payload.digest.to_string(),
        "prev_leaf": header.prev_leaf.to_string(),
        "leaf": record.leaf.to_string(),
        "payload": payload,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
