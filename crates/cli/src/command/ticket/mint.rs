//! `ticket mint` and `ticket attenuate`: a new ticket, and a narrower one of one that is there.
//! Making one is a call that policy decides; narrowing one needs the ticket, and for a signed one its key as well.

use runner::tickets::keys::Keys;
use runner::tickets::{self, Life, MintError, Narrowing, Ticket, Time, Wanted};
use runner::{Adopt, now};

use super::super::tool;
use super::failed::{keys_failure, not_issued};
use super::{keys, needed, owner, told};
use crate::arguments::{Attenuate, Global, Mint};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::printable;
use crate::session;

pub(super) fn mint(global: &Global, wanted: Mint) -> Result<Exit, Failure> {
    let life = wanted.life.as_deref().map(life).transpose()?;
    let args = match (&wanted.args, wanted.arguments.as_slice()) {
        (None, []) => None,
        (text, pairs) => {
            let tool = wanted.tools.first().map(String::as_str).unwrap_or_default();
            Some(tool::arguments(tool, text.as_deref(), pairs)?)
        }
    };
    let wanted = Wanted {
        tools: wanted.tools,
        workflow: wanted.workflow,
        principal: wanted.principal,
        args,
        paths: wanted.bounds.paths,
        hosts: wanted.bounds.hosts,
        scopes: wanted.bounds.scopes,
        this_policy: wanted.this_policy,
        life: life.map(Life),
        uses: wanted.uses,
        scheme: keys::scheme(wanted.signed),
    };
    let layout = session::layout(global)?;
    let asked = serde_json::to_value(&wanted).unwrap_or_default();
    if let Some(answer) = owner::ask(&layout, "ticket.mint", asked)? {
        let text = answer.get("ticket").and_then(serde_json::Value::as_str).unwrap_or_default();
        let ticket = Ticket::parse(text).map_err(|error| {
            Failure::of(Exit::Failure, &error).fix("end the process that owns the project")
        })?;
        return told::tell(global, &ticket);
    }
    let (node, _) = session::start(global, Adopt::Nothing)?;
    let issued = node.issuing().mint(&wanted).map_err(|error| not_issued(&error))?;
    told::tell(global, &issued.ticket)
}

pub(super) fn attenuate(global: &Global, wanted: &Attenuate) -> Result<Exit, Failure> {
    fn some(list: &[String]) -> Option<Vec<&str>> {
        (!list.is_empty()).then(|| list.iter().map(String::as_str).collect())
    }
    let ticket = needed(&wanted.ticket)?;
    let life = wanted.life.as_deref().map(life).transpose()?;
    let from_now = |life| Time(u64::try_from(now().0).unwrap_or(0)).after(life);
    let salt = tickets::salt().map_err(|error| Failure::new(Exit::Failure, error))?;
    let narrowing = Narrowing {
        salt,
        tools: some(&wanted.tools),
        paths: some(&wanted.bounds.paths),
        hosts: some(&wanted.bounds.hosts),
        scopes: if wanted.no_scopes { Some(Vec::new()) } else { some(&wanted.bounds.scopes) },
        expires: life.map(from_now),
        uses: wanted.uses,
        ..Narrowing::default()
    };
    let child = match tickets::attenuate(&ticket, narrowing.clone()) {
        Err(MintError::NeedsKey(name)) => {
            let layout = session::layout(global)?;
            let keys = Keys::read(&layout).map_err(|error| keys_failure(&error))?;
            let pair = keys.pair(name).map_err(|error| keys_failure(&error))?;
            tickets::attenuate_signed(&ticket, narrowing, pair)
        }
        child => child,
    };
    let child = child.map_err(|error| {
        Failure::of(Exit::Usage, &error).fix(
            "ask only for less than the ticket has; `palisade ticket inspect` says what that is",
        )
    })?;
    told::tell(global, &child)
}

fn life(text: &str) -> Result<std::time::Duration, Failure> {
    tickets::duration(text).map_err(|why| {
        Failure::new(Exit::Usage, format!("`--life {}` is no length of time", printable(text)))
            .because(why)
            .fix("write a number and ms, s, m, h or d, such as `30s`")
    })
}
