//! What is recorded beside a run's events: receipts, what was asked of the network, changes, merges.
//! None of it is state; a record that cannot be read is passed over, because `audit verify` is what judges records.

use std::collections::BTreeMap;

use engine::run::StoppedBy;
use journal::Record;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::change::Told;
use crate::record;

/// One request to an egress proxy: its decision and, where it was allowed, how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// The step.
    pub step: String,
    /// The attempt.
    pub attempt: u32,
    /// Its number in the life of its proxy.
    pub id: u64,
    /// `allow` or `deny`.
    pub verdict: String,
    /// The host as it was asked for; empty where none could be read.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The policy's rule that names the host.
    pub rule: Option<String>,
    /// Why, as a word.
    pub reason: String,
    /// Why, for people.
    pub detail: String,
    /// The address that was dialled.
    pub address: Option<String>,
    /// Bytes sent, once it ended.
    #[serde(default)]
    pub sent: Option<u64>,
    /// Bytes received, once it ended.
    #[serde(default)]
    pub received: Option<u64>,
    /// How it ended, once it did.
    #[serde(default)]
    pub why: Option<String>,
}

/// How an allowed request ended.
#[derive(Debug, Deserialize)]
struct Closed {
    step: String,
    attempt: u32,
    id: u64,
    address: Option<String>,
    sent: u64,
    received: u64,
    why: String,
}

/// What became of a merge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MergeTold {
    /// The step whose changes they are.
    pub step: String,
    /// Its attempt.
    pub attempt: u32,
    /// `merged`, `undone`, `conflicts`, `interrupted`, `failed` or `denied`.
    pub outcome: String,
    /// Why it was not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who asked.
    #[serde(default)]
    pub principal: String,
}

/// Everything beside the events.
#[derive(Debug, Default)]
pub(super) struct Beside {
    pub(super) receipts: BTreeMap<(String, u32), Value>,
    pub(super) reached: Vec<Reached>,
    pub(super) changes: Vec<Told>,
    pub(super) merges: Vec<MergeTold>,
    /// Whether any record says that nothing held the programs.
    pub(super) without_sandbox: bool,
}

impl Beside {
    pub(super) fn take(&mut self, record: &Record) {
        let kind: &str = &record.header.kind;
        match kind {
            record::RECEIPT_KIND => self.receipts.extend(receipt(record)),
            record::EGRESS_DECISION_KIND => self.reached.extend(read(record)),
            record::EGRESS_CLOSED_KIND => self.closed(record),
            record::CHANGES_KIND => self.changes.extend(read(record)),
            record::MERGE_FINISHED_KIND | record::UNDO_FINISHED_KIND => {
                self.merged(read::<MergeTold>(record), record);
            }
            record::MERGE_DENIED_KIND => self.merged(denied(record), record),
            _ => {}
        }
    }

    fn closed(&mut self, record: &Record) {
        let Some(closed) = read::<Closed>(record) else { return };
        let same = |reached: &&mut Reached| {
            (reached.attempt, reached.id) == (closed.attempt, closed.id)
                && reached.step == closed.step
        };
        if let Some(reached) = self.reached.iter_mut().rev().find(same) {
            reached.address = closed.address.or(reached.address.take());
            reached.sent = Some(closed.sent);
            reached.received = Some(closed.received);
            reached.why = Some(closed.why);
        }
    }

    fn merged(&mut self, told: Option<MergeTold>, record: &Record) {
        let principal = record.header.principal.to_string();
        self.merges.extend(told.map(|told| MergeTold { principal, ..told }));
    }
}

fn read<T: serde::de::DeserializeOwned>(record: &Record) -> Option<T> {
    serde_json::from_slice(&record.payload).ok()
}

fn receipt(record: &Record) -> Option<((String, u32), Value)> {
    let mut body: Value = read(record)?;
    let step = body.get("step")?.as_str()?.to_owned();
    let attempt = u32::try_from(body.get("attempt")?.as_u64()?).ok()?;
    Some(((step, attempt), body.get_mut("receipt")?.take()))
}

fn denied(record: &Record) -> Option<MergeTold> {
    #[derive(Deserialize)]
    struct Denied {
        step: String,
        attempt: u32,
        stopped_by: StoppedBy,
    }
    let Denied { step, attempt, stopped_by: by } = read(record)?;
    let why = Some(format!("{}: {}", by.name, by.detail));
    Some(MergeTold { step, attempt, outcome: "denied".to_owned(), why, principal: String::new() })
}
