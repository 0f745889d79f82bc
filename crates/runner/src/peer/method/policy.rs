//! `policy.apply`: a change of the policy, asked for in the name of the user at the other end.
//! Whether it may happen, and by whose word, is the gate's to say; `run.get` says what came of it.

use serde_json::{Value, json};

use super::{Asked, params, unanswered, unread};
use crate::amendment::{Amend, AmendError};
use crate::cause;
use crate::peer::message::{Code, Fault};

/// Answers once the call is durable.
pub(super) fn apply(asked: &Asked<'_>, given: Value) -> Result<Value, Fault> {
    let wanted: Amend = params(given)?;
    let accepted = asked.desk.amend(&asked.principal(), &wanted, None);
    let run = accepted.map_err(|error| refused(&error))?.run;
    Ok(json!({ "run": run }))
}

fn refused(error: &AmendError) -> Fault {
    let code = match error {
        AmendError::Policy(_)
        | AmendError::Tests(_)
        | AmendError::Phrase { .. }
        | AmendError::Agent(_)
        | AmendError::Call(_) => Code::InvalidParams,
        AmendError::NoFile | AmendError::ByHand(_) | AmendError::Same | AmendError::Moved => {
            Code::Conflict
        }
        AmendError::Unanswered(error) => return unanswered(error),
        AmendError::History(error) => return unread(error),
        AmendError::Journal(_) => Code::Internal,
    };
    Fault::new(code, cause::line(error))
}
