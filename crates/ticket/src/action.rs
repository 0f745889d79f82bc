//! Actions of a workflow: what it does to the world outside, each under a ticket for starting that workflow.
//!
//! A ticket covers an action that has all of its scopes. One ticket that does not hold, and one action without a
//! ticket, deny the whole; a use is taken of every ticket, or of none. What a workflow's actions are is the caller's
//! to say, and so is keeping the uses.

use std::collections::BTreeSet;

use crate::claims::Time;
use crate::key::Keyring;
use crate::text::Ticket;
use crate::uses::{Redeemed, Spent, Uses};
use crate::verify::{Expected, For, Refused, Verified, verify};

/// Most tickets that are handed in at once. More are refused unread.
pub const TICKETS_MAX: usize = 16;

/// A workflow that is to be started.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// Its name; a ticket is for it.
    pub workflow: &'a str,
    /// The tenant.
    pub tenant: &'a str,
    /// The project, where it is of one.
    pub project: Option<&'a str>,
    /// Who starts it.
    pub principal: &'a str,
    /// The tenant's epoch.
    pub epoch: u32,
    /// What it does outside, at least one thing.
    pub actions: &'a [Action<'a>],
}

/// One action of a workflow.
#[derive(Debug, Clone, Copy)]
pub struct Action<'a> {
    /// Its name, once in a workflow.
    pub name: &'a str,
    /// What its ticket must have, word for word.
    pub scopes: &'a [&'a str],
}

/// One thing that denies the start of a workflow. No part of a ticket's text is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Nobody handed in a ticket for it.
    #[error("action `{action}` has no ticket with the scopes {}", scopes.join(", "))]
    Missing {
        /// The action.
        action: String,
        /// What its ticket must have.
        scopes: Vec<String>,
    },
    /// A ticket does not hold.
    #[error("ticket {place}: {why}")]
    Refused {
        /// Its place among those handed in, from 1.
        place: usize,
        /// Why.
        #[source]
        why: Refused,
    },
    /// A ticket is used up or revoked.
    #[error("ticket {place}: {why}")]
    Spent {
        /// Its place among those handed in, from 1.
        place: usize,
        /// Why.
        #[source]
        why: Spent,
    },
    /// A ticket is there twice, or two were narrowed from one.
    #[error("ticket {place} is one that was handed in before, or narrowed from the same one")]
    Twice {
        /// Its place among those handed in, from 1.
        place: usize,
    },
    /// More tickets than are looked at.
    #[error("{0} tickets were handed in, and at most {TICKETS_MAX} can be")]
    TooMany(usize),
}

impl Denied {
    /// What to do about it.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Missing { .. } => {
                "mint a ticket with `palisade ticket mint --action WORKFLOW --scope SCOPE` and hand it in"
            }
            Self::Refused { why, .. } => why.fix(),
            Self::Spent { why, .. } => why.fix(),
            Self::Twice { .. } | Self::TooMany(_) => "hand in one ticket for each action at most",
        }
    }
}

/// Holds every ticket against the start, and takes one use of each.
///
/// # Errors
/// Everything that denies it, tickets first, in their order; then no use is taken.
pub fn redeem<'t>(
    start: &Start<'_>,
    tickets: &'t [Ticket],
    (keyring, uses): (&Keyring, &Uses),
    now: Time,
) -> Result<Vec<(Verified<'t>, Redeemed)>, Vec<Denied>> {
    if tickets.len() > TICKETS_MAX {
        return Err(vec![Denied::TooMany(tickets.len())]);
    }
    let mut denied = Vec::new();
    let mut held: Vec<Verified<'t>> = Vec::with_capacity(tickets.len());
    let mut seen = BTreeSet::new();
    for (place, ticket) in (1..).zip(tickets) {
        match holds(start, ticket, keyring, now) {
            // Whoever narrowed a ticket kept its nonce, so one key and one nonce are one grant.
            Ok(verified) if !seen.insert((verified.key(), verified.claims().nonce)) => {
                denied.push(Denied::Twice { place });
            }
            Ok(verified) => match uses.peek(&verified, now) {
                Ok(()) => held.push(verified),
                Err(why) => denied.push(Denied::Spent { place, why }),
            },
            Err(why) => denied.push(Denied::Refused { place, why }),
        }
    }
    let uncovered =
        start.actions.iter().filter(|action| !held.iter().any(|one| covers(one, action)));
    denied.extend(uncovered.map(|action| Denied::Missing {
        action: action.name.to_owned(),
        scopes: action.scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    }));
    if !denied.is_empty() {
        return Err(denied);
    }
    uses.redeem_all(&held, now)
        .map(|redeemed| held.into_iter().zip(redeemed).collect())
        .map_err(|(place, why)| vec![Denied::Spent { place: place + 1, why }])
}

/// Whether a ticket is for this start and for at least one of its actions.
fn holds<'t>(
    start: &Start<'_>,
    ticket: &'t Ticket,
    keyring: &Keyring,
    now: Time,
) -> Result<Verified<'t>, Refused> {
    let expected = Expected {
        what: For::Workflow(start.workflow),
        tenant: start.tenant,
        project: start.project,
        principal: start.principal,
        peer: None,
        epoch: start.epoch,
        arguments: None,
        paths: &[],
        hosts: &[],
        scopes: &[],
        profile: None,
        policy: None,
    };
    let verified = verify(ticket, keyring, &expected, now)?;
    if start.actions.iter().any(|action| covers(&verified, action)) {
        return Ok(verified);
    }
    let own = &verified.claims().scopes;
    let wanted: BTreeSet<&str> =
        start.actions.iter().flat_map(|action| action.scopes).copied().collect();
    let lacking = wanted.into_iter().filter(|scope| !own.contains(scope));
    Err(Refused::Scopes(lacking.map(str::to_owned).collect()))
}

fn covers(verified: &Verified<'_>, action: &Action<'_>) -> bool {
    action.scopes.iter().all(|scope| verified.claims().scopes.contains(scope))
}
