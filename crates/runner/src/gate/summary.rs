//! What a decision comes to in a record: enough to see who decided, under which policy.
//! The call itself is recorded beside it.

use engine::policy::{Decision, Policy, Reach};
use engine::run::Digest;
use serde_json::{Value, json};

/// What a decision comes to in a record: verdict, rules, policy, and the same for each host asked for.
pub(super) fn summary(decision: &Decision, reach: &[Reach], policy: &Policy) -> Value {
    let rules = |decision: &Decision| -> Vec<String> {
        decision.reasons.iter().map(|reason| reason.rule.to_string()).collect()
    };
    let mut summary = json!({
        "verdict": decision.verdict,
        "rules": rules(decision),
        "policy": Digest(policy.digest()),
    });
    if !reach.is_empty() {
        let host = |reach: &Reach| {
            json!({
                "host": reach.host,
                "verdict": reach.decision.verdict,
                "rules": rules(&reach.decision),
            })
        };
        if let Some(summary) = summary.as_object_mut() {
            summary.insert("hosts".to_owned(), reach.iter().map(host).collect());
        }
    }
    summary
}
