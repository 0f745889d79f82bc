//! Whether a call may begin now: what the gate says, the limits it is held to, the approval it has.
//!
//! The gate and the ledger are asked anew each time, so an approval lets through what was approved under the policy
//! in force, and nothing else. Who may give one is the engine's to say.

use std::sync::Arc;

use engine::policy::quota::{Account, Exceeded, Reservation};
use engine::policy::{Approve, Constraints, Verdict};
use engine::run::{
    ApprovalId, ApprovalRequest, Command, Refusal, Rejection, Reviewer, Ruling, RunId, StoppedBy,
    Subject, Terms,
};
use engine::workflow::StepIndex;
use serde_json::Value;

use super::quota::{self, Reviewed as Excused};
use super::{Answer, Owner, Refusing, Turn};
use crate::gate::{
    AGENT, Admitted, Asked, Gate, Presented, Principal, Refused, Reviewed, owned, unreviewed,
};
use crate::projection;
use crate::record::{self, DecidedCall};
use crate::tool;

/// What comes of asking everybody who has a say.
pub(super) enum Settled {
    /// It may begin, and its start uses this up.
    May(Box<Admitted>, Spent),
    /// The engine has to be told something else.
    Tell(Box<Command>),
}

/// What the start of an attempt uses up.
#[derive(Debug, Default)]
pub(super) struct Spent {
    pub(super) approval: Option<ApprovalId>,
    pub(super) reservation: Option<Reservation>,
}

/// One answer to a request.
#[derive(Debug, Clone)]
pub struct Ruled {
    /// The request.
    pub approval: ApprovalId,
    /// Yes or no.
    pub ruling: Ruling,
    /// Who answers, as the door identified them.
    pub by: Principal,
    /// Why.
    pub reason: String,
}

/// The call of a step, and whose it is.
struct Site {
    run: RunId,
    step: StepIndex,
    account: Account,
}

/// A call that nothing denied.
struct Wanted {
    admitted: Admitted,
    /// The review that rules ask for.
    approve: Option<Approve>,
    /// A line for each of them.
    reasons: Vec<Box<str>>,
}

impl Site {
    fn refuse(&self, refusal: Refusal) -> Settled {
        Settled::Tell(Box::new(Command::Refuse { run: self.run, step: self.step, refusal }))
    }

    fn stop(&self, stopped_by: StoppedBy, admitted: Admitted) -> Settled {
        self.refuse(Refusal::Policy { stopped_by, decision: admitted.decision })
    }

    fn outdate(&self, request: &ApprovalRequest, why: &str) -> Settled {
        let (run, step, approval) = (self.run, self.step, request.id);
        Settled::Tell(Box::new(Command::Outdate { run, step, approval, why: why.into() }))
    }

    fn exceeded(&self, admitted: Admitted, exceeded: &Exceeded, turn: &Turn) -> Settled {
        let stopped_by = quota::stopped(exceeded, turn.now());
        let decision = quota::noted(admitted.decision, exceeded);
        self.refuse(Refusal::Policy { stopped_by, decision })
    }
}

impl Owner {
    /// Denies what nobody approved in time.
    pub(super) fn lapse(&mut self, turn: &mut Turn) {
        while !turn.is_full()
            && let Some((run, step, approval)) = self.state.lapsed(turn.now())
        {
            let command = Command::Lapse { run, step, approval };
            // The engine offers only what is due; were it not to take it, going on would never end.
            if self.command(&command, record::NODE_PRINCIPAL, turn).is_err() {
                break;
            }
        }
    }

    pub(super) fn rule(&mut self, ruled: Ruled, turn: &mut Turn) -> Result<Answer, Refusing> {
        let Ruled { approval, ruling, by, reason } = ruled;
        self.lapse(turn);
        let found = self.state.review(approval);
        let (run, step, review) =
            found.ok_or(Refusing::Rejected(Rejection::NoRequest(approval)))?;
        let subject = &review.request.subject;
        let widens =
            subject.arguments.get(engine::policy::WIDENS).and_then(Value::as_bool) == Some(true);
        let deed = tool::is_deed(&subject.tool);
        if deed && widens && by.roles.iter().any(|role| role == AGENT) {
            return Err(Refusing::Agent(by.id));
        }
        let id = by.id.clone();
        let by = Reviewer { id: Arc::from(by.id), roles: by.roles };
        let command = Command::Answer { run, step, approval, ruling, by, reason: reason.into() };
        self.command(&command, &id, turn).map_err(Refusing::Rejected)?;
        Ok(Answer::Done)
    }

    /// Whether the call of a step may begin now.
    pub(super) fn settle(
        &mut self,
        (run, step): (RunId, StepIndex),
        asked: Asked,
        turn: &mut Turn,
    ) -> Result<Settled, Rejection> {
        let principal = self.principals.get(&run).ok_or(Rejection::UnknownRun(run))?;
        let known = self.state.run(&run).ok_or(Rejection::UnknownRun(run))?;
        let review = known.step(step).and_then(|step| step.review());
        let request = review.map(|review| Arc::clone(&review.request));
        let site = Site { run, step, account: quota::account(run, &principal.id) };
        let name = known.plan().node(step).map_or("", |node| &*node.name);
        let timeout = known.plan().workflow().step(step).map(|step| step.timeout);
        let (tool, judged) = (asked.tool.clone(), {
            let now = turn.now();
            let presented = self.presented.get(&run).map(|tickets| Presented { tickets, now });
            self.gate.admit_with(principal, asked, presented)
        });
        if self.gate.has_extension() {
            turn.questioned();
        }
        if let Some(decided) = decided(&self.gate, (name, &tool), principal, &judged) {
            let mut draft = record::draft(run, record::CALL_KIND, &decided, turn.now());
            principal.id.clone_into(&mut draft.principal);
            turn.draft(self.isolation().mark(draft));
        }
        let mut call = match judged {
            Ok(admitted) => Wanted { admitted, approve: None, reasons: Vec::new() },
            Err(Refused::Review(reviewed)) => {
                let Reviewed { admitted, approve, reasons } = *reviewed;
                Wanted { admitted, approve: Some(approve), reasons }
            }
            Err(Refused::Invalid(message)) => {
                return Ok(site.refuse(Refusal::Invalid { message: message.into() }));
            }
            Err(Refused::Stopped { by, decision, .. }) => {
                return Ok(site.refuse(Refusal::Policy { stopped_by: by, decision }));
            }
        };
        // No call has longer than its step.
        let own = Constraints { timeout, ..Constraints::default() };
        call.admitted.constraints = call.admitted.constraints.tightened(own);
        self.correct(&call, turn);
        match request {
            Some(request) => self.again(&site, call, &request, turn),
            None => self.fresh(&site, call, turn),
        }
    }

    /// Brings the ledger back to a clock that was corrected, before it is asked about a call.
    fn correct(&mut self, call: &Wanted, turn: &mut Turn) {
        if call.admitted.charges.is_empty() {
            return;
        }
        if let Some(correction) = self.quotas.correct(turn.now()) {
            turn.draft(record::node_draft(projection::CORRECTED_KIND, &correction, turn.now()));
            turn.change(correction.row());
        }
    }

    /// A call for which nothing was asked yet.
    fn fresh(&mut self, site: &Site, call: Wanted, turn: &mut Turn) -> Result<Settled, Rejection> {
        let when = (turn.now(), Excused::No);
        let over = match self.quotas.reserve(&site.account, &call.admitted.charges, when) {
            Ok(reservation) if call.approve.is_none() => {
                let spent = Spent { approval: None, reservation };
                return Ok(Settled::May(Box::new(call.admitted), spent));
            }
            Ok(tried) => {
                self.quotas.release(tried.as_ref(), turn.now());
                None
            }
            Err(exceeded) if exceeded.verdict() == Verdict::RequireReview => Some(exceeded),
            Err(exceeded) => return Ok(site.exceeded(call.admitted, &exceeded, turn)),
        };
        let limits = over.as_ref().map(names).unwrap_or_default();
        let subject = match self.subject(site, &call, limits)? {
            Ok(subject) => subject,
            Err(stopped_by) => return Ok(site.stop(stopped_by, call.admitted)),
        };
        let asked: Vec<Approve> =
            call.approve.iter().cloned().chain(over.iter().flat_map(reviews)).collect();
        let terms = Terms::of(&asked, turn.now());
        if terms.count == 0 || terms.expires <= turn.now() {
            let why = "the policy asks for a review that nobody can give".to_owned();
            return Ok(site.stop(unreviewed("review", why), call.admitted));
        }
        let mut request = ApprovalRequest::new(turn.approval_id(), subject, terms);
        let lines = over.iter().flat_map(|over| quota::lines(over, turn.now()));
        request.reasons = call.reasons.into_iter().chain(lines.map(Into::into)).collect();
        request.decision = match &over {
            Some(over) => quota::noted(call.admitted.decision, over),
            None => call.admitted.decision,
        };
        let (run, step, request) = (site.run, site.step, Arc::new(request));
        Ok(Settled::Tell(Box::new(Command::Suspend { run, step, request })))
    }

    /// A call that was approved: whether it is still the one that was asked about.
    fn again(
        &mut self,
        site: &Site,
        call: Wanted,
        request: &ApprovalRequest,
        turn: &mut Turn,
    ) -> Result<Settled, Rejection> {
        let then = &request.subject;
        let subject = match self.subject(site, &call, then.limits.clone())? {
            Ok(subject) => subject,
            Err(stopped_by) => return Ok(site.stop(stopped_by, call.admitted)),
        };
        if !request.still_binds(&subject) {
            return Ok(site.outdate(request, changed(then, &subject)));
        }
        let (account, charges, now) = (&site.account, &call.admitted.charges, turn.now());
        let reserved = match self.quotas.reserve(account, charges, (now, Excused::No)) {
            Err(exceeded) if exceeded.verdict() == Verdict::RequireReview => {
                if !names(&exceeded).iter().all(|limit| then.limits.contains(limit)) {
                    return Ok(site.outdate(request, "another limit is reached"));
                }
                self.quotas.reserve(account, charges, (now, Excused::Yes))
            }
            reserved => reserved,
        };
        Ok(match reserved {
            Ok(reservation) => {
                let mut admitted = call.admitted;
                if let Err(why) = self.spend(site, &mut admitted, turn) {
                    self.quotas.release(reservation.as_ref(), turn.now());
                    return Ok(site.outdate(request, &why));
                }
                let spent = Spent { approval: Some(request.id), reservation };
                Settled::May(Box::new(admitted), spent)
            }
            Err(exceeded) => site.exceeded(call.admitted, &exceeded, turn),
        })
    }

    /// Takes the use of the ticket that stands for the rules of an approved call, where one does.
    fn spend(&self, site: &Site, admitted: &mut Admitted, turn: &Turn) -> Result<(), String> {
        let Some(place) = admitted.by_ticket else { return Ok(()) };
        let held = self.principals.get(&site.run).zip(self.presented.get(&site.run));
        let (principal, tickets) = held.ok_or("its ticket is gone")?;
        let presented = Presented { tickets, now: turn.now() };
        self.gate.spend(principal, admitted, presented, place).map_err(|why| why.to_string())
    }

    /// What is put before an approver; inside, why it cannot be.
    fn subject(
        &self,
        site: &Site,
        call: &Wanted,
        limits: Vec<(Arc<str>, u16)>,
    ) -> Result<Result<Subject, StoppedBy>, Rejection> {
        let (run, step) = (site.run, site.step);
        let known = self.state.run(&run).ok_or(Rejection::UnknownRun(run))?;
        let node = known.plan().node(step).ok_or(Rejection::UnknownStep { run, step })?;
        let (submission, admitted) = (known.submission(), &call.admitted);
        Ok(self.gate.presentable(admitted).map(|definition| Subject {
            run,
            step: Arc::clone(&node.name),
            tool: admitted.tool.as_str().into(),
            definition,
            arguments: self.gate.written(&admitted.tool, &admitted.arguments),
            call: self.gate.written_digest(admitted),
            target: self.gate.project().to_string_lossy().into(),
            principal: Arc::clone(&submission.principal),
            started_by: submission.started_by.clone(),
            policy: self.gate.policy().digest().into(),
            asked: call.approve.clone(),
            limits,
        }))
    }
}

/// What policy saw and decided, for the record, without what may not be written; nothing where it was not asked.
fn decided(
    gate: &Gate,
    (step, tool): (&str, &str),
    principal: &Principal,
    judged: &Result<Admitted, Refused>,
) -> Option<DecidedCall> {
    let (arguments, decision) = match judged {
        Ok(admitted) => (&admitted.arguments, &admitted.decision),
        Err(Refused::Review(reviewed)) => {
            (&reviewed.admitted.arguments, &reviewed.admitted.decision)
        }
        Err(Refused::Stopped { arguments, decision, .. }) => (arguments, decision),
        Err(Refused::Invalid(_)) => return None,
    };
    let call = owned(principal, tool, &gate.written(tool, arguments));
    (!decision.is_null()).then(|| DecidedCall::new(step, call, decision))
}

/// The limits that a call would exceed, by rule and place.
fn names(exceeded: &Exceeded) -> Vec<(Arc<str>, u16)> {
    let Exceeded::Limits { over } = exceeded else { return Vec::new() };
    over.iter().map(|over| (Arc::clone(&over.charge.rule), over.charge.limit)).collect()
}

/// What exceeded limits ask for of approvers.
fn reviews(exceeded: &Exceeded) -> Vec<Approve> {
    let Exceeded::Limits { over } = exceeded else { return Vec::new() };
    over.iter().map(|over| over.charge.approve.clone().unwrap_or_default()).collect()
}

/// What of a call is not as it was asked about, in words.
fn changed(then: &Subject, now: &Subject) -> &'static str {
    if then.policy != now.policy {
        "the policy changed"
    } else if then.call != now.call || then.arguments != now.arguments {
        "the arguments changed"
    } else if then.definition != now.definition {
        "the tool changed"
    } else {
        "the call or what its review asks for changed"
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use engine::policy::document::Source;
    use engine::policy::{Catalogue, Effect, Policy, Tool};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_decided_call_is_recorded_without_what_is_marked() {
        let schema = json!({ "type": "object", "properties": {
            "password": { "type": "string", "x-sensitivity": "secret" },
            "table": { "type": "string" },
        } });
        let tool = Tool {
            name: "db.query".to_owned(),
            effect: Effect::Read,
            tags: Vec::new(),
            schema,
            paths: Vec::new(),
            hosts: Vec::new(),
        };
        let catalogue = Catalogue::new(vec![tool]).unwrap();
        for action in ["allow", "deny", "require_review"] {
            let rule = format!(
                "{{ name: r, match: {{ args: {{ password: hunter22 }} }}, action: {action} }}"
            );
            let text = format!("version: 1\nname: p\nrules:\n  - {rule}\n");
            let policy = Policy::load(&Source::new("p", text), &catalogue).unwrap().policy;
            let gate =
                Gate::new(PathBuf::from("/"), None, Arc::new(policy), catalogue.clone()).unwrap();
            let arguments = json!({ "password": "hunter22", "table": "t" });
            let asked = Asked { tool: "db.query".to_owned(), arguments };
            let principal = Principal::recorded("user:ada");
            let judged = gate.admit(&principal, asked);
            let call = decided(&gate, ("s", "db.query"), &principal, &judged).unwrap();
            let written = serde_json::to_string(&call).unwrap();
            assert!(written.contains("\"r\""), "the rule saw the value: {written}");
            assert!(written.contains("‹redacted:secret") && written.contains("\"table\":\"t\""));
            assert!(!written.contains("hunter22"), "{written}");
        }
    }
}
