//! What leaves the server and what comes back: promises, workers, the outside, the next wake.
//! Whether a message still counts when it arrives is for the server's fences to decide.

use super::super::check::Violation;
use super::super::server::{Output, PRINCIPAL, Server};
use super::super::worker::Worker;
use super::{Happening, PATIENCE_MICROS, Phase, World};
use engine::run::{ApprovalId, Fact, Fence, Micros, Ruling, RunId};

impl World<'_> {
    /// What left the server reaches the outside; from here on it is promised.
    pub(super) fn deliver(&mut self, outputs: Vec<Output>) -> Result<(), Violation> {
        for output in outputs {
            match output {
                Output::Durable { sequence, leaf } => self.promises.durable(sequence, leaf),
                Output::Accepted { request, run } => {
                    self.promises.accept(&request, run)?;
                    self.answered(&request, run);
                }
                Output::Begin(attempt, request) => {
                    let (fence, steady) = (attempt.fence, self.phase == Phase::Liveness);
                    self.promises.begin(attempt.clone())?;
                    let worker = Worker::new(attempt, request, steady, &mut self.draw);
                    self.workers.insert(fence, worker);
                    let delay = Worker::effect_delay(&mut self.draw);
                    self.agenda.after(delay, Happening::Effect(fence));
                }
                Output::Stop(fence) => {
                    if let Some(worker) = self.workers.get_mut(&fence) {
                        worker.stop(&mut self.draw);
                    }
                }
                Output::Ruled { approval, ruling } => self.promises.rule(approval, ruling),
                Output::Told(event) => match &event.fact {
                    Fact::RunFinished { state, .. } => self.promises.end(event.run, *state)?,
                    Fact::StepApprovalRequested { request, .. } => self.ask_people(request.id),
                    _ => {}
                },
            }
        }
        Ok(())
    }

    /// Somebody looks at the request, sooner or later.
    pub(super) fn ask_people(&mut self, approval: ApprovalId) {
        self.agenda.after(self.draw.below(2 * PATIENCE_MICROS), Happening::Answer(approval));
    }

    /// A person answers: mostly yes, at times in their own name, twice or not at all.
    pub(super) fn answer(&mut self, approval: ApprovalId, now: Micros) {
        let steady = self.phase == Phase::Liveness;
        let (by, ruling, again) = match self.draw.below(100) {
            _ if steady => ("user:other", Ruling::Approve, false),
            0..60 => ("user:other", Ruling::Approve, false),
            60..75 => ("user:third", Ruling::Approve, true),
            75..85 => ("user:other", Ruling::Deny, false),
            85..95 => (PRINCIPAL, Ruling::Approve, true),
            _ => return,
        };
        if let Some(server) = &mut self.server {
            server.rule(approval, ruling, by, now);
        }
        if again {
            self.ask_people(approval);
        }
    }

    fn answered(&mut self, key: &str, run: RunId) {
        let found = self.requests.iter_mut().enumerate().find(|(_, request)| request.key == key);
        let Some((place, request)) = found else { return };
        if request.answered.replace(run).is_none() && self.draw.chance(10) {
            self.agenda.after(self.draw.below(2_000_000), Happening::Cancel(place));
        }
    }

    /// Puts the server's next deadline on the agenda.
    pub(super) fn arm(&mut self) {
        let Some(due) = self.server.as_ref().and_then(Server::next_deadline) else { return };
        let due = due.0.saturating_sub(self.skew).max(self.agenda.now());
        if self.armed.is_none_or(|armed| due < armed) {
            self.armed = Some(due);
            let delay = u64::try_from(due - self.agenda.now()).unwrap_or(0);
            self.agenda.after(delay, Happening::Wake);
        }
    }

    pub(super) fn effect(&mut self, fence: Fence) {
        let Some(worker) = self.workers.get(&fence) else { return };
        if worker.has_effect() {
            let work = (worker.request.clone(), worker.attempt.name.clone());
            self.sink.execute(work, &worker.attempt.key);
        }
        if let Some(delay) = worker.report_delay(&mut self.draw) {
            self.agenda.after(delay, Happening::Report(fence));
        }
    }

    pub(super) fn report(&mut self, fence: Fence, now: Micros) {
        let (Some(worker), Some(server)) = (self.workers.get_mut(&fence), &mut self.server) else {
            return;
        };
        let again = worker.repeats();
        server.report(worker.report(), now);
        if again {
            self.agenda.after(self.draw.below(PATIENCE_MICROS), Happening::Report(fence));
        } else {
            self.workers.remove(&fence);
        }
    }
}
