//! `palisade audit prove` and `palisade audit verify --proof`: one record, for somebody without the journal.
//! A proof is checked with the public key alone; where that key comes from is for people to see to.

use std::path::Path;

use runner::audit::{Signed, Tree, verify_proof};
use runner::history::History;
use serde_json::json;

use super::{SIGNATURE, hand_out, key, not_proved, read_kind, signed_failure, tree};
use crate::arguments::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, instant, stamp};
use crate::session;

/// What is in every proof of a record.
const PROOF: &str = "c2sp.org/tlog-proof@";

/// Proves that a record is in the log.
pub(super) fn record(global: &Global, sequence: u64, file: Option<&Path>) -> Result<Exit, Failure> {
    let layout = session::layout(global)?;
    let signed = Signed::now(&layout).map_err(|error| signed_failure(&error))?;
    let history = History::open(&layout).map_err(|error| session::history_failure(&error))?;
    let proved = signed.prove(history.log(), sequence).map_err(|error| signed_failure(&error))?;
    if !global.json {
        hand_out(&proved.text, file)?;
        return Ok(Exit::Ok);
    }
    if file.is_some() {
        hand_out(&proved.text, file)?;
    }
    output::json(&json!({
        "sequence": sequence,
        "proof": proved.text,
        "log": tree(&proved.log),
        "logs": proved.logs.as_ref().map(tree),
        "key": signed.key().to_string(),
    }));
    Ok(Exit::Ok)
}

/// Proves that the log has only grown since a checkpoint.
pub(super) fn growth(global: &Global, since: &Path, file: Option<&Path>) -> Result<Exit, Failure> {
    let layout = session::layout(global)?;
    let fix = "name a file written by `palisade audit checkpoint -o FILE`";
    let text = read_kind(since, SIGNATURE, fix)?;
    let (_, old) = super::signed(&layout, &text, None)?;
    let signed = Signed::now(&layout).map_err(|error| signed_failure(&error))?;
    let which = old.log().map_or(Tree::Logs, Tree::Log);
    let proof = signed.extend(&which, &old).map_err(|error| signed_failure(&error))?;
    if !global.json {
        hand_out(&proof, file)?;
        return Ok(Exit::Ok);
    }
    if file.is_some() {
        hand_out(&proof, file)?;
    }
    output::json(&json!({ "since": tree(&old), "proof": proof, "key": signed.key().to_string() }));
    Ok(Exit::Ok)
}

/// Checks the proof of one record; needs no journal.
pub(super) fn verify(global: &Global, file: &Path, typed: &str) -> Result<Exit, Failure> {
    let key = key(typed)?;
    let fix = "name a file written by `palisade audit prove SEQUENCE -o FILE`";
    let text = read_kind(file, PROOF, fix)?;
    let shown = verify_proof(&text, &key).map_err(|error| not_proved(&error))?;
    let header = &shown.header;
    if global.json {
        output::json(&json!({
            "verified": true,
            "sequence": header.sequence,
            "time": stamp(header.time.micros),
            "kind": header.kind,
            "principal": header.principal,
            "payload_digest": header.payload.digest.to_string(),
            "leaf": shown.leaf.to_string(),
            "log": tree(&shown.log),
            "logs": shown.logs.as_ref().map(tree),
        }));
        return Ok(Exit::Ok);
    }
    output::line(format!("record {} of {} is proved", header.sequence, shown.log.origin));
    output::line(format!(
        "{}  {}  {}",
        instant(header.time.micros),
        output::printable(&header.kind),
        output::printable(&header.principal)
    ));
    output::line(format!("payload {}", header.payload.digest));
    for head in [Some(&shown.log), shown.logs.as_ref()].into_iter().flatten() {
        output::line(format!("in {} of size {}, root {}", head.origin, head.size, head.root));
    }
    Ok(Exit::Ok)
}
