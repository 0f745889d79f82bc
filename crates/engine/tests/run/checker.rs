//! Judges a history by its events alone: a second opinion that shares no code with the engine.
//!
//! It knows the plans and what was promised: needs first, one accepted end per fence, rising
//! fences and attempts, never more leases than slots, no main step after a cancellation, nothing
//! after the end of a run, an end only when every step ended.

use engine::run::{
    ApprovalId, ApprovalRequest, Completion, Event, Fact, Fence, Gate, Outcome, Plan, RunId,
    Severity, Stage, Verdict,
};
use engine::workflow::StepIndex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Default)]
struct Seen {
    ended: BTreeMap<Arc<str>, Outcome>,
    attempts: BTreeMap<Arc<str>, u32>,
    failures: BTreeMap<Arc<str>, u32>,
    cancelled: bool,
    finished: bool,
    /// The open request of a step, with who has approved and how many must.
    open: BTreeMap<Arc<str>, Open>,
}

struct Open {
    request: Arc<ApprovalRequest>,
    by: BTreeSet<Arc<str>>,
    /// Used in the events right before its step starts.
    used: bool,
}

pub struct Checker {
    slots: usize,
    plans: BTreeMap<RunId, Arc<Plan>>,
    runs: BTreeMap<RunId, Seen>,
    leases: BTreeMap<Fence, (RunId, Arc<str>)>,
    last: Fence,
    /// Every request that was ever made.
    asked: BTreeSet<ApprovalId>,
}

impl Checker {
    pub fn new(slots: u32) -> Self {
        Self {
            slots: slots as usize,
            plans: BTreeMap::new(),
            runs: BTreeMap::new(),
            leases: BTreeMap::new(),
            last: Fence(0),
            asked: BTreeSet::new(),
        }
    }

    /// Judges a whole history.
    pub fn judge(slots: u32, plans: &[Arc<Plan>], history: &[Event]) -> Result<(), String> {
        let mut checker = Self::new(slots);
        for event in history {
            if let Fact::RunSubmitted(submission) = &event.fact {
                let plan = plans.iter().find(|plan| plan.digest() == submission.workflow);
                checker.plans.insert(event.run, Arc::clone(plan.ok_or("unknown plan")?));
                checker.runs.insert(event.run, Seen::default());
            }
            checker.observe(event).map_err(|fault| format!("{fault}: {event:?}"))?;
        }
        Ok(())
    }

    fn observe(&mut self, event: &Event) -> Result<(), String> {
        let run = event.run;
        if let Fact::ShardRecovered { epoch } = event.fact {
            let first = Fence::new(epoch, 0);
            return if first > self.last {
                self.last = first;
                Ok(())
            } else {
                fail("old epoch")
            };
        }
        let seen = self.runs.get_mut(&run).ok_or("event before submission")?;
        let harmless = matches!(event.fact, Fact::StepStaleResult { .. } | Fact::RunRetried { .. });
        if seen.finished && !harmless {
            return fail("event after the end");
        }
        match &event.fact {
            Fact::StepStarted { step, attempt, fence, grant, .. } => {
                let used = seen.open.remove(step).map(|open| (open.request.id, open.used));
                match (used, grant.approval) {
                    (None, None) => {}
                    (Some((id, true)), Some(approval)) if id == approval => {}
                    _ => return fail("a step started without its approval or with another"),
                }
                self.started(run, step, *attempt, *fence)
            }
            Fact::StepApprovalRequested { .. }
            | Fact::ApprovalGranted { .. }
            | Fact::ApprovalConsumed { .. }
            | Fact::ApprovalDenied { .. }
            | Fact::ApprovalExpired { .. }
            | Fact::ApprovalStale { .. } => review(&mut self.asked, seen, event),
            Fact::StepFinished { step, fence, retrying, result, .. } => {
                self.released(run, step, *fence)?;
                if *retrying { self.failed(run, step) } else { self.ended(run, step, end(result)) }
            }
            Fact::StepRequeued { step, fence, .. }
            | Fact::StepOutcomeUnknown { step, fence, .. } => self.released(run, step, *fence),
            Fact::StepDenied { step, .. } => self.ended(run, step, Outcome::Denied),
            Fact::StepInvalid { step, .. } => self.ended(run, step, Outcome::Failed),
            Fact::StepSkipped { step, .. } => self.ended(run, step, Outcome::Skipped),
            Fact::StepCancelled { step } => self.ended(run, step, Outcome::Cancelled),
            Fact::StepResolved { step, verdict, .. } => match verdict {
                Verdict::Succeeded { .. } => self.ended(run, step, Outcome::Succeeded),
                Verdict::Failed => self.ended(run, step, Outcome::Failed),
            },
            Fact::StepStaleResult { step, fence, .. } => {
                let held = self.leases.get(fence) == Some(&(run, Arc::clone(step)));
                if held { fail("a current report called stale") } else { Ok(()) }
            }
            Fact::RunCancelRequested { .. } => {
                seen.cancelled = true;
                Ok(())
            }
            Fact::RunRetried { reset, .. } => {
                for step in reset {
                    seen.ended.remove(step);
                    seen.failures.remove(step);
                }
                if seen.finished {
                    (seen.finished, seen.cancelled) = (false, false);
                }
                Ok(())
            }
            Fact::RunFinished { .. } => {
                seen.finished = true;
                let all = seen.ended.len() == self.plans[&run].size();
                if all { Ok(()) } else { fail("a run ended before its steps") }
            }
            _ => Ok(()),
        }
    }

    fn started(
        &mut self,
        run: RunId,
        step: &Arc<str>,
        attempt: u32,
        fence: Fence,
    ) -> Result<(), String> {
        let plan = Arc::clone(&self.plans[&run]);
        let seen = self.runs.get_mut(&run).ok_or("no run")?;
        let node = plan.node(plan.find(step).ok_or("no step")?).ok_or("no step")?;
        if fence <= self.last {
            return fail("a fence did not rise");
        }
        self.last = fence;
        if self.leases.insert(fence, (run, Arc::clone(step))).is_some() {
            return fail("a fence was granted twice");
        }
        if self.leases.len() > self.slots {
            return fail("more leases than slots");
        }
        if seen.attempts.insert(Arc::clone(step), attempt).is_some_and(|last| last >= attempt) {
            return fail("an attempt did not rise");
        }
        if seen.ended.contains_key(step) {
            return fail("a step started after its end");
        }
        if seen.cancelled && node.stage == Stage::Main {
            return fail("a main step started after the cancellation");
        }
        let running = self.leases.values().filter(|held| **held == (run, Arc::clone(step)));
        if running.count() > 1 {
            return fail("two leases on one step");
        }
        for &need in &node.needs {
            let needed = plan.node(need).ok_or("no need")?;
            let outcome = seen.ended.get(&needed.name).ok_or("started before its needs")?;
            let tolerated = needed.severity == Severity::Tolerated
                && matches!(outcome, Outcome::Failed | Outcome::TimedOut);
            if node.gate == Gate::OnSuccess && *outcome != Outcome::Succeeded && !tolerated {
                return fail("started although a need did not succeed");
            }
        }
        let main = plan.steps().filter(|(_, node)| node.stage == Stage::Main);
        let open = main.filter(|(_, main)| !seen.ended.contains_key(&main.name)).count();
        if node.stage == Stage::Finally && open > 0 {
            return fail("finally started before the main steps ended");
        }
        Ok(())
    }

    fn released(&mut self, run: RunId, step: &Arc<str>, fence: Fence) -> Result<(), String> {
        match self.leases.remove(&fence) {
            Some(held) if held == (run, Arc::clone(step)) => Ok(()),
            Some(_) => fail("a fence ended another step"),
            None => fail("a fence ended twice"),
        }
    }

    fn failed(&mut self, run: RunId, step: &Arc<str>) -> Result<(), String> {
        let plan = &self.plans[&run];
        let place: StepIndex = plan.find(step).ok_or("no step")?;
        let most = plan.node(place).ok_or("no step")?.retry.max_attempts;
        let seen = self.runs.get_mut(&run).ok_or("no run")?;
        let failures = seen.failures.entry(Arc::clone(step)).or_default();
        *failures += 1;
        if *failures < most { Ok(()) } else { fail("tried too often") }
    }

    fn ended(&mut self, run: RunId, step: &Arc<str>, outcome: Outcome) -> Result<(), String> {
        let seen = self.runs.get_mut(&run).ok_or("no run")?;
        if seen.open.contains_key(step) {
            return fail("a step ended with an open request");
        }
        match seen.ended.insert(Arc::clone(step), outcome) {
            None => Ok(()),
            Some(_) => fail("a step ended twice"),
        }
    }

    /// Runs that have not ended.
    pub fn open(history: &[Event]) -> BTreeSet<RunId> {
        let mut open = BTreeSet::new();
        for event in history {
            match event.fact {
                Fact::RunSubmitted(_) | Fact::RunRetried { .. } => open.insert(event.run),
                Fact::RunFinished { .. } => open.remove(&event.run),
                _ => false,
            };
        }
        open
    }
}

/// The open request of a step, where it is this one and in time.
fn still_open<'a>(
    seen: &'a mut Seen,
    step: &Arc<str>,
    approval: ApprovalId,
    event: &Event,
) -> Result<&'a mut Open, String> {
    let open = seen.open.get_mut(step).filter(|open| open.request.id == approval);
    let open = open.ok_or("an answer to a request that is not open")?;
    if event.at < open.request.terms.expires {
        Ok(open)
    } else {
        Err("an answer after the expiry".to_owned())
    }
}

fn end(result: &Arc<Completion>) -> Outcome {
    result.outcome.into()
}

fn fail(fault: &str) -> Result<(), String> {
    Err(fault.to_owned())
}

/// Holds what happens to a request against the request.
fn review(asked: &mut BTreeSet<ApprovalId>, seen: &mut Seen, event: &Event) -> Result<(), String> {
    match &event.fact {
        Fact::StepApprovalRequested { step, request } => {
            if !asked.insert(request.id) {
                return fail("a request was made twice");
            }
            let (request, by) = (Arc::clone(request), BTreeSet::new());
            match seen.open.insert(Arc::clone(step), Open { request, by, used: false }) {
                None => Ok(()),
                Some(_) => fail("two requests of one step"),
            }
        }
        Fact::ApprovalGranted { step, approval, by, complete, .. } => {
            let open = still_open(seen, step, *approval, event)?;
            if **by == *open.request.subject.principal {
                return fail("somebody approved their own call");
            }
            if !open.by.insert(Arc::clone(by)) {
                return fail("an approver counted twice");
            }
            let enough = open.by.len() >= usize::from(open.request.terms.count);
            if enough == *complete { Ok(()) } else { fail("approvals were miscounted") }
        }
        Fact::ApprovalConsumed { step, approval, .. } => {
            let open = still_open(seen, step, *approval, event)?;
            open.used = true;
            let enough = open.by.len() >= usize::from(open.request.terms.count.max(1));
            if enough { Ok(()) } else { fail("an approval was used before it was given") }
        }
        Fact::ApprovalDenied { step, approval, .. } => {
            still_open(seen, step, *approval, event)?;
            seen.open.remove(step);
            Ok(())
        }
        Fact::ApprovalExpired { step, approval } | Fact::ApprovalStale { step, approval, .. } => {
            match seen.open.remove(step) {
                Some(open) if open.request.id == *approval => Ok(()),
                _ => fail("a request ended that was not open"),
            }
        }
        _ => Ok(()),
    }
}
