//! `palisade audit disclose`, `erase` and `verify --disclosure`: what a value was that no record has, and never again.
//! A disclosure is checked with the public key alone; that one was made, or openings erased, is on record.

use std::path::Path;

use runner::audit::{self, DiscloseError, Disclosure, DisclosureError};
use runner::history::History;
use serde_json::json;

use super::{hand_out, key, not_proved, read, read_kind, signed_failure, tree, unreadable};
use crate::arguments::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, stamp};
use crate::session;

pub(super) fn disclose(
    global: &Global,
    (sequence, field): (u64, Option<&str>),
    value: Option<&Path>,
    file: Option<&Path>,
) -> Result<Exit, Failure> {
    let layout = session::layout(global)?;
    let value = value.map(|path| read(path, "name a file with the value as JSON")).transpose()?;
    let value = value.map(|text| text.trim_end_matches('\n').to_owned());
    let made = audit::disclose(&layout, sequence, field, value).map_err(|error| failure(&error))?;
    if file.is_some() || !global.json {
        hand_out(&made.text(), file)?;
    }
    if global.json {
        output::json(
            &json!({ "sequence": sequence, "field": made.field, "disclosure": made.text() }),
        );
    }
    Ok(Exit::Ok)
}

/// Checks a disclosure; needs no journal.
pub(super) fn verify(global: &Global, file: &Path, typed: &str) -> Result<Exit, Failure> {
    let key = key(typed)?;
    let fix = "name a file written by `palisade audit disclose SEQUENCE -o FILE`";
    let text = read_kind(file, "\"proof\"", fix)?;
    let disclosure = Disclosure::parse(&text).map_err(|error| wrong(&error))?;
    let revealed = disclosure.verify(&key).map_err(|error| wrong(&error))?;
    let header = &revealed.shown.header;
    if global.json {
        output::json(&json!({
            "verified": true,
            "sequence": header.sequence,
            "time": stamp(header.time.micros),
            "step": revealed.step,
            "attempt": revealed.attempt,
            "field": disclosure.field,
            "value": disclosure.value,
            "log": tree(&revealed.shown.log),
            "logs": revealed.shown.logs.as_ref().map(tree),
        }));
        return Ok(Exit::Ok);
    }
    let (step, field) = (output::printable(&revealed.step), output::printable(&disclosure.field));
    let origin = &revealed.shown.log.origin;
    output::line(format!("record {} of {origin} has committed to this value", header.sequence));
    output::line(format!("step {step}, attempt {}, {field}", revealed.attempt));
    output::line(output::printable(&disclosure.value));
    Ok(Exit::Ok)
}

pub(super) fn erase(global: &Global, run: Option<&str>) -> Result<Exit, Failure> {
    let layout = session::layout(global)?;
    let named = |written| {
        let history = History::open(&layout).map_err(|error| session::history_failure(&error))?;
        session::run(&history, Some(written))
    };
    let run = run.map(named).transpose()?;
    let erased = audit::erase(&layout, run).map_err(|error| failure(&error))?;
    if global.json {
        output::json(&json!({ "records": erased.records, "receipt": erased.receipt }));
        return Ok(Exit::Ok);
    }
    let records = output::count(erased.records, "record");
    output::line(format!("what opens the commitments of {records} is gone"));
    output::line(format!("receipt is record {}", erased.receipt));
    Ok(Exit::Ok)
}

fn failure(error: &DiscloseError) -> Failure {
    match error {
        DiscloseError::Signed(inner) => signed_failure(inner),
        DiscloseError::Read(inner) => unreadable(inner),
        DiscloseError::NotCommitted(_) => Failure::of(Exit::NotFound, error)
            .fix("`palisade audit search --type redaction.committed` lists those that have"),
        DiscloseError::Fields { .. } => {
            Failure::of(Exit::Usage, error).fix("choose one with `--field POINTER`")
        }
        DiscloseError::NoValue(_) => Failure::of(Exit::Usage, error)
            .because("it holds a secret of the vault, or is long")
            .fix("write the value as JSON into a file and name it with `--value FILE`"),
        DiscloseError::Wrong(DisclosureError::OtherValue(_)) => Failure::of(Exit::Verification, error)
            .because("only the value itself can be disclosed")
            .fix("write the value as JSON, exactly as the step gave it, into the file of `--value`"),
        DiscloseError::Wrong(inner) => wrong(inner),
        DiscloseError::Openings(_) => Failure::of(Exit::NotFound, error)
            .fix("it was erased (`palisade audit search --type redaction.erased`), or a backup without it was put back"),
        DiscloseError::Owner(inner) => session::not_answered(inner),
        DiscloseError::Journal(_) => Failure::of(Exit::Failure, error)
            .fix("make room for the journal and repeat it"),
    }
}

/// A disclosure that does not hold.
fn wrong(error: &DisclosureError) -> Failure {
    match error {
        DisclosureError::Proof(inner) => not_proved(inner),
        _ => Failure::of(Exit::Verification, error)
            .fix("ask for the file again; believe nothing in it")
            .detail("verified", false),
    }
}
