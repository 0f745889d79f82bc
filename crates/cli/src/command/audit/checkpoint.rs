//! `palisade audit checkpoint`: a signed checkpoint to keep elsewhere, and the key to check it with.
//! The signing is the journal's; this prints what came of it.

use std::path::Path;

use runner::audit::{Signed, Tree, public_key};
use runner::history::History;
use serde_json::json;

use super::{hand_out, signed_failure};
use crate::arguments::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::session;

pub(super) fn run(global: &Global, file: Option<&Path>, all: bool) -> Result<Exit, Failure> {
    let layout = session::layout(global)?;
    let signed = Signed::now(&layout).map_err(|error| signed_failure(&error))?;
    let tree = if all {
        Tree::Logs
    } else {
        let history = History::open(&layout).map_err(|error| session::history_failure(&error))?;
        Tree::Log(history.log().clone())
    };
    let (note, head) = signed.checkpoint(&tree).map_err(|error| signed_failure(&error))?;
    let text = note.to_string();
    if global.json {
        if file.is_some() {
            hand_out(&text, file)?;
        }
        output::json(&json!({
            "checkpoint": text,
            "origin": head.origin,
            "size": head.size,
            "root": head.root.to_string(),
            "key": signed.key().to_string(),
        }));
    } else {
        hand_out(&text, file)?;
    }
    Ok(Exit::Ok)
}

pub(super) fn key(global: &Global) -> Result<Exit, Failure> {
    let layout = session::layout(global)?;
    let key = public_key(&layout).map_err(|error| signed_failure(&error))?;
    if global.json {
        output::json(&json!({ "key": key.to_string() }));
    } else {
        output::line(key.to_string());
    }
    Ok(Exit::Ok)
}
