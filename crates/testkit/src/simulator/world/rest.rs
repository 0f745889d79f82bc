//! The second phase: no more faults, and everything that was accepted comes to its end.
//!
//! A person settles what the server must not settle by itself. A world that goes on for ever, or
//! stops with open runs, has violated liveness.

use super::super::check::{Rule, Violation, broken, effect, judge};
use super::super::server::Halt;
use super::{Happening, Phase, World};
use engine::run::Event;
use runner::record::event_of;
use std::collections::BTreeSet;

/// What may happen without faults before the world is called stuck.
const LIVENESS_MAX: u32 = 20_000;

impl World<'_> {
    /// No more faults: everything that was accepted comes to its end.
    /// Gives the kinds of events that the journal holds.
    pub(super) fn settle(&mut self) -> Result<BTreeSet<&'static str>, Violation> {
        self.phase = Phase::Liveness;
        let mut happenings = 0;
        loop {
            while let Some(happening) = self.agenda.take() {
                happenings += 1;
                if happenings > LIVENESS_MAX {
                    return Err(broken(Rule::Liveness, "the world does not come to rest"));
                }
                self.happen(happening).map_err(|halt| match halt {
                    Halt::Broken(violation) => violation,
                    Halt::Storage(error) => broken(Rule::Progress, error),
                })?;
            }
            if !self.decide_unknown() {
                break;
            }
        }
        let Some(server) = &self.server else { return Ok(BTreeSet::new()) };
        judge(server, self.control, &self.promises, &self.sink)?;
        let records = server.recall().records()?;
        let events: Vec<Event> = records.iter().filter_map(event_of).collect();
        effect::complete(&events, &self.promises, &self.sink)?;
        Ok(events.iter().map(Event::kind).collect())
    }

    /// A person settles what the server must not settle itself. False when there is nothing.
    fn decide_unknown(&mut self) -> bool {
        let now = self.now();
        let Some(server) = &mut self.server else { return false };
        let waiting = server.unknown();
        for (run, step) in &waiting {
            match self.draw.chance(50) {
                true => server.retry(*run, step.clone(), now),
                false => server.cancel(*run, now),
            }
        }
        self.agenda.after(0, Happening::Flush);
        !waiting.is_empty()
    }
}
