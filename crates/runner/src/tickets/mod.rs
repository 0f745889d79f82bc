//! Tickets that people hand in: the keys they are signed with, what is known of their use, and issuing them.
//!
//! [`keys`] reads and makes the project's token secrets, `ledger` turns use, issue and revocation into records and
//! rows, `issue` is the call that makes one, and this file holds one against a call. What a ticket is and when it
//! holds is the crate `ticket`'s; whether one may be issued is the policy's.

mod issue;
pub mod keys;
pub(crate) mod ledger;

use std::collections::BTreeMap;

use engine::run::{Digest, Micros};
use journal::{Order, ReadError, Reader, Scan};
use serde_json::Value;
use ticket::{Expected, Expiry, For, Keyring, Redeemed, Spent, Uses, Verified};

use crate::gate::Principal;
use crate::node::log;
use crate::projection;
use crate::tool;

pub use ::ticket::{
    Audience, Claims, Id, Malformed, MintError, Narrowing, Refused, Ticket, Time, attenuate,
    unverified,
};
pub use issue::{Issued, Issuing, NotIssued, Revoke, Wanted};
pub use keys::KeysError;
pub use ledger::Redemption;

/// Most tickets of which a use or a revocation is remembered at once. A further one is refused.
const REMEMBERED_MAX: usize = 100_000;
/// Rows read at a time.
const PAGE: usize = 1_000;

/// What is known about tickets that are handed in.
#[derive(Debug)]
pub struct Book {
    keyring: Keyring,
    uses: Uses,
    epoch: u32,
}

/// A call a ticket is held against, in its one form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held<'a> {
    pub(crate) principal: &'a Principal,
    pub(crate) tool: &'a str,
    pub(crate) arguments: &'a Value,
    pub(crate) digest: Digest,
    pub(crate) policy: Digest,
    pub(crate) now: Micros,
}

/// Why a ticket does not allow a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// It does not cover it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It is used up or revoked.
    #[error(transparent)]
    Spent(#[from] Spent),
}

impl Book {
    /// A book in which no ticket is valid: there is no key.
    #[must_use]
    pub fn closed() -> Self {
        Self { keyring: Keyring::default(), uses: Uses::new(0), epoch: 0 }
    }

    /// The book of a project: its keys, and what its journal says of uses that still matter at `now`.
    ///
    /// # Errors
    /// When the journal cannot be read; then no ticket may be accepted.
    pub fn open(keyring: Keyring, reader: &Reader, now: Micros) -> Result<Self, ReadError> {
        let uses = Uses::new(REMEMBERED_MAX);
        let rows = rows(reader, now)?;
        ledger::restore(&rows, &uses);
        Ok(Self { keyring, uses, epoch: ledger::epoch(&rows) })
    }

    /// Holds a ticket against a call, and says what `then` makes of it.
    pub(crate) fn hold<T>(
        &self,
        ticket: &Ticket,
        held: Held<'_>,
        then: impl FnOnce(&Verified<'_>) -> T,
    ) -> Result<T, Withheld> {
        let log = log();
        let texts = |name: &str| -> Vec<&str> {
            let list = held.arguments.get(name).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(Value::as_str).collect()
        };
        let mut paths = texts("paths");
        paths.extend(held.arguments.get("path").and_then(Value::as_str));
        let mounts = held.arguments.get("mounts").and_then(Value::as_array);
        let source =
            |mount: &'_ Value| mount.get("source").and_then(Value::as_str).map(str::to_owned);
        let sources: Vec<String> = mounts.into_iter().flatten().filter_map(source).collect();
        paths.extend(sources.iter().map(String::as_str));
        // A program sees the whole project, whatever else is mounted, so a ticket for parts of it covers none.
        if !paths.is_empty() && matches!(held.tool, tool::EXEC_RUN | tool::EXEC_SHELL) {
            paths.push(".");
        }
        let expected = Expected {
            what: For::Tool(held.tool),
            tenant: log.tenant(),
            project: None,
            principal: &held.principal.id,
            peer: None,
            epoch: self.epoch,
            arguments: Some(held.digest.0),
            paths: &paths,
            hosts: &texts("hosts"),
            scopes: &[],
            profile: None,
            policy: Some(held.policy.0),
        };
        let verified = ticket::verify(ticket, &self.keyring, &expected, time(held.now))?;
        self.uses.peek(&verified, time(held.now))?;
        Ok(then(&verified))
    }

    /// Takes one use of a ticket for a call that is allowed by it.
    pub(crate) fn redeem(&self, ticket: &Ticket, held: Held<'_>) -> Result<Redemption, Withheld> {
        let redeem = |verified: &Verified<'_>| -> Result<Redemption, Spent> {
            let Redeemed { uses, window, .. } = self.uses.redeem(verified, time(held.now))?;
            let dead = uses.iter().map(|used| used.dead).max().unwrap_or(Expiry(Time(0)));
            Ok(Redemption::new(verified, held.digest, (uses, window), dead))
        };
        Ok(self.hold(ticket, held, redeem)??)
    }

    /// Whether a ticket would allow what is asked at `now`. Nothing is used up.
    ///
    /// # Errors
    /// [`Withheld`]; what it is not asked about it is taken to fit.
    pub fn check(&self, ticket: &Ticket, asked: &Question, now: Micros) -> Result<(), Withheld> {
        let log = log();
        let claims = unverified(ticket).map_err(Refused::from)?;
        let (own_paths, own_hosts) =
            (claims.paths.unwrap_or_default(), claims.hosts.unwrap_or_default());
        let or = |list: &'_ [String], own: Vec<&'_ str>| -> Vec<String> {
            match list.is_empty() {
                true => own.into_iter().map(str::to_owned).collect(),
                false => list.to_vec(),
            }
        };
        let (paths, hosts) = (or(&asked.paths, own_paths), or(&asked.hosts, own_hosts));
        let what = match (&asked.tool, &asked.workflow, &claims.audience) {
            (Some(tool), _, _) => For::Tool(tool),
            (None, Some(workflow), _) => For::Workflow(workflow),
            (None, None, Audience::Tools(tools)) => {
                For::Tool(tools.first().copied().unwrap_or_default())
            }
            (None, None, Audience::Workflow(workflow)) => For::Workflow(workflow),
        };
        let expected = Expected {
            what,
            tenant: log.tenant(),
            project: None,
            principal: asked.principal.as_deref().unwrap_or(claims.principal),
            peer: asked.peer.as_deref().or(claims.peer),
            epoch: self.epoch,
            arguments: claims.arguments,
            paths: &paths.iter().map(String::as_str).collect::<Vec<_>>(),
            hosts: &hosts.iter().map(String::as_str).collect::<Vec<_>>(),
            scopes: &asked.scopes.iter().map(String::as_str).collect::<Vec<_>>(),
            profile: claims.profile,
            policy: claims.policy,
        };
        let verified = ticket::verify(ticket, &self.keyring, &expected, time(now))?;
        Ok(self.uses.peek(&verified, time(now))?)
    }
}

/// What somebody wants to know of a ticket: whether it is good for this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// A call of this tool.
    pub tool: Option<String>,
    /// Starting this action workflow.
    pub workflow: Option<String>,
    /// By this principal.
    pub principal: Option<String>,
    /// From this sandbox or process.
    pub peer: Option<String>,
    /// On these paths.
    pub paths: Vec<String>,
    /// Reaching these hosts.
    pub hosts: Vec<String>,
    /// With these scopes.
    pub scopes: Vec<String>,
}

/// A length of time as people write it, such as `30s`.
///
/// # Errors
/// What is wrong with it.
pub fn duration(text: &str) -> Result<std::time::Duration, String> {
    engine::policy::units::duration(text).map_err(|error| error.to_string())
}

/// Randomness that tells apart tickets narrowed alike.
///
/// # Errors
/// When the kernel has none to give.
pub fn salt() -> Result<u64, String> {
    crate::clock::entropy().map_err(|error| error.to_string())
}

/// Everything of tickets in a journal that still matters.
pub(crate) fn rows(reader: &Reader, now: Micros) -> Result<BTreeMap<String, Value>, ReadError> {
    let mut found = BTreeMap::new();
    for part in ledger::parts(now) {
        let mut after = part.after.map(String::into_bytes);
        loop {
            let prefix = part.prefix.as_bytes().to_vec();
            let scan = Scan { prefix, after: after.take(), order: Order::OldestFirst };
            let page = reader.view_scan(projection::TICKET, &scan, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (key, value) in &page {
                if let Ok(value) = serde_json::from_slice(value) {
                    found.insert(String::from_utf8_lossy(key).into_owned(), value);
                }
            }
        }
    }
    Ok(found)
}

pub(crate) fn time(now: Micros) -> Time {
    Time(u64::try_from(now.0).unwrap_or(0))
}
