//! `ticket revoke`: one ticket or all of them, in force when this returns, also in a process that owns the project.
//! It is a call that policy decides.

use runner::history::{History, HistoryError};
use runner::tickets::{Id, Revoke};
use runner::{Adopt, Layout};
use serde_json::json;

use super::failed::not_issued;
use super::owner;
use crate::arguments::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{output, session};

/// Digits of a whole id.
const ID_DIGITS: usize = 32;

pub(super) fn run(global: &Global, id: Option<&str>) -> Result<Exit, Failure> {
    let layout = session::layout(global)?;
    let one = id.map(|id| named(&layout, id)).transpose()?;
    let (what, asked) = match one {
        Some(one) => (Revoke::One(one), json!({ "ticket": one.to_string() })),
        None => (Revoke::All, json!({ "all": true })),
    };
    if owner::ask(&layout, "ticket.revoke", asked)?.is_none() {
        let (node, _) = session::start(global, Adopt::Nothing)?;
        node.issuing().revoke(what).map_err(|error| not_issued(&error))?;
    }
    let told = one.map_or_else(|| "all".to_owned(), |one| one.to_string());
    if global.json {
        output::json(&json!({ "revoked": told }));
    } else {
        output::talk(format!("revoked: {told}"));
    }
    Ok(Exit::Ok)
}

/// The ticket of this id, or the one on record whose id begins like this. Whether one exists only its holder knows, so
/// a whole id is taken as it is.
fn named(layout: &Layout, id: &str) -> Result<Id, Failure> {
    let hint = "`palisade ticket inspect` and `palisade audit tail` name the ids of tickets";
    let wrong = match id.parse::<Id>() {
        Ok(id) => return Ok(id),
        Err(error) => error,
    };
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if id.is_empty() || id.len() >= ID_DIGITS || !id.bytes().all(digit) {
        return Err(Failure::of(Exit::Usage, &wrong).fix(hint));
    }
    let found = History::open(layout).and_then(|history| history.ticket(id));
    found.map_err(|error| match error {
        HistoryError::NoTicket(_) => Failure::of(Exit::NotFound, &error).fix(hint),
        error => session::history_failure(&error),
    })
}
