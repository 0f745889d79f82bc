//! `audit.sign`, `audit.anchored`, `audit.disclose`, `audit.erase` and `journal.archive`: what the owner's own commands
//! do to the audit log, while it runs.
//!
//! Whoever reaches the socket is the user whose state folder it is, or root, and could do it as the owner. Each is on
//! record before it is answered; no record changes by any of them.

use engine::run::{Micros, RunId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asked, params, told};
use crate::audit::{AnchorError, DiscloseError, Due, SealFailure, SignedError};
use crate::cause;
use crate::peer::message::{Code, Fault};

/// Longest name of a place where a checkpoint was put, and of what was made there, in bytes.
const PLACE_BYTES: usize = 4096;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Answers once everything recorded before is signed.
pub(super) fn sign(asked: &Asked<'_>, given: Value) -> Result<Value, Fault> {
    let Nothing {} = params(given)?;
    asked.desk.clerk().sign().map_err(|error| unsigned(&error))?;
    Ok(json!({ "signed": true }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Anchored {
    /// Where it was put.
    target: String,
    /// The git commit.
    #[serde(default)]
    commit: Option<String>,
    /// The signed checkpoint, as it was put there.
    checkpoint: String,
}

/// Answers with the sequence of the receipt.
pub(super) fn anchored(asked: &Asked<'_>, given: Value) -> Result<Value, Fault> {
    let Anchored { target, commit, checkpoint } = params(given)?;
    if target.len().max(commit.as_ref().map_or(0, String::len)) > PLACE_BYTES {
        let why = format!("`target` and `commit` have at most {PLACE_BYTES} bytes");
        return Err(Fault::new(Code::InvalidParams, why));
    }
    let noted = asked.desk.clerk().anchored(&target, commit.as_deref(), &checkpoint);
    let noted = noted.map_err(|error| match &error {
        AnchorError::Foreign(_) => fault(Code::InvalidParams, &error),
        AnchorError::Signed(inner) => unsigned(inner),
        _ => fault(Code::Internal, &error),
    })?;
    told(&noted)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Disclose {
    /// The record of commitments.
    record: u64,
    #[serde(default)]
    field: Option<String>,
    /// JSON text.
    #[serde(default)]
    value: Option<String>,
}

/// Answers with the disclosure, which is on record then.
pub(super) fn disclose(asked: &Asked<'_>, given: Value) -> Result<Value, Fault> {
    let Disclose { record, field, value } = params(given)?;
    let made = asked.desk.clerk().disclose((record, field.as_deref()), value);
    told(&made.map_err(|error| undisclosed(&error))?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Erase {
    #[serde(default)]
    run: Option<RunId>,
    #[serde(default)]
    all: bool,
}

/// Answers once it is erased.
pub(super) fn erase(asked: &Asked<'_>, given: Value) -> Result<Value, Fault> {
    let Erase { run, all } = params(given)?;
    if run.is_some() == all {
        let why = "either `run` with an id or `all` is needed";
        return Err(Fault::new(Code::InvalidParams, why));
    }
    told(&asked.desk.clerk().erase(run).map_err(|error| undisclosed(&error))?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Archive {
    /// Records before this microsecond.
    #[serde(default)]
    before_us: Option<i64>,
    /// The oldest, until the database uses at most so many bytes.
    #[serde(default)]
    max_bytes: Option<u64>,
    /// What the answer before said, where there is more.
    #[serde(default)]
    end: Option<u64>,
}

/// Answers once what is due is sealed, or after some seconds that there is more.
pub(super) fn archive(asked: &Asked<'_>, given: Value) -> Result<Value, Fault> {
    let Archive { before_us, max_bytes, end } = params(given)?;
    let due = match (before_us, max_bytes) {
        (Some(before), None) => Due::Before(Micros(before)),
        (None, Some(bytes)) => Due::Beyond(bytes),
        (Some(_), Some(_)) | (None, None) => {
            let why = "either `before_us` or `max_bytes` is needed";
            return Err(Fault::new(Code::InvalidParams, why));
        }
    };
    let sealed = asked.desk.clerk().archive(due, end);
    told(&sealed.map_err(|error| match error {
        SealFailure::Ending => fault(Code::Busy, &error),
        _ => fault(Code::Internal, &error),
    })?)
}

fn unsigned(error: &SignedError) -> Fault {
    fault(Code::Conflict, error)
}

fn undisclosed(error: &DiscloseError) -> Fault {
    let code = match error {
        DiscloseError::NotCommitted(_) | DiscloseError::Openings(_) => Code::NotFound,
        DiscloseError::Fields { .. } | DiscloseError::NoValue(_) | DiscloseError::Wrong(_) => {
            Code::InvalidParams
        }
        DiscloseError::Signed(_) => Code::Conflict,
        DiscloseError::Read(_) | DiscloseError::Journal(_) | DiscloseError::Owner(_) => {
            Code::Internal
        }
    };
    fault(code, error)
}

fn fault(code: Code, error: &dyn std::error::Error) -> Fault {
    Fault::new(code, cause::line(error))
}
