//! Events as records of the journal, and back.
//!
//! The stream of a run's records is the run; the payload is the event's JSON. The journal keeps the bytes and does
//! not look into them.

use std::borrow::Cow;

use engine::policy::OwnedCall;
use engine::run::{Event, Micros, RunId};
use journal::{Digest, Draft, Record, Stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Class of the streams whose id is a run id.
pub const RUN_STREAM: &str = "run";
/// Class of the stream of the node itself: starts, policies.
pub const NODE_STREAM: &str = "node";
/// Id of that stream.
pub(crate) const NODE_STREAM_ID: [u8; 16] = [0; 16];
/// Principal of what no caller asked for.
pub const NODE_PRINCIPAL: &str = "system:palisade";

/// The field that marks every record of a run without a sandbox.
const UNSAFE: &str = "unsafe";

/// Whether programs of this process are held by a sandbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Isolation {
    /// They are.
    #[default]
    Sandbox,
    /// They are not, because the user allowed it and somebody asked for it.
    None,
}

impl Isolation {
    /// `draft`, marked where nothing holds the programs of its run.
    pub(crate) fn mark(self, mut draft: Draft) -> Draft {
        if self == Self::Sandbox || draft.stream.class != RUN_STREAM {
            return draft;
        }
        if let Ok(Value::Object(mut body)) = serde_json::from_slice(&draft.payload) {
            body.insert(UNSAFE.to_owned(), true.into());
            draft.payload = Value::Object(body).to_string().into_bytes();
        }
        draft
    }
}

/// Whether a record says that nothing held the programs of its run.
#[must_use]
pub fn is_unsafe(record: &Record) -> bool {
    #[derive(serde::Deserialize)]
    struct Mark {
        #[serde(default, rename = "unsafe")]
        marked: bool,
    }
    serde_json::from_slice(&record.payload).is_ok_and(|mark: Mark| mark.marked)
}

/// Event type of a call in the form policy saw, with what it decided, in the commit of what follows.
pub const CALL_KIND: &str = "call.decided";

/// A call and its decision, as kept: enough to decide it again under other rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecidedCall {
    /// The step it was made for.
    pub step: Box<str>,
    /// The call.
    pub call: OwnedCall,
    /// The decision in short.
    pub decision: Value,
}

impl DecidedCall {
    /// The record of one decision.
    #[must_use]
    pub fn new(step: &str, call: OwnedCall, decision: &Value) -> Self {
        Self { step: step.into(), call, decision: decision.clone() }
    }
}

/// Event type of a node's first record.
pub(crate) const STARTED_KIND: &str = "node.started";
/// Event type of a backup's becoming a journal again, under an epoch that the journal it was taken from cannot reach.
pub const RESTORED_KIND: &str = "journal.restored";

/// Event type of commitments to what was taken out of an attempt's outcome, in the commit of that outcome.
pub const COMMITTED_KIND: &str = "redaction.committed";
/// Event type of a disclosure of one committed value, before it is handed out.
pub const DISCLOSED_KIND: &str = "redaction.disclosed";
/// Event type of erasing openings, before they are erased.
pub const ERASED_KIND: &str = "redaction.erased";

/// Event type of an isolation receipt, in the commit of the outcome it belongs to.
pub const RECEIPT_KIND: &str = "step.receipt";

/// Event type of one decision of an egress proxy: recorded before an allowed connection is dialled.
pub const EGRESS_DECISION_KIND: &str = "egress.decision";
/// Event type of the end of an allowed connection, with its bytes.
pub const EGRESS_CLOSED_KIND: &str = "egress.closed";

/// Event type of what a step changed, in the commit of its outcome.
pub const CHANGES_KIND: &str = "step.changes";
/// Event type of a merge that was decided and may write from now on.
pub const MERGE_STARTED_KIND: &str = "workspace.merge_started";
/// Event type of what came of a merge.
pub const MERGE_FINISHED_KIND: &str = "workspace.merge_finished";
/// Event type of the decision to take a merge back.
pub const UNDO_STARTED_KIND: &str = "workspace.undo_started";
/// Event type of what came of taking it back.
pub const UNDO_FINISHED_KIND: &str = "workspace.undo_finished";
/// Event type of a merge, or of taking one back, that was not allowed.
pub const MERGE_DENIED_KIND: &str = "workspace.merge_denied";

/// Event type of a policy that took the place of another while a node ran, in the commit of its outcome.
pub const POLICY_CHANGED_KIND: &str = "policy.changed";

/// Event type of a change of the vault that was decided and may be made from now on; names only.
pub const SECRET_STARTED_KIND: &str = "secret.started";
/// Event type of what came of it.
pub const SECRET_FINISHED_KIND: &str = "secret.finished";
/// Event type of a change of the vault that was not allowed.
pub const SECRET_DENIED_KIND: &str = "secret.denied";

/// A record of a run, made by the node itself.
pub(crate) fn draft(run: RunId, kind: &'static str, body: &impl Serialize, now: Micros) -> Draft {
    draft_of(Stream { class: Cow::Borrowed(RUN_STREAM), id: run.0 }, kind, body, now)
}

/// A record of the node.
pub(crate) fn node_draft(kind: &'static str, body: &impl Serialize, now: Micros) -> Draft {
    draft_of(Stream { class: Cow::Borrowed(NODE_STREAM), id: NODE_STREAM_ID }, kind, body, now)
}

/// The record of one engine event, acted by `principal`.
pub(crate) fn event_draft(event: &Event, principal: &str) -> Draft {
    let class = if event.run == RunId::NIL { NODE_STREAM } else { RUN_STREAM };
    let stream = Stream { class: Cow::Borrowed(class), id: event.run.0 };
    let mut draft = draft_of(stream, event.kind(), event, event.at);
    principal.clone_into(&mut draft.principal);
    draft
}

fn draft_of(stream: Stream, kind: &'static str, body: &impl Serialize, now: Micros) -> Draft {
    Draft {
        correlation: Some(stream.id),
        stream,
        kind: Cow::Borrowed(kind),
        time_us: now.0,
        principal: NODE_PRINCIPAL.to_owned(),
        causation: None,
        trace: None,
        schema: Digest::ZERO,
        // Our own types serialise; were one not to, the empty payload would fail to decode, not pass unseen.
        payload: serde_json::to_vec(body).unwrap_or_default(),
    }
}

/// The engine event in a record; `None` for records that carry no state, such as logs and receipts.
#[must_use]
pub fn event_of(record: &Record) -> Option<Event> {
    serde_json::from_slice(&record.payload).ok()
}
