//! A changeset as steps that can each be done and undone alone: a pure plan.
//!
//! The same changeset always gives the same steps, so the log only needs their numbers. Folders
//! are opened up first, then things are taken away from the inside out, then put in place from
//! the outside in, and folders get their final permission bits last.

use std::collections::BTreeMap;

use super::is_placed;
use crate::changeset::{Changeset, Entry, Node};
use crate::path::RelPath;

/// What a folder is while it is worked in.
pub(super) const OPEN: u32 = 0o700;

/// One change of one name. Files and links are whole nodes here; folders only exist or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Gives a folder other permission bits.
    SetMode { path: RelPath, from: u32, to: u32 },
    /// Takes away a file or link that is exactly `node`.
    Remove { path: RelPath, node: Node },
    /// Removes an empty folder with the bits of [`OPEN`].
    RemoveFolder { path: RelPath },
    /// Makes an empty folder with the bits of [`OPEN`].
    MakeFolder { path: RelPath },
    /// Puts a file or link where nothing is.
    Place { path: RelPath, node: Node },
    /// Puts a file or link in the place of exactly `from`.
    Replace { path: RelPath, from: Node, to: Node },
}

impl Step {
    pub(super) const fn path(&self) -> &RelPath {
        match self {
            Self::SetMode { path, .. }
            | Self::Remove { path, .. }
            | Self::RemoveFolder { path }
            | Self::MakeFolder { path }
            | Self::Place { path, .. }
            | Self::Replace { path, .. } => path,
        }
    }

    /// The step that takes this one back.
    fn inverse(&self) -> Self {
        match self.clone() {
            Self::SetMode { path, from, to } => Self::SetMode { path, from: to, to: from },
            Self::Remove { path, node } => Self::Place { path, node },
            Self::RemoveFolder { path } => Self::MakeFolder { path },
            Self::MakeFolder { path } => Self::RemoveFolder { path },
            Self::Place { path, node } => Self::Remove { path, node },
            Self::Replace { path, from, to } => Self::Replace { path, from: to, to: from },
        }
    }

    /// What is at the path when the step has been done.
    pub(super) fn result(&self) -> Option<Node> {
        match self {
            Self::SetMode { to, .. } => Some(Node::Folder { mode: *to }),
            Self::Remove { .. } | Self::RemoveFolder { .. } => None,
            Self::MakeFolder { .. } => Some(Node::Folder { mode: OPEN }),
            Self::Place { node, .. } | Self::Replace { to: node, .. } => Some(node.clone()),
        }
    }
}

/// All steps of a changeset, in order.
pub(super) fn plan(changes: &Changeset) -> Vec<Step> {
    let entries = changes.entries();
    let mut steps: Vec<Step> = entries.iter().filter_map(opening).collect();
    steps.extend(entries.iter().rev().filter_map(removal));
    steps.extend(entries.iter().filter_map(placement));
    steps.extend(entries.iter().rev().filter_map(closing));
    steps
}

/// The steps that take back the first `done` ones, in order.
pub(super) fn back(steps: &[Step], done: usize) -> Vec<Step> {
    steps.iter().take(done).rev().map(Step::inverse).collect()
}

/// What every touched path should hold after the first `done` steps.
pub(super) fn expected<'a>(
    changes: &'a Changeset,
    steps: &'a [Step],
    done: usize,
) -> BTreeMap<&'a RelPath, Option<Node>> {
    let mut state: BTreeMap<_, _> =
        changes.entries().iter().map(|entry| (&entry.path, entry.before.clone())).collect();
    for step in steps.iter().take(done) {
        state.insert(step.path(), step.result());
    }
    state
}

const fn folder_mode(node: Option<&Node>) -> Option<u32> {
    match node {
        Some(Node::Folder { mode }) => Some(*mode),
        _ => None,
    }
}

/// A folder that goes away, or that cannot be worked in as it is.
fn opening(entry: &Entry) -> Option<Step> {
    let from = folder_mode(entry.before.as_ref())?;
    let stays = folder_mode(entry.after.as_ref()).is_some();
    if from == OPEN || stays && from & OPEN == OPEN {
        return None;
    }
    Some(Step::SetMode { path: entry.path.clone(), from, to: OPEN })
}

fn removal(entry: &Entry) -> Option<Step> {
    let path = entry.path.clone();
    match (&entry.before, &entry.after) {
        (Some(Node::Folder { .. }), Some(Node::Folder { .. })) => None,
        (Some(Node::Folder { .. }), _) => Some(Step::RemoveFolder { path }),
        (Some(node), None | Some(Node::Folder { .. })) => {
            Some(Step::Remove { path, node: node.clone() })
        }
        _ => None,
    }
}

fn placement(entry: &Entry) -> Option<Step> {
    let path = entry.path.clone();
    match (&entry.before, &entry.after) {
        (Some(Node::Folder { .. }), Some(Node::Folder { .. })) | (_, None) => None,
        (_, Some(Node::Folder { .. })) => Some(Step::MakeFolder { path }),
        (Some(from), Some(to)) if is_placed(from) => {
            Some(Step::Replace { path, from: from.clone(), to: to.clone() })
        }
        (_, Some(node)) => Some(Step::Place { path, node: node.clone() }),
    }
}

/// The final permission bits of a folder that is new or was changed.
fn closing(entry: &Entry) -> Option<Step> {
    let to = folder_mode(entry.after.as_ref())?;
    let from = match folder_mode(entry.before.as_ref()) {
        Some(before) if before & OPEN == OPEN => before,
        _ => OPEN,
    };
    (from != to).then(|| Step::SetMode { path: entry.path.clone(), from, to })
}
