//! Who was refused before any request, on record: another user, somebody unknown, a handshake that was none.
//!
//! Connecting costs a stranger nothing, so only some of them are recorded in a time, and the next record says how many
//! were not. A request that is refused is recorded by `method`.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::identity::{Peer, Unidentified};
use super::message::Fault;
use super::method::REQUEST_KIND;
use crate::gate::Principal;
use crate::node::Desk;
use crate::record::NODE_PRINCIPAL;

/// Most refusals that are recorded in a minute; further ones are counted.
pub const REFUSALS_MAX: u32 = 20;
/// How long one count of them lasts.
const SPAN: Duration = Duration::from_secs(60);

/// What is known of earlier refusals.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    since: Option<Instant>,
    recorded: u32,
    unrecorded: u64,
}

/// What is recorded of one.
#[derive(Serialize)]
struct Noted<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<u32>,
    refused: &'a serde_json::Value,
    /// How many before it are not on record.
    #[serde(skip_serializing_if = "is_zero")]
    unrecorded: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Refusals {
    /// Records that a connection was dropped unread.
    pub(super) fn unread(&self, desk: &Desk, why: &Unidentified) {
        let user = if let Unidentified::Foreign(user) = why { Some(*user) } else { None };
        self.note(desk, "connect", (None, user), &why.to_string().into());
    }

    /// Records that a handshake was refused.
    pub(super) fn ungreeted(&self, desk: &Desk, peer: Peer, fault: &Fault) {
        let code = serde_json::to_value(fault.code).unwrap_or_default();
        self.note(desk, "handshake", (Some(peer.pid), Some(peer.uid)), &code);
    }

    fn note(
        &self,
        desk: &Desk,
        method: &'static str,
        (peer, user): (Option<u32>, Option<u32>),
        refused: &serde_json::Value,
    ) {
        let Some(unrecorded) = self.next(Instant::now()) else { return };
        let noted = Noted { kind: REQUEST_KIND, method, peer, user, refused, unrecorded };
        match user {
            Some(user) => desk.note(REQUEST_KIND, &desk.principal_of(user), &noted),
            None => desk.note(REQUEST_KIND, &Principal::recorded(NODE_PRINCIPAL), &noted),
        }
    }

    /// Whether one more is recorded at `now`; how many before it were not.
    fn next(&self, now: Instant) -> Option<u64> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = counted.since.is_none_or(|since| now.duration_since(since) >= SPAN);
        if is_over {
            counted.since = Some(now);
            counted.recorded = 0;
        }
        if counted.recorded >= REFUSALS_MAX {
            counted.unrecorded = counted.unrecorded.saturating_add(1);
            return None;
        }
        counted.recorded += 1;
        Some(std::mem::take(&mut counted.unrecorded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_some_are_recorded_in_a_time_and_the_next_says_how_many_were_not() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        for _ in 0..REFUSALS_MAX {
            assert_eq!(refusals.next(start), Some(0));
        }
        for _ in 0..1_000 {
            assert_eq!(refusals.next(start + SPAN - Duration::from_nanos(1)), None);
        }
        assert_eq!(refusals.next(start + SPAN), Some(1_000));
        assert_eq!(refusals.next(start + SPAN), Some(0), "each is told once");
    }
}
