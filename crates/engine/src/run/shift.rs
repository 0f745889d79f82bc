//! Moving a step to another phase, with everything that follows from it alone.
//!
//! The one place where the agenda and the counters of missing needs and open steps change. It
//! trusts that the move is legal: that was decided before the event was made.

use super::agenda::{Agenda, Turn};
use super::event::RunEnd;
use super::plan::{Outputs, Stage};
use super::progress::{Phase, Run, Step};
use super::settle;
use crate::workflow::StepIndex;

impl Run {
    pub(super) fn turn(&self, step: StepIndex) -> Turn {
        Turn { order: self.order, run: self.id, step }
    }

    /// Puts the step into `to`; releases dependants when it ends, holds them when it reopens.
    pub(super) fn shift(&mut self, agenda: &mut Agenda, step: StepIndex, to: Phase) {
        let turn = self.turn(step);
        let Some(slot) = self.steps.get_mut(step.get()) else { return };
        agenda.remove(turn, &slot.phase);
        agenda.add(turn, &to);
        let ends = to.is_ended();
        let from = std::mem::replace(&mut slot.phase, to);
        match (from.is_ended(), ends) {
            (false, true) => self.close(agenda, step),
            (true, false) => self.reopen(step),
            (true, true) | (false, false) => {}
        }
    }

    fn close(&mut self, agenda: &mut Agenda, step: StepIndex) {
        let plan = self.plan.clone();
        self.open = self.open.saturating_sub(1);
        for &dependant in plan.dependants(step) {
            self.release(agenda, dependant);
        }
        if plan.node(step).is_some_and(|node| node.stage == Stage::Main) {
            self.open_main = self.open_main.saturating_sub(1);
            if self.open_main == 0 {
                for (last, _) in plan.steps().filter(|(_, node)| node.stage == Stage::Finally) {
                    self.release(agenda, last);
                }
            }
        }
        if self.concludes() {
            agenda.concluding.insert((self.order, self.id));
        }
    }

    /// One thing less that the step waits for.
    fn release(&mut self, agenda: &mut Agenda, step: StepIndex) {
        let Some(slot) = self.steps.get_mut(step.get()) else { return };
        slot.missing = slot.missing.saturating_sub(1);
        self.ready_if_free(agenda, step);
    }

    pub(super) fn ready_if_free(&mut self, agenda: &mut Agenda, step: StepIndex) {
        let free = |slot: &Step| slot.missing == 0 && slot.phase == Phase::Pending;
        if self.step(step).is_some_and(free) {
            self.shift(agenda, step, Phase::Ready);
        }
    }

    fn reopen(&mut self, step: StepIndex) {
        let plan = self.plan.clone();
        self.open = self.open.saturating_add(1);
        for &dependant in plan.dependants(step) {
            self.hold_back(dependant);
        }
        if plan.node(step).is_some_and(|node| node.stage == Stage::Main) {
            if self.open_main == 0 {
                for (last, _) in plan.steps().filter(|(_, node)| node.stage == Stage::Finally) {
                    self.hold_back(last);
                }
            }
            self.open_main = self.open_main.saturating_add(1);
        }
    }

    /// One thing more that the step waits for.
    fn hold_back(&mut self, step: StepIndex) {
        if let Some(slot) = self.steps.get_mut(step.get()) {
            slot.missing = slot.missing.saturating_add(1);
        }
    }

    /// Whether only its outputs are missing.
    pub(super) fn concludes(&self) -> bool {
        self.open == 0
            && self.conclusion.is_none()
            && self.plan.outputs() == Outputs::Declared
            && settle::verdict(self, &settle::Ends::new(), self.cancel.as_deref()).0
                == RunEnd::Succeeded
    }
}
