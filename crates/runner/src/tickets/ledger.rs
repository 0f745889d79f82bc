//! What happens to tickets as records, and the rows that follow from them.
//!
//! Records name a ticket by its id and never hold its text. The rows are the same whether they are written beside a
//! record or made from it later; what is over sorts before what is not, so that a start reads only what still matters.

use std::collections::BTreeMap;

use engine::run::{Digest, Micros};
use journal::Change;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ticket::{Expiry, KeyId, Time, Used, Uses, Verified, Window};

use super::book::Unstarted;
use crate::projection;

/// Event type of a ticket that was made.
pub(crate) const ISSUED_KIND: &str = "ticket.issued";
/// Event type of a use of a ticket, in the commit of the call it allowed.
pub(crate) const REDEEMED_KIND: &str = "ticket.redeemed";
/// Event type of one ticket, or all of them, being revoked.
pub(crate) const REVOKED_KIND: &str = "ticket.revoked";
/// Event type of new keys, and of those before them where they were retired.
pub(crate) const ROTATED_KIND: &str = "ticket.rotated";
/// Event type of a ticket that was asked for and not made.
pub(crate) const DENIED_KIND: &str = "ticket.denied";

/// The row of the tenant's epoch.
pub(super) const EPOCH: &str = "epoch";

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

/// What is recorded of a workflow whose actions tickets denied. No part of a ticket's text is in it.
pub(crate) fn unstarted(workflow: &str, why: &Unstarted) -> Value {
    let why: Vec<String> = match why {
        Unstarted::Shut { shut, .. } => vec![shut.to_string()],
        Unstarted::Denied { why, .. } => why.iter().map(ToString::to_string).collect(),
    };
    json!({ "workflow": workflow, "denied": why })
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

/// The tenant's epoch, from its row where there is one; `None` when that says none.
pub(super) fn epoch(row: Option<&Value>) -> Option<u32> {
    row.map_or(Some(0), |row| row.as_u64()?.try_into().ok())
}

/// Brings back what was used and revoked and still matters at `now`.
///
/// # Errors
/// The first row that cannot be read: nobody knows then what was used.
pub(super) fn restore(
    rows: &BTreeMap<String, Value>,
    uses: &Uses,
    now: Expiry,
) -> Result<(), String> {
    for (key, value) in rows {
        let mut words = key.splitn(3, '/');
        let restored = match (words.next(), words.next(), words.next()) {
            (Some("use"), Some(dead), Some(id)) => restore_use(dead, id, value, uses),
            (Some("revoked"), Some(dead), Some(id)) => restore_revoked(dead, id, uses),
            (Some("window"), Some(name), Some(principal)) => {
                restore_window((name, principal), value, uses, now)
            }
            (Some(EPOCH), None, None) => Some(()),
            _ => None,
        };
        restored.ok_or_else(|| key.clone())?;
    }
    Ok(())
}

fn restore_use(dead: &str, id: &str, value: &Value, uses: &Uses) -> Option<()> {
    let count = value.get("count")?.as_u64()?.try_into().ok()?;
    let (id, dead) = (id.parse().ok()?, Expiry(Time(dead.parse().ok()?)));
    uses.restore(Used { id, count, dead });
    Some(())
}

fn restore_revoked(dead: &str, id: &str, uses: &Uses) -> Option<()> {
    uses.restore_revoked(id.parse().ok()?, Expiry(Time(dead.parse().ok()?)));
    Some(())
}

fn restore_window(
    (name, principal): (&str, &str),
    value: &Value,
    uses: &Uses,
    now: Expiry,
) -> Option<()> {
    let number = |name: &str| value.get(name)?.as_u64();
    let seen = u128::from_str_radix(value.get("seen")?.as_str()?, 16).ok()?;
    let window = Window::restored(number("highest")?, seen);
    let key = KeyId(u64::from_str_radix(name, 16).ok()?.to_be_bytes());
    let dead = Expiry(Time(number("dead")?));
    // A window is of use as long as one of its tickets could be used.
    if dead > now {
        uses.restore_window(key, principal, window, dead);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_cannot_be_read_is_named_and_never_passed_over() {
        let id = "09".repeat(16);
        let (key, good) = ("0123456789abcdef", json!({ "highest": 1, "seen": "1", "dead": 9 }));
        let rows = [
            (format!("use/9/{id}"), json!({ "count": 1 }), true),
            (format!("use/9/{id}"), json!({ "count": 70_000 }), false),
            (format!("use/9/{id}"), json!({}), false),
            ("use/9/x".to_owned(), json!({ "count": 1 }), false),
            (format!("use/x/{id}"), json!({ "count": 1 }), false),
            (format!("revoked/9/{id}"), json!({}), true),
            ("revoked/9/x".to_owned(), json!({}), false),
            (format!("revoked//{id}"), json!({}), false),
            (format!("window/{key}/user:a/b"), good.clone(), true),
            (format!("window/x/{key}"), good.clone(), false),
            (format!("window/{key}/a"), json!({ "highest": 1, "seen": "1" }), false),
            (format!("window/{key}/a"), json!({ "highest": 1, "seen": 1, "dead": 9 }), false),
            (format!("window/{key}"), good, false),
            (EPOCH.to_owned(), json!(3), true),
            ("epochal".to_owned(), json!(3), false),
            ("other/9/x".to_owned(), json!({}), false),
        ];
        for (key, value, reads) in rows {
            let rows = BTreeMap::from([(key.clone(), value)]);
            let restored = restore(&rows, &Uses::new(10), Expiry(Time(5)));
            assert_eq!(restored, if reads { Ok(()) } else { Err(key) });
        }
    }

    #[test]
    fn windows_that_are_over_are_left_in_the_journal() {
        let rows = (0..100).map(|n| {
            let window = json!({ "highest": 1, "seen": "1", "dead": n });
            (format!("window/0123456789abcdef/agent:{n}"), window)
        });
        let uses = Uses::new(10);
        assert_eq!(restore(&rows.collect(), &uses, Expiry(Time(89))), Ok(()));
        assert_eq!(uses.windows(), 10);
    }

    #[test]
    fn an_epoch_is_a_number_or_unknown() {
        let table = [
            (None, Some(0)),
            (Some(json!(7)), Some(7)),
            (Some(json!("7")), None),
            (Some(json!(-1)), None),
            (Some(json!(5_000_000_000_u64)), None),
        ];
        for (row, expected) in table {
            assert_eq!(epoch(row.as_ref()), expected, "{row:?}");
        }
    }
}
