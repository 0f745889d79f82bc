//! Compares a project with what a merge, its continuation or its undoing relies on.
//!
//! Nothing is written, and everything that differs is listed. A comparison can be outdated a
//! moment later; that is why each step compares again as it acts (`hand`).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{Access, AtFlags, accessat, statat};
use rustix::io::Errno;
use rustix::process::geteuid;
use serde::Serialize;

use super::MergeError;
use super::step::{Step, expected};
use crate::beneath::{self, FOLDER_NAMES_MAX, Found};
use crate::blobs::damaged;
use crate::changeset::{Changeset, Node};
use crate::digest::{Digest, Hashing};
use crate::link;
use crate::path::{RelPath, escape, fold};

/// A place where project and changeset do not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// Where.
    pub path: RelPath,
    /// How.
    #[serde(flatten)]
    pub kind: ConflictKind,
}

/// How project and changeset do not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "conflict", content = "with", rename_all = "snake_case")]
pub enum ConflictKind {
    /// Something else is there now.
    #[error("it changed in the project meanwhile")]
    Changed,
    /// Something is there now where nothing was.
    #[error("it appeared in the project meanwhile")]
    Appeared,
    /// Nothing is there any more.
    #[error("it vanished from the project meanwhile")]
    Vanished,
    /// The folder it belongs into is not there, or is a link or a file.
    #[error("its folder is not a folder of the project")]
    NoFolder,
    /// The folder would be removed but holds this as well.
    #[error("the folder also holds `{0}`, which the change knows nothing of")]
    NotEmpty(String),
    /// This name of the project is the same to some file systems.
    #[error("`{0}` is the same name to file systems that ignore case or normalise names")]
    Collides(String),
    /// A link leads out of the project as it is now.
    #[error("the link leads out of the project")]
    LeadsOut,
    /// It changed while the program ran, so nobody knows what the program saw.
    #[error("it changed in the project while the program ran; run the step again")]
    Stale,
    /// The folder it is in cannot be written.
    #[error("its folder cannot be written")]
    Unwritable,
    /// It belongs to another user, whose it could not stay.
    #[error("it belongs to another user")]
    ForeignOwner,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.path, self.kind)
    }
}

/// A place that could not be looked at.
#[derive(Debug)]
pub(super) struct Uncompared {
    pub(super) path: RelPath,
    pub(super) source: io::Error,
}

type State<'a> = BTreeMap<&'a RelPath, Option<Node>>;

/// Everything a merge relies on before its first step.
pub(super) fn before(
    root: BorrowedFd<'_>,
    changes: &Changeset,
    steps: &[Step],
) -> Result<Vec<Conflict>, Uncompared> {
    let state = expected(changes, steps, 0);
    let stale = changes.entries().iter().filter(|entry| entry.stale);
    let mut conflicts: Vec<Conflict> =
        stale.map(|entry| Conflict::new(&entry.path, ConflictKind::Stale)).collect();
    for (path, node) in &state {
        conflicts.extend(differs(root, path, node.as_ref(), &state)?);
    }
    conflicts.extend(links(root, changes));
    conflicts.extend(ways(root, steps, &state)?);
    conflicts.extend(collisions(root, changes)?);
    conflicts.sort_by(|one, other| one.path.cmp(&other.path));
    conflicts.dedup_by(|one, other| one.path == other.path);
    Ok(conflicts)
}

/// What the steps after the first `done` rely on.
pub(super) fn rest(
    root: BorrowedFd<'_>,
    changes: &Changeset,
    steps: &[Step],
    done: usize,
) -> Result<Vec<Conflict>, Uncompared> {
    let state = expected(changes, steps, done);
    let ahead = steps.get(done..).unwrap_or_default();
    of_steps(root, &state, ahead)
}

/// What taking back the first `done` steps relies on.
pub(super) fn back(
    root: BorrowedFd<'_>,
    changes: &Changeset,
    steps: &[Step],
    done: usize,
) -> Result<Vec<Conflict>, Uncompared> {
    let state = expected(changes, steps, done);
    of_steps(root, &state, &super::step::back(steps, done))
}

fn of_steps(
    root: BorrowedFd<'_>,
    state: &State<'_>,
    steps: &[Step],
) -> Result<Vec<Conflict>, Uncompared> {
    let touched: HashSet<&RelPath> = steps.iter().map(Step::path).collect();
    let mut conflicts = Vec::new();
    for (path, node) in state.iter().filter(|(path, _)| touched.contains(*path)) {
        conflicts.extend(differs(root, path, node.as_ref(), state)?);
    }
    conflicts.extend(ways(root, steps, state)?);
    conflicts.sort_by(|one, other| one.path.cmp(&other.path));
    conflicts.dedup_by(|one, other| one.path == other.path);
    Ok(conflicts)
}

/// Every content that steps would write is there and is what it should be.
pub(super) fn contents<'s>(
    steps: impl IntoIterator<Item = &'s Step>,
    open: &dyn Fn(&Digest) -> io::Result<Box<dyn io::Read + 's>>,
) -> Result<(), MergeError> {
    for step in steps {
        let (Step::Place { node, .. } | Step::Replace { to: node, .. }) = step else { continue };
        let Node::File { digest, size, .. } = node else { continue };
        let read = || {
            let mut content = Hashing::new(io::Read::take(open(digest)?, size.saturating_add(1)));
            io::copy(&mut content, &mut io::sink())?;
            let whole = content.finish() == (*size, *digest);
            if whole { Ok(()) } else { Err(damaged(digest)) }
        };
        read().map_err(|source| MergeError::Content { path: step.path().clone(), source })?;
    }
    Ok(())
}

/// Whether something else is at a place than is expected there.
fn differs(
    root: BorrowedFd<'_>,
    path: &RelPath,
    node: Option<&Node>,
    state: &State<'_>,
) -> Result<Option<Conflict>, Uncompared> {
    let size_max = match node {
        Some(Node::File { size, .. }) => *size,
        _ => 0,
    };
    let found = beneath::look(root, path, size_max)
        .map_err(|source| Uncompared { path: path.clone(), source })?;
    // Nothing can be below what is a file for now; the file is compared itself.
    let below_file = |folder: &RelPath| {
        matches!(state.get(folder), Some(Some(Node::File { .. } | Node::Symlink { .. })))
    };
    let blocked = node.is_none() && found == Found::NoWay;
    if found.is(node) || blocked && path.ancestors().any(|folder| below_file(&folder)) {
        return Ok(None);
    }
    let kind = match (found, node) {
        (Found::NoWay, _) => ConflictKind::NoFolder,
        (Found::Nothing, _) => ConflictKind::Vanished,
        (_, None) => ConflictKind::Appeared,
        _ => ConflictKind::Changed,
    };
    Ok(Some(Conflict::new(path, kind)))
}

/// Follows every new link through the project as it will be.
fn links(root: BorrowedFd<'_>, changes: &Changeset) -> Vec<Conflict> {
    let known: HashMap<&str, _> =
        changes.entries().iter().map(|entry| (entry.path.as_str(), entry)).collect();
    let view = link::view_of(root, |path| known.get(path).copied());
    let leads_out = changes.entries().iter().filter(|entry| match &entry.after {
        Some(Node::Symlink { target }) => link::leads_out(&entry.path, target, &view),
        _ => false,
    });
    leads_out.map(|entry| Conflict::new(&entry.path, ConflictKind::LeadsOut)).collect()
}

/// Whether each step can be done where it is: its folder, its permission, its owner.
fn ways(
    root: BorrowedFd<'_>,
    steps: &[Step],
    state: &State<'_>,
) -> Result<Vec<Conflict>, Uncompared> {
    let mut conflicts = Vec::new();
    for step in steps {
        let path = step.path();
        let failed = |source| Uncompared { path: path.clone(), source };
        let kind = match step {
            Step::SetMode { .. } => owner(root, path).map_err(failed)?,
            Step::RemoveFolder { .. } => {
                let odd = not_empty(root, path, state).map_err(failed)?;
                odd.or(writable(root, path, state).map_err(failed)?)
            }
            Step::Replace { .. } => {
                let foreign = owner(root, path).map_err(failed)?;
                foreign.or(writable(root, path, state).map_err(failed)?)
            }
            _ => writable(root, path, state).map_err(failed)?,
        };
        conflicts.extend(kind.map(|kind| Conflict::new(path, kind)));
    }
    Ok(conflicts)
}

/// A folder that the change itself makes or opens up needs no looking at.
fn writable(
    root: BorrowedFd<'_>,
    path: &RelPath,
    state: &State<'_>,
) -> io::Result<Option<ConflictKind>> {
    let parent = path.parent();
    if parent.as_ref().is_some_and(|parent| state.contains_key(parent)) {
        return Ok(None);
    }
    match beneath::folder(root, parent.as_ref()) {
        Ok(folder) => {
            let both = Access::WRITE_OK | Access::EXEC_OK;
            let may = accessat(&folder, ".", both, AtFlags::EACCESS);
            Ok(may.is_err().then_some(ConflictKind::Unwritable))
        }
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => {
            Ok(Some(ConflictKind::NoFolder))
        }
        Err(errno) => Err(errno.into()),
    }
}

fn owner(root: BorrowedFd<'_>, path: &RelPath) -> io::Result<Option<ConflictKind>> {
    let user = geteuid();
    let Ok(folder) = beneath::folder(root, path.parent().as_ref()) else { return Ok(None) };
    match statat(&folder, path.name(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if !user.is_root() && stat.st_uid != user.as_raw() => {
            Ok(Some(ConflictKind::ForeignOwner))
        }
        Ok(_) | Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// What a folder holds beyond what is known to be in it.
fn not_empty(
    root: BorrowedFd<'_>,
    path: &RelPath,
    state: &State<'_>,
) -> io::Result<Option<ConflictKind>> {
    let Ok(folder) = beneath::folder(root, Some(path)) else { return Ok(None) };
    let names = beneath::names(&folder, FOLDER_NAMES_MAX)?;
    let known = |name: &Vec<u8>| {
        RelPath::join(Some(path), name).is_ok_and(|path| matches!(state.get(&path), Some(Some(_))))
    };
    let odd = names.into_iter().find(|name| !known(name));
    Ok(odd.map(|name| ConflictKind::NotEmpty(escape(&name))))
}

/// New names beside names of the project that some file systems take for the same.
fn collisions(root: BorrowedFd<'_>, changes: &Changeset) -> Result<Vec<Conflict>, Uncompared> {
    let mut folders: HashMap<Option<RelPath>, HashMap<String, Vec<RelPath>>> = HashMap::new();
    let mut conflicts = Vec::new();
    let stays = |path: &RelPath| changes.get(path).is_none_or(|entry| entry.after.is_some());
    for entry in changes.entries() {
        if entry.before.is_some() || entry.after.is_none() {
            continue;
        }
        let parent = entry.path.parent();
        if !folders.contains_key(&parent) {
            let names = folded(root, parent.as_ref())
                .map_err(|source| Uncompared { path: entry.path.clone(), source })?;
            folders.insert(parent.clone(), names);
        }
        let alike = folders.get(&parent).and_then(|names| names.get(&fold(entry.path.name())));
        let twin = alike.into_iter().flatten().find(|twin| **twin != entry.path && stays(twin));
        conflicts.extend(twin.map(|twin| {
            Conflict::new(&entry.path, ConflictKind::Collides(twin.name().to_owned()))
        }));
    }
    Ok(conflicts)
}

/// The names of a folder by their folded form; names no change could have are nobody's twin.
fn folded(
    root: BorrowedFd<'_>,
    folder: Option<&RelPath>,
) -> io::Result<HashMap<String, Vec<RelPath>>> {
    let mut folded: HashMap<String, Vec<RelPath>> = HashMap::new();
    let Ok(opened) = beneath::folder(root, folder) else { return Ok(folded) };
    for name in beneath::names(&opened, FOLDER_NAMES_MAX)? {
        if let Ok(path) = RelPath::join(folder, &name) {
            folded.entry(fold(path.name())).or_default().push(path);
        }
    }
    Ok(folded)
}

impl Conflict {
    fn new(path: &RelPath, kind: ConflictKind) -> Self {
        Self { path: path.clone(), kind }
    }
}
