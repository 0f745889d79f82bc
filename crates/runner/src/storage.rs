//! How full the file system that holds the journal is, and the journal itself against the size it may have: warned of
//! at 80 %, critical at 95 %.
//!
//! A crossing is an event of the journal, once each way, when a node starts and while it works. What is full is refused
//! by the node; room for outcomes of running calls is kept by the journal's own reserve, and the configured size is no
//! limit for them. Nothing is deleted to make room.

use std::path::Path;

use engine::run::Micros;
use journal::{Change, Draft, ReadError, Reader};
use serde::{Deserialize, Serialize};

use crate::layout::Layout;
use crate::projection::STORAGE;
use crate::record;

const WARNING_PERCENT: u128 = 80;
const CRITICAL_PERCENT: u128 = 95;
const FULL_PERCENT: u128 = 100;

/// Shortest time between two looks of a node that works.
const LOOK_AGAIN: Micros = Micros(1_000_000);

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
    /// 100 % and more.
    Full,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// The file system.
    Disk,
    /// The journal, against the size it may have.
    Journal,
}

impl Usage {
    /// Of the file system of a folder; `None` where it does not say.
    pub(crate) fn of(folder: &Path) -> Option<Self> {
        let found = rustix::fs::statvfs(folder).ok()?;
        let total = found.f_blocks.checked_mul(found.f_frsize).filter(|total| *total > 0)?;
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        Some(Self { used: total.saturating_sub(free), total })
    }

    /// Of the journal's database with its write-ahead log, where it may have at most `most` bytes.
    pub(crate) fn of_journal(layout: &Layout, most: u64) -> Self {
        let journal = layout.journal();
        let mut log = journal.clone().into_os_string();
        log.push("-wal");
        let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
        Self { used: bytes(&journal).saturating_add(bytes(log.as_ref())), total: most }
    }

    /// How much of it is used.
    pub(crate) fn percent(self) -> u128 {
        u128::from(self.used) * 100 / u128::from(self.total.max(1))
    }

    /// Half of it, in KiB: what to archive it to, so that it is not crowded again at once.
    pub(crate) const fn archive_to_kib(self) -> u64 {
        let half = self.total / 2048;
        if half == 0 { 1 } else { half }
    }

    /// What it means.
    pub(crate) fn level(self) -> Level {
        let (used, total) = (u128::from(self.used) * 100, u128::from(self.total));
        let reached = |percent| used >= total * percent;
        match () {
            () if reached(FULL_PERCENT) => Level::Full,
            () if reached(CRITICAL_PERCENT) => Level::Critical,
            () if reached(WARNING_PERCENT) => Level::Warning,
            () => Level::Normal,
        }
    }
}

/// A journal that has 80 % of the size it may have, or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowded {
    /// How much of it, in percent.
    pub percent: u64,
    /// How far it should be archived, in KiB.
    pub archive_to_kib: u64,
}

/// Whether the journal is crowded; never where nothing says how large it may be.
pub(crate) fn crowded(layout: &Layout, most: Option<u64>) -> Option<Crowded> {
    let usage = Usage::of_journal(layout, most?);
    (usage.level() != Level::Normal).then(|| Crowded {
        percent: u64::try_from(usage.percent()).unwrap_or(u64::MAX),
        archive_to_kib: usage.archive_to_kib(),
    })
}

/// Whether the journal has the size it may have, or more.
pub(crate) fn is_at(layout: &Layout, most: Option<u64>) -> bool {
    most.is_some_and(|most| Usage::of_journal(layout, most).level() == Level::Full)
}

impl Subject {
    const ALL: [Self; 2] = [Self::Disk, Self::Journal];

    /// Row key of the level in its view.
    const fn key(self) -> &'static [u8] {
        match self {
            Self::Disk => b"level",
            Self::Journal => b"size",
        }
    }

    /// Event type of a crossing to a level. A full disk is told by what it refuses.
    const fn kind(self, level: Level) -> &'static str {
        match (self, level) {
            (Self::Disk, Level::Normal) => "storage.normal",
            (Self::Disk, Level::Warning) => "storage.warning",
            (Self::Disk, Level::Critical | Level::Full) => "storage.critical",
            (Self::Journal, Level::Normal) => "storage.size_normal",
            (Self::Journal, Level::Warning) => "storage.size_warning",
            (Self::Journal, Level::Critical) => "storage.size_critical",
            (Self::Journal, Level::Full) => "storage.size_full",
        }
    }

    fn of(kind: &str) -> Option<(Self, &'static str)> {
        let levels = [Level::Normal, Level::Warning, Level::Critical, Level::Full];
        let kinds = Self::ALL.iter().flat_map(|of| levels.map(|level| (*of, of.kind(level))));
        kinds.into_iter().find(|(_, known)| *known == kind)
    }

    fn row(self, kind: &str) -> Change {
        Change { view: STORAGE, key: self.key().to_vec(), value: Some(kind.as_bytes().to_vec()) }
    }
}

/// What a node keeps an eye on while it lives.
#[derive(Debug)]
pub(crate) struct Watch {
    layout: Layout,
    /// Bytes the journal may have.
    most: Option<u64>,
    recorded: [&'static str; 2],
    looked: Option<Micros>,
}

impl Watch {
    /// Goes on from what was recorded last.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(crate) fn new(
        layout: Layout,
        most: Option<u64>,
        reader: &Reader,
    ) -> Result<Self, ReadError> {
        let mut recorded = Subject::ALL.map(|subject| subject.kind(Level::Normal));
        for (subject, known) in Subject::ALL.into_iter().zip(&mut recorded) {
            let row = reader.view_get(STORAGE, subject.key())?.unwrap_or_default();
            let kind = Subject::of(&String::from_utf8_lossy(&row));
            *known = kind.map_or(*known, |(_, kind)| kind);
        }
        Ok(Self { layout, most, recorded, looked: None })
    }

    /// The records and rows of what was crossed since it was last said; looks once a second at most.
    pub(crate) fn look(&mut self, now: Micros) -> Vec<(Draft, Change)> {
        if self.looked.is_some_and(|looked| now.0.saturating_sub(looked.0) < LOOK_AGAIN.0) {
            return Vec::new();
        }
        self.looked = Some(now);
        let disk = Usage::of(self.layout.state());
        let journal = self.most.map(|most| Usage::of_journal(&self.layout, most));
        self.crossings([disk, journal], now)
    }

    /// The last look of a node that ends, however soon after the one before.
    pub(crate) fn last_look(&mut self, now: Micros) -> Vec<(Draft, Change)> {
        self.looked = None;
        self.look(now)
    }

    fn crossings(&mut self, found: [Option<Usage>; 2], now: Micros) -> Vec<(Draft, Change)> {
        let mut crossed = Vec::new();
        for ((subject, usage), known) in Subject::ALL.into_iter().zip(found).zip(&mut self.recorded)
        {
            let Some(usage) = usage else { continue };
            let kind = subject.kind(usage.level());
            if *known != kind {
                *known = kind;
                crossed.push((record::node_draft(kind, &usage, now), subject.row(kind)));
            }
        }
        crossed
    }
}

/// The row that follows from a record of this kind; none from any other.
pub(crate) fn row_of(kind: &str) -> Option<Change> {
    Subject::of(kind).map(|(subject, kind)| subject.row(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(used: u64) -> Usage {
        Usage { used, total: 1000 }
    }

    fn watch() -> Watch {
        let layout = Layout::of(Path::new("/")).unwrap();
        let recorded = Subject::ALL.map(|subject| subject.kind(Level::Normal));
        Watch { layout, most: None, recorded, looked: None }
    }

    #[test]
    fn levels_begin_at_their_percentage() {
        for (used, level) in [
            (0, Level::Normal),
            (799, Level::Normal),
            (800, Level::Warning),
            (949, Level::Warning),
            (950, Level::Critical),
            (999, Level::Critical),
            (1000, Level::Full),
            (u64::MAX, Level::Full),
        ] {
            assert_eq!(at(used).level(), level, "{used}");
        }
        let large = Usage { used: u64::MAX - 1, total: u64::MAX };
        assert_eq!(large.level(), Level::Critical);
    }

    #[test]
    fn each_crossing_is_recorded_once_and_its_row_follows_from_the_record() {
        let journal = "size_normal size_warning size_critical size_full";
        for (place, names) in [(0, "normal warning critical critical"), (1, journal)] {
            let (mut watch, mut kinds) = (watch(), Vec::new());
            for used in [100, 790, 810, 820, 960, 970, 1000, 1200, 970, 900, 500, 400, 850] {
                let mut found = [None; 2];
                found[place] = Some(at(used));
                for (draft, change) in watch.crossings(found, Micros(0)) {
                    assert_eq!(row_of(&draft.kind), Some(change));
                    kinds.push(draft.kind.into_owned());
                }
            }
            let names: Vec<&str> = names.split(' ').collect();
            let mut expect: Vec<String> =
                [1, 2, 3, 2, 1, 0, 1].map(|level| format!("storage.{}", names[level])).to_vec();
            expect.dedup();
            assert_eq!(kinds, expect);
        }
        assert_eq!(row_of("run.started"), None);
    }

    #[test]
    fn a_look_is_taken_once_a_second_and_says_what_the_journal_has() {
        let place = tempfile::tempdir().unwrap();
        let layout = Layout::of(place.path()).unwrap();
        layout.create().unwrap();
        std::fs::write(layout.journal(), vec![0; 600]).unwrap();
        let mut wal = layout.journal().into_os_string();
        wal.push("-wal");
        std::fs::write(wal, vec![0; 250]).unwrap();
        assert_eq!(Usage::of_journal(&layout, 1000), at(850));
        assert!(is_at(&layout, Some(850)) && !is_at(&layout, Some(851)) && !is_at(&layout, None));
        let mut watch = Watch { layout, most: Some(1000), ..watch() };
        let kinds = |watch: &mut Watch, now| -> Vec<String> {
            let found = watch.look(Micros(now)).into_iter();
            let of_journal = |kind: &String| kind.contains("size");
            found.map(|(draft, _)| draft.kind.into_owned()).filter(of_journal).collect()
        };
        assert_eq!(kinds(&mut watch, 5), ["storage.size_warning"]);
        watch.most = Some(860);
        assert_eq!(kinds(&mut watch, 1_000_004), [""; 0]);
        assert_eq!(kinds(&mut watch, 1_000_005), ["storage.size_critical"]);
        assert_eq!(kinds(&mut watch, 9_000_000), [""; 0]);
        // Whoever ends looks once more, and says what is new since.
        watch.most = Some(850);
        assert_eq!(kinds(&mut watch, 9_000_001), [""; 0]);
        let last: Vec<_> = watch.last_look(Micros(9_000_001)).into_iter().collect();
        assert!(last.iter().any(|(draft, _)| draft.kind == "storage.size_full"));
    }

    #[test]
    fn a_crowded_journal_is_told_with_what_makes_room() {
        let place = tempfile::tempdir().unwrap();
        let layout = Layout::of(place.path()).unwrap();
        layout.create().unwrap();
        std::fs::write(layout.journal(), vec![0; 8192]).unwrap();
        let told = |most| crowded(&layout, most).map(|told| (told.percent, told.archive_to_kib));
        assert_eq!(told(Some(8192)), Some((100, 4)));
        assert_eq!(told(Some(10 * 1024)), Some((80, 5)));
        assert_eq!(told(Some(100)), Some((8192, 1)));
        assert_eq!(told(Some(10 * 1024 + 1)), None);
        assert_eq!(told(None), None);
    }
}
