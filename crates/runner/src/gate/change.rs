//! What the gate adds for a call that changes the policy: it replaces the policy in force and no other, and a person
//! who only narrows it may be the one who looks at it.
//!
//! That every change is reviewed, and by whom where it allows more, is said by built-in rules. Nothing here loosens
//! what another rule asks for.

use engine::policy::{Decision, Layer, POLICY_CHANGES, POLICY_TOOL};
use engine::run::{Digest, Guard, StoppedBy};
use serde_json::Value;

use super::principal::{AGENT, USER};
use super::{Admitted, Form, Gate, Principal, Refused};

/// The argument that says how the one who asks has confirmed what was shown.
pub(crate) const CONFIRMED: &str = "confirmed";
/// Where the decision on a call says who confirmed it.
pub(crate) const CONFIRMED_BY: &str = "confirmed_by";
/// The argument that names the policy to be replaced.
pub(crate) const REPLACES: &str = "replaces";

impl Gate {
    /// Stops a change that was made against another policy than the one in force.
    pub(super) fn not_outdated(&self, form: &Form) -> Result<(), Refused> {
        let (in_force, replaces) = (Digest(self.policy.digest()), form.arguments.get(REPLACES));
        let replaces = replaces.and_then(Value::as_str).unwrap_or_default();
        if form.tool != POLICY_TOOL || in_force.to_string() == replaces {
            return Ok(());
        }
        let by = StoppedBy {
            kind: Guard::Policy,
            name: "policy in force".into(),
            detail: format!(
                "it would replace policy {replaces:.12}, and {in_force:.12} is in force"
            )
            .into(),
        };
        Err(Refused::Stopped { by, decision: Value::Null, arguments: form.arguments.clone() })
    }
}

/// Whether the review that a call needs is the confirmation it came with: only the built-in rule for every change asks
/// for one, and whoever asks is a person.
pub(super) fn is_confirmed(principal: &Principal, call: &Admitted, decision: &Decision) -> bool {
    let asks = |rule: &str, layer: Layer| layer == Layer::BuiltIn && rule == POLICY_CHANGES;
    let person = principal.id.split_once(':').is_some_and(|(kind, _)| kind == USER)
        && !principal.roles.iter().any(|role| role == AGENT);
    call.tool == POLICY_TOOL
        && call.by_ticket.is_none()
        && person
        && !decision.reasons.is_empty()
        && decision.reasons.iter().all(|reason| asks(&reason.rule, reason.layer))
        && call.arguments.get(CONFIRMED).is_some_and(Value::is_string)
}

/// The call as its own author reviewed it, which its decision says.
pub(super) fn confirmed(principal: &Principal, call: Admitted, decision: &Decision) -> Admitted {
    let mut summary = call.decision;
    if let Some(summary) = summary.as_object_mut() {
        summary.insert(CONFIRMED_BY.to_owned(), principal.id.as_str().into());
    }
    let reviewed = decision.reasons.clone();
    Admitted { decision: summary, reviewed, ..call }
}
