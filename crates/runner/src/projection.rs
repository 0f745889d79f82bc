//! The views: derived from the records in the same commit, and again from them alone by `journal rebuild`.
//!
//! | view | key | value |
//! | --- | --- | --- |
//! | `run` | run id | the run's summary, JSON |
//! | `open_run` | run id of a run that has not ended | empty |
//! | `run_key` | principal, 0, idempotency key | run id |
//! | `workflow`, `policy` | digest of a document | its text |
//! | `unsafe_run` | run id of a run without a sandbox | empty |
//! | `storage` | `level`, `size` | event type of the last crossing |
//! | `signed` | origin of a log | the signed checkpoint a record named last, JSON |
//! | `charge` | time and fence of a started attempt that limits count; time and no fence of a correction | reservation and end, JSON |
//! | `approval` | id of a request for an approval | run id |
//! | `open_approval` | id of a request that waits for answers or for its step to begin | empty |
//! | `ticket` | what it is about, time, id | uses, nonces, revocations and the epoch of tickets, JSON |

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::policy::quota::Reservation;
use engine::run::{Event, Fact, Fence, Micros, Run, RunId, RunState, State};
use journal::{Change, Record};
use serde::{Deserialize, Serialize};

use crate::audit;
use crate::record;
use crate::storage;
use crate::tickets::ledger;
use crate::workflow;

/// Summaries of runs.
pub const RUN: &str = "run";
/// Runs that have not ended.
pub const OPEN_RUN: &str = "open_run";
/// Idempotency keys of submissions.
pub const RUN_KEY: &str = "run_key";
/// Texts of workflow documents.
pub const WORKFLOW: &str = "workflow";
/// Texts of policies.
pub const POLICY: &str = "policy";
/// Runs of which a part ran without a sandbox.
pub const UNSAFE_RUN: &str = "unsafe_run";
/// What attempts take of limits.
pub const CHARGE: &str = "charge";
/// Requests for approvals by their run.
pub const APPROVAL: &str = "approval";
/// Requests for approvals that are open.
pub const OPEN_APPROVAL: &str = "open_approval";
/// How full the disk is, as it was last recorded.
pub const STORAGE: &str = "storage";
/// What records say was signed.
pub const SIGNED: &str = "signed";
/// What is known of tickets that were issued or handed in.
pub const TICKET: &str = "ticket";
/// Every view, as the journal is told when it is opened.
pub const VIEWS: &[&str] = &[
    RUN,
    OPEN_RUN,
    RUN_KEY,
    WORKFLOW,
    POLICY,
    UNSAFE_RUN,
    CHARGE,
    APPROVAL,
    OPEN_APPROVAL,
    STORAGE,
    SIGNED,
    TICKET,
];

/// Event type of a workflow document met for the first time.
pub const WORKFLOW_KIND: &str = "workflow.registered";
/// Event type of a policy put in force.
pub const POLICY_KIND: &str = "policy.loaded";
/// Event type of a policy that somebody wants to put in force.
pub const PROPOSED_KIND: &str = "policy.proposed";

/// Event type of the ledger of limits having gone back to a clock that was corrected.
pub const CORRECTED_KIND: &str = "limits.corrected";

/// Payload of [`WORKFLOW_KIND`], [`POLICY_KIND`] and [`PROPOSED_KIND`]: a document as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Identity: for a workflow the SHA-256 of the text, for a policy its digest.
    pub digest: engine::run::Digest,
    /// File name, for people.
    pub name: String,
    /// The exact text.
    pub text: String,
}

/// Rows that follow from an event just applied to `state`.
#[must_use]
pub fn after(state: &State, event: &Event) -> Vec<Change> {
    let Some(run) = state.run(&event.run) else { return Vec::new() };
    let key = || event.run.0.to_vec();
    let mut changes: Vec<Change> = charged(run, event).into_iter().collect();
    match &event.fact {
        Fact::RunSubmitted(submission) => {
            changes.push(Change { view: OPEN_RUN, key: key(), value: Some(Vec::new()) });
            if let Some(given) = &submission.key {
                let row = key_row(&submission.principal, given);
                changes.push(Change { view: RUN_KEY, key: row, value: Some(key()) });
            }
        }
        Fact::RunRetried { .. } => {
            changes.push(Change { view: OPEN_RUN, key: key(), value: Some(Vec::new()) })
        }
        Fact::RunFinished { .. } => {
            changes.push(Change { view: OPEN_RUN, key: key(), value: None })
        }
        Fact::RunStarted | Fact::RunRecovered { .. } | Fact::RunCancelRequested { .. } => {}
        // Whether a run waits follows from its steps: these are the events by which it begins or ceases to.
        Fact::StepOutcomeUnknown { .. }
        | Fact::StepResolved { .. }
        | Fact::StepRetryScheduled { .. }
        | Fact::StepRequeued { .. } => {}
        Fact::StepApprovalRequested { request, .. } => {
            let id = || request.id.0.to_vec();
            changes.push(Change { view: APPROVAL, key: id(), value: Some(key()) });
            changes.push(Change { view: OPEN_APPROVAL, key: id(), value: Some(Vec::new()) });
        }
        Fact::ApprovalGranted { .. } => {}
        Fact::ApprovalDenied { approval, .. }
        | Fact::ApprovalExpired { approval, .. }
        | Fact::ApprovalStale { approval, .. }
        | Fact::ApprovalConsumed { approval, .. } => {
            let id = approval.0.to_vec();
            changes.push(Change { view: OPEN_APPROVAL, key: id, value: None });
        }
        Fact::StepStarted { attempt, .. } if *attempt > 1 => {}
        Fact::StepFinished { .. } if run.state() == RunState::Waiting => {}
        // Steps are read from the run's own records; the summary tells of the run only when it changes as a whole.
        _ => return changes,
    }
    let summary = serde_json::to_vec(&run.summary()).unwrap_or_default();
    changes.push(Change { view: RUN, key: key(), value: Some(summary) });
    changes
}

/// What one attempt takes of limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charged {
    /// Its run.
    pub run: RunId,
    /// Its lease.
    pub fence: Fence,
    /// What was reserved when it began.
    pub reservation: Reservation,
    /// When it ended; none while it runs, and where its end was never recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Micros>,
}

/// Payload of [`CORRECTED_KIND`]: what was reserved ahead of the clock counts from here on as reserved now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// Its place among the reservations.
    pub number: u64,
    /// When, in microseconds.
    pub at: u64,
}

impl Correction {
    /// Its row: that of a reservation of nothing, which has ended.
    pub(crate) fn row(self) -> Change {
        let Self { number, at } = self;
        let reservation = Reservation::nothing(number, at);
        let ended = Some(Micros(i64::try_from(at).unwrap_or(i64::MAX)));
        charge_row(at, &Charged { run: RunId::NIL, fence: Fence(0), reservation, ended })
    }
}

/// The row of an attempt that limits count, where it begins or ends with the event.
fn charged(run: &Run, event: &Event) -> Option<Change> {
    let (step, ended) = match &event.fact {
        Fact::StepStarted { step, .. } => (step, None),
        Fact::StepFinished { step, .. }
        | Fact::StepRequeued { step, .. }
        | Fact::StepOutcomeUnknown { step, .. } => (step, Some(event.at)),
        _ => return None,
    };
    let trail = run.step_named(step)?.trail()?;
    let (fence, started) = (trail.fence?, trail.started?);
    let reservation = trail.grant.as_ref()?.reservation.clone()?;
    let row = Charged { run: event.run, fence, reservation, ended };
    Some(charge_row(u64::try_from(started.0).unwrap_or(0), &row))
}

fn charge_row(time: u64, row: &Charged) -> Change {
    let key = [time.to_be_bytes(), row.fence.0.to_be_bytes()].concat();
    Change { view: CHARGE, key, value: Some(serde_json::to_vec(row).unwrap_or_default()) }
}

/// Row key of an idempotency key.
#[must_use]
pub fn key_row(principal: &str, key: &str) -> Vec<u8> {
    [principal.as_bytes(), &[0], key.as_bytes()].concat()
}

/// The row that says of a run that nothing held its programs.
pub(crate) fn unsafe_row(run: RunId) -> Change {
    Change { view: UNSAFE_RUN, key: run.0.to_vec(), value: Some(Vec::new()) }
}

/// The row of a document.
pub(crate) fn document_row(view: &'static str, document: &Document) -> Change {
    Change {
        view,
        key: document.digest.0.to_vec(),
        value: Some(document.text.clone().into_bytes()),
    }
}

/// Folds records into rows, one by one, as `journal rebuild` wants it. Keeps every run in memory, about 1 KiB each,
/// because an ended run may be retried by a later record.
#[derive(Debug)]
pub struct Fold {
    state: State,
    texts: BTreeMap<engine::run::Digest, Document>,
}

impl Default for Fold {
    fn default() -> Self {
        Self { state: State::new(0), texts: BTreeMap::new() }
    }
}

impl Fold {
    /// The rows that follow from the next record.
    pub fn take(&mut self, record: &Record) -> Vec<Change> {
        let kind: &str = &record.header.kind;
        if [WORKFLOW_KIND, POLICY_KIND, PROPOSED_KIND].contains(&kind) {
            return self.document(kind, record).into_iter().collect();
        }
        if let Some(row) = storage::row_of(kind) {
            return vec![row];
        }
        let signed = audit::signed_changes(kind, &record.payload);
        if !signed.is_empty() {
            return signed;
        }
        if kind == CORRECTED_KIND {
            let correction: Option<Correction> = serde_json::from_slice(&record.payload).ok();
            return correction.map(Correction::row).into_iter().collect();
        }
        let tickets = ledger::changes(kind, &record.payload);
        if !tickets.is_empty() {
            return tickets;
        }
        let Some(event) = record::event_of(record) else { return Vec::new() };
        let marked = record::is_unsafe(record) && event.run != RunId::NIL;
        if let Fact::RunSubmitted(submission) = &event.fact
            && self.state.plan(&submission.workflow).is_none()
            && let Some(text) = self.texts.get(&submission.workflow)
            && let Some(plan) = workflow::recorded(text)
        {
            self.state.know(Arc::new(plan));
        }
        // An event that does not apply says nothing about the rows; `audit verify` is what judges the records.
        if self.state.apply(&event).is_err() {
            return Vec::new();
        }
        let mut rows = after(&self.state, &event);
        rows.extend(marked.then(|| unsafe_row(event.run)));
        rows
    }

    fn document(&mut self, kind: &str, record: &Record) -> Option<Change> {
        let document: Document = serde_json::from_slice(&record.payload).ok()?;
        let view = if kind == WORKFLOW_KIND { WORKFLOW } else { POLICY };
        let row = document_row(view, &document);
        if kind == WORKFLOW_KIND {
            self.texts.insert(document.digest, document);
        }
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use journal::{Digest, Header, LogId, PayloadRef, Timestamp};

    use super::*;

    fn record(kind: &str, payload: Vec<u8>) -> Record {
        let header = Header {
            log: LogId::default(),
            sequence: 1,
            time: Timestamp { micros: 5, counter: 0 },
            class: record::NODE_STREAM.to_owned(),
            stream: [0; 16],
            kind: kind.to_owned(),
            principal: record::NODE_PRINCIPAL.to_owned(),
            correlation: None,
            causation: None,
            trace: None,
            schema: Digest::ZERO,
            payload: PayloadRef { len: 0, digest: Digest::ZERO, artifact: None },
            prev_leaf: Digest::ZERO,
        };
        Record { header, leaf: Digest::ZERO, payload }
    }

    #[test]
    fn a_correction_is_the_same_row_when_views_are_made_anew() {
        let correction = Correction { number: 7, at: 5_000_000 };
        let draft = record::node_draft(CORRECTED_KIND, &correction, Micros(5_000_000));
        let rows = Fold::default().take(&record(&draft.kind, draft.payload));
        assert_eq!(rows, [correction.row()]);
        let [row] = rows.as_slice() else { panic!("one row") };
        let value = row.value.as_deref().unwrap();
        let charged: Charged = serde_json::from_slice(value).unwrap();
        assert_eq!(charged.reservation, Reservation::nothing(7, 5_000_000));
        assert!(charged.ended.is_some());
        assert_eq!(Fold::default().take(&record(CORRECTED_KIND, b"{}".to_vec())), []);
    }
}
