//! The whole order of evaluation: built-in rules, a ticket, the rule file, the extension.
//!
//! | built-in rules | ticket | rules | extension is asked | verdict |
//! |---|---|---|---|---|
//! | deny | any | any | no | deny |
//! | review | valid | not consulted | no | require review |
//! | nothing | valid | not consulted | no | allow |
//! | any other | none | deny | no | deny |
//! | any other | none | a ticket is required | no | deny |
//! | any other | none | review, allow or nothing | yes | the strongest of all, by the table in `decision` |
//!
//! Whether a ticket is valid, and what the extension says, come in as values: nothing here asks twice,
//! so one snapshot of both decides.

use std::sync::Arc;

use crate::call::Call;
use crate::decision::{Action, Approve, Basis, Contribution, Decision, Layer, Verdict};
use crate::extension::Extended;
use crate::policy::Policy;

/// The name of what is no rule among the reasons; the layer tells it from a rule of that name.
const TICKET: &str = "ticket";
const EXTENSION: &str = "extension";

impl Policy {
    /// Decides one call with everything that can decide it. `ticket` says whether a valid ticket for
    /// exactly this call was presented; `extension` is called at most once, and only where nothing
    /// else has denied and no ticket decided.
    ///
    /// A ticket takes the place of rules and extension, never that of built-in rules. It carries no
    /// constraints and no charges: whoever issued it was held to those. An extension that allows makes
    /// up for a missing rule, but not for a host that no rule names.
    #[must_use]
    pub fn authorize(
        &self,
        call: &Call<'_>,
        ticket: bool,
        extension: &mut dyn FnMut(&Call<'_>) -> Extended,
    ) -> Decision {
        if ticket {
            return self.ticketed(call);
        }
        let decision = self.decide(call);
        if decision.verdict == Verdict::Deny
            && (decision.basis != Basis::NoRule || !self.reach(call).is_empty())
        {
            return decision;
        }
        if decision.constraints.require_ticket {
            return self.unticketed(call);
        }
        extended(decision, extension(call))
    }

    /// Built-in rules alone, over what a ticket allows.
    fn ticketed(&self, call: &Call<'_>) -> Decision {
        let decision = self.guarded(call);
        if decision.verdict != Verdict::Deny || decision.basis != Basis::NoRule {
            return decision;
        }
        let reason = Some("a valid ticket".into());
        let allowed = contribution(TICKET, Layer::Ticket, Action::Allow, reason);
        Decision {
            verdict: Verdict::Allow,
            reasons: vec![allowed],
            ..Decision::without_rule(Basis::Ticket)
        }
    }

    /// The denial of a call that rules let through with a ticket only: by every rule that says so.
    fn unticketed(&self, call: &Call<'_>) -> Decision {
        let rules =
            self.contributing(call).into_iter().filter(|rule| rule.constraints.require_ticket);
        let reasons = rules.map(|rule| Contribution {
            rule: rule.name.clone(),
            layer: rule.layer,
            action: Action::Deny,
            reason: rule.reason.clone(),
        });
        Decision { reasons: reasons.collect(), ..Decision::without_rule(Basis::Ticket) }
    }
}

/// A decision that nothing denied, with what the extension adds.
fn extended(mut decision: Decision, answer: Extended) -> Decision {
    let (action, reason) = match answer {
        Extended::Pass => return decision,
        Extended::Allow(reason) => (Action::Allow, reason),
        Extended::RequireReview(reason) => (Action::RequireReview, reason),
        Extended::Deny(reason) => (Action::Deny, reason),
        Extended::Failed(fault) => (Action::Deny, Some(fault.to_string().into())),
    };
    let own = contribution(EXTENSION, Layer::Extension, action, reason);
    let decided = match decision.basis {
        Basis::NoRule => None,
        Basis::Rules | Basis::UnknownTool | Basis::Ticket | Basis::Extension => {
            Some(decision.verdict)
        }
    };
    if action == Action::Deny {
        return Decision { reasons: vec![own], ..Decision::without_rule(Basis::Extension) };
    }
    if decided.is_some_and(|decided| decided > action.verdict()) {
        return decision;
    }
    if decided != Some(action.verdict()) {
        decision.verdict = action.verdict();
        decision.basis = Basis::Extension;
        decision.reasons.clear();
    }
    decision.reasons.push(own);
    if action == Action::RequireReview {
        let asked = Approve::default();
        decision.approve = Some(match decision.approve {
            Some(approve) => approve.tightened(asked),
            None => asked,
        });
    }
    decision
}

fn contribution(
    name: &str,
    layer: Layer,
    action: Action,
    reason: Option<Arc<str>>,
) -> Contribution {
    Contribution { rule: name.into(), layer, action, reason }
}
