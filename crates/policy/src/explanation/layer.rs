//! What each layer makes of a call: built-in rules, a ticket, the rule file, the extension.
//!
//! A ticket and an extension are not asked for an explanation, so this says what either could still
//! change. The order of evaluation itself is `authorize.rs`.

use serde::Serialize;

use super::{Contributed, RuleOutcome};
use crate::call::Call;
use crate::decision::{Basis, Decision, Layer, Verdict};
use crate::extension::Extended;
use crate::policy::Policy;

/// What one layer makes of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerOutcome {
    /// The layer.
    pub layer: Layer,
    /// Its verdict on its own; nothing where it has none to give.
    pub verdict: Option<Verdict>,
    /// What that means, as a fragment.
    pub note: &'static str,
}

/// Every layer in the order they are asked.
pub(super) fn layers(
    policy: &Policy,
    call: &Call<'_>,
    decision: &Decision,
    candidates: &[RuleOutcome],
) -> Vec<LayerOutcome> {
    if decision.basis == Basis::UnknownTool {
        return Vec::new();
    }
    let guards = policy.guarded(call);
    let built_in = (guards.basis == Basis::Rules).then_some(guards.verdict);
    let contributing = candidates.iter().filter(|rule| rule.contribution == Contributed::Action);
    let of_file = contributing.filter(|rule| rule.layer == Layer::Rules);
    let rules = of_file.map(|rule| rule.action.verdict()).max();
    let ticketed = policy.authorize(call, true, &mut |_| Extended::Pass).verdict;
    let mut asked = false;
    let without = policy.authorize(call, false, &mut |_| {
        asked = true;
        Extended::Pass
    });
    let ticket = match (ticketed, without.basis) {
        (Verdict::Deny, _) => "a valid ticket would not help",
        (_, Basis::Ticket) => "a valid ticket is required",
        _ => "what a valid ticket would give, in place of rules and extension",
    };
    let extension = if asked { "would be asked, if there is one" } else { "would not be asked" };
    let layer = |layer, verdict, note| LayerOutcome { layer, verdict, note };
    vec![
        layer(Layer::BuiltIn, built_in, "always asked, first"),
        layer(Layer::Ticket, Some(ticketed), ticket),
        layer(Layer::Rules, rules, "asked where no ticket decides"),
        layer(Layer::Extension, None, extension),
    ]
}
