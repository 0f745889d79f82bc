//! The book of a running node: the keys it accepts now, and what is known of the use of tickets.
//!
//! It is shared by everything that holds a ticket against something, and by what issues and revokes them, so that a
//! revocation counts from the next call on. What it does not know for certain, it does not guess: a book that cannot
//! be read back is shut, and no ticket is valid while the process lives.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use engine::run::{Digest, Micros};
use engine::workflow::Workflow;
use journal::{Order, ReadError, Reader, Scan};
use serde_json::Value;
use ticket::action::{self, Denied};
use ticket::{
    Expected, Expiry, For, Id, Keyring, Redeemed, Refused, Spent, Ticket, Uses, Verified,
};

use super::keys::KeysError;
use super::ledger::{self, Redemption};
use super::question::{self, Question};
use super::time;
use crate::gate::Principal;
use crate::node::log;
use crate::projection;
use crate::tool;

/// Most tickets of which a use or a revocation is remembered at once. A further one is refused.
const REMEMBERED_MAX: usize = 100_000;
/// How far ahead a clock may be when a node starts without what was used being forgotten, in µs.
const CLOCK_AHEAD_US: i64 = 48 * 3600 * 1_000_000;
/// Rows read at a time.
const PAGE: usize = 1_000;

/// What is known about tickets that are handed in.
#[derive(Debug)]
pub struct Book {
    keys: RwLock<Result<Keyring, Shut>>,
    known: Result<Known, Shut>,
    /// Held while a ticket is issued or revoked: nonces and epochs follow from those before.
    turn: Mutex<()>,
}

/// What was used and revoked.
#[derive(Debug)]
pub(super) struct Known {
    uses: Uses,
    epoch: AtomicU32,
}

/// Why no ticket at all is valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no ticket is valid here: {why}")]
pub struct Shut {
    why: String,
    fix: &'static str,
}

impl Shut {
    fn keys(error: &KeysError) -> Self {
        Self { why: error.to_string(), fix: error.fix() }
    }

    /// That nobody knows what a row says.
    pub(super) fn unreadable(key: &str) -> Self {
        let why = format!("what is known of their use cannot be read (row `{key}`)");
        Self {
            why,
            fix: "end the process that owns the project and run `palisade journal rebuild`",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        self.fix
    }
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
    /// None is valid.
    #[error(transparent)]
    Shut(#[from] Shut),
    /// It does not cover it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It is used up or revoked.
    #[error(transparent)]
    Spent(#[from] Spent),
}

/// Why a workflow with actions does not start. Nothing of it began, and no ticket lost a use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unstarted {
    /// No ticket could allow it.
    #[error("workflow `{workflow}` has actions, and {shut}")]
    Shut {
        /// Its name.
        workflow: String,
        /// Why.
        shut: Shut,
    },
    /// Tickets do not hold, or there is none for an action.
    #[error("the actions of workflow `{workflow}` are denied")]
    Denied {
        /// Its name.
        workflow: String,
        /// Everything that denies it.
        why: Vec<Denied>,
    },
}

impl Book {
    /// A book in which no ticket is valid: there is no key.
    #[must_use]
    pub fn closed() -> Self {
        let shut = Shut::keys(&KeysError::None);
        Self { keys: RwLock::new(Err(shut.clone())), known: Err(shut), turn: Mutex::default() }
    }

    /// The book of a project: its keys, and what its journal says of uses that still matter at `now`. Keys that cannot
    /// be used are none, and rows that cannot be read shut it; either is told to whoever hands a ticket in.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn open(
        keys: Result<Keyring, KeysError>,
        reader: &Reader,
        now: Micros,
    ) -> Result<Self, ReadError> {
        // A clock that is ahead now and set right later would make what is over by it count again.
        let since = Micros(now.0.saturating_sub(CLOCK_AHEAD_US));
        let known = match rows(reader, since)? {
            Ok(rows) => Known::of(&rows, since).map_err(|key| Shut::unreadable(&key)),
            Err(key) => Err(Shut::unreadable(&key)),
        };
        let book = Self { known, ..Self::closed() };
        book.accept(keys);
        Ok(book)
    }

    /// Accepts these keys from now on, and no others.
    pub(crate) fn accept(&self, keys: Result<Keyring, KeysError>) {
        let keys = keys.map_err(|error| Shut::keys(&error));
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// What is known, where it is.
    pub(super) fn known(&self) -> Result<&Known, Shut> {
        self.known.as_ref().map_err(Clone::clone)
    }

    /// Waits until nobody else issues or revokes.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self) -> RwLockReadGuard<'_, Result<Keyring, Shut>> {
        // The keys are replaced as a whole, so a panic elsewhere leaves them whole.
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds a ticket against a call, and says what `then` makes of it.
    pub(crate) fn hold<T>(
        &self,
        ticket: &Ticket,
        held: Held<'_>,
        then: impl FnOnce(&Verified<'_>) -> T,
    ) -> Result<T, Withheld> {
        let known = self.known()?;
        let keys = self.keys();
        let keyring = keys.as_ref().map_err(Clone::clone)?;
        let log = log();
        let mut paths = paths_of(held.arguments);
        // A program sees the whole project, whatever else is mounted, so a ticket for parts of it covers none.
        if !paths.is_empty() && matches!(held.tool, tool::EXEC_RUN | tool::EXEC_SHELL) {
            paths.push(".");
        }
        let expected = Expected {
            what: For::Tool(held.tool),
            tenant: log.tenant(),
            project: None,
            principal: &held.principal.id,
            // Whoever hands a ticket in is not asked from where; only the gate's own are bound to an attempt.
            peer: None,
            epoch: known.epoch(),
            arguments: Some(held.digest.0),
            paths: &paths,
            hosts: &texts(held.arguments, "hosts"),
            scopes: &[],
            profile: None,
            policy: Some(held.policy.0),
        };
        let verified = ticket::verify(ticket, keyring, &expected, time(held.now))?;
        known.uses.peek(&verified, time(held.now))?;
        Ok(then(&verified))
    }

    /// Takes one use of a ticket for a call that is allowed by it.
    pub(crate) fn redeem(&self, ticket: &Ticket, held: Held<'_>) -> Result<Redemption, Withheld> {
        let uses = &self.known()?.uses;
        let redeem = |verified: &Verified<'_>| -> Result<Redemption, Spent> {
            Ok(redemption(verified, uses.redeem(verified, time(held.now))?, held.digest))
        };
        Ok(self.hold(ticket, held, redeem)??)
    }

    /// Takes one use of each ticket under which `principal` starts a workflow with actions.
    ///
    /// # Errors
    /// [`Unstarted`]; then no use was taken.
    pub(crate) fn start(
        &self,
        principal: &Principal,
        workflow: &Workflow,
        tickets: &[Ticket],
        now: Micros,
    ) -> Result<Vec<Redemption>, Unstarted> {
        let name = &workflow.name;
        let shut = |shut: &Shut| Unstarted::Shut { workflow: name.clone(), shut: shut.clone() };
        let known = self.known.as_ref().map_err(shut)?;
        let keys = self.keys();
        let keyring = keys.as_ref().map_err(shut)?;
        let scopes: Vec<Vec<&str>> = workflow
            .actions
            .iter()
            .map(|action| action.scopes.iter().map(String::as_str).collect())
            .collect();
        let actions: Vec<action::Action<'_>> = workflow
            .actions
            .iter()
            .zip(&scopes)
            .map(|(action, scopes)| action::Action { name: &action.name, scopes })
            .collect();
        let log = log();
        let start = action::Start {
            workflow: name,
            tenant: log.tenant(),
            project: None,
            principal: &principal.id,
            epoch: known.epoch(),
            actions: &actions,
        };
        let redeemed = action::redeem(&start, tickets, (keyring, &known.uses), time(now))
            .map_err(|why| Unstarted::Denied { workflow: name.clone(), why })?;
        let digest = Digest(workflow.digest);
        Ok(redeemed.into_iter().map(|(of, redeemed)| redemption(&of, redeemed, digest)).collect())
    }

    /// Whether a ticket would allow what is asked at `now`. Nothing is used up.
    ///
    /// # Errors
    /// [`Withheld`]; what it is not asked about it is taken to fit.
    pub fn check(&self, ticket: &Ticket, asked: &Question, now: Micros) -> Result<(), Withheld> {
        let known = self.known()?;
        let keys = self.keys();
        let keyring = keys.as_ref().map_err(Clone::clone)?;
        let verified = question::check(ticket, keyring, asked, (known.epoch(), now))?;
        Ok(known.uses.peek(&verified, time(now))?)
    }
}

impl Known {
    fn of(rows: &BTreeMap<String, Value>, now: Micros) -> Result<Self, String> {
        let uses = Uses::new(REMEMBERED_MAX);
        ledger::restore(rows, &uses, Expiry(time(now)))?;
        let epoch = ledger::epoch(rows.get(ledger::EPOCH)).ok_or(ledger::EPOCH)?;
        Ok(Self { uses, epoch: AtomicU32::new(epoch) })
    }

    fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Makes every ticket of an epoch before this void.
    pub(super) fn raise(&self, epoch: u32) {
        self.epoch.fetch_max(epoch, Ordering::SeqCst);
    }

    /// Makes one ticket void, and what was narrowed from it.
    pub(super) fn revoke(&self, id: Id, dead: Expiry) -> Result<(), Spent> {
        self.uses.revoke(id, dead)
    }
}

/// The texts of a list among arguments.
pub(super) fn texts<'a>(arguments: &'a Value, name: &str) -> Vec<&'a str> {
    let list = arguments.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Every path that arguments name.
pub(super) fn paths_of(arguments: &Value) -> Vec<&str> {
    let mounts = arguments.get("mounts").and_then(Value::as_array).into_iter().flatten();
    let mut paths = texts(arguments, "paths");
    paths.extend(arguments.get("path").and_then(Value::as_str));
    paths.extend(mounts.filter_map(|mount| mount.get("source")?.as_str()));
    paths
}

/// A use that was taken, to be recorded.
fn redemption(verified: &Verified<'_>, redeemed: Redeemed, of: Digest) -> Redemption {
    let Redeemed { uses, window, .. } = redeemed;
    let dead = uses.iter().map(|used| used.dead).max().unwrap_or_default();
    Redemption::new(verified, of, (uses, window), dead)
}

/// Everything of tickets in a journal that still matters; inside, the first row that cannot be read.
fn rows(
    reader: &Reader,
    now: Micros,
) -> Result<Result<BTreeMap<String, Value>, String>, ReadError> {
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
                let key = String::from_utf8_lossy(key).into_owned();
                match serde_json::from_slice(value) {
                    Ok(value) => drop(found.insert(key, value)),
                    Err(_) => return Ok(Err(key)),
                }
            }
        }
    }
    Ok(Ok(found))
}
