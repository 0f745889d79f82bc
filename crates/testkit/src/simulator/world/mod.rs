//! The world around the server: clients, workers, an outside, faults, and time.
//!
//! One loop takes what happens next, hands it to the server, and delivers what leaves. Faults end
//! the server at any operation; the next one recovers and is judged. In the end faults stop, and
//! everything that was accepted has to come to its end.

mod delivery;
mod outage;
mod rest;

use super::agenda::Agenda;
use super::check::{Rule, Violation, broken};
use super::fault::Fault;
use super::promise::Promises;
use super::scenario::Scenario;
use super::server::{Halt, Server};
use super::sink::Sink;
use super::worker::Worker;
use super::{Control, Summary};
use crate::disk::{Disk, EPOCH_MICROS};
use crate::draw::Draw;
use engine::run::{ApprovalId, Fence, Micros, RunId};
use std::collections::BTreeMap;

/// Requests that arrive in one cycle, at most.
const REQUESTS_MAX: u64 = 2;

/// Time until a client asks again when it has no answer.
const PATIENCE_MICROS: u64 = 900_000;

/// What happens in one cycle before the fault strikes by itself, at most.
const HAPPENINGS_MAX: u64 = 70;

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Happening {
    Ask(usize),
    Cancel(usize),
    /// A person answers a request for an approval.
    Answer(ApprovalId),
    Effect(Fence),
    Report(Fence),
    Flush,
    Wake,
}

/// Whether faults are possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Safety,
    Liveness,
}

/// A client's request.
#[derive(Debug)]
struct Request {
    key: String,
    answered: Option<RunId>,
}

/// Everything of one seed.
pub(super) struct World<'a> {
    scenario: &'a Scenario,
    control: Control,
    disk: Disk,
    draw: Draw,
    agenda: Agenda<Happening>,
    /// What the wall clock is ahead of virtual time, in microseconds.
    skew: i64,
    server: Option<Server>,
    /// When the earliest wake on the agenda is due, in virtual time.
    armed: Option<i64>,
    flushing: bool,
    phase: Phase,
    requests: Vec<Request>,
    workers: BTreeMap<Fence, Worker>,
    sink: Sink,
    promises: Promises,
    cycles: u64,
}

impl<'a> World<'a> {
    pub(super) fn new(scenario: &'a Scenario, seed: u64, control: Control) -> Self {
        let disk = Disk::new(seed);
        disk.set_honesty(control.honesty());
        let mut draw = Draw::new(seed);
        let agenda = Agenda::new(EPOCH_MICROS, draw.fork());
        Self {
            scenario,
            control,
            disk,
            draw,
            agenda,
            skew: 0,
            server: None,
            armed: None,
            flushing: false,
            phase: Phase::Safety,
            requests: Vec::new(),
            workers: BTreeMap::new(),
            sink: Sink::default(),
            promises: Promises::default(),
            cycles: 0,
        }
    }

    /// Lives through `cycles` crashes, then without faults until everything has ended.
    pub(super) fn run(&mut self, cycles: u32) -> Result<Summary, Violation> {
        self.start()?;
        for _ in 0..cycles {
            let fault = Fault::drawn(&mut self.draw);
            fault.arm(&self.disk);
            self.live()?;
            self.end(fault);
            self.start()?;
        }
        let kinds = self.settle()?;
        let Self { cycles, promises, sink, disk, .. } = self;
        Ok(Summary {
            cycles: *cycles,
            acknowledged: promises.count,
            executions: sink.executions(),
            kinds,
            trace: disk.trace(),
        })
    }

    /// Until the server stops or the cycle is over.
    fn live(&mut self) -> Result<(), Violation> {
        for _ in 0..self.draw.below(REQUESTS_MAX + 1) {
            self.request();
        }
        for _ in 0..self.draw.between(1, HAPPENINGS_MAX) {
            let Some(happening) = self.agenda.take() else { return Ok(()) };
            match self.happen(happening) {
                Ok(()) => {}
                Err(Halt::Storage(_)) => return Ok(()),
                Err(Halt::Broken(violation)) => return Err(violation),
            }
        }
        Ok(())
    }

    fn request(&mut self) {
        let place = self.requests.len();
        self.requests.push(Request { key: format!("request-{place}"), answered: None });
        self.agenda.after(self.draw.below(PATIENCE_MICROS), Happening::Ask(place));
    }

    /// One thing happens.
    fn happen(&mut self, happening: Happening) -> Result<(), Halt> {
        let now = self.now();
        self.disk.set_time(now.0);
        if self.draw.chance(50) || happening == Happening::Wake {
            self.seal()?;
        }
        match happening {
            Happening::Ask(place) => self.ask(place, now)?,
            Happening::Cancel(place) => {
                let run = self.requests.get(place).and_then(|request| request.answered);
                if let (Some(server), Some(run)) = (&mut self.server, run) {
                    server.cancel(run, now);
                }
            }
            Happening::Answer(approval) => self.answer(approval, now),
            Happening::Effect(fence) => self.effect(fence),
            Happening::Report(fence) => self.report(fence, now),
            Happening::Flush => return self.flush(),
            Happening::Wake => {
                self.armed = None;
                if let Some(server) = &mut self.server {
                    server.wake(now);
                    at_rest(server, now)?;
                }
            }
        }
        self.after_input()
    }

    /// Ends the turn, so that the next input begins an operation of its own.
    fn seal(&mut self) -> Result<(), Violation> {
        let early = self.server.as_mut().map(Server::seal);
        self.deliver(early.unwrap_or_default())
    }

    /// Flushes, or sees to it that a flush comes; more inputs may join until then.
    fn after_input(&mut self) -> Result<(), Halt> {
        let Some(server) = &mut self.server else { return Ok(()) };
        if server.is_full() || self.draw.chance(40) {
            return self.flush();
        }
        if !self.flushing {
            self.flushing = true;
            self.agenda.after(self.draw.below(3_000), Happening::Flush);
        }
        self.arm();
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Halt> {
        self.flushing = false;
        let Some(server) = &mut self.server else { return Ok(()) };
        let outputs = server.flush()?;
        if self.phase == Phase::Safety && self.draw.chance(3) {
            // The process dies after the commit and before anybody hears of it.
            return Err(Halt::Storage("died before answering".to_owned()));
        }
        self.deliver(outputs)?;
        self.arm();
        match &mut self.server {
            Some(server) if self.draw.chance(8) => server.checkpoint(),
            _ => Ok(()),
        }
    }

    fn ask(&mut self, place: usize, now: Micros) -> Result<(), Halt> {
        let run = RunId(self.draw.id());
        let Some(request) = self.requests.get(place) else { return Ok(()) };
        if let Some(server) = &mut self.server {
            server.submit(self.scenario, (&request.key, run), now)?;
        }
        // Some clients ask again although they were answered; the others until they are.
        if request.answered.is_none() || self.draw.chance(5) {
            self.agenda.after(PATIENCE_MICROS, Happening::Ask(place));
        }
        Ok(())
    }

    fn now(&self) -> Micros {
        Micros(self.agenda.now().saturating_add(self.skew))
    }
}

/// A wake leaves nothing that is due already: a server that asked for it again would never rest.
fn at_rest(server: &Server, now: Micros) -> Result<(), Violation> {
    match server.next_deadline() {
        Some(due) if due <= now => {
            Err(broken(Rule::Liveness, format!("a wake at {now:?} left work of {due:?}")))
        }
        _ => Ok(()),
    }
}
