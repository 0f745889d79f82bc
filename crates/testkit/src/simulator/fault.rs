//! What goes wrong in one cycle of a simulation, drawn from the seed.
//!
//! A fault is armed on the disk, strikes some operations later, and is settled once the code
//! under test has stopped: only then is it known what survives.

use crate::disk::{Disk, Survival};
use crate::draw::Draw;

/// Operations until an armed power cut, at most.
const CUT_OPERATIONS_MAX: u64 = 60;

/// Syncs until an armed sync error, at most.
const SYNCS_MAX: u64 = 8;

/// Operations until a power cut while opening, at most.
const OPENING_OPERATIONS_MAX: u64 = 60;

/// Syncs until a sync error while opening, at most.
const OPENING_SYNCS_MAX: u64 = 4;

/// Bytes left on a full disk, at most.
const ROOM_BYTES_MAX: u64 = 60_000;

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Power is lost at the n-th changing operation from now, often inside a commit.
    PowerCut { operations: u64 },
    /// The process dies between two commits; the machine goes on.
    ProcessDeath,
    /// Power is lost between two commits.
    PowerLoss,
    /// The n-th sync from now fails; the process stops and the machine goes on.
    SyncError { syncs: u64 },
    /// There is only so much room.
    DiskFull { bytes: u64 },
}

impl Fault {
    /// Draws one; power cuts, which find most, are the most frequent.
    pub(super) const fn drawn(draw: &mut Draw) -> Self {
        match draw.below(100) {
            0..55 => Self::PowerCut { operations: draw.between(1, CUT_OPERATIONS_MAX) },
            55..70 => Self::PowerLoss,
            70..80 => Self::ProcessDeath,
            80..90 => Self::SyncError { syncs: draw.below(SYNCS_MAX) },
            _ => Self::DiskFull { bytes: draw.between(1, ROOM_BYTES_MAX) },
        }
    }

    /// Draws what goes wrong while the code under test opens, which mostly is nothing.
    pub(super) const fn of_opening(draw: &mut Draw) -> Option<Self> {
        match draw.below(100) {
            0..15 => Some(Self::PowerCut { operations: draw.below(OPENING_OPERATIONS_MAX) }),
            15..22 => Some(Self::SyncError { syncs: draw.below(OPENING_SYNCS_MAX) }),
            _ => None,
        }
    }

    /// Sets the trap.
    pub(super) fn arm(self, disk: &Disk) {
        match self {
            Self::PowerCut { operations } => disk.cut_power_after(operations),
            Self::SyncError { syncs } => disk.fail_sync_after(syncs),
            Self::DiskFull { bytes } => {
                let room = usize::try_from(bytes).unwrap_or(usize::MAX);
                disk.limit(Some(disk.used().saturating_add(room)));
            }
            Self::ProcessDeath | Self::PowerLoss => {}
        }
    }

    /// Ends the process, and the power where the fault took it.
    ///
    /// After a failed sync the machine goes on: its cache still shows data that no sync will write
    /// of itself, and the next process has to cope with that.
    pub(super) fn settle(self, disk: &Disk, draw: &mut Draw) {
        disk.heal();
        let survival = survival(draw);
        let machine_goes_on = match self {
            Self::PowerCut { .. } | Self::PowerLoss => false,
            Self::ProcessDeath | Self::SyncError { .. } | Self::DiskFull { .. } => true,
        };
        if machine_goes_on && disk.is_powered() {
            disk.restart();
        } else {
            disk.crash(survival);
        }
    }
}

/// How much of what was not synced survives this time.
pub(super) fn survival(draw: &mut Draw) -> Survival {
    draw.pick(&Survival::ALL).copied().unwrap_or(Survival::Nothing)
}

/// Whether what was armed has happened: the power is off, or more syncs failed than `before`.
pub(super) fn has_struck(disk: &Disk, before: u64) -> bool {
    !disk.is_powered() || disk.counts().failed_syncs > before
}
