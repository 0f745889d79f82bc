//! The artifacts that records name, held against their digests: what steps left, lists of changes, patches, contents.
//!
//! A record covers a digest and not the file under it, so a whole verification looks at each file once. Payloads that
//! are artifacts themselves are the journal's to look at.

use std::collections::BTreeMap;

use engine::run::{Digest, Fact};
use engine::workflow::Changes;
use journal::{ArtifactError, ArtifactStore, Fault, FaultReason, LogId, Record, VerifyError};
use workspace::{Changeset, Node};

use crate::change::Told;
use crate::{cause, record};

/// What the records passed by so far name, each digest with the first record that does.
#[derive(Debug, Default)]
pub(super) struct Named(BTreeMap<Digest, Place>);

/// Where a digest is named, and what it is there.
#[derive(Debug, Clone)]
struct Place {
    log: LogId,
    sequence: u64,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    /// A file a step left.
    File(Box<str>),
    /// A list of changes, with its contents where they are kept.
    Changes(Changes),
    /// A unified diff.
    Patch,
    /// The content of a changed file.
    Content(Box<str>),
}

impl What {
    fn words(&self) -> String {
        match self {
            Self::File(path) => format!("the file `{path}` of a step"),
            Self::Changes(_) => "a list of changes".to_owned(),
            Self::Patch => "a patch".to_owned(),
            Self::Content(path) => format!("the content of the changed file `{path}`"),
        }
    }
}

impl Named {
    /// Takes down what one record names.
    pub(super) fn take(&mut self, record: &Record) {
        if record.header.kind == record::CHANGES_KIND {
            self.changes(record);
        } else if record.header.kind == FINISHED_KIND {
            self.files(record);
        }
    }

    fn files(&mut self, record: &Record) {
        let event = record::event_of(record);
        let Some(Fact::StepFinished { result, .. }) = event.map(|event| event.fact) else { return };
        for file in &result.artifacts {
            self.add(record, file.digest, What::File(file.path.clone()));
        }
    }

    fn changes(&mut self, record: &Record) {
        let Ok(told) = serde_json::from_slice::<Told>(&record.payload) else { return };
        if let Some(list) = told.changeset {
            self.add(record, list, What::Changes(told.kept));
        }
        if let Some(patch) = told.patch {
            self.add(record, patch.digest, What::Patch);
        }
    }

    fn add(&mut self, record: &Record, digest: Digest, what: What) {
        let (log, sequence) = (record.header.log.clone(), record.header.sequence);
        let place = || Place { log, sequence, what: what.clone() };
        let known = self.0.entry(digest).or_insert_with(place);
        // The same list can be kept once without and once with its contents.
        if let (What::Changes(before), What::Changes(Changes::Full)) = (&mut known.what, &what) {
            *before = Changes::Full;
        }
    }

    /// Holds every file against its digest, in the order of the records; how many there are.
    ///
    /// # Errors
    /// [`VerifyError::Fault`] names the first record whose artifact is not what it was.
    pub(super) fn check(self, artifacts: &ArtifactStore) -> Result<u64, VerifyError> {
        let mut places: Vec<(Digest, Place)> = self.0.into_iter().collect();
        places.sort_by(|(_, one), (_, other)| {
            (&one.log, one.sequence).cmp(&(&other.log, other.sequence))
        });
        let mut done = BTreeMap::new();
        for (digest, place) in places {
            if let What::Changes(Changes::Full) = place.what {
                contents(artifacts, digest, &place, &mut done)?;
            }
            if done.insert(digest, ()).is_none() {
                one(artifacts, digest, &place)?;
            }
        }
        Ok(u64::try_from(done.len()).unwrap_or(u64::MAX))
    }
}

/// Event type of an attempt's outcome.
const FINISHED_KIND: &str = "step.finished";

/// Holds the contents that a list of changes names against their digests.
fn contents(
    artifacts: &ArtifactStore,
    list: Digest,
    place: &Place,
    done: &mut BTreeMap<Digest, ()>,
) -> Result<(), VerifyError> {
    let bytes = artifacts.get(of(list)).map_err(|error| fault(list, place, &error))?;
    let changes = Changeset::from_json(&bytes).map_err(|error| {
        let why = cause::line(&error);
        bad(list, place, why)
    })?;
    for entry in changes.entries() {
        let Some(Node::File { digest, .. }) = &entry.after else { continue };
        let digest = Digest(*digest.as_bytes());
        let what = What::Content(entry.path.as_str().into());
        if done.insert(digest, ()).is_none() {
            one(artifacts, digest, &Place { what, ..place.clone() })?;
        }
    }
    Ok(())
}

fn one(artifacts: &ArtifactStore, digest: Digest, place: &Place) -> Result<(), VerifyError> {
    artifacts.verify(of(digest)).map(drop).map_err(|error| fault(digest, place, &error))
}

fn fault(digest: Digest, place: &Place, error: &ArtifactError) -> VerifyError {
    bad(digest, place, cause::line(error))
}

fn bad(digest: Digest, place: &Place, why: String) -> VerifyError {
    let what = format!("{} as artifact {digest}", place.what.words());
    let reason = FaultReason::Artifact { what, why };
    Fault { log: place.log.clone(), sequence: place.sequence, reason }.into()
}

const fn of(digest: Digest) -> journal::Digest {
    journal::Digest::new(digest.0)
}
