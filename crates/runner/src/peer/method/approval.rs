//! `approval.rule`: answering a request for an approval, in the name of the user at the other end.
//! Who may answer is the engine's to say.

use engine::run::{ApprovalId, Ruling};
use serde::Deserialize;
use serde_json::{Value, json};

use super::run::reason_fits;
use super::{Asked, params, unanswered};
use crate::owner::Ruled;
use crate::peer::message::Fault;

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
