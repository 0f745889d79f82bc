//! `tool.list` and `tool.call`: the registered tools, and one use of one of them through the gate.
//! A call over the socket is the same call as one of the command line.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::run::WAIT_MAX_MS;
use super::{Asked, params, told, unanswered, unread};
use crate::call::{self, Call, CallError, Direct};
use crate::peer::message::{Code, Fault};
use crate::tickets::{TICKETS_MAX, Ticket};

/// How long an answer waits for the call to end unless asked otherwise, in milliseconds.
const WAIT_MS: u64 = 30_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {}

/// Name, effect, and schemas of every registered tool.
pub(super) fn list(_: &Asked<'_>, given: Value) -> Result<Value, Fault> {
    let List {} = params(given)?;
    told(&json!({ "tools": call::tools() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    tool: String,
    #[serde(default)]
    args: Map<String, Value>,
    /// The text of each; kept in memory alone, and in no record.
    #[serde(default)]
    tickets: Vec<String>,
    wait_ms: Option<u64>,
}

/// Answers when the call has ended, waits for a person, or has taken as long as was to be waited. A call that was
/// denied is an answer, not a fault.
pub(super) fn call(asked: &Asked<'_>, given: Value) -> Result<Value, Fault> {
    let Params { tool, args, tickets, wait_ms } = params(given)?;
    let (call, tickets) = (Call { tool, args }, read(&tickets)?);
    let placed = Direct::place_with(asked.desk, &asked.principal(), &call, tickets);
    let mut direct = placed.map_err(|error| {
        let code = match &error {
            CallError::Unknown { .. } => Code::NotFound,
            CallError::NotCallable(_) | CallError::Arguments { .. } => Code::InvalidParams,
            CallError::Unanswered(error) => return unanswered(error),
            CallError::History(error) => return unread(error),
        };
        Fault::new(code, error.to_string())
    })?;
    let patience = Duration::from_millis(wait_ms.unwrap_or(WAIT_MS).min(WAIT_MAX_MS));
    direct.wait(patience, &|| asked.room.is_closing());
    told(&direct.told(asked.desk).map_err(|error| unread(&error))?)
}

/// The tickets that were handed in. A fault says which is none and nothing of what it holds.
fn read(texts: &[String]) -> Result<Vec<Ticket>, Fault> {
    let invalid = |why: String| Fault::new(Code::InvalidParams, why);
    if texts.len() > TICKETS_MAX {
        let count = texts.len();
        return Err(invalid(format!("{count} tickets were handed in; at most {TICKETS_MAX} are")));
    }
    let parse = |(place, text): (usize, &String)| {
        Ticket::parse(text).map_err(|error| invalid(format!("ticket {place}: {error}")))
    };
    (1..).zip(texts).map(parse).collect()
}
