//! Calls on record: what policy saw, newest first, to be decided again under other rules.
//! Records from before calls were kept hold none.

use engine::policy::document::Source;
use engine::policy::{NearMiss, Policy};
use engine::run::{Digest, Micros, RunId};
use journal::{Filter, Order};
use serde_json::Value;

use super::{History, HistoryError};
use crate::record::{CALL_KIND, DecidedCall};
use crate::{gate, projection};

/// Records read at a time.
const PAGE: usize = 500;

/// Decisions of one run that are looked at for what they missed.
const MISSED_MAX: usize = 16;

/// Which calls.
#[derive(Debug, Clone, Copy)]
pub struct Calls {
    /// Not before this.
    pub since: Option<Micros>,
    /// At most this many.
    pub limit: usize,
}

/// A call on record, with the rules it was decided by.
#[derive(Debug)]
pub struct Decided {
    /// The call and its decision.
    pub decided: DecidedCall,
    /// The policy that was in force.
    pub policy: Policy,
}

/// A call on record that no rule decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Missed {
    /// The step it was made for.
    pub step: String,
    /// The sequence of its record.
    pub sequence: u64,
    /// The allow rule that came nearest.
    pub nearest: NearMiss,
}

impl History {
    /// The calls of a run that were denied because no rule allows them, the newest of each step, newest first. Of long
    /// runs only the newest decisions are looked at; what cannot be read is left out.
    #[must_use]
    pub fn missed(&self, run: RunId) -> Vec<Missed> {
        let filter = Filter {
            kind_prefix: CALL_KIND.to_owned(),
            stream: Some(run.0),
            order: Order::NewestFirst,
            ..Filter::default()
        };
        let mut found: Vec<Missed> = Vec::new();
        for record in self.reader.filter(&self.log, &filter, MISSED_MAX).unwrap_or_default() {
            let Ok(call) = serde_json::from_slice::<DecidedCall>(&record.payload) else { continue };
            let denied = call.decision.get("verdict").and_then(Value::as_str) == Some("deny");
            if !denied || found.iter().any(|other| *other.step == *call.step) {
                continue;
            }
            let Some(policy) = self.policy_of(&call) else { continue };
            let nearest = policy.explain(&call.call.borrowed()).nearest.into_iter().next();
            let (step, sequence) = (call.step.into(), record.header.sequence);
            found.extend(nearest.map(|nearest| Missed { step, sequence, nearest }));
        }
        found
    }

    /// The call that the record at `sequence` keeps.
    ///
    /// # Errors
    /// [`HistoryError::NoCall`] and [`HistoryError::NoPolicy`], besides reading.
    pub fn decided(&self, sequence: u64) -> Result<Decided, HistoryError> {
        let none = || HistoryError::NoCall { sequence };
        let record = self.reader.get(&self.log, sequence)?;
        let record = record.filter(|record| record.header.kind == CALL_KIND).ok_or_else(none)?;
        let decided: DecidedCall = serde_json::from_slice(&record.payload).map_err(|_| none())?;
        let policy = self.policy_of(&decided).ok_or(HistoryError::NoPolicy { sequence })?;
        Ok(Decided { decided, policy })
    }

    /// The policy whose digest a decision names: its text, or the built-in rules alone.
    fn policy_of(&self, decided: &DecidedCall) -> Option<Policy> {
        let digest: Digest = decided.decision.get("policy")?.as_str()?.parse().ok()?;
        let catalogue = gate::catalogue().ok()?;
        let policy = match self.document(projection::POLICY, digest).ok()? {
            Some(text) => {
                let source = Source { name: format!("policy {digest}"), text };
                Policy::load(&source, &catalogue).ok()?.policy
            }
            None => Policy::empty(&catalogue),
        };
        Some(policy).filter(|policy| Digest(policy.digest()) == digest)
    }

    /// The newest calls that policy decided, newest first.
    ///
    /// # Errors
    /// When the journal cannot be read, or a record of a call is not one.
    pub fn calls(&self, wanted: Calls) -> Result<Vec<DecidedCall>, HistoryError> {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let filter = Filter {
                kind_prefix: CALL_KIND.to_owned(),
                order: Order::NewestFirst,
                from_us: wanted.since.map(|since| since.0),
                before,
                ..Filter::default()
            };
            let page = self.reader.filter(&self.log, &filter, PAGE)?;
            let Some(last) = page.last() else { return Ok(found) };
            before = Some(last.header.sequence);
            for record in &page {
                if found.len() >= wanted.limit {
                    return Ok(found);
                }
                let call = serde_json::from_slice(&record.payload);
                let sequence = record.header.sequence;
                found.push(call.map_err(|_| HistoryError::NoCall { sequence })?);
            }
        }
    }
}
