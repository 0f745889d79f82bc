//! An engine in virtual time, driven by commands.
//!
//! Every accepted command is folded at once, kept in the history and audited, so that a test says
//! only what it is about. Nothing is judged here beyond that; see `checker`.

use engine::policy::document::Source;
use engine::run::{
    ApprovalId, ApprovalRequest, Command, Completion, Digest, Ended, Event, Failure, Fence, Grant,
    Guard, Micros, Plan, Refusal, Rejection, Reviewer, Ruling, Run, RunId, RunState, Scope, State,
    StoppedBy, Subject, Submission, Terms, Verdict, Work, decide,
};
use engine::workflow::{StepIndex, Workflow};
use serde_json::Value;
use std::sync::Arc;

pub const SECOND: u64 = 1_000_000;
/// The timeout that `workflow` gives every step, in µs.
pub const TIMEOUT: u64 = 60 * SECOND;

/// The plan of a YAML document.
pub fn plan(text: &str) -> Arc<Plan> {
    let source = Source { name: "test.yaml".to_owned(), text: text.to_owned() };
    match Workflow::load(&source, &[]) {
        Ok(loaded) => Arc::new(Plan::new(Arc::new(loaded.workflow))),
        Err(found) => {
            let shown: Vec<_> = found.iter().map(|found| found.render(&source)).collect();
            panic!("{}\n{text}", shown.join("\n"));
        }
    }
}

/// The plan of steps that are written as `name: needs…; extra`, one per line; `finally` on a line
/// of its own begins the second list. The extra is YAML in braces without the braces.
pub fn steps(lines: &str) -> Arc<Plan> {
    plan(&document(lines))
}

pub fn document(lines: &str) -> String {
    let mut text = "version: 1\nname: test\ndefaults: { timeout: 60s }\nsteps:\n".to_owned();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line == "finally" || line.starts_with("outputs:") {
            text.push_str(line);
            text.push_str(if line == "finally" { ":\n" } else { "\n" });
            continue;
        }
        let (head, extra) = line.split_once(';').unwrap_or((line, ""));
        let (name, needs) = head.split_once(':').unwrap();
        let needs = needs.split_whitespace().collect::<Vec<_>>().join(", ");
        let comma = if extra.is_empty() { "" } else { ", " };
        text.push_str(&format!(
            "  - {{ name: {name}, run: [\"true\"], needs: [{needs}]{comma}{extra} }}\n"
        ));
    }
    text
}

pub fn run_id(number: u32) -> RunId {
    RunId((u128::from(number) + 1).to_be_bytes())
}

pub fn grant() -> Arc<Grant> {
    let decision = Value::from("allow");
    let (tool, key, call) = ("exec.run".into(), "k".into(), CALL);
    Arc::new(Grant { tool, call, decision, key, approval: None, reservation: None })
}

/// The call of every step.
const CALL: Digest = Digest([7; 32]);
/// Time for which a request is open, in µs.
pub const EXPIRES: u64 = 100 * SECOND;

pub fn approval_id(number: u32) -> ApprovalId {
    ApprovalId((u128::from(number) + 1).to_be_bytes())
}

/// A grant that uses an approval up.
pub fn approved(approval: ApprovalId) -> Arc<Grant> {
    Arc::new(Grant { approval: Some(approval), ..(*grant()).clone() })
}

pub fn completion(ended: Ended) -> Completion {
    match ended {
        Ended::Failed => {
            Completion { exit: Some(1), ..Completion::failed(Failure::ExitCode, "exit code 1") }
        }
        Ended::TimedOut => Completion::failed(Failure::Timeout, "stopped after 60s"),
        Ended::Succeeded => Completion { exit: Some(0), ..Completion::new(ended) },
        Ended::Cancelled => Completion::new(ended),
    }
}

pub fn denial() -> Refusal {
    let stopped_by =
        StoppedBy { kind: Guard::Policy, name: "no-network".into(), detail: "".into() };
    Refusal::Policy { stopped_by, decision: Value::Null }
}

pub struct World {
    pub state: State,
    pub now: Micros,
    pub history: Vec<Event>,
    pub runs: u32,
}

impl World {
    pub fn new(slots: u32) -> Self {
        let (now, history) = (Micros(1_000_000_000), Vec::new());
        Self { state: State::new(slots), now, history, runs: 0 }
    }

    /// One run of this plan in an engine with two slots.
    pub fn of(plan: &Arc<Plan>) -> (Self, RunId) {
        let mut world = Self::new(2);
        let run = world.submit(plan);
        (world, run)
    }

    pub fn ask(&mut self, command: &Command) -> Result<Vec<Event>, Rejection> {
        let events = decide(&self.state, command, self.now)?;
        assert!(!events.is_empty(), "{command:?}");
        for event in &events {
            self.state.apply(event).unwrap();
        }
        self.state.audit().unwrap_or_else(|drift| panic!("{drift} after {command:?}"));
        self.history.extend_from_slice(&events);
        Ok(events)
    }

    /// The kinds of the events that the command leads to, with the step where there is one.
    pub fn kinds(&mut self, command: &Command) -> Vec<String> {
        self.ask(command).unwrap().iter().map(shown).collect()
    }

    pub fn submission(plan: &Arc<Plan>, key: Option<&str>) -> Arc<Submission> {
        Arc::new(Submission {
            workflow: plan.digest(),
            name: Arc::clone(plan.name()),
            source: Digest([1; 32]),
            inputs: serde_json::json!({}),
            principal: "user:ada".into(),
            started_by: None,
            key: key.map(Into::into),
            repeats: None,
        })
    }

    pub fn submit(&mut self, plan: &Arc<Plan>) -> RunId {
        self.state.know(Arc::clone(plan));
        let run = run_id(self.runs);
        self.runs += 1;
        self.ask(&Command::Submit { run, submission: Self::submission(plan, None) }).unwrap();
        run
    }

    pub fn wait(&mut self, duration_us: u64) {
        self.now = self.now.after(duration_us);
    }

    pub fn run(&self, run: RunId) -> &Run {
        self.state.run(&run).unwrap()
    }

    pub fn state_of(&self, run: RunId) -> RunState {
        self.run(run).state()
    }

    pub fn place(&self, run: RunId, step: &str) -> StepIndex {
        self.run(run).plan().find(step).unwrap_or_else(|| panic!("no step `{step}`"))
    }

    pub fn fence(&self, run: RunId, step: &str) -> Fence {
        self.run(run).step_named(step).unwrap().trail().unwrap().fence.unwrap()
    }

    /// `name=state …` of every step.
    pub fn picture(&self, run: RunId) -> String {
        let view = self.run(run).view();
        let steps = view.steps.iter().map(|step| format!("{}={}", step.name, step.state.name()));
        steps.collect::<Vec<_>>().join(" ")
    }

    /// The step that is next.
    pub fn next(&self) -> Option<(RunId, StepIndex)> {
        match self.state.next(self.now) {
            Some(Work::Step { run, step, .. }) => Some((run, step)),
            Some(Work::Conclude { .. }) | None => None,
        }
    }

    pub fn next_name(&self) -> Option<String> {
        let (run, step) = self.next()?;
        Some(self.run(run).plan().node(step)?.name.to_string())
    }
}

/// Commands by the name of the step.
impl World {
    pub fn start(&self, run: RunId, step: &str) -> Command {
        Command::Start { run, step: self.place(run, step), grant: grant(), timeout_us: None }
    }

    /// A request for the approvals of `count` others.
    pub fn suspend(&mut self, run: RunId, step: &str, count: u16) -> Command {
        let id = approval_id(self.runs);
        self.runs += 1;
        let place = self.place(run, step);
        let subject = Subject {
            run,
            step: step.into(),
            tool: "exec.run".into(),
            definition: Digest([2; 32]),
            arguments: serde_json::json!({ "argv": ["true"] }),
            call: CALL,
            target: "/project".into(),
            principal: "user:ada".into(),
            started_by: None,
            policy: Digest([3; 32]),
            asked: None,
            limits: Vec::new(),
        };
        let terms = Terms { from: Vec::new(), count, expires: self.now.after(EXPIRES) };
        let request = Arc::new(ApprovalRequest::new(id, subject, terms));
        Command::Suspend { run, step: place, request }
    }

    /// The open request of the step.
    pub fn approval(&self, run: RunId, step: &str) -> ApprovalId {
        self.run(run).step_named(step).unwrap().review().unwrap().request.id
    }

    pub fn answer(&self, run: RunId, step: &str, ruling: Ruling, by: &str) -> Command {
        let (approval, place) = (self.approval(run, step), self.place(run, step));
        let by = Reviewer { id: by.into(), roles: Vec::new() };
        Command::Answer { run, step: place, approval, ruling, by, reason: "".into() }
    }

    pub fn skip(&self, run: RunId, step: &str) -> Command {
        Command::Skip { run, step: self.place(run, step) }
    }

    pub fn refuse(&self, run: RunId, step: &str, refusal: Refusal) -> Command {
        Command::Refuse { run, step: self.place(run, step), refusal }
    }

    pub fn finish(&self, run: RunId, step: &str, ended: Ended) -> Command {
        let fence = self.fence(run, step);
        self.report(run, step, fence, completion(ended))
    }

    pub fn report(&self, run: RunId, step: &str, fence: Fence, result: Completion) -> Command {
        let step = self.place(run, step);
        Command::Finish { run, step, fence, result: Arc::new(result), entropy: u64::MAX }
    }

    pub fn expire(&self, run: RunId, step: &str) -> Command {
        Command::Expire { run, step: self.place(run, step), fence: self.fence(run, step) }
    }

    pub fn retry(&self, run: RunId, step: &str, scope: Scope) -> Command {
        let steps = vec![self.place(run, step)];
        Command::Retry { run, steps, scope, by: "user:ada".into() }
    }

    pub fn resolve(&self, run: RunId, step: &str, verdict: Verdict) -> Command {
        Command::Resolve { run, step: self.place(run, step), verdict, by: "user:ada".into() }
    }

    pub fn cancel(run: RunId) -> Command {
        let (by, reason) = ("user:ada".into(), "not needed".into());
        Command::Cancel { run, by, reason, grace_us: 10 * SECOND }
    }

    /// Starts the step and ends it so.
    pub fn pass(&mut self, run: RunId, step: &str, ended: Ended) {
        self.ask(&self.start(run, step)).unwrap();
        self.wait(SECOND);
        self.ask(&self.finish(run, step, ended)).unwrap();
    }

    /// Takes up what is next until nothing is, ending the named step as given and others well.
    /// Gives the names in the order in which they were taken up.
    pub fn drain(&mut self, odd: &str, ended: Ended) -> Vec<String> {
        let mut order = Vec::new();
        while let Some((run, step)) = self.next() {
            let name = self.run(run).plan().node(step).unwrap().name.to_string();
            let how = if name == odd { ended } else { Ended::Succeeded };
            self.pass(run, &name, how);
            order.push(name);
        }
        order
    }
}

/// `kind step` of an event.
pub fn shown(event: &Event) -> String {
    let json = serde_json::to_value(&event.fact).unwrap();
    match json.get("step").and_then(Value::as_str) {
        Some(step) => format!("{} {step}", event.kind()),
        None => event.kind().to_owned(),
    }
}
