//! `ping`: that the owner is there. Changes nothing and is not recorded.
//! Every other method leaves a record.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asked, params};
use crate::peer::message::Fault;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {}

pub(super) fn answer(asked: &Asked<'_>, given: Value) -> Result<Value, Fault> {
    let Params {} = params(given)?;
    let project = asked.desk.layout().project().display().to_string();
    Ok(json!({ "project": project, "process": std::process::id() }))
}
