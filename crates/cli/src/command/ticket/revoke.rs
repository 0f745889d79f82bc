//! `ticket revoke`: one ticket or all of them, in force when this returns, also in a process that owns the project.
//! It is a call that policy decides.

use runner::Adopt;
use runner::tickets::{Id, Revoke};
use serde_json::json;

use super::failed::not_issued;
use super::owner;
use crate::arguments::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{output, session};

pub(super) fn run(global: &Global, id: Option<&str>) -> Result<Exit, Failure> {
    let (what, asked) = match id {
        Some(id) => {
            let one = id.parse::<Id>().map_err(|error| {
                Failure::of(Exit::Usage, &error).fix(
                    "`palisade ticket inspect` and `palisade audit tail` name the ids of tickets",
                )
            })?;
            (Revoke::One(one), json!({ "ticket": id }))
        }
        None => (Revoke::All, json!({ "all": true })),
    };
    let layout = session::layout(global)?;
    if owner::ask(&layout, "ticket.revoke", asked)?.is_none() {
        let (node, _) = session::start(global, Adopt::Nothing)?;
        node.issuing().revoke(what).map_err(|error| not_issued(&error))?;
    }
    let told = id.unwrap_or("all");
    if global.json {
        output::json(&json!({ "revoked": told }));
    } else {
        output::talk(format!("revoked: {told}"));
    }
    Ok(Exit::Ok)
}
