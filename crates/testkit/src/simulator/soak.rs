//! Many seeds in a row: the test run, the nightly run, and the search for a control.
//!
//! Each seed is short and goes through several crashes, because many short histories find more
//! than a few long ones. Both simulations take turns. The first violation ends the run and comes
//! with the command that replays it.

use super::{Control, Scenario, Summary, Violation, append, world};
use std::collections::BTreeSet;
use std::fmt;

/// Crash cycles of one seed.
pub const CYCLES_PER_SEED: u32 = 8;

/// Which simulation a seed was run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The journal alone.
    Append,
    /// Journal, engine and runner.
    World,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::World, Self::Append];

    /// Runs one seed.
    ///
    /// # Errors
    /// The violation, with the seed.
    pub fn run(self, scenario: &Scenario, seed: u64, control: Control) -> Result<Summary, Failed> {
        let result = match self {
            Self::Append => append(seed, CYCLES_PER_SEED, control),
            Self::World => world(scenario, seed, CYCLES_PER_SEED, control),
        };
        result.map_err(|violation| Failed { kind: self, seed, control, violation })
    }
}

/// A seed that showed a violation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The simulation.
    pub kind: Kind,
    /// The seed.
    pub seed: u64,
    /// The control that was on.
    pub control: Control,
    /// What was violated.
    pub violation: Violation,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, seed, control, violation } = self;
        writeln!(f, "{kind:?} with seed {seed} and control {control}: {violation}")?;
        write!(
            f,
            "replay: PALISADE_SEED={seed} PALISADE_CONTROL={control} \
             cargo test -p testkit --test simulator replay -- --nocapture"
        )
    }
}

/// What many seeds showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Soak {
    /// Seeds.
    pub seeds: u64,
    /// Crashes and process deaths, each with a recovery that was judged.
    pub cycles: u64,
    /// Answers that left the code under test; none of them was lost.
    pub acknowledged: u64,
    /// Effects executed outside.
    pub executions: u64,
    /// Kinds of events that happened in any seed.
    pub kinds: BTreeSet<&'static str>,
}

impl Soak {
    fn add(&mut self, summary: &Summary) {
        self.seeds += 1;
        self.cycles += summary.cycles;
        self.acknowledged += summary.acknowledged;
        self.executions += summary.executions;
        self.kinds.extend(&summary.kinds);
    }
}

impl fmt::Display for Soak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seeds, cycles, acknowledged, executions, .. } = self;
        write!(
            f,
            "{cycles} crash cycles in {seeds} seeds: {acknowledged} answers acknowledged, 0 lost, \
             {executions} effects executed, 0 applied twice"
        )
    }
}

/// Runs seeds from `first` on until `cycles` crash cycles were survived, the simulations in turn.
///
/// # Errors
/// The first failed seed.
pub fn soak(scenario: &Scenario, first: u64, cycles: u64) -> Result<Soak, Box<Failed>> {
    let mut total = Soak::default();
    for seed in first.. {
        for kind in Kind::ALL {
            if total.cycles >= cycles {
                return Ok(total);
            }
            total.add(&kind.run(scenario, seed, Control::None)?);
        }
    }
    Ok(total)
}

/// The first of `seeds` seeds that catches a control, with what it saw; `None` when none does.
#[must_use]
pub fn caught(scenario: &Scenario, kind: Kind, control: Control, seeds: u64) -> Option<Failed> {
    (0..seeds).find_map(|seed| kind.run(scenario, seed, control).err())
}
