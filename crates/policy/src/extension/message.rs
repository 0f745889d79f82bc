//! Questions and answers of the extension protocol, version 1, as JSON.
//!
//! A question carries the call as rules see it, exactly the values that would run, and a number. An
//! answer repeats version and number and decides. Nothing is guessed: another version or number, an
//! unknown or repeated field, a reason that is too long or holds control characters is a fault.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Extended, ExtensionFault};
use crate::call::Call;

/// The version of both messages.
pub(super) const VERSION: u32 = 1;

/// Longest reason, in bytes.
pub(super) const REASON_BYTES_MAX: usize = 1_024;

#[derive(Serialize)]
struct Question<'a> {
    version: u32,
    number: u64,
    call: Asked<'a>,
}

#[derive(Serialize)]
struct Asked<'a> {
    tool: &'a str,
    principal: &'a str,
    roles: &'a [String],
    tags: &'a [String],
    mode: Option<&'a str>,
    state: Option<&'a str>,
    args: &'a Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    version: u32,
    number: u64,
    decision: Word,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Pass,
    Allow,
    Deny,
    RequireReview,
}

/// The bytes of a question.
pub(super) fn question(number: u64, call: &Call<'_>) -> Result<Vec<u8>, ExtensionFault> {
    let call = Asked {
        tool: call.tool,
        principal: call.principal,
        roles: call.roles,
        tags: call.tags,
        mode: call.mode,
        state: call.state,
        args: call.args,
    };
    let question = Question { version: VERSION, number, call };
    serde_json::to_vec(&question).map_err(|_| ExtensionFault::TooLarge)
}

/// What the bytes of an answer say to question `number`.
pub(super) fn answer(number: u64, bytes: &[u8]) -> Result<Extended, ExtensionFault> {
    let answer: Answer = serde_json::from_slice(bytes).map_err(|_| ExtensionFault::Malformed)?;
    let reason = answer.reason;
    let odd =
        |reason: &String| reason.len() > REASON_BYTES_MAX || reason.contains(char::is_control);
    if answer.version != VERSION || answer.number != number || reason.as_ref().is_some_and(odd) {
        return Err(ExtensionFault::Malformed);
    }
    let reason = reason.filter(|reason| !reason.is_empty()).map(Into::into);
    Ok(match answer.decision {
        Word::Pass => Extended::Pass,
        Word::Allow => Extended::Allow(reason),
        Word::Deny => Extended::Deny(reason),
        Word::RequireReview => Extended::RequireReview(reason),
    })
}
