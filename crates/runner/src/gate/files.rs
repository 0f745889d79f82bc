//! The files a search may look into: decided one by one, as the call itself was.
//!
//! A file whose own decision asks for more than the call was held to (a limit, a time, redaction, a review) is left
//! out: whoever wants it makes a call of its own, which is held to it. How large it may be is told with it. Paths are
//! relative to the project; opening them beneath it is the tool's.

use std::sync::Arc;

use engine::policy::{Charge, Constraints, Contribution, Decision, Extended, Verdict};
use serde_json::Value;

use super::{Admitted, Gate, Principal, call};

/// Which files one admitted call may look into: a search is decided for its folder, and again for each file in it.
#[derive(Debug, Clone)]
pub struct FileFilter {
    gate: Arc<Gate>,
    principal: Arc<Principal>,
    tool: String,
    arguments: Value,
    /// What asked for the review that the call passed, with the reason that was approved: another one is another.
    reviewed: Vec<Contribution>,
    /// What the call was held to.
    constraints: Constraints,
    /// What the call took of limits.
    charges: Vec<Charge>,
    /// A ticket allowed the folder and everything in it; only the built-in rules are asked again.
    by_ticket: bool,
}

impl FileFilter {
    /// The filter of a call.
    #[must_use]
    pub fn new(gate: Arc<Gate>, principal: Arc<Principal>, admitted: &Admitted) -> Self {
        let (tool, arguments) = (admitted.tool.clone(), admitted.arguments.clone());
        let (reviewed, by_ticket) = (admitted.reviewed.clone(), admitted.by_ticket.is_some());
        let (constraints, charges) = (admitted.constraints, admitted.charges.clone());
        Self { gate, principal, tool, arguments, reviewed, constraints, charges, by_ticket }
    }

    /// How large this file, relative to the project, may be, in bytes, for the call to look into it; nothing where it
    /// may not.
    pub fn largest(&mut self, file: &str) -> Option<u64> {
        if let Some(slot) = self.arguments.get_mut("path") {
            *slot = Value::String(file.to_owned());
        }
        let call = call(&self.principal, &self.tool, &self.arguments);
        let decision = match self.by_ticket {
            true => self.gate.policy().authorize(&call, true, &mut |_| Extended::Pass),
            false => self.gate.authorize(&call),
        };
        let may = match decision.verdict {
            Verdict::Allow => true,
            Verdict::RequireReview => {
                decision.reasons.iter().all(|reason| self.reviewed.contains(reason))
            }
            Verdict::Deny => false,
        };
        let largest = self.constraints.tightened(decision.constraints).max_file_size;
        (may && self.is_held_to(&decision)).then_some(largest.unwrap_or(u64::MAX))
    }

    /// Whether the call was held to everything that is asked for a file, but its size, which is looked at with it.
    /// Profiles and transfers hold programs.
    fn is_held_to(&self, decision: &Decision) -> bool {
        let asked = |constraints: Constraints| {
            let Constraints { timeout, redact, require_ticket, .. } = constraints;
            (timeout, redact, require_ticket)
        };
        let constrained = asked(self.constraints.tightened(decision.constraints));
        constrained == asked(self.constraints)
            && decision.charges.iter().all(|charge| self.charges.contains(charge))
    }
}

#[cfg(test)]
mod tests {
    use engine::policy::document::Source;
    use engine::policy::{Action, Layer, Policy};
    use serde_json::json;

    use super::super::{Asked, Refused, catalogue};
    use super::*;

    /// What a search of `docs` may look into, where everything may be searched and `rule` is about `docs/private`.
    fn filter(rule: &str) -> FileFilter {
        let text = format!(
            "version: 1\nname: test\nrules:\n  - {{ name: all, match: {{ tool: search.grep }}, action: allow, limits: [ {{ count: 9, per: run }} ] }}\n  - {{ name: private, match: {{ tool: search.grep, path_glob: [\"docs/private/**\"] }}, {rule} }}\n"
        );
        let source = Source { name: "policy.yaml".to_owned(), text };
        let policy = Policy::load(&source, &catalogue().unwrap()).unwrap().policy;
        let folder = std::env::temp_dir();
        let gate = Gate::new(folder, None, Arc::new(policy), catalogue().unwrap()).unwrap();
        let principal = Principal::recorded("user:ada");
        let arguments = json!({ "path": "docs", "pattern": "x" });
        let asked = Asked { tool: "search.grep".to_owned(), arguments };
        let admitted = match gate.admit(&principal, asked) {
            Ok(admitted) => admitted,
            Err(Refused::Review(reviewed)) => reviewed.admitted,
            Err(refused) => panic!("{refused:?}"),
        };
        FileFilter::new(Arc::new(gate), Arc::new(principal), &admitted)
    }

    #[test]
    fn a_search_from_above_is_held_to_the_rules_of_each_file() {
        let check = |rule: &str, expect: Option<u64>| {
            let mut filter = filter(rule);
            assert_eq!(filter.largest("docs/private/s"), expect, "{rule}");
            assert_eq!(filter.largest("docs/public"), Some(u64::MAX), "the control: {rule}");
        };
        check("action: allow", Some(u64::MAX));
        check("action: deny", None);
        check("action: require_review", None);
        check("action: allow, limits: [ { count: 1, per: run, on_exceed: deny } ]", None);
        check("action: allow, limits: [ { concurrent: 9, per: tenant } ]", None);
        check("action: allow, constraints: { max_file_size: 1KiB }", Some(1024));
        check("action: allow, constraints: { redact: output }", None);
        check("action: allow, constraints: { timeout: 1s }", None);
        check("action: allow, constraints: { require_ticket: true }", None);
        // A profile holds programs, and a search is none.
        check("action: allow, constraints: { profile: strict }", Some(u64::MAX));
    }

    #[test]
    fn a_call_that_is_held_to_as_much_looks_into_the_file() {
        let mut strict = filter("action: allow, constraints: { timeout: 1m, redact: output }");
        strict.constraints.timeout = Some(std::time::Duration::from_secs(59));
        assert_eq!(strict.largest("docs/private/s"), None);
        strict.constraints.redact = engine::policy::Redact::Both;
        assert_eq!(strict.largest("docs/private/s"), Some(u64::MAX));
        strict.constraints.max_file_size = Some(7);
        assert_eq!(strict.largest("docs/private/s"), Some(7));
    }

    #[test]
    fn an_approved_review_excuses_itself_and_no_other() {
        let contribution = |rule: &str, layer, reason: Option<&str>| Contribution {
            rule: rule.into(),
            layer,
            action: Action::RequireReview,
            reason: reason.map(Into::into),
        };
        let check = |reviewed: Contribution, expect: bool| {
            let mut filter = filter("action: require_review, reason: unreleased");
            filter.reviewed = vec![reviewed.clone()];
            assert_eq!(filter.largest("docs/private/s").is_some(), expect, "{reviewed:?}");
        };
        check(contribution("private", Layer::Rules, Some("unreleased")), true);
        check(contribution("private", Layer::Extension, Some("unreleased")), false);
        check(contribution("private", Layer::Rules, Some("the folder is large")), false);
        check(contribution("private", Layer::Rules, None), false);
        check(contribution("other", Layer::Rules, Some("unreleased")), false);
    }
}
