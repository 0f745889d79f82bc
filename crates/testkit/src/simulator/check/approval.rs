//! Rule: what others have to approve begins with an approval of its own, given by another, in time, and used once.
//! An answer that was taken is in the journal.

use super::super::promise::Promises;
use super::{Rule, Violation, broken};
use engine::run::{ApprovalId, Event, Fact, Fence, Micros, Ruling};
use std::collections::{BTreeMap, BTreeSet};

/// The step of the scenario that others have to approve.
const REVIEWED: &str = "deploy";

/// What is recorded of one request.
#[derive(Debug)]
struct Asked {
    by: String,
    expires: Micros,
    granted: bool,
    /// How it ended, once it did.
    end: Option<&'static str>,
    used: Option<Fence>,
}

/// Judges every start of a reviewed step, and every answer.
pub(in crate::simulator) fn judge(promises: &Promises, events: &[Event]) -> Result<(), Violation> {
    let mut asked: BTreeMap<ApprovalId, Asked> = BTreeMap::new();
    let mut answers = BTreeSet::new();
    for event in events {
        take(event, &mut asked, &mut answers)
            .map_err(|fault| broken(Rule::Approval, format!("{fault}: {event:?}")))?;
    }
    match promises.ruled.difference(&answers).next() {
        Some(lost) => Err(broken(Rule::Durable, format!("the answer {lost:?} is lost"))),
        None => Ok(()),
    }
}

fn open<'a>(
    asked: &'a mut BTreeMap<ApprovalId, Asked>,
    id: &ApprovalId,
) -> Result<&'a mut Asked, &'static str> {
    let one = asked.get_mut(id).ok_or("nobody asked")?;
    if one.end.is_some() { Err("the request had ended") } else { Ok(one) }
}

fn take(
    event: &Event,
    asked: &mut BTreeMap<ApprovalId, Asked>,
    answers: &mut BTreeSet<(ApprovalId, Ruling)>,
) -> Result<(), &'static str> {
    match &event.fact {
        Fact::StepApprovalRequested { request, .. } => {
            let by = request.subject.principal.to_string();
            let expires = request.terms.expires;
            let new = Asked { by, expires, granted: false, end: None, used: None };
            match asked.insert(request.id, new) {
                None => Ok(()),
                Some(_) => Err("one id for two requests"),
            }
        }
        Fact::ApprovalGranted { approval, by, complete, .. } => {
            answers.insert((*approval, Ruling::Approve));
            let one = open(asked, approval)?;
            one.granted |= complete;
            let good = *one.by != **by && event.at < one.expires;
            if good { Ok(()) } else { Err("approved by the one who asks, or too late") }
        }
        Fact::ApprovalDenied { approval, .. } => {
            answers.insert((*approval, Ruling::Deny));
            open(asked, approval)?.end = Some("denied");
            Ok(())
        }
        Fact::ApprovalExpired { approval, .. } => {
            open(asked, approval)?.end = Some("expired");
            Ok(())
        }
        Fact::ApprovalStale { approval, .. } => {
            open(asked, approval)?.end = Some("stale");
            Ok(())
        }
        Fact::ApprovalConsumed { approval, fence, .. } => {
            let one = open(asked, approval)?;
            if !one.granted || event.at >= one.expires {
                return Err("used without being given, or too late");
            }
            (one.end, one.used) = (Some("consumed"), Some(*fence));
            Ok(())
        }
        Fact::StepStarted { step, fence, grant, .. } if &**step == REVIEWED => {
            let used = grant.approval.and_then(|id| asked.get(&id)).and_then(|one| one.used);
            if used == Some(*fence) { Ok(()) } else { Err("begun without an approval of its own") }
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn events(facts: &[Value]) -> Vec<Event> {
        let whole = |(at, fact): (usize, &Value)| {
            let mut event = fact.clone();
            event["run"] = json!("run_00000000000000000000000001");
            event["at"] = json!(at);
            serde_json::from_value(event).unwrap()
        };
        facts.iter().enumerate().map(whole).collect()
    }

    fn history() -> Vec<Value> {
        let (id, none) = ("apr_00000000000000000000000001", "0".repeat(64));
        let subject = json!({
            "run": "run_00000000000000000000000001", "step": "deploy", "tool": "exec.run",
            "definition": none, "arguments": {}, "call": none, "target": "/", "principal": "user:a",
            "policy": none,
        });
        let request = json!({ "id": id, "digest": none, "subject": subject, "reasons": [],
            "terms": { "count": 1, "expires": 9 } });
        vec![
            json!({ "type": "step.approval_requested", "step": "deploy", "request": request }),
            json!({ "type": "approval.granted", "step": "deploy", "approval": id, "by": "user:b",
                "complete": true }),
            json!({ "type": "approval.consumed", "step": "deploy", "approval": id, "fence": "1-1" }),
            json!({ "type": "step.started", "step": "deploy", "attempt": 1, "fence": "1-1",
                "deadline": 9, "grant": { "tool": "exec.run", "call": none, "key": "k", "approval": id } }),
        ]
    }

    #[test]
    fn spoiled_histories_are_seen() {
        let judged = |facts: &[Value]| judge(&Promises::default(), &events(facts));
        assert_eq!(judged(&history()), Ok(()));
        let spoil = |change: &dyn Fn(&mut Vec<Value>)| {
            let mut facts = history();
            change(&mut facts);
            judged(&facts).expect_err("a spoiled history").detail
        };
        let check = |expected: &str, change: &dyn Fn(&mut Vec<Value>)| {
            let found = spoil(change);
            assert!(found.starts_with(expected), "{expected}: {found}");
        };
        check("begun without", &|facts| drop(facts.remove(2)));
        check("used without", &|facts| drop(facts.remove(1)));
        check("nobody asked", &|facts| drop(facts.remove(0)));
        check("the request had ended", &|facts| facts.push(history().remove(2)));
        check("approved by the one", &|facts| facts[1]["by"] = json!("user:a"));
        check("approved by the one", &|facts| facts[0]["request"]["terms"]["expires"] = json!(1));
        check("used without", &|facts| facts[0]["request"]["terms"]["expires"] = json!(2));
        check("begun without", &|facts| facts[3]["fence"] = json!("1-2"));
        check("begun without", &|facts| {
            drop(facts[3]["grant"].as_object_mut().unwrap().remove("approval"))
        });
        check("one id", &|facts| facts.insert(1, history().remove(0)));
        let mut promises = Promises::default();
        promises.rule("apr_00000000000000000000000001".parse().unwrap(), Ruling::Deny);
        let lost = judge(&promises, &events(&history())).unwrap_err();
        assert_eq!(lost.rule, Rule::Durable);
    }
}
