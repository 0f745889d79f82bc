//! The call that brings a step's changes into the project, and the one that takes them back.
//!
//! Each goes the way of every call: identified, validated, decided by policy, its intent durable, done, its outcome
//! recorded. What a person must see first (flagged files) has to be named. Comparing and writing are the crate
//! `workspace`'s; a merge that was interrupted is `unfinished`'s.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use engine::run::{RunId, StoppedBy};
use journal::{ArtifactStore, CommitError, Journal, Operation};
use serde_json::{Value, json};
use workspace::{Changeset, Conflict, MergeError, MergeLog, Merged, Patch, Reason, RelPath};

use super::blobs::Stored;
use super::unfinished::{Doing, Marker, MergeFolder};
use super::{Flagged, ReadBackError, Told};
use crate::gate::{Asked, Gate, Principal, Refused};
use crate::history::HistoryError;
use crate::layout::Layout;
use crate::node::log;
use crate::{clock, record, tool};

/// Paths decided on in one call; a change of more is decided part by part, and every part must be allowed.
const PATHS_EACH: usize = 1_000;

/// What a merge is done with.
#[derive(Debug)]
pub struct Merging<'a> {
    /// Where things are.
    pub layout: &'a Layout,
    /// What decides.
    pub gate: Arc<Gate>,
    /// What records.
    pub journal: &'a Journal,
    /// Who asks.
    pub principal: &'a Principal,
}

/// A change to be merged.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The run.
    pub run: RunId,
    /// What its step changed.
    pub told: Told,
    /// Which flagged files may be among it.
    pub flagged: Include,
    /// Whether a person looked.
    pub auto: Auto,
}

/// Which flagged files a merge may bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Include {
    /// These, by their paths.
    Named(Vec<String>),
    /// Whichever there are.
    All,
}

/// Who vouches for a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auto {
    /// A person asks for this change.
    Person,
    /// Nobody looked: only what may be merged unseen is.
    Unseen {
        /// Whether tests passed on the change.
        tests_passed: bool,
    },
}

/// What came of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the project.
    Merged(Merged),
    /// It would be; nothing was written.
    Possible,
}

/// Why a change did not reach the project, or was not taken back.
#[derive(Debug, thiserror::Error)]
pub enum MergeRefused {
    /// Its contents were not kept.
    #[error("the contents of what step `{0}` changed were not kept")]
    NotFull(String),
    /// It cannot be read back.
    #[error(transparent)]
    ReadBack(#[from] ReadBackError),
    /// Files that run later or are sensitive were not named.
    #[error("{} must be named", files(.0))]
    Flagged(Vec<Flagged>),
    /// Nobody looked, and somebody must.
    #[error("a person must look at this change")]
    NotUnseen(Vec<Reason>),
    /// The arguments are not valid.
    #[error("the merge is not a valid call: {0}")]
    Invalid(String),
    /// Policy or another guard stopped it.
    #[error("stopped by `{}`: {}", .0.name, .0.detail)]
    Stopped(StoppedBy),
    /// It is in the project already.
    #[error("step `{0}` is merged already")]
    Already(String),
    /// There is no merge to take back.
    #[error("step `{0}` is not merged")]
    NotMerged(String),
    /// A log on disk says that a merge is under way, and the journal knows of none.
    #[error("a merge of step `{0}` is said to be under way, but nobody decided it")]
    NotDecided(String),
    /// The journal cannot be read.
    #[error("the journal cannot be read")]
    Read(#[from] HistoryError),
    /// The journal could not be written; nothing was done, or it is not on record that it was.
    #[error("the journal could not be written")]
    Journal(#[from] CommitError),
    /// The state folder or the project cannot be opened.
    #[error("`{what}` cannot be opened")]
    Folder {
        /// Which.
        what: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The project is not what the change was made against, or writing stopped.
    #[error(transparent)]
    Merge(#[from] MergeError),
}

impl MergeRefused {
    /// Where the project differs from what the change was made against.
    #[must_use]
    pub fn conflicts(&self) -> &[Conflict] {
        match self {
            Self::Merge(MergeError::Conflicts(conflicts)) => conflicts,
            _ => &[],
        }
    }
}

impl Merging<'_> {
    /// Merges a change, or only says whether it could be.
    ///
    /// # Errors
    /// [`MergeRefused`]; whether something was written says the error inside, and the log that is kept.
    pub fn merge(&self, wanted: &Wanted, really: bool) -> Result<Outcome, MergeRefused> {
        let (told, artifacts) = (&wanted.told, ArtifactStore::beside(&self.layout.journal()));
        let changes = told.list(&artifacts)?;
        if told.kept != engine::workflow::Changes::Full {
            return Err(MergeRefused::NotFull(told.step.clone()));
        }
        unnamed(wanted)?;
        unseen(wanted, &changes, &artifacts)?;
        let decisions = self.admit(tool::WORKSPACE_MERGE, told, &changes, wanted)?;
        let folder = MergeFolder::next(self.layout, wanted.run, &told.step)?;
        let root = self.project()?;
        if !really {
            return possible(&root, &changes, &artifacts);
        }
        self.record(wanted.run, record::MERGE_STARTED_KIND, &json!({
            "step": told.step, "attempt": told.attempt, "changeset": told.changeset,
            "paths": changes.entries().len(), "auto": matches!(wanted.auto, Auto::Unseen { .. }),
            "decisions": decisions, "log": folder.name(),
        }))?;
        let marker = Marker::set(&folder, wanted.run, told, Doing::Merging)?;
        let mut kept = folder.open()?;
        let done = workspace::merge(root.as_fd(), &changes, &Stored(&artifacts), &mut kept);
        drop(kept);
        self.finish(marker, done).map(Outcome::Merged)
    }

    /// Takes back what was merged of a step.
    ///
    /// # Errors
    /// As [`Merging::merge`].
    pub fn undo(&self, run: RunId, told: &Told) -> Result<Merged, MergeRefused> {
        let artifacts = ArtifactStore::beside(&self.layout.journal());
        let changes = told.list(&artifacts)?;
        let folder = MergeFolder::latest(self.layout, run, &told.step)?
            .ok_or_else(|| MergeRefused::NotMerged(told.step.clone()))?;
        let mut kept = folder.open()?;
        let wanted = Wanted { run, told: told.clone(), flagged: Include::All, auto: Auto::Person };
        let decisions = self.admit(tool::WORKSPACE_UNDO, told, &changes, &wanted)?;
        let root = self.project()?;
        self.record(
            run,
            record::UNDO_STARTED_KIND,
            &json!({
                "step": told.step, "attempt": told.attempt, "changeset": told.changeset,
                "decisions": decisions, "log": folder.name(),
            }),
        )?;
        let marker = Marker::set(&folder, run, told, Doing::Undoing)?;
        let done = workspace::undo(root.as_fd(), &mut kept);
        drop(kept);
        self.finish(marker, done)
    }

    /// Records what came of a merge or its undoing. The marker stays where it has to be gone on with.
    pub(super) fn finish(
        &self,
        marker: Marker,
        done: Result<Merged, MergeError>,
    ) -> Result<Merged, MergeRefused> {
        let (kind, word) = match marker.doing() {
            Doing::Merging => (record::MERGE_FINISHED_KIND, "merged"),
            Doing::Undoing => (record::UNDO_FINISHED_KIND, "undone"),
        };
        let goes_on = matches!(&done, Err(MergeError::Stopped { .. } | MergeError::Log(_)));
        let mut body = json!({ "step": marker.step(), "attempt": marker.attempt() });
        let told = match &done {
            Ok(merged) => json!({ "outcome": word, "did": merged }),
            Err(MergeError::Conflicts(conflicts)) => {
                json!({ "outcome": "conflicts", "conflicts": conflicts })
            }
            Err(error) => {
                let outcome = if goes_on { "interrupted" } else { "failed" };
                json!({ "outcome": outcome, "why": crate::cause::line(error) })
            }
        };
        if let (Some(all), Some(more)) = (body.as_object_mut(), told.as_object()) {
            all.extend(more.clone());
        }
        self.record(marker.run(), kind, &body)?;
        if !goes_on {
            marker.clear()?;
        }
        Ok(done?)
    }

    fn admit(
        &self,
        tool: &str,
        told: &Told,
        changes: &Changeset,
        wanted: &Wanted,
    ) -> Result<Vec<Value>, MergeRefused> {
        let paths: Vec<&str> = changes.entries().iter().map(|entry| entry.path.as_str()).collect();
        let mut decisions = Vec::new();
        for part in paths.chunks(PATHS_EACH) {
            let arguments = json!({
                "run": wanted.run.to_string(),
                "step": told.step,
                "changeset": told.changeset,
                "paths": part,
                "flagged": part.iter().filter(|path| told.flags.iter().any(|flag| flag.path == **path)).collect::<Vec<_>>(),
                "auto": matches!(wanted.auto, Auto::Unseen { .. }),
            });
            let asked = Asked { tool: tool.to_owned(), arguments };
            let (by, decision) = match self.gate.admit(self.principal, asked) {
                Ok(admitted) => match admitted.uncounted() {
                    Ok(decision) => {
                        decisions.push(decision);
                        continue;
                    }
                    Err(stopped) => stopped,
                },
                Err(Refused::Invalid(why)) => return Err(MergeRefused::Invalid(why)),
                Err(Refused::Review(reviewed)) => reviewed.unanswered(),
                Err(Refused::Stopped { by, decision, .. }) => (by, decision),
            };
            let body = json!({
                "step": told.step, "attempt": told.attempt, "tool": tool,
                "stopped_by": by, "decision": decision,
            });
            self.record(wanted.run, record::MERGE_DENIED_KIND, &body)?;
            return Err(MergeRefused::Stopped(by));
        }
        Ok(decisions)
    }

    /// Makes one record durable, in the name of who asks.
    fn record(&self, run: RunId, kind: &'static str, body: &Value) -> Result<(), MergeRefused> {
        let mut draft = record::draft(run, kind, body, clock::now());
        self.principal.id.clone_into(&mut draft.principal);
        let operation = Operation { log: log(), drafts: vec![draft], changes: Vec::new() };
        self.journal.commit(operation).map(drop)?;
        Ok(())
    }

    pub(super) fn project(&self) -> Result<File, MergeRefused> {
        let project = self.layout.project();
        File::open(project)
            .map_err(|source| MergeRefused::Folder { what: project.display().to_string(), source })
    }
}

fn files(flags: &[Flagged]) -> String {
    let paths: std::collections::BTreeSet<&str> = flags.iter().map(|flag| &*flag.path).collect();
    match paths.len() {
        1 => "one flagged file".to_owned(),
        count => format!("{count} flagged files"),
    }
}

/// Flagged files have to be named one by one, or all together on purpose.
fn unnamed(wanted: &Wanted) -> Result<(), MergeRefused> {
    let Include::Named(named) = &wanted.flagged else { return Ok(()) };
    let open = wanted.told.flags.iter().filter(|flag| !named.contains(&flag.path));
    let open: Vec<Flagged> = open.cloned().collect();
    // Nobody is there to name anything: what a person must see is told with the other reasons.
    match wanted.auto {
        Auto::Unseen { .. } => Ok(()),
        Auto::Person if open.is_empty() => Ok(()),
        Auto::Person => Err(MergeRefused::Flagged(open)),
    }
}

fn unseen(
    wanted: &Wanted,
    changes: &Changeset,
    artifacts: &ArtifactStore,
) -> Result<(), MergeRefused> {
    let Auto::Unseen { tests_passed } = wanted.auto else { return Ok(()) };
    let flags = workspace::flags(changes, &Stored(artifacts))
        .map_err(|source| MergeRefused::Folder { what: "the kept contents".to_owned(), source })?;
    let patch = wanted.told.patch.as_ref();
    let patch = patch.map(|patch| Patch {
        text: Vec::new(),
        added: patch.added,
        removed: patch.removed,
        not_shown: patch
            .not_shown
            .iter()
            .filter_map(|path| RelPath::new(path.as_str()).ok())
            .collect(),
    });
    let patch = patch.ok_or_else(|| MergeRefused::NotFull(wanted.told.step.clone()))?;
    workspace::auto(changes, &patch, &flags, tests_passed).map_err(MergeRefused::NotUnseen)
}

/// A log that takes nothing: a merge that gets to it could be done.
struct Trial;

impl MergeLog for Trial {
    fn records(&self) -> io::Result<Vec<workspace::Record>> {
        Ok(Vec::new())
    }

    fn append(&mut self, _record: &workspace::Record) -> io::Result<()> {
        Err(io::ErrorKind::Interrupted.into())
    }

    fn keep(&mut self, content: &mut dyn io::Read) -> io::Result<workspace::Digest> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        Ok(workspace::Digest::of(&bytes))
    }

    fn kept(&self, _digest: &workspace::Digest) -> io::Result<Box<dyn io::Read + '_>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn possible(
    root: &File,
    changes: &Changeset,
    artifacts: &ArtifactStore,
) -> Result<Outcome, MergeRefused> {
    match workspace::merge(root.as_fd(), changes, &Stored(artifacts), &mut Trial) {
        Ok(_) => Ok(Outcome::Possible),
        Err(MergeError::Log(error)) if error.kind() == io::ErrorKind::Interrupted => {
            Ok(Outcome::Possible)
        }
        Err(error) => Err(error.into()),
    }
}
