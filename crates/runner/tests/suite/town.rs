//! An owner without threads, disk or programs: people ask, answer and restart it, and every turn is kept.
//! What holds of it is asserted where it is used.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::support::load;
use engine::policy::Policy;
use engine::run::{Completion, Ended, Fact, Micros, RunId, StepState};
use journal::LogId;
use runner::document::Source;
use runner::executor::{Job, Report};
use runner::gate::{self, Gate, Principal};
use runner::owner::{Answer, Asking, Doing, Effect, Moment, Owner, Refusing, Ruled, Submit, Turn};
use runner::projection::{self, Charged, Document};
use runner::{ApprovalId, Event, Ruling};
use serde_json::Value;

pub(crate) const SECOND: i64 = 1_000_000;

/// A gate of this policy.
pub(crate) fn gate_of(policy: &str) -> Arc<Gate> {
    let source = Source { name: "policy.yaml".to_owned(), text: policy.to_owned() };
    let loaded = Policy::load(&source, &gate::catalogue().unwrap())
        .unwrap_or_else(|findings| panic!("{findings:#?}"));
    let (project, policy) = (PathBuf::from("/project"), Arc::new(loaded.policy));
    Arc::new(Gate::new(project, None, policy, gate::catalogue().unwrap()).unwrap())
}

/// A workflow of independent steps, one for each program.
pub(crate) fn steps(programs: &[&str]) -> String {
    let steps = programs.iter().enumerate().map(|(place, program)| {
        format!("  - {{ name: s{place}, run: [{program}], retry: {{ max_attempts: 2 }} }}\n")
    });
    format!("version: 1\nname: test\nsteps:\n{}", steps.collect::<String>())
}

/// One owner after the other, and what they made durable.
pub(crate) struct Town {
    pub(crate) owner: Owner,
    pub(crate) now: i64,
    epoch: u32,
    runs: u8,
    /// Everything that was made durable, in order.
    pub(crate) events: Vec<Event>,
    /// Kinds of the records of each turn that recorded something.
    pub(crate) turns: Vec<Vec<String>>,
    rows: BTreeMap<(&'static str, Vec<u8>), Vec<u8>>,
    documents: BTreeMap<RunId, Document>,
    pub(crate) begun: Vec<Job>,
}

impl Town {
    pub(crate) fn new(policy: &str) -> Self {
        let owner = Owner::new(gate_of(policy), 8, Doing::Nothing);
        let mut town = Self {
            owner,
            now: 1_000 * SECOND,
            epoch: 0,
            runs: 0,
            events: Vec::new(),
            turns: Vec::new(),
            rows: BTreeMap::new(),
            documents: BTreeMap::new(),
            begun: Vec::new(),
        };
        town.restart(policy, 8);
        town
    }

    /// The owner dies and another takes its place, under `policy`, with room for `slots` attempts. What it was told and
    /// did not make durable is gone; here that is nothing.
    pub(crate) fn restart(&mut self, policy: &str, slots: u32) {
        self.owner = self.recalled(policy, slots);
        self.begun.clear();
        self.epoch += 1;
        let epoch = self.epoch;
        self.turn(|owner, turn| owner.recover(epoch, turn).unwrap());
    }

    /// A new owner that knows what is durable and has not yet taken over.
    pub(crate) fn recalled(&self, policy: &str, slots: u32) -> Owner {
        let mut owner = Owner::new(gate_of(policy), slots, Doing::Nothing);
        let open: BTreeSet<RunId> = self.documents.keys().copied().collect();
        owner.recall(self.charges(), &open).unwrap();
        for (run, document) in &self.documents {
            let own: Vec<Event> =
                self.events.iter().filter(|event| event.run == *run).cloned().collect();
            let Some(Fact::RunSubmitted(submission)) = own.first().map(|event| &event.fact) else {
                continue;
            };
            let principal = Principal::recorded(&submission.principal);
            owner.adopt(document, principal, &own).unwrap();
        }
        owner
    }

    /// Whether a run has ended.
    pub(crate) fn has_ended(&self, run: RunId) -> bool {
        self.events.iter().any(|event| event.run == run && runner::owner::ends_run(event))
    }

    /// What is recorded of limits.
    pub(crate) fn charges(&self) -> Vec<Charged> {
        let rows = self.rows.iter().filter(|((view, _), _)| *view == projection::CHARGE);
        rows.map(|(_, row)| serde_json::from_slice(row).unwrap()).collect()
    }

    fn turn<T>(&mut self, act: impl FnOnce(&mut Owner, &mut Turn) -> T) -> T {
        let entropy = self.now.cast_unsigned() ^ self.events.len() as u64;
        let mut turn = Turn::new(Moment { now: Micros(self.now), entropy });
        let answer = act(&mut self.owner, &mut turn);
        let (operation, effects) = turn.split(&LogId::default());
        if let Some(operation) = operation {
            let kinds = operation.drafts.iter().map(|draft| draft.kind.to_string());
            self.turns.push(kinds.collect());
            for change in operation.changes {
                match change.value {
                    Some(value) => self.rows.insert((change.view, change.key), value),
                    None => self.rows.remove(&(change.view, change.key)),
                };
            }
        }
        for effect in effects {
            match effect {
                Effect::Begin(job) => self.begun.push(*job),
                Effect::Tell(event) => self.events.push(event),
                Effect::Stop(_) | Effect::Stand(_) => {}
            }
        }
        answer
    }

    /// A run of `text` for this principal.
    pub(crate) fn submit(&mut self, text: &str, principal: &str) -> RunId {
        self.submit_for(text, principal, None)
    }

    pub(crate) fn submit_for(&mut self, text: &str, by: &str, starter: Option<&str>) -> RunId {
        self.runs += 1;
        let run = RunId([self.runs; 16]);
        let workflow = Arc::new(load(text).workflow);
        let digest = workflow.digest.into();
        let document = Document { digest, name: "test.yaml".to_owned(), text: text.to_owned() };
        self.documents.insert(run, document);
        let submit = Submit {
            run,
            workflow,
            name: "test.yaml".to_owned(),
            first_seen: true,
            inputs: Value::Null,
            principal: Principal::recorded(by),
            started_by: starter.map(str::to_owned),
            key: None,
            holder: None,
        };
        self.turn(|owner, turn| owner.ask(Asking::Submit(Box::new(submit)), turn)).unwrap();
        run
    }

    /// An answer of `by`, with these roles, to a request.
    pub(crate) fn rule(
        &mut self,
        approval: ApprovalId,
        ruling: Ruling,
        (by, roles): (&str, &[&str]),
    ) -> Result<Answer, String> {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        let by = Principal { id: by.to_owned(), roles, tags: Vec::new() };
        let ruled = Ruled { approval, ruling, by, reason: String::new() };
        let answer = self.turn(|owner, turn| owner.ask(Asking::Rule(ruled), turn));
        answer.map_err(|refusing: Refusing| refusing.to_string())
    }

    pub(crate) fn approve(&mut self, approval: ApprovalId, by: &str) -> Result<Answer, String> {
        self.rule(approval, Ruling::Approve, (by, &[]))
    }

    /// Time passes.
    pub(crate) fn wait(&mut self, seconds: i64) {
        self.now += seconds * SECOND;
        self.turn(|owner, turn| owner.wake(turn));
    }

    /// Every attempt that runs ends so.
    pub(crate) fn finish(&mut self, ended: Ended) {
        let reports = std::mem::take(&mut self.begun).into_iter().map(|job| Report {
            run: job.run,
            step: job.step,
            name: job.name,
            attempt: job.attempt,
            fence: job.fence,
            result: Completion { retryable: true, exit: Some(1), ..Completion::new(ended) },
            receipt: None,
            changes: None,
            in_force: None,
            committed: None,
        });
        let reports = reports.collect();
        self.turn(|owner, turn| owner.report(reports, turn));
    }

    pub(crate) fn retry(&mut self, run: RunId) {
        let by = "user:ada".to_owned();
        let asking = Asking::Retry { run, step: None, by, tickets: Vec::new() };
        self.turn(|owner, turn| owner.ask(asking, turn)).unwrap();
    }

    /// The latest request.
    pub(crate) fn request(&self) -> ApprovalId {
        let mut requests = self.events.iter().filter_map(|event| match &event.fact {
            Fact::StepApprovalRequested { request, .. } => Some(request.id),
            _ => None,
        });
        requests.next_back().expect("a request")
    }

    /// How often this kind of event was recorded.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.events.iter().filter(|event| event.kind() == kind).count()
    }

    /// The state of every step of a run that has not ended.
    pub(crate) fn states(&self, run: RunId) -> Vec<StepState> {
        let run = self.owner.state().run(&run).expect("a run that goes on");
        run.view().steps.into_iter().map(|step| step.state).collect()
    }

    /// What stopped the latest denied step.
    pub(crate) fn denial(&self) -> String {
        let mut denials = self.events.iter().filter_map(|event| match &event.fact {
            Fact::StepDenied { stopped_by, .. } => {
                Some(format!("{}: {}", stopped_by.name, stopped_by.detail))
            }
            _ => None,
        });
        denials.next_back().expect("a denial")
    }
}
