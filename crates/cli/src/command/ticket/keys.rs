//! `ticket rotate` and `ticket key`: new keys, and the public halves for others.
//! A process that owns the project makes the new one itself, so that it accepts at once what is accepted from then on.

use runner::Adopt;
use runner::tickets::keys::{Earlier, Keys, Scheme};
use serde_json::{Value, json};

use super::failed::{keys_failure, not_issued};
use super::owner;
use crate::arguments::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{output, session};

/// How a ticket is to be signed.
pub(super) fn scheme(signed: bool) -> Scheme {
    if signed { Scheme::Signed } else { Scheme::Secret }
}

/// What becomes of the keys before.
pub(super) fn earlier(retire: bool) -> Earlier {
    if retire { Earlier::Retired } else { Earlier::Kept }
}

pub(super) fn rotate(global: &Global, scheme: Scheme, earlier: Earlier) -> Result<Exit, Failure> {
    let layout = session::layout(global)?;
    let failed = |error: runner::LayoutError| Failure::of(Exit::Failure, &error).fix(error.hint());
    layout.create().map_err(failed)?;
    let asked = json!({ "scheme": scheme, "earlier": earlier });
    let names: Vec<String> = match owner::ask(&layout, "ticket.rotate", asked)? {
        Some(answer) => {
            let names = answer.get("accepted").and_then(Value::as_array).into_iter().flatten();
            names.filter_map(Value::as_str).map(str::to_owned).collect()
        }
        None => {
            // As the owner, so that nobody else goes on with keys that are retired.
            let (node, _) = session::start(global, Adopt::Nothing)?;
            let keys =
                node.issuing().rotate(scheme, earlier).map_err(|error| not_issued(&error))?;
            keys.names(scheme).iter().map(ToString::to_string).collect()
        }
    };
    if global.json {
        output::json(&json!({ "accepted": names, "signing": names.last() }));
    } else {
        let (count, newest) = (names.len(), names.last().map_or("", String::as_str));
        let which = match scheme {
            Scheme::Secret => "tickets",
            Scheme::Signed => "tickets that leave the node",
        };
        output::line(format!("{which} are signed with {newest} from now on; {count} accepted"));
    }
    Ok(Exit::Ok)
}

pub(super) fn key(global: &Global) -> Result<Exit, Failure> {
    let layout = session::layout(global)?;
    let keys = Keys::read(&layout).map_err(|error| keys_failure(&error))?;
    let texts: Vec<String> = keys.public().map(|key| key.text()).collect();
    if texts.is_empty() {
        return Err(Failure::new(Exit::NotFound, "the project has no key pair for tickets")
            .fix("make one with `palisade ticket rotate --signed`"));
    }
    if global.json {
        output::json(&json!({ "keys": texts, "signing": texts.last() }));
    } else {
        texts.iter().for_each(output::line);
    }
    Ok(Exit::Ok)
}
