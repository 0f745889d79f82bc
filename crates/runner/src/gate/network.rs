//! What of the network a decision opens: every host asked for, with the rule that names it.
//!
//! Policy decided each host before this file sees it. Here the decision becomes a grant for the egress proxy, or a
//! reason in words. A host without a rule, and a profile that policy tightened, stop the call.

use std::sync::Arc;

use engine::policy::{Basis, Decision, Profile, Reach, Verdict, check_target};
use engine::run::{Guard, StoppedBy};
use serde_json::Value;

/// One host a call may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// As asked for and decided on.
    pub target: String,
    /// The rule that allows it.
    pub rule: Arc<str>,
}

/// Whether what a call says about its network is one story, and every host of it one that can be reached.
///
/// # Errors
/// What contradicts what, or what is no host.
pub(super) fn coherent(arguments: &Value) -> Result<(), String> {
    let named = arguments.get("hosts").and_then(Value::as_array).into_iter().flatten();
    let mut hosts = false;
    for host in named.filter_map(Value::as_str) {
        hosts = true;
        check_target(host).map_err(|problem| format!("host `{host}` {problem}"))?;
    }
    let profile = arguments.get("profile").and_then(Value::as_str);
    let network = arguments.get("network").and_then(Value::as_bool);
    let net = profile.is_some_and(|profile| profile.ends_with("-net"));
    match (hosts, network) {
        (true, _) if !net => Err("`hosts` need the profile `standard-net`".to_owned()),
        (true, Some(false)) => Err("`hosts` contradict `network: false`".to_owned()),
        (_, Some(true)) if !net => Err("`network` needs the profile `standard-net`".to_owned()),
        _ => Ok(()),
    }
}

/// The grant of an allowed call.
pub(super) fn granted(reach: Vec<Reach>) -> Vec<Granted> {
    let grant = |reach: Reach| {
        // An allowed host has the rule that allowed it; one without is not granted.
        let rule = reach.decision.reasons.first()?.rule.clone();
        Some(Granted { target: reach.host, rule })
    };
    reach.into_iter().filter_map(grant).collect()
}

/// The first host that stopped a call, in words; `None` where hosts did not stop it.
pub(super) fn stopped(reach: &[Reach]) -> Option<StoppedBy> {
    let refused = reach.iter().filter(|reach| reach.decision.verdict != Verdict::Allow);
    let refused = refused.rev().max_by_key(|reach| reach.decision.verdict)?;
    let (host, decision) = (&refused.host, &refused.decision);
    if decision.basis == Basis::NoRule {
        let detail = format!("no rule that allows this call names the host `{host}`");
        return Some(StoppedBy {
            kind: Guard::Policy,
            name: "default deny".into(),
            detail: detail.into(),
        });
    }
    let by = super::stopped_by(decision);
    Some(StoppedBy { detail: format!("host `{host}`: {}", by.detail).into(), ..by })
}

/// A decision that lets hosts through and at the same time asks for a profile without a network.
pub(super) fn narrowed(decision: &Decision, reach: &[Reach]) -> Option<StoppedBy> {
    let profile =
        decision.constraints.profile.filter(|profile| *profile != Profile::StandardNet)?;
    let host = &reach.first()?.host;
    let rule = decision.reasons.first().map_or("default deny", |reason| &*reason.rule);
    let detail = format!(
        "{decision}, with the profile `{profile}` at most, which reaches nothing; host `{host}` needs `standard-net`"
    );
    Some(StoppedBy { kind: Guard::Policy, name: rule.into(), detail: detail.into() })
}

#[cfg(test)]
mod tests {
    use super::coherent;
    use serde_json::json;

    #[test]
    fn hosts_network_and_profile_say_the_same() {
        for (arguments, good) in [
            (json!({ "hosts": [], "network": false, "profile": "standard" }), true),
            (json!({ "hosts": ["a"], "network": true, "profile": "standard-net" }), true),
            (json!({ "hosts": [], "network": true, "profile": "standard-net" }), true),
            (json!({ "hosts": ["a"], "network": true, "profile": "standard" }), false),
            (json!({ "hosts": ["a"], "network": false, "profile": "standard-net" }), false),
            (json!({ "hosts": [], "network": true, "profile": "strict" }), false),
            (json!({ "hosts": ["a"] }), false),
            (
                json!({ "hosts": ["https://a/b"], "network": true, "profile": "standard-net" }),
                false,
            ),
            (json!({ "hosts": ["a", ""], "network": true, "profile": "standard-net" }), false),
            (json!({}), true),
        ] {
            assert_eq!(coherent(&arguments).is_ok(), good, "{arguments}");
        }
    }
}
