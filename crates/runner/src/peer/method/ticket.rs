//! `ticket.mint`, `ticket.revoke` and `ticket.rotate`: what the owner's own command would do, while it runs.
//!
//! Each goes through the owner's gate and is durable before it is answered, and its book has it by then: what is revoked
//! is refused from the next call on. The text of a ticket is in the answer alone.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asked, params};
use crate::peer::message::{Code, Fault};
use crate::tickets::keys::{Earlier, Scheme};
use crate::tickets::{Id, NotIssued, Revoke, Wanted};

/// Answers with the ticket once it is on record.
pub(super) fn mint(asked: &Asked<'_>, given: Value) -> Result<Value, Fault> {
    let wanted: Wanted = params(given)?;
    let principal = asked.principal();
    let issued = asked.desk.issuing(&principal).mint(&wanted).map_err(|error| refused(&error))?;
    Ok(json!({ "id": issued.id.to_string(), "ticket": issued.ticket.text() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    ticket: Option<String>,
    #[serde(default)]
    all: bool,
}

/// Answers once the revocation is durable and in force.
pub(super) fn revoke(asked: &Asked<'_>, given: Value) -> Result<Value, Fault> {
    let Which { ticket, all } = params(given)?;
    let invalid = |why: String| Fault::new(Code::InvalidParams, why);
    let (what, told) = match (&ticket, all) {
        (Some(id), false) => {
            let one = id.parse::<Id>().map_err(|error| invalid(error.to_string()))?;
            (Revoke::One(one), id.as_str())
        }
        (None, true) => (Revoke::All, "all"),
        (Some(_), true) | (None, false) => {
            return Err(invalid("either `ticket` with an id or `all` is needed".to_owned()));
        }
    };
    let principal = asked.principal();
    asked.desk.issuing(&principal).revoke(what).map_err(|error| refused(&error))?;
    Ok(json!({ "revoked": told }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotate {
    scheme: Scheme,
    earlier: Earlier,
}

/// Answers once the new key is on disk and in use.
pub(super) fn rotate(asked: &Asked<'_>, given: Value) -> Result<Value, Fault> {
    let Rotate { scheme, earlier } = params(given)?;
    let principal = asked.principal();
    let keys =
        asked.desk.issuing(&principal).rotate(scheme, earlier).map_err(|error| refused(&error))?;
    let names: Vec<String> = keys.names(scheme).iter().map(ToString::to_string).collect();
    Ok(json!({ "accepted": names }))
}

fn refused(error: &NotIssued) -> Fault {
    let code = match error {
        NotIssued::Invalid(_) | NotIssued::Useless(_) | NotIssued::Mint(_) => Code::InvalidParams,
        NotIssued::Stopped(_) => Code::Denied,
        NotIssued::Shut(_) | NotIssued::Full(_) | NotIssued::Keys(_) | NotIssued::System(_) => {
            Code::Conflict
        }
        NotIssued::Read(_) | NotIssued::Journal(_) => Code::Internal,
    };
    Fault::new(code, error.to_string())
}
