//! `approval.list`, `approval.get` and `approval.rule`: requests for approvals, and answering one in the name of the
//! user at the other end. Who may answer is the engine's to say.

use engine::run::{ApprovalId, Ruling};
use serde::Deserialize;
use serde_json::{Value, json};

use super::run::reason_fits;
use super::{Asked, params, told, unanswered, unread};
use crate::clock;
use crate::owner::Ruled;
use crate::peer::message::Fault;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    /// Also those that are not open any more.
    #[serde(default)]
    all: bool,
}

/// The requests of the project, oldest first.
pub(super) fn list(asked: &Asked<'_>, given: Value) -> Result<Value, Fault> {
    let List { all } = params(given)?;
    let history = asked.desk.history().map_err(|error| unread(&error))?;
    told(&history.approvals(all, clock::now()).map_err(|error| unread(&error))?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Get {
    /// An id, or a unique beginning of an open one.
    approval: String,
}

/// One request with every answer.
pub(super) fn get(asked: &Asked<'_>, given: Value) -> Result<Value, Fault> {
    let Get { approval } = params(given)?;
    let history = asked.desk.history().map_err(|error| unread(&error))?;
    told(&history.approval(&approval, clock::now()).map_err(|error| unread(&error))?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    approval: ApprovalId,
    ruling: Ruling,
    #[serde(default)]
    reason: String,
}

/// Answers once the ruling is durable.
pub(super) fn rule(asked: &Asked<'_>, given: Value) -> Result<Value, Fault> {
    let Params { approval, ruling, reason } = params(given)?;
    reason_fits(&reason)?;
    let ruled = Ruled { approval, ruling, by: asked.principal(), reason };
    asked.desk.rule(ruled).map_err(|error| unanswered(&error))?;
    Ok(json!({ "approval": approval, "ruling": ruling }))
}
