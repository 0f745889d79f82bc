//! The end of a server and the start of the next.
//!
//! Some workers outlive their server, and the wall clock may jump in between. Starting may itself
//! be struck by power cuts and failed syncs; whoever gets through is judged before it goes on.

use super::super::check::{Rule, Violation, broken, judge};
use super::super::fault::{Fault, has_struck};
use super::super::server::{Halt, Output, Server, options};
use super::{Happening, PATIENCE_MICROS, World};
use journal::{OpenError, RebuildError};
use runner::owner::Moment;
use runner::projection::Fold;

/// Tries to start a server before it is called stuck.
const STARTS_MAX: u32 = 20;

/// How far the wall clock jumps, either way, at most.
const JUMP_MICROS: u64 = 3_600_000_000;

impl World<'_> {
    /// The server's end, and what goes with it.
    pub(super) fn end(&mut self, fault: Fault) {
        fault.settle(&self.disk, &mut self.draw);
        // Only now, so that nothing the old process still does can reach the disk.
        self.server = None;
        self.cycles += 1;
        let draw = &mut self.draw;
        self.workers.retain(|_, _| draw.chance(50));
        if self.draw.chance(20) {
            let jump = i64::try_from(self.draw.below(2 * JUMP_MICROS)).unwrap_or(0);
            self.skew += jump - JUMP_MICROS.cast_signed();
        }
    }

    /// Starts a server, sometimes through faults in the middle of starting, and judges it.
    pub(super) fn start(&mut self) -> Result<(), Violation> {
        let mut last = String::new();
        for _ in 0..STARTS_MAX {
            let (fault, failed) =
                (Fault::of_opening(&mut self.draw), self.disk.counts().failed_syncs);
            if let Some(fault) = fault {
                fault.arm(&self.disk);
            }
            match (self.rebuild().and_then(|()| self.open()), fault) {
                (Ok((server, outputs)), _) => {
                    self.disk.heal();
                    self.server = Some(server);
                    return self.started(outputs);
                }
                (Err(Halt::Broken(violation)), _) => return Err(violation),
                (Err(Halt::Storage(error)), Some(fault)) if has_struck(&self.disk, failed) => {
                    last = error;
                    fault.settle(&self.disk, &mut self.draw);
                    self.cycles += 1;
                }
                (Err(Halt::Storage(error)), _) => {
                    return Err(broken(Rule::Progress, format!("cannot start: {error}")));
                }
            }
        }
        Err(broken(Rule::Progress, format!("never started: {last}")))
    }

    fn open(&mut self) -> Result<(Server, Vec<Output>), Halt> {
        let moment = Moment { now: self.now(), entropy: self.draw.bits() };
        Server::start(self.scenario, self.control, moment)
    }

    /// Sometimes somebody rebuilds the views first, which must change nothing.
    fn rebuild(&mut self) -> Result<(), Halt> {
        if !self.draw.chance(10) {
            return Ok(());
        }
        let mut fold = Fold::default();
        match journal::rebuild(options(self.control), |record| fold.take(record)) {
            // The first start may have been struck before there was anything to rebuild.
            Err(RebuildError::Open(OpenError::NotAPalisadeDatabase { .. })) => Ok(()),
            Err(error) => Err(Halt::Storage(format!("{error:?}"))),
            Ok(rebuilt) => match rebuilt.views.iter().find(|view| !view.is_identical()) {
                Some(view) => {
                    Err(broken(Rule::Fold, format!("rebuilding changed {view:?}")).into())
                }
                None => Ok(()),
            },
        }
    }

    fn started(&mut self, outputs: Vec<Output>) -> Result<(), Violation> {
        (self.armed, self.flushing) = (None, false);
        let waiting: Vec<usize> = self.unanswered();
        for place in waiting {
            self.agenda.after(self.draw.below(PATIENCE_MICROS), Happening::Ask(place));
        }
        self.deliver(outputs)?;
        // Whoever was told of a request looks again; whoever was not finds it in the list.
        for approval in self.server.as_ref().map(Server::open_approvals).unwrap_or_default() {
            self.ask_people(approval);
        }
        self.arm();
        match &self.server {
            Some(server) => judge(server, self.control, &self.promises, &self.sink),
            None => Ok(()),
        }
    }

    fn unanswered(&self) -> Vec<usize> {
        let places = self.requests.iter().enumerate();
        places.filter(|(_, request)| request.answered.is_none()).map(|(place, _)| place).collect()
    }
}
