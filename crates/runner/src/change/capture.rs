//! From a sandbox that has ended to the record of what it changed.
//!
//! The list is always made; contents and the diff are kept where the step asked for them. What cannot become a
//! change (a device, a link out of the project) is told in the record, and fails a step that asked for its changes.

use std::path::Path;
use std::time::SystemTime;

use engine::run::Digest;
use engine::workflow::Changes;
use journal::ArtifactStore;
use workspace::{
    Blobs, CaptureLimits, Changeset, Entry, Layers, Node, Patch, RelPath, capture, flags, patch,
};

use super::blobs::{Held, Stored};
use super::{Counts, Flagged, PatchRef, Told};
use crate::cause;
use crate::secrecy::{Cover, Guarded};

/// What there is to capture.
pub(crate) struct Ended<'a> {
    /// The layers of the workspace.
    pub(crate) layers: &'a sandbox::Layers,
    /// What whoever built the sandbox put there.
    pub(crate) given: Vec<&'a Path>,
    /// When the program began.
    pub(crate) began: SystemTime,
    /// Bytes of the largest file there may be among it, where policy says.
    pub(crate) largest: Option<u64>,
    /// What is to be kept.
    pub(crate) wanted: Changes,
    /// The secrets that must not be among it.
    pub(crate) cover: &'a Cover,
}

/// Keeps what is wanted of a step's changes. `None` when it changed nothing; an error is in words, together with
/// what can be told all the same.
pub(crate) fn keep(
    artifacts: &ArtifactStore,
    step: (&str, u32),
    ended: &Ended<'_>,
) -> (Option<Told>, Result<(), String>) {
    let empty = Told {
        step: step.0.to_owned(),
        attempt: step.1,
        changeset: None,
        counts: Counts::default(),
        kept: Changes::None,
        patch: None,
        flags: Vec::new(),
        refused: None,
    };
    let mut told = empty.clone();
    match look(artifacts, ended, &mut told) {
        Ok(()) if told.counts.total() == 0 => (None, Ok(())),
        Ok(()) => (Some(told), Ok(())),
        Err(why) => {
            let asked = ended.wanted != Changes::None;
            let result = if asked { Err(why.clone()) } else { Ok(()) };
            (Some(Told { refused: Some(why), kept: Changes::None, ..told }), result)
        }
    }
}

fn look(artifacts: &ArtifactStore, ended: &Ended<'_>, told: &mut Told) -> Result<(), String> {
    let (mut heads, mut held, mut stored) = (Held::heads(), Held::for_diff(), Stored(artifacts));
    // A digest of a file that holds a secret would let anybody try guesses at it, so none is kept either way.
    let blobs: &mut dyn Blobs = match ended.wanted {
        Changes::None => &mut heads,
        Changes::Patch => &mut held,
        Changes::Full => &mut stored,
    };
    found(artifacts, ended, &mut Guarded { blobs, cover: ended.cover }, told)
}

fn found(
    artifacts: &ArtifactStore,
    ended: &Ended<'_>,
    blobs: &mut dyn Blobs,
    told: &mut Told,
) -> Result<(), String> {
    use std::os::fd::AsFd as _;
    let in_words = |error: &dyn std::error::Error| cause::line(error);
    let (upper, lower) = (ended.layers.upper.as_fd(), ended.layers.lower.as_fd());
    let layers = Layers { upper, lower, began: Some(ended.began) };
    let all =
        capture(&layers, &CaptureLimits::default(), blobs).map_err(|error| in_words(&error))?;
    let changes = own(&all, &ended.given).map_err(|error| in_words(&error))?;
    told.counts = Counts::of(&changes);
    if changes.is_empty() {
        return Ok(());
    }
    no_larger(&changes, ended.largest)?;
    let json = changes.to_json().map_err(|error| in_words(&error))?;
    if let Some(name) = ended.cover.values().known().first_in(&json) {
        return Err(format!("the name of a changed file holds the secret `{name}`"));
    }
    let stored = artifacts.put(&json).map_err(|error| in_words(&error))?;
    told.changeset = Some(Digest(*stored.as_bytes()));
    let flagged = flags(&changes, blobs).map_err(|error| in_words(&error))?;
    told.flags = flagged.iter().map(flag).collect();
    if ended.wanted != Changes::None {
        let diff = patch(&changes, lower, blobs).map_err(|error| in_words(&error))?;
        // What is taken out of a file is in the patch too.
        if let Some(name) = ended.cover.values().known().first_in(&diff.text) {
            return Err(format!("the patch holds the secret `{name}`"));
        }
        told.patch = Some(keep_patch(artifacts, diff)?);
    }
    told.kept = ended.wanted;
    Ok(())
}

/// A program is kept from writing a larger file; this also finds one that was there and that it only touched.
fn no_larger(changes: &Changeset, largest: Option<u64>) -> Result<(), String> {
    let size = |entry: &Entry| match entry.after {
        Some(Node::File { size, .. }) => size,
        Some(Node::Symlink { .. } | Node::Folder { .. }) | None => 0,
    };
    let largest = largest.unwrap_or(u64::MAX);
    match changes.entries().iter().find(|entry| size(entry) > largest) {
        Some(entry) => Err(format!(
            "the changed file `{}` has {} bytes, and policy allows {largest}",
            entry.path.as_str(),
            size(entry)
        )),
        None => Ok(()),
    }
}

fn keep_patch(artifacts: &ArtifactStore, diff: Patch) -> Result<PatchRef, String> {
    let stored = artifacts.put(&diff.text).map_err(|error| cause::line(&error))?;
    Ok(PatchRef {
        digest: Digest(*stored.as_bytes()),
        added: diff.added,
        removed: diff.removed,
        not_shown: diff.not_shown.iter().map(|path| path.as_str().to_owned()).collect(),
    })
}

fn flag(flag: &workspace::Flag) -> Flagged {
    let kind = match flag.kind {
        workspace::FlagKind::ExecutesLater => "executes_later",
        workspace::FlagKind::Sensitive => "sensitive",
    };
    Flagged {
        path: flag.path.as_str().to_owned(),
        kind: kind.to_owned(),
        rule: flag.rule.to_owned(),
        why: flag.why.to_owned(),
    }
}

/// The changes without the files that were put there for the program, and without folders that only hold them.
fn own(all: &Changeset, given: &[&Path]) -> Result<Changeset, workspace::ChangesetError> {
    let given: Vec<&str> = given.iter().filter_map(|path| path.to_str()).collect();
    if given.is_empty() {
        return Ok(all.clone());
    }
    let is_given = |path: &RelPath| given.contains(&path.as_str());
    let mut kept: Vec<Entry> =
        all.entries().iter().filter(|entry| !is_given(&entry.path)).cloned().collect();
    for entry in &mut kept {
        entry.renamed_from.take_if(|from| is_given(from));
    }
    let above = |folder: &RelPath| {
        let prefix = format!("{}/", folder.as_str());
        given.iter().any(|path| path.starts_with(&prefix))
    };
    let needed: Vec<RelPath> = kept.iter().map(|entry| entry.path.clone()).collect();
    kept.retain(|entry| {
        let only_holds = entry.before.is_none()
            && above(&entry.path)
            && !needed.iter().any(|path| *path != entry.path && path.is_within(&entry.path));
        !only_holds
    });
    Changeset::new(kept)
}
