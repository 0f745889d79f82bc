//! The simulator: real code, simulated world, one seed.
//!
//! `append` drives the journal alone, `world` drives journal, engine and runner together with
//! clients, workers and an outside that counts effects. Both lose power at any operation, recover,
//! and are judged by `check` after every recovery. A control is a build with a known fault; a
//! suite that does not catch its controls proves nothing. See the tests for scale and replay.

mod agenda;
mod append;
mod check;
mod fault;
mod promise;
mod recall;
mod scenario;
mod server;
mod sink;
mod soak;
mod worker;
mod world;

use crate::disk::{self, Honesty, VFS_NAME};
pub use check::{Rule, Violation};
use journal::{Durability, Placement, Rewrite};
pub use scenario::Scenario;
pub use soak::{CYCLES_PER_SEED, Failed, Kind, Soak, caught, soak};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The path of the journal on the simulated disk.
const JOURNAL: &str = "journal.db";

/// A known fault that the judges have to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// None: the code as it is.
    None,
    /// Answers and effects leave before their commit is durable.
    EarlyAcknowledgement,
    /// A completion is taken for the current lease whatever lease it was made under.
    NoFence,
    /// Commits are not flushed.
    SynchronousNormal,
    /// The disk says it flushed and did not.
    LyingDisk,
    /// The log is taken as an earlier process left it. After a failed flush the cache shows frames
    /// of it that are on no disk; what is appended behind them is lost with them.
    LogAsFound,
}

impl Control {
    /// Every control but `None`.
    pub const FAULTS: [Self; 5] = [
        Self::EarlyAcknowledgement,
        Self::NoFence,
        Self::SynchronousNormal,
        Self::LyingDisk,
        Self::LogAsFound,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::EarlyAcknowledgement => "early-acknowledgement",
            Self::NoFence => "no-fence",
            Self::SynchronousNormal => "synchronous-normal",
            Self::LyingDisk => "lying-disk",
            Self::LogAsFound => "log-as-found",
        }
    }

    const fn honesty(self) -> Honesty {
        match self {
            Self::LyingDisk => Honesty::Lying,
            _ => Honesty::Honest,
        }
    }
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Control {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Self::None].into_iter().chain(Self::FAULTS);
        known.into_iter().find(|control| control.name() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::FAULTS.iter().map(|control| control.name()).collect();
            format!("`{text}` is no control; known are none, {}", names.join(", "))
        })
    }
}

/// Where the journal of a simulation lives.
fn placement(control: Control) -> Placement {
    let durability = match control {
        Control::SynchronousNormal => Durability::Unflushed,
        _ => Durability::Full,
    };
    let rewrite: Rewrite = match control {
        Control::LogAsFound => |_| Ok(()),
        _ => disk::rewrite,
    };
    Placement::Simulated { vfs: VFS_NAME.to_owned(), durability, rewrite }
}

/// What one seed showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Crashes and process deaths it went through.
    pub cycles: u64,
    /// Answers that left the code under test.
    pub acknowledged: u64,
    /// Effects executed outside, repeated keys included.
    pub executions: u64,
    /// Kinds of events that happened; none where only the journal was simulated.
    pub kinds: BTreeSet<&'static str>,
    /// Digest of every operation on the disk, in order: equal for equal seeds.
    pub trace: [u8; 32],
}

/// Runs the journal alone through `cycles` crash cycles.
///
/// # Errors
/// The first violation.
pub fn append(seed: u64, cycles: u32, control: Control) -> Result<Summary, Violation> {
    let mut appending = append::Appending::new(seed, control);
    let acknowledged = appending.run(cycles)?;
    let trace = appending.disk().trace();
    Ok(Summary {
        cycles: u64::from(cycles),
        acknowledged,
        executions: 0,
        kinds: BTreeSet::new(),
        trace,
    })
}

/// Runs the whole world through `cycles` crash cycles and on to its end.
///
/// # Errors
/// The first violation.
pub fn world(
    scenario: &Scenario,
    seed: u64,
    cycles: u32,
    control: Control,
) -> Result<Summary, Violation> {
    world::World::new(scenario, seed, control).run(cycles)
}
