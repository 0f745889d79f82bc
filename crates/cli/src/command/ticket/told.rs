//! What a ticket says, for people and machines.
//! Its text is among it only where a new ticket was asked for.

use runner::now;
use runner::tickets::{self, Audience, Claims, Refused, Ticket};
use serde_json::{Value, json};

use super::failed::withheld;
use crate::arguments::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, printable};

/// The text of a new ticket, on standard output alone.
pub(super) fn tell(global: &Global, ticket: &Ticket) -> Result<Exit, Failure> {
    let claims = says(ticket)?;
    if global.json {
        let mut told = told(ticket, &claims);
        if let Some(told) = told.as_object_mut() {
            told.insert("ticket".to_owned(), ticket.text().into());
        }
        output::json(&told);
    } else {
        output::talk(format!("ticket {}: {}", claims.id, line(&claims)));
        output::line(ticket.text());
    }
    Ok(Exit::Ok)
}

pub(super) fn says(ticket: &Ticket) -> Result<Claims<'_>, Failure> {
    tickets::unverified(ticket).map_err(|error| withheld(&Refused::from(error).into()))
}

/// What a ticket says, for machines.
pub(super) fn told(ticket: &Ticket, claims: &Claims<'_>) -> Value {
    let (tools, workflow) = match &claims.audience {
        Audience::Tools(tools) => (Some(tools), None),
        Audience::Workflow(workflow) => (None, Some(workflow)),
    };
    let hex =
        |digest: &[u8; 32]| -> String { digest.iter().map(|byte| format!("{byte:02x}")).collect() };
    json!({
        "id": claims.id.to_string(),
        "key": ticket.key().to_string(),
        "narrowed": ticket.depth(),
        "tenant": claims.tenant,
        "project": claims.project,
        "principal": claims.principal,
        "peer": claims.peer,
        "tools": tools,
        "workflow": workflow,
        "arguments": claims.arguments.as_ref().map(hex),
        "paths": claims.paths,
        "hosts": claims.hosts,
        "scopes": claims.scopes,
        "profile": claims.profile.as_ref().map(hex),
        "policy": claims.policy.as_ref().map(hex),
        "not_before_us": claims.not_before.0,
        "expires_us": claims.expires.0,
        "uses": claims.uses,
        "nonce": claims.nonce,
        "epoch": claims.epoch,
    })
}

/// The same in a line, for people.
pub(super) fn line(claims: &Claims<'_>) -> String {
    let what = match &claims.audience {
        Audience::Tools(tools) => tools.join(", "),
        Audience::Workflow(workflow) => (*workflow).to_owned(),
    };
    let exactly = if claims.arguments.is_some() { " with exactly these arguments" } else { "" };
    let left = claims.expires.0.saturating_sub(u64::try_from(now().0).unwrap_or(0)) / 1_000_000;
    let uses = if claims.uses == 1 { "once".to_owned() } else { format!("{} times", claims.uses) };
    printable(&format!("{what}{exactly} by {}, {uses}, {left} s left", claims.principal))
}
