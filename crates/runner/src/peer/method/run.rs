//! `run.cancel` and `run.get`: stopping a run and seeing how it stands.
//! The ways through the node are those of its own process.

use std::sync::mpsc::channel;
use std::time::Duration;

use engine::run::RunId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asked, params, told, unanswered, unread};
use crate::peer::message::{Code, Fault};
use crate::{call, owner};

/// Longest wait for a run, in milliseconds; a longer one is cut to this.
pub(super) const WAIT_MAX_MS: u64 = 60_000;
/// Longest reason, in characters.
const REASON_MAX: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cancel {
    run: String,
    #[serde(default)]
    reason: String,
}

/// Answers once the request is durable.
pub(super) fn cancel(asked: &Asked<'_>, given: Value) -> Result<Value, Fault> {
    let Cancel { run, reason } = params(given)?;
    reason_fits(&reason)?;
    let run = id(&run)?;
    asked.desk.cancel(run, &asked.principal(), &reason).map_err(|error| unanswered(&error))?;
    Ok(json!({ "run": run, "cancel": "requested" }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Get {
    run: String,
    /// How long to wait for its end.
    #[serde(default)]
    wait_ms: u64,
}

/// The run with its steps, as recorded.
pub(super) fn get(asked: &Asked<'_>, given: Value) -> Result<Value, Fault> {
    let Get { run, wait_ms } = params(given)?;
    let run = id(&run)?;
    let read = || {
        let history = asked.desk.history().map_err(|error| unread(&error))?;
        history.run(run).map(|told| told.view).map_err(|error| unread(&error))
    };
    // Read before it is watched, because nothing would ever let go of who watches a run that has ended, and again
    // after, because it may have ended between the two.
    let before = read()?;
    if wait_ms == 0 || !call::goes_on(&before) {
        return told(&before);
    }
    let (watcher, events) = channel();
    asked.desk.watch(run, watcher);
    let view = read()?;
    if !call::goes_on(&view) {
        return told(&view);
    }
    let patience = Duration::from_millis(wait_ms.min(WAIT_MAX_MS));
    let mut news = false;
    call::until_still(&events, patience, &|| asked.room.is_closing(), &mut |event| match event {
        Some(event) => {
            news = true;
            owner::ends_run(event)
        }
        // It may have stopped to wait for a person.
        None => std::mem::take(&mut news) && read().is_ok_and(|view| !call::goes_on(&view)),
    });
    told(&read()?)
}

/// Refuses a reason that is longer than a record should carry.
pub(super) fn reason_fits(reason: &str) -> Result<(), Fault> {
    if reason.chars().count() <= REASON_MAX {
        return Ok(());
    }
    let message = format!("a reason has at most {REASON_MAX} characters");
    Err(Fault::new(Code::InvalidParams, message))
}

fn id(text: &str) -> Result<RunId, Fault> {
    text.parse().map_err(|error: engine::run::RunIdError| {
        Fault::new(Code::InvalidParams, error.to_string())
    })
}
