//! How full the file system is that holds the journal: warned of at 80 %, critical at 95 %.
//!
//! A crossing is an event of the journal, once each way; what is full is refused by the node and by the
//! journal's own reserve. Nothing is deleted to make room.

use std::path::Path;

use engine::run::Micros;
use journal::{Change, Draft};
use serde::{Deserialize, Serialize};

use crate::projection::STORAGE;
use crate::record;

/// Event type of a file system that is filled to 80 %.
pub(crate) const WARNING_KIND: &str = "storage.warning";
/// Event type of a file system that is filled to 95 %.
pub(crate) const CRITICAL_KIND: &str = "storage.critical";
/// Event type of a file system that is filled to less again.
pub(crate) const NORMAL_KIND: &str = "storage.normal";

/// Row key of the level in its view.
const LEVEL: &[u8] = b"level";

const WARNING_PERCENT: u128 = 80;
const CRITICAL_PERCENT: u128 = 95;

/// How full something is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Used, or not for this user.
    pub(crate) used: u64,
    /// All of it.
    pub(crate) total: u64,
}

/// What that means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// There is room.
    Normal,
    /// 80 % and more.
    Warning,
    /// 95 % and more.
    Critical,
}

impl Usage {
    /// Of the file system of a folder; `None` where it does not say.
    pub(crate) fn of(folder: &Path) -> Option<Self> {
        let found = rustix::fs::statvfs(folder).ok()?;
        let total = found.f_blocks.checked_mul(found.f_frsize).filter(|total| *total > 0)?;
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        Some(Self { used: total.saturating_sub(free), total })
    }

    /// What it means.
    pub(crate) fn level(self) -> Level {
        let (used, total) = (u128::from(self.used) * 100, u128::from(self.total));
        if used >= total * CRITICAL_PERCENT {
            Level::Critical
        } else if used >= total * WARNING_PERCENT {
            Level::Warning
        } else {
            Level::Normal
        }
    }
}

impl Level {
    const fn kind(self) -> &'static str {
        match self {
            Self::Normal => NORMAL_KIND,
            Self::Warning => WARNING_KIND,
            Self::Critical => CRITICAL_KIND,
        }
    }
}

/// The record and the row of a level that is not the recorded one; `None` when nothing was crossed.
pub(crate) fn crossing(
    usage: Usage,
    recorded: Option<&[u8]>,
    now: Micros,
) -> Option<(Draft, Change)> {
    let kind = usage.level().kind();
    if recorded.unwrap_or(NORMAL_KIND.as_bytes()) == kind.as_bytes() {
        return None;
    }
    Some((record::node_draft(kind, &usage, now), row(kind)))
}

/// The recorded level, from its view.
///
/// # Errors
/// When the journal cannot be read.
pub(crate) fn recorded(reader: &journal::Reader) -> Result<Option<Vec<u8>>, journal::ReadError> {
    reader.view_get(STORAGE, LEVEL)
}

/// The row that follows from a record of this kind; none from any other.
pub(crate) fn row_of(kind: &str) -> Option<Change> {
    [NORMAL_KIND, WARNING_KIND, CRITICAL_KIND].contains(&kind).then(|| row(kind))
}

fn row(kind: &str) -> Change {
    Change { view: STORAGE, key: LEVEL.to_vec(), value: Some(kind.as_bytes().to_vec()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(used: u64) -> Usage {
        Usage { used, total: 1000 }
    }

    #[test]
    fn levels_begin_at_their_percentage() {
        let check = |used, expect| assert_eq!(at(used).level(), expect, "{used}");
        check(0, Level::Normal);
        check(799, Level::Normal);
        check(800, Level::Warning);
        check(949, Level::Warning);
        check(950, Level::Critical);
        check(1000, Level::Critical);
        assert_eq!(Usage { used: u64::MAX, total: u64::MAX }.level(), Level::Critical);
    }

    #[test]
    fn each_crossing_is_recorded_once_and_its_row_follows_from_the_record() {
        let mut known: Option<Vec<u8>> = None;
        let mut kinds = Vec::new();
        for used in [100, 790, 810, 820, 960, 970, 900, 500, 400, 850] {
            if let Some((draft, change)) = crossing(at(used), known.as_deref(), Micros(0)) {
                assert_eq!(row_of(&draft.kind), Some(change.clone()));
                kinds.push(draft.kind.into_owned());
                known = change.value;
            }
        }
        let expect = [WARNING_KIND, CRITICAL_KIND, WARNING_KIND, NORMAL_KIND, WARNING_KIND];
        assert_eq!(kinds, expect);
        assert_eq!(row_of("run.started"), None);
    }
}
