//! What happens to tickets as records, and the rows that follow from them.
//!
//! Records name a ticket by its id and never hold its text. The rows are the same whether they are written beside a
//! record or made from it later; what is over sorts before what is not, so that a start reads only what still matters.

use std::collections::BTreeMap;

use engine::run::{Digest, Micros};
use journal::Change;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ticket::{Expiry, Id, KeyId, Time, Used, Uses, Verified, Window};

use crate::projection;

/// Event type of a ticket that was made.
pub(crate) const ISSUED_KIND: &str = "ticket.issued";
/// Event type of a use of a ticket, in the commit of the call it allowed.
pub(crate) const REDEEMED_KIND: &str = "ticket.redeemed";
/// Event type of one ticket, or all of them, being revoked.
pub(crate) const REVOKED_KIND: &str = "ticket.revoked";
/// Event type of a ticket that was asked for and not made.
pub(crate) const DENIED_KIND: &str = "ticket.denied";

const EPOCH: &str = "epoch";

/// One use of a ticket that was handed in, to be recorded with the call it allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redemption {
    /// The ticket's id.
    pub ticket: String,
    /// Digest of the call.
    call: Digest,
    key: String,
    principal: String,
    nonce: u64,
    /// The ticket and those it was narrowed from, with the uses of each.
    uses: Vec<Count>,
    /// The nonces seen of the issuer: the highest, and which below it, in hexadecimal.
    highest: u64,
    seen: String,
    dead: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    id: String,
    count: u16,
    dead: u64,
}

impl Redemption {
    pub(super) fn new(
        verified: &Verified<'_>,
        call: Digest,
        (uses, window): (Vec<Used>, Window),
        dead: Expiry,
    ) -> Self {
        let (highest, seen) = window.parts();
        let count =
            |used: Used| Count { id: used.id.to_string(), count: used.count, dead: used.dead.0.0 };
        Self {
            ticket: verified.id().to_string(),
            call,
            key: verified.key().to_string(),
            principal: verified.claims().principal.to_owned(),
            nonce: verified.claims().nonce,
            uses: uses.into_iter().map(count).collect(),
            highest,
            seen: format!("{seen:x}"),
            dead: dead.0.0,
        }
    }
}

/// That a ticket was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Issue {
    pub(crate) ticket: String,
    pub(crate) key: String,
    pub(crate) principal: String,
    pub(crate) nonce: u64,
    pub(crate) expires: u64,
    /// What was asked of the gate.
    pub(crate) asked: Value,
    pub(crate) decision: Value,
}

/// That tickets are not valid any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Revocation {
    /// One of them, until it is over.
    pub(crate) ticket: Option<(String, u64)>,
    /// Every one of an epoch before this.
    pub(crate) epoch: Option<u32>,
    pub(crate) decision: Value,
}

/// Rows of one kind that are read at a start.
pub(super) struct Part {
    pub(super) prefix: &'static str,
    pub(super) after: Option<String>,
}

/// The rows that still matter at `now`.
pub(super) fn parts(now: Micros) -> Vec<Part> {
    let live = |prefix: &str| Some(format!("{prefix}{:020}", now.0.max(0)));
    vec![
        Part { prefix: "use/", after: live("use/") },
        Part { prefix: "revoked/", after: live("revoked/") },
        Part { prefix: "window/", after: None },
        Part { prefix: "nonce/", after: None },
        Part { prefix: EPOCH, after: None },
    ]
}

fn row(key: String, value: &Value) -> Change {
    let value = Some(value.to_string().into_bytes());
    Change { view: projection::TICKET, key: key.into_bytes(), value }
}

/// The row under which the last nonce of an issuer for a principal is kept.
pub(super) fn nonce_row(key: &str, principal: &str) -> String {
    format!("nonce/{key}/{principal}")
}

/// The rows that follow from a record; none from a record of something else.
pub(crate) fn changes(kind: &str, payload: &[u8]) -> Vec<Change> {
    match kind {
        REDEEMED_KIND => serde_json::from_slice(payload).map(|one| redeemed(&one)),
        ISSUED_KIND => serde_json::from_slice(payload)
            .map(|one: Issue| vec![row(nonce_row(&one.key, &one.principal), &json!(one.nonce))]),
        REVOKED_KIND => serde_json::from_slice(payload).map(|one| revoked(&one)),
        _ => return Vec::new(),
    }
    .unwrap_or_default()
}

fn redeemed(one: &Redemption) -> Vec<Change> {
    let count = |used: &Count| {
        row(format!("use/{:020}/{}", used.dead, used.id), &json!({ "count": used.count }))
    };
    let window = json!({ "highest": one.highest, "seen": one.seen, "dead": one.dead });
    let mut rows: Vec<Change> = one.uses.iter().map(count).collect();
    rows.push(row(format!("window/{}/{}", one.key, one.principal), &window));
    rows
}

fn revoked(one: &Revocation) -> Vec<Change> {
    let ticket =
        one.ticket.iter().map(|(id, dead)| row(format!("revoked/{dead:020}/{id}"), &json!({})));
    ticket.chain(one.epoch.iter().map(|epoch| row(EPOCH.to_owned(), &json!(epoch)))).collect()
}

/// The tenant's epoch.
pub(super) fn epoch(rows: &BTreeMap<String, Value>) -> u32 {
    let epoch = rows.get(EPOCH).and_then(Value::as_u64).unwrap_or(0);
    u32::try_from(epoch).unwrap_or(u32::MAX)
}

/// Brings back what was used and revoked.
pub(super) fn restore(rows: &BTreeMap<String, Value>, uses: &Uses) {
    for (key, value) in rows {
        let mut words = key.splitn(3, '/');
        let (Some(kind), Some(one), Some(two)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        match kind {
            "use" => restore_use(one, two, value, uses),
            "revoked" => {
                if let (Ok(dead), Ok(id)) = (one.parse(), two.parse::<Id>()) {
                    uses.restore_revoked(id, Expiry(Time(dead)));
                }
            }
            "window" => restore_window(one, two, value, uses),
            _ => {}
        }
    }
}

fn restore_use(dead: &str, id: &str, value: &Value, uses: &Uses) {
    // A count that cannot be read is one that is used up.
    let count = value.get("count").and_then(Value::as_u64).and_then(|count| count.try_into().ok());
    if let (Ok(dead), Ok(id)) = (dead.parse(), id.parse::<Id>()) {
        uses.restore(Used { id, count: count.unwrap_or(u16::MAX), dead: Expiry(Time(dead)) });
    }
}

fn restore_window(key: &str, principal: &str, value: &Value, uses: &Uses) {
    let number = |name: &str| value.get(name).and_then(Value::as_u64);
    let seen = value.get("seen").and_then(Value::as_str);
    let seen = seen.and_then(|seen| u128::from_str_radix(seen, 16).ok());
    let Ok(key) = u64::from_str_radix(key, 16) else { return };
    // A window that cannot be read has seen everything below its highest nonce.
    let window = Window::restored(number("highest").unwrap_or(u64::MAX), seen.unwrap_or(u128::MAX));
    let dead = Expiry(Time(number("dead").unwrap_or(u64::MAX)));
    uses.restore_window(KeyId(key.to_be_bytes()), principal, window, dead);
}
