//! What a call that needs a review asks for, and who may answer.
//!
//! A request binds one call: whatever of it changes, the digest changes with it. Who may answer is
//! decided here and nowhere else; what an answer leads to is in `review`. Pure values: who the
//! approver is was found out by the door, the expiry came in as a time.

use super::digest::Digest;
use super::id::{ApprovalId, RunId};
use super::time::Micros;
use policy::{Approve, Approver as Demand};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::sync::Arc;

/// The call that waits, in the one form in which it would run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: Arc<str>,
    /// The registered tool.
    pub tool: Box<str>,
    /// SHA-256 of the tool's definition.
    pub definition: Digest,
    /// Its arguments, as policy saw them.
    pub arguments: Value,
    /// SHA-256 over tool and arguments, as in the grant of the attempt.
    pub call: Digest,
    /// What it acts on: the project.
    pub target: Box<str>,
    /// Who asks.
    pub principal: Arc<str>,
    /// Who started the run, where it acts for another principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<Arc<str>>,
    /// The policy that asks for the review.
    pub policy: Digest,
    /// What its rules ask for; none where only limits do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Approve>,
    /// Limits that the call would exceed and that ask for a review: rule and place in it, from 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<(Arc<str>, u16)>,
}

/// What has to be answered, by whom and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// What every approver has to be, all of it; empty means any other principal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<Demand>,
    /// Distinct approvers that are needed; never 0.
    pub count: u16,
    /// Until when an approval counts, and can be used.
    pub expires: Micros,
}

impl Terms {
    /// What every one of `asked` asks for at once, from `now` on; what a rule that says nothing
    /// asks for where there is none.
    pub fn of(asked: &[Approve], now: Micros) -> Self {
        let usual = Approve::default();
        let mut terms = Self { from: Vec::new(), count: usual.count, expires: Micros::MAX };
        for one in if asked.is_empty() { std::slice::from_ref(&usual) } else { asked } {
            let lasts = u64::try_from(one.expires.as_micros()).unwrap_or(u64::MAX);
            let new = one.from.iter().filter(|demand| !terms.from.contains(demand)).cloned();
            let new: Vec<Demand> = new.collect();
            terms.from.extend(new);
            // None at all is what nobody can give; it stays so.
            terms.count = if one.count == 0 { 0 } else { terms.count.max(one.count) };
            terms.expires = terms.expires.min(now.after(lasts));
        }
        terms
    }

    /// Who may approve, in words.
    pub fn who(&self) -> String {
        if self.from.is_empty() {
            return "another principal".to_owned();
        }
        self.from.iter().map(ToString::to_string).collect::<Vec<_>>().join(" who is ")
    }

    fn accept(&self, by: &Reviewer) -> bool {
        let (from, count) = (self.from.clone(), self.count);
        Approve { from, count, ..Approve::default() }.accepts(&by.id, &by.roles)
    }
}

/// A request for an approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRequest {
    /// Fresh for every request.
    pub id: ApprovalId,
    /// SHA-256 over id, subject and terms: what is approved.
    pub digest: Digest,
    /// The call.
    pub subject: Subject,
    /// The terms.
    pub terms: Terms,
    /// Why a review is needed, a line for each rule that asks.
    pub reasons: Vec<Box<str>>,
    /// The decision in short, opaque to the engine.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub decision: Value,
}

impl ApprovalRequest {
    /// A request; its digest is worked out here.
    pub fn new(id: ApprovalId, subject: Subject, terms: Terms) -> Self {
        let digest = digest(id, &subject, &terms);
        Self { id, digest, subject, terms, reasons: Vec::new(), decision: Value::Null }
    }

    /// Whether `subject` is what was asked about, to the last byte.
    pub fn still_binds(&self, subject: &Subject) -> bool {
        digest(self.id, subject, &self.terms) == self.digest
    }

    /// Whether `by` may answer, given who has approved before. Errors: why not.
    ///
    /// Nobody answers their own call. Whoever started a run for another principal may answer where
    /// the policy leaves open who does; where it names approvers or wants several, they count as
    /// the one who asks.
    pub fn may_answer(&self, by: &Reviewer, before: &[Vote]) -> Result<(), Unfit> {
        let named = !self.terms.from.is_empty() || self.terms.count > 1;
        if by.id == self.subject.principal {
            return Err(Unfit::Requester);
        }
        if named && self.subject.started_by.as_ref() == Some(&by.id) {
            return Err(Unfit::Starter);
        }
        if !self.terms.accept(by) {
            return Err(Unfit::NotNamed(self.terms.who().into()));
        }
        if before.iter().any(|vote| vote.by == by.id) {
            return Err(Unfit::Twice);
        }
        Ok(())
    }
}

/// SHA-256 over every bound field, each with its length before it.
fn digest(id: ApprovalId, subject: &Subject, terms: &Terms) -> Digest {
    let mut hash = Sha256::new();
    let mut bind = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    bind(b"palisade approval 1");
    bind(&id.0);
    bind(&subject.run.0);
    for text in [&*subject.step, &*subject.tool, &*subject.target, &*subject.principal] {
        bind(text.as_bytes());
    }
    bind(subject.started_by.as_deref().unwrap_or_default().as_bytes());
    for digest in [&subject.definition, &subject.call, &subject.policy] {
        bind(&digest.0);
    }
    // Maps are sorted, so one value has one text.
    bind(subject.arguments.to_string().as_bytes());
    // Structures of our own: one value has one text here too.
    for value in [
        serde_json::to_vec(&subject.asked),
        serde_json::to_vec(&subject.limits),
        serde_json::to_vec(terms),
    ] {
        bind(&value.unwrap_or_default());
    }
    Digest(hash.finalize().into())
}

/// Who answers, as the door identified them; never from the request's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewer {
    /// The principal.
    pub id: Arc<str>,
    /// Roles by registration.
    pub roles: Vec<String>,
}

/// Why a principal may not answer a request. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is their own call.
    #[error("nobody answers their own call")]
    Requester,
    /// They started the run that asks, and the policy wants somebody else.
    #[error(
        "whoever started the run counts as the one who asks, because the policy says who approves"
    )]
    Starter,
    /// The policy names others.
    #[error("the policy wants an approval of {0}")]
    NotNamed(Box<str>),
    /// They have approved before.
    #[error("one approver counts once")]
    Twice,
}

/// One approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who.
    pub by: Arc<str>,
    /// When.
    pub at: Micros,
}

/// A request with what was answered so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Review {
    /// The request.
    pub request: Arc<ApprovalRequest>,
    /// Who approved, each once.
    pub votes: Vec<Vote>,
}

impl fmt::Display for Review {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (given, needed) = (self.votes.len(), self.request.terms.count);
        write!(f, "approval {} ({given} of {needed})", self.request.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;

    fn subject() -> Subject {
        Subject {
            run: RunId([1; 16]),
            step: "a".into(),
            tool: "exec.run".into(),
            definition: Digest([2; 32]),
            arguments: json!({ "argv": ["rm", "x"] }),
            call: Digest([3; 32]),
            target: "/project".into(),
            principal: "agent:planner".into(),
            started_by: Some("user:ada".into()),
            policy: Digest([4; 32]),
            asked: None,
            limits: Vec::new(),
        }
    }

    fn demand(text: &str) -> Demand {
        match text.strip_prefix("role:") {
            Some(role) => Demand::Role(role.into()),
            None => Demand::Principal(text.into()),
        }
    }

    fn request(from: &[&str], count: u16) -> ApprovalRequest {
        let from = vec![Demand::AnyOf(from.iter().map(|text| demand(text)).collect())];
        let from = from.into_iter().filter(|any| *any != Demand::AnyOf(Vec::new())).collect();
        let terms = Terms { from, count, expires: Micros(9) };
        ApprovalRequest::new(ApprovalId([5; 16]), subject(), terms)
    }

    fn by(id: &str, roles: &[&str]) -> Reviewer {
        Reviewer { id: id.into(), roles: roles.iter().map(|&role| role.to_owned()).collect() }
    }

    #[test]
    fn who_may_answer() {
        let check = |from: &[&str], count, reviewer: &Reviewer, expected: Result<(), Unfit>| {
            assert_eq!(request(from, count).may_answer(reviewer, &[]), expected, "{from:?}");
        };
        let (ada, bob) = (by("user:ada", &["sre"]), by("user:bob", &["operator"]));
        let agent = by("agent:planner", &["sre"]);
        check(&[], 1, &bob, Ok(()));
        check(&[], 1, &agent, Err(Unfit::Requester));
        check(&["agent:*"], 1, &agent, Err(Unfit::Requester));
        // Whoever started the run is enough of a human only where the policy asks for no other.
        check(&[], 1, &ada, Ok(()));
        check(&[], 2, &ada, Err(Unfit::Starter));
        check(&["role:sre"], 1, &ada, Err(Unfit::Starter));
        check(&["user:ada"], 1, &ada, Err(Unfit::Starter));
        check(&["role:sre"], 1, &bob, Err(Unfit::NotNamed("role:sre".into())));
        check(&["role:sre", "user:b*"], 1, &bob, Ok(()));
        check(&["user:b"], 1, &bob, Err(Unfit::NotNamed("principal:user:b".into())));
        let votes = [Vote { by: "user:bob".into(), at: Micros(1) }];
        assert_eq!(request(&[], 2).may_answer(&bob, &votes), Err(Unfit::Twice));
    }

    #[test]
    fn every_bound_field_changes_the_digest() {
        let request = request(&["role:sre"], 1);
        assert!(request.still_binds(&subject()));
        let changes: [fn(&mut Subject); 12] = [
            |subject| subject.run = RunId([9; 16]),
            |subject| subject.step = "b".into(),
            |subject| subject.tool = "fs.write".into(),
            |subject| subject.definition = Digest([9; 32]),
            |subject| subject.arguments = json!({ "argv": ["rm", "y"] }),
            |subject| subject.call = Digest([9; 32]),
            |subject| subject.target = "/other".into(),
            |subject| subject.principal = "agent:other".into(),
            |subject| subject.started_by = None,
            |subject| subject.policy = Digest([9; 32]),
            |subject| subject.asked = Some(Approve::default()),
            |subject| subject.limits = vec![("few".into(), 0)],
        ];
        for (place, change) in changes.iter().enumerate() {
            let mut changed = subject();
            change(&mut changed);
            assert!(!request.still_binds(&changed), "change {place}");
        }
        let digest = |id, terms| ApprovalRequest::new(id, subject(), terms).digest;
        let terms = request.terms.clone();
        assert_eq!(digest(request.id, terms.clone()), request.digest);
        assert_ne!(digest(ApprovalId([6; 16]), terms.clone()), request.digest);
        let later = Terms { expires: Micros(10), ..terms.clone() };
        assert_ne!(digest(request.id, later), request.digest);
        assert_ne!(digest(request.id, Terms { count: 2, ..terms.clone() }), request.digest);
        assert_ne!(digest(request.id, Terms { from: Vec::new(), ..terms }), request.digest);
    }

    #[test]
    fn text_moved_from_one_field_to_the_next_is_another_request() {
        let request = request(&[], 1);
        let moved = Subject { step: "aexec".into(), tool: ".run".into(), ..subject() };
        assert!(!request.still_binds(&moved));
    }

    #[test]
    fn terms_are_the_strictest_of_all_that_is_asked() {
        let approve = |from: &str, count, seconds| {
            let expires = Duration::from_secs(seconds);
            Approve { from: vec![demand(from)], count, expires }
        };
        let both = Terms::of(&[approve("role:sre", 2, 60), approve("user:b*", 1, 30)], Micros(7));
        let from = vec![demand("role:sre"), demand("user:b*")];
        assert_eq!(both, Terms { from, count: 2, expires: Micros(30_000_007) });
        assert_eq!(both.who(), "role:sre who is principal:user:b*");
        let usual = Terms::of(&[], Micros(0));
        assert_eq!((usual.count, usual.who().as_str()), (1, "another principal"));
        assert_eq!(Terms::of(&[approve("role:sre", 0, 60)], Micros(0)).count, 0);
        assert_eq!(Terms::of(&[approve("role:sre", 1, u64::MAX)], Micros(0)).expires, Micros::MAX);
    }
}
