//! Merges on disk: a folder for each, and a marker while one is under way.
//!
//! `merges/RUN.STEP.N/` is the log of the Nth merge of a step; `RUN.STEP.N.open` beside it says that it may have been
//! interrupted. A node that starts goes on with each of these, or finds that nothing had begun.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use engine::run::RunId;
use journal::ArtifactStore;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use workspace::{LogFolder, MergeError, MergeLog as _, Merged, Record, StateFault};

use super::Told;
use super::blobs::Stored;
use super::merge::{MergeRefused, Merging};
use crate::history::{History, HistoryError};
use crate::layout::Layout;
use crate::record;

/// Merges of one step; a step that is merged and taken back more often has to run again.
const MERGES_MAX: u32 = 1_000;
/// Records read at a time.
const PAGE: usize = 500;
/// What a marker's name ends with.
const OPEN: &str = ".open";

/// The folder of one merge.
#[derive(Debug)]
pub(super) struct MergeFolder {
    path: PathBuf,
    name: String,
}

/// How far a merge's log has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Empty,
    Merging,
    Merged,
    Undoing,
    Undone,
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Doing {
    Merging,
    Undoing,
}

/// A merge under way, on disk.
#[derive(Debug)]
pub(super) struct Marker {
    path: PathBuf,
    body: Body,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Body {
    run: RunId,
    step: String,
    attempt: u32,
    doing: Doing,
    folder: String,
}

/// An interrupted merge that was gone on with when a node started.
#[derive(Debug)]
pub struct Unfinished {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: String,
    /// What came of it.
    pub result: Result<Merged, MergeRefused>,
}

impl MergeFolder {
    /// The folder for the next merge of a step; refused while the latest is in force.
    pub(super) fn next(layout: &Layout, run: RunId, step: &str) -> Result<Self, MergeRefused> {
        for number in 1..=MERGES_MAX {
            let folder = Self::at(layout, run, step, number);
            if !folder.path.is_dir() {
                return Ok(folder);
            }
            match folder.stage()? {
                Stage::Empty => return Ok(folder),
                Stage::Undone => {}
                Stage::Merging | Stage::Merged | Stage::Undoing => {
                    return Err(MergeRefused::Already(step.to_owned()));
                }
            }
        }
        Err(MergeRefused::Invalid(format!("step `{step}` was merged {MERGES_MAX} times")))
    }

    /// The folder of the merge that is in force, where there is one.
    pub(super) fn latest(
        layout: &Layout,
        run: RunId,
        step: &str,
    ) -> Result<Option<Self>, MergeRefused> {
        for number in 1..=MERGES_MAX {
            let folder = Self::at(layout, run, step, number);
            if !folder.path.is_dir() {
                return Ok(None);
            }
            if matches!(folder.stage()?, Stage::Merging | Stage::Merged | Stage::Undoing) {
                return Ok(Some(folder));
            }
        }
        Ok(None)
    }

    fn at(layout: &Layout, run: RunId, step: &str, number: u32) -> Self {
        let name = format!("{run}.{step}.{number}");
        Self { path: layout.merges().join(&name), name }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Opens the log, making the folder where it is not there.
    pub(super) fn open(&self) -> Result<LogFolder, MergeRefused> {
        let opened = DirBuilder::new().recursive(true).mode(0o700).create(&self.path);
        let opened = opened.and_then(|()| File::open(&self.path));
        opened
            .and_then(|folder| LogFolder::open(folder.into()))
            .map_err(|source| self.failed(source))
    }

    fn stage(&self) -> Result<Stage, MergeRefused> {
        let records = self.open()?.records().map_err(|source| self.failed(source))?;
        Ok(match records.last() {
            None => Stage::Empty,
            Some(Record::Begin { .. } | Record::Done { .. }) => Stage::Merging,
            Some(Record::Complete) => Stage::Merged,
            Some(Record::Undo { .. } | Record::Undone { .. }) => Stage::Undoing,
            Some(Record::TakenBack) => Stage::Undone,
        })
    }

    fn failed(&self, source: io::Error) -> MergeRefused {
        unread(&self.path, source)
    }
}

impl Marker {
    /// Says on disk that a merge is under way.
    pub(super) fn set(
        folder: &MergeFolder,
        run: RunId,
        told: &Told,
        doing: Doing,
    ) -> Result<Self, MergeRefused> {
        let path = folder.path.with_file_name(format!("{}{OPEN}", folder.name));
        let body = Body {
            run,
            step: told.step.clone(),
            attempt: told.attempt,
            doing,
            folder: folder.name.clone(),
        };
        let parent = path.parent().map(PathBuf::from).unwrap_or_default();
        let written =
            DirBuilder::new().recursive(true).mode(0o700).create(&parent).and_then(|()| {
                fs::write(&path, serde_json::to_vec(&body)?)?;
                File::open(&path)?.sync_all()?;
                File::open(&parent)?.sync_all()
            });
        written.map_err(|source| folder.failed(source))?;
        Ok(Self { path, body })
    }

    pub(super) fn clear(self) -> Result<(), MergeRefused> {
        fs::remove_file(&self.path).map_err(|source| unread(&self.path, source))
    }

    pub(super) fn doing(&self) -> Doing {
        self.body.doing
    }

    pub(super) fn run(&self) -> RunId {
        self.body.run
    }

    pub(super) fn step(&self) -> &str {
        &self.body.step
    }

    pub(super) fn attempt(&self) -> u32 {
        self.body.attempt
    }
}

fn unread(path: &Path, source: io::Error) -> MergeRefused {
    MergeRefused::Folder { what: path.display().to_string(), source }
}

impl Merging<'_> {
    /// Goes on with every merge that was interrupted; each was decided and on record when it began.
    ///
    /// # Errors
    /// [`MergeRefused::Folder`] where it cannot be seen which they are.
    pub fn go_on(&self) -> Result<Vec<Unfinished>, MergeRefused> {
        let folder = self.layout.merges();
        let found = fs::read_dir(&folder).and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()
        });
        let mut open = match found {
            Ok(paths) => paths,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(unread(&folder, source)),
        };
        open.retain(|path| path.to_string_lossy().ends_with(OPEN));
        open.sort();
        open.into_iter().filter_map(|path| self.go_on_with(path).transpose()).collect()
    }

    fn go_on_with(&self, path: PathBuf) -> Result<Option<Unfinished>, MergeRefused> {
        let bytes = fs::read(&path).map_err(|source| unread(&path, source))?;
        // A marker that is cut off was being written; nothing had begun.
        let Ok(body) = serde_json::from_slice::<Body>(&bytes) else {
            drop(fs::remove_file(&path));
            return Ok(None);
        };
        let (run, step) = (body.run, body.step.clone());
        let marker = Marker { path, body };
        Ok(Some(Unfinished { run, step, result: self.complete(marker) }))
    }

    fn complete(&self, marker: Marker) -> Result<Merged, MergeRefused> {
        let path = self.layout.merges().join(&marker.body.folder);
        let folder = MergeFolder { path, name: marker.body.folder.clone() };
        let stage = folder.stage()?;
        // A log can come with a repository. What is in one is done only where the journal says that it was decided.
        if stage != Stage::Empty && !self.is_on_record(&marker)? {
            return Err(MergeRefused::NotDecided(marker.step().to_owned()));
        }
        let artifacts = ArtifactStore::beside(&self.layout.journal());
        let root = self.project()?;
        let mut log = folder.open()?;
        let done: Result<Merged, MergeError> = match (stage, marker.doing()) {
            (Stage::Merging, Doing::Merging) => {
                workspace::resume(root.as_fd(), &Stored(&artifacts), &mut log)
            }
            (Stage::Undoing, _) | (Stage::Merging | Stage::Merged, Doing::Undoing) => {
                workspace::undo(root.as_fd(), &mut log)
            }
            // Nothing had begun, and nothing was written.
            (Stage::Empty, _) => Err(MergeError::State(StateFault::Empty)),
            // It was complete; only its record was missing.
            (Stage::Merged | Stage::Undone, _) => Ok(Merged::default()),
        };
        drop(log);
        self.finish(marker, done)
    }

    /// Whether the journal has a decision on what a marker says is under way.
    fn is_on_record(&self, marker: &Marker) -> Result<bool, MergeRefused> {
        let kind = match marker.doing() {
            Doing::Merging => record::MERGE_STARTED_KIND,
            Doing::Undoing => record::UNDO_STARTED_KIND,
        };
        let (history, run) = (History::open(self.layout)?, marker.run());
        let mut after = 0;
        loop {
            let page = history.reader().by_stream(history.log(), &run.0, after, PAGE);
            let page = page.map_err(HistoryError::from)?;
            let Some(last) = page.last() else { return Ok(false) };
            after = last.header.sequence;
            let begun = page.iter().filter(|record| record.header.kind == kind);
            let named = |payload: &[u8]| -> Option<String> {
                let body: Value = serde_json::from_slice(payload).ok()?;
                body.get("log")?.as_str().map(str::to_owned)
            };
            if begun
                .filter_map(|record| named(&record.payload))
                .any(|log| log == marker.body.folder)
            {
                return Ok(true);
            }
        }
    }
}
