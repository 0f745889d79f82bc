//! Tickets that were handed in, held against one call: one may take the place of rules, never of built-in ones.
//!
//! Everything is decided at one time. A use is taken last, when the call is allowed; somebody else's having taken it
//! meanwhile leaves the call to the rules, as does a ticket that never held. What a ticket is, is the crate `ticket`'s.

use ::ticket::{Binding, Minted, Ticket};
use engine::policy::{Decision, Extended, Verdict};
use engine::run::{Digest, StoppedBy};
use serde_json::{Value, json};

use super::{
    Admitted, Form, Gate, Granted, Presented, Principal, Refused, Reviewed, UNSAFE, call,
    stopped_by, unheld,
};
use crate::tickets::{Held, Withheld};

/// In a decision on record: why the tickets that were handed in did not decide it.
pub const TICKET_REFUSED: &str = "ticket_refused";

/// What a ticket led to, where it held; else why it did not.
type Judged = Result<Result<Admitted, Refused>, Withheld>;

impl Gate {
    /// What the first ticket that holds makes of a call; else why each does not.
    pub(super) fn by_tickets(
        &self,
        principal: &Principal,
        form: &Form,
        presented: Presented<'_>,
    ) -> (Option<Result<Admitted, Refused>>, Vec<Withheld>) {
        let mut withheld = Vec::new();
        for place in 0..presented.tickets.len() {
            match self.by_ticket(principal, form, presented, place) {
                Ok(judged) => return (Some(judged), Vec::new()),
                Err(why) => withheld.push(why),
            }
        }
        (None, withheld)
    }

    fn by_ticket(
        &self,
        principal: &Principal,
        form: &Form,
        presented: Presented<'_>,
        place: usize,
    ) -> Judged {
        let policy = Digest(self.policy.digest());
        let Form { tool, arguments, digest } = form;
        let now = presented.now;
        let held = Held { principal, tool, arguments, digest: *digest, policy, now };
        let (id, minted) = self.book.hold(handed_in(presented, place)?, held, |verified| {
            (verified.id().to_string(), verified.minted())
        })?;
        let hosts: Vec<&str> = hosts(arguments).collect();
        if let Some(binding) = beyond(minted, !hosts.is_empty(), arguments) {
            return Err(::ticket::Refused::Bound(binding).into());
        }
        let call = call(principal, tool, arguments);
        let decision = self.policy.authorize(&call, true, &mut |_| Extended::Pass);
        let rule = |host: &str| Granted { target: host.to_owned(), rule: "ticket".into() };
        let mut admitted = Admitted {
            digest: *digest,
            tool: tool.clone(),
            arguments: arguments.clone(),
            decision: summary(&decision, policy, &id),
            constraints: decision.constraints,
            hosts: hosts.into_iter().map(rule).collect(),
            reviewed: Vec::new(),
            charges: decision.charges.clone(),
            by_ticket: Some(place),
            redeemed: None,
        };
        match decision.verdict {
            Verdict::Deny => Ok(Err(stopped(&decision, admitted))),
            // A person is asked first; the use is taken when the call begins, by `spend`.
            Verdict::RequireReview => {
                Ok(Err(Refused::Review(Box::new(Reviewed::new(&decision, admitted)))))
            }
            Verdict::Allow => {
                self.spend(principal, &mut admitted, presented, place)?;
                Ok(Ok(admitted))
            }
        }
    }

    /// Takes a use of the ticket at this place for a call that may begin.
    ///
    /// # Errors
    /// Why there is none to take any more; then the call must not begin by it.
    pub(crate) fn spend(
        &self,
        principal: &Principal,
        admitted: &mut Admitted,
        presented: Presented<'_>,
        place: usize,
    ) -> Result<(), Withheld> {
        let Admitted { tool, arguments, digest, .. } = &*admitted;
        let (policy, now) = (Digest(self.policy.digest()), presented.now);
        let held = Held { principal, tool, arguments, digest: *digest, policy, now };
        admitted.redeemed = Some(self.book.redeem(handed_in(presented, place)?, held)?);
        Ok(())
    }
}

/// Adds to a decision why no ticket made it, and says it; nothing where none was handed in.
pub(super) fn recorded(withheld: &[Withheld], summary: &mut Value) -> Option<String> {
    let why: Vec<String> = withheld.iter().map(ToString::to_string).collect();
    let why = Some(why.join("; ")).filter(|why| !why.is_empty())?;
    if let Some(summary) = summary.as_object_mut() {
        summary.insert(TICKET_REFUSED.to_owned(), why.as_str().into());
    }
    Some(why)
}

/// What stopped a call, and why no ticket changed that: whoever handed one in looks there.
pub(super) fn told(by: StoppedBy, why: Option<&str>) -> StoppedBy {
    let Some(why) = why else { return by };
    let detail = format!("{}; ticket: {why}", by.detail).into();
    StoppedBy { detail, ..by }
}

/// The ticket at a place; one that is not there covers nothing.
fn handed_in(presented: Presented<'_>, place: usize) -> Result<&Ticket, Withheld> {
    presented.tickets.get(place).ok_or(Withheld::Refused(::ticket::Refused::Signature))
}

fn hosts(arguments: &Value) -> impl Iterator<Item = &str> {
    arguments.get("hosts").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// What a ticket has to name when it is minted, because no rule is asked after it: hosts, and by its arguments
/// secrets, gaps of a driver and programs without a sandbox. Narrowing it later adds none of them.
fn beyond(minted: Minted, reaches: bool, arguments: &Value) -> Option<Binding> {
    if minted.arguments {
        return None;
    }
    let is_given = |name: &str| match arguments.get(name) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(_) => true,
    };
    if ["secrets", "allow_gaps", UNSAFE].into_iter().any(is_given) {
        return Some(Binding::Arguments);
    }
    (reaches && !minted.hosts).then_some(Binding::Hosts)
}

fn stopped(decision: &Decision, admitted: Admitted) -> Refused {
    let Admitted { decision: summary, arguments, .. } = admitted;
    let by = unheld(decision, &arguments).unwrap_or_else(|| stopped_by(decision));
    Refused::Stopped { by, decision: summary, arguments }
}

/// The decision in short: which ticket stood for the rules, and what built-in rules said.
fn summary(decision: &Decision, policy: Digest, ticket: &str) -> Value {
    let rules: Vec<String> =
        decision.reasons.iter().map(|reason| reason.rule.to_string()).collect();
    json!({ "verdict": decision.verdict, "rules": rules, "policy": policy, "ticket": ticket })
}
