//! Walks the upper layer and tells each of its entries from what the project has at that place.
//!
//! A whole folder at a time, from the top down. Refusals are collected; limits end the walk.

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, statat};

use super::layer::{self, Hides, Mark};
use super::{CaptureError, CaptureLimits, Layers, REFUSED_MAX, Refused, RefusedBecause};
use crate::beneath::{self, FOLDER_NAMES_MAX, Found};
use crate::blobs::{Blobs, damaged};
use crate::changeset::check::is_target;
use crate::changeset::{Entry, Node};
use crate::digest::Hashing;
use crate::link;
use crate::path::{NameFault, RelPath, escape, fold};

/// File systems stamp changes with a clock that may lag behind the real one by this.
const CLOCK_LAG: Duration = Duration::from_millis(10);

/// Compares both layers; entries in no particular order.
pub(super) fn walk(
    layers: &Layers<'_>,
    limits: &CaptureLimits,
    sink: &mut dyn Blobs,
) -> Result<Vec<Entry>, CaptureError> {
    let mut walk = Walk {
        layers,
        limits,
        sink,
        entries: Vec::new(),
        refused: Vec::new(),
        entries_left: limits.entries,
        bytes_left: limits.total_bytes,
    };
    let mut waiting = vec![Folder { path: None, in_project: true, hides: Hides::Nothing }];
    while let Some(folder) = waiting.pop() {
        waiting.extend(walk.folder(&folder)?);
    }
    walk.check_links();
    if walk.refused.is_empty() {
        Ok(walk.entries)
    } else {
        walk.refused.sort_by(|one, other| one.path.cmp(&other.path));
        Err(CaptureError::Refused(walk.refused))
    }
}

/// A folder of the upper layer that waits to be looked into.
struct Folder {
    path: Option<RelPath>,
    /// The project has a folder there as well.
    in_project: bool,
    /// Whether the project's folder shows through.
    hides: Hides,
}

struct Walk<'a> {
    layers: &'a Layers<'a>,
    limits: &'a CaptureLimits,
    sink: &'a mut dyn Blobs,
    entries: Vec<Entry>,
    refused: Vec<Refused>,
    entries_left: usize,
    bytes_left: u64,
}

/// What became of one name.
struct Seen {
    before: Option<Node>,
    exists: bool,
    within: Option<Folder>,
}

impl Walk<'_> {
    /// Looks at every entry of one folder and returns the folders within it.
    fn folder(&mut self, folder: &Folder) -> Result<Vec<Folder>, CaptureError> {
        let place = folder.path.as_ref();
        let Ok(upper) = beneath::folder(self.layers.upper, place) else {
            self.refuse(shown(place, b""), RefusedBecause::Unreadable);
            return Ok(Vec::new());
        };
        let hides = match self.hides(folder, &upper) {
            Ok(hides) => hides,
            Err(reason) => {
                self.refuse(shown(place, b""), reason);
                return Ok(Vec::new());
            }
        };
        let lower = folder.in_project.then(|| beneath::folder(self.layers.lower, place));
        let lower = lower.transpose().map_err(|errno| failed(place, b"", errno))?;
        let names = beneath::names(&upper, self.entries_left).map_err(|_| self.too_many())?;
        let mut within = Vec::new();
        let mut seen = HashMap::new();
        for name in names {
            self.entries_left = self.entries_left.checked_sub(1).ok_or_else(|| self.too_many())?;
            let path = match RelPath::join(place, &name) {
                Ok(path) => path,
                Err(fault) => {
                    self.refuse(shown(place, &name), RefusedBecause::Name(fault));
                    continue;
                }
            };
            let found = self.entry(&path, (upper.as_fd(), lower.as_ref()), hides)?;
            if let Some(Seen { before, exists, within: inner }) = found {
                within.extend(inner);
                seen.insert(name, (before.is_some(), exists));
            }
        }
        if let Some(lower) = &lower {
            self.project_names(folder, lower, hides, &seen)?;
        } else {
            self.collisions(place, seen.iter().map(|(name, seen)| (name.as_slice(), *seen)));
        }
        Ok(within)
    }

    fn hides(&self, folder: &Folder, upper: &OwnedFd) -> Result<Hides, RefusedBecause> {
        let own = layer::hides(upper.as_fd())?;
        match (&folder.path, own) {
            // Nothing is above the workspace itself, so nothing can have replaced it.
            (None, Hides::All) => Err(RefusedBecause::Overlay("opaque")),
            _ if folder.hides == Hides::All => Ok(Hides::All),
            _ => Ok(own),
        }
    }

    /// Compares one name; `None` if it was refused.
    fn entry(
        &mut self,
        path: &RelPath,
        (upper, lower): (BorrowedFd<'_>, Option<&OwnedFd>),
        hides: Hides,
    ) -> Result<Option<Seen>, CaptureError> {
        let mark = match layer::mark(upper, path.name()) {
            Ok(mark) => mark,
            Err(reason) => return Ok(self.without(path.to_string(), reason)),
        };
        let before = match lower {
            None => None,
            Some(lower) => match self.in_project(path, lower)? {
                Ok(before) => before,
                Err(reason) => return Ok(self.without(path.to_string(), reason)),
            },
        };
        let after = match self.after(path, upper, &mark, before.as_ref().map(|(node, _)| node))? {
            Ok(after) => after,
            Err(reason) => return Ok(self.without(path.to_string(), reason)),
        };
        let within = after.as_ref().filter(|after| after.is_folder()).map(|_| Folder {
            path: Some(path.clone()),
            in_project: before.as_ref().is_some_and(|(node, _)| node.is_folder()),
            hides,
        });
        let seen = Seen {
            before: before.as_ref().map(|(node, _)| node.clone()),
            exists: after.is_some(),
            within,
        };
        self.note(path, before, after)?;
        Ok(Some(seen))
    }

    /// Takes down one difference, and everything below a folder that is none any more.
    fn note(
        &mut self,
        path: &RelPath,
        before: Option<(Node, bool)>,
        after: Option<Node>,
    ) -> Result<(), CaptureError> {
        let Some((node, stale)) = before else {
            if after.is_some() {
                self.entries.push(Entry::new(path.clone(), None, after));
            }
            return Ok(());
        };
        if node.is_folder() && !after.as_ref().is_some_and(Node::is_folder) {
            self.lost(path)?;
        }
        if after.as_ref() != Some(&node) {
            let entry = Entry::new(path.clone(), Some(node), after);
            self.entries.push(Entry { stale, ..entry });
        }
        Ok(())
    }

    /// What the overlay shows at a place of the upper layer.
    fn after(
        &mut self,
        path: &RelPath,
        upper: BorrowedFd<'_>,
        mark: &Mark,
        before: Option<&Node>,
    ) -> Result<Result<Option<Node>, RefusedBecause>, CaptureError> {
        let node = match mark {
            Mark::Whiteout => return Ok(Ok(None)),
            Mark::Symlink { target } => Node::Symlink { target: target.clone() },
            Mark::Folder { mode } => Node::Folder { mode: *mode },
            Mark::File { size, .. } if *size > self.limits.file_bytes => {
                return Ok(Err(RefusedBecause::TooLarge(*size)));
            }
            Mark::File { size, mode } => {
                self.spend(*size)?;
                let found = self.hashed(upper, path, *size, *mode);
                found.map_err(|error| failed(Some(path), b"", error))?
            }
        };
        let unchanged = before == Some(&node);
        match node.mode().filter(|mode| mode & 0o7000 != 0 && !unchanged) {
            Some(mode) => return Ok(Err(RefusedBecause::Mode(mode))),
            None if unchanged => {}
            None => {
                self.keep(upper, path, &node).map_err(|error| failed(Some(path), b"", error))?
            }
        }
        Ok(Ok(Some(node)))
    }

    fn hashed(
        &self,
        upper: BorrowedFd<'_>,
        path: &RelPath,
        size: u64,
        mode: u32,
    ) -> io::Result<Node> {
        let (file, _) = beneath::file(upper, path.name())?;
        let mut content = Hashing::new(file.take(size.saturating_add(1)));
        io::copy(&mut content, &mut io::sink())?;
        let (read, digest) = content.finish();
        if read == size {
            Ok(Node::File { digest, size, mode })
        } else {
            Err(io::Error::other("it changed while it was read"))
        }
    }

    /// Puts a file's content among the blobs.
    fn keep(&mut self, upper: BorrowedFd<'_>, path: &RelPath, node: &Node) -> io::Result<()> {
        let Node::File { digest, size, .. } = node else { return Ok(()) };
        let (file, _) = beneath::file(upper, path.name())?;
        let stored = self.sink.put(&mut file.take(*size))?;
        if stored == *digest { Ok(()) } else { Err(damaged(digest)) }
    }

    /// What the project has at a place, and whether it changed since the program began.
    #[allow(clippy::type_complexity, reason = "a failure ends the walk, a refusal goes on")]
    fn in_project(
        &mut self,
        path: &RelPath,
        lower: &OwnedFd,
    ) -> Result<Result<Option<(Node, bool)>, RefusedBecause>, CaptureError> {
        let found = beneath::look_in(lower.as_fd(), path.name(), self.limits.file_bytes);
        let node = match found.map_err(|error| failed(Some(path), b"", error))? {
            Found::Nothing => return Ok(Ok(None)),
            Found::Node(Node::Symlink { target }) if !is_target(&target) => {
                return Ok(Err(RefusedBecause::OddInProject));
            }
            Found::Node(node) => node,
            Found::TooLarge(size) => return Ok(Err(RefusedBecause::TooLarge(size))),
            Found::Special | Found::OddTarget | Found::NoWay => {
                return Ok(Err(RefusedBecause::OddInProject));
            }
        };
        if let Node::File { size, .. } = &node {
            self.spend(*size)?;
        }
        let stale = !node.is_folder() && self.changed_since(lower, path.name());
        Ok(Ok(Some((node, stale))))
    }

    fn changed_since(&self, lower: &OwnedFd, name: &str) -> bool {
        let Some(began) = self.layers.began else { return false };
        let Ok(stat) = statat(lower, name, AtFlags::SYMLINK_NOFOLLOW) else { return true };
        let seconds = u64::try_from(stat.st_ctime).unwrap_or_default();
        let nanos = u32::try_from(stat.st_ctime_nsec).unwrap_or_default();
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
        changed + CLOCK_LAG >= began
    }

    /// Everything below a folder of the project that went away with it.
    fn lost(&mut self, folder: &RelPath) -> Result<(), CaptureError> {
        let mut waiting = vec![folder.clone()];
        while let Some(folder) = waiting.pop() {
            let failing = |error| failed(Some(&folder), b"", error);
            let lower = beneath::folder(self.layers.lower, Some(&folder)).map_err(failing)?;
            let names = beneath::names(&lower, FOLDER_NAMES_MAX)
                .map_err(|error| failed(Some(&folder), b"", error))?;
            for name in names {
                let lost = self.lost_name(Some(&folder), &name, &lower)?;
                waiting.extend(lost.filter(|(_, is_folder)| *is_folder).map(|(path, _)| path));
            }
        }
        Ok(())
    }

    /// One entry of the project that went away; returns its path and whether it is a folder.
    fn lost_name(
        &mut self,
        folder: Option<&RelPath>,
        name: &[u8],
        lower: &OwnedFd,
    ) -> Result<Option<(RelPath, bool)>, CaptureError> {
        self.entries_left = self.entries_left.checked_sub(1).ok_or_else(|| self.too_many())?;
        let path = match RelPath::join(folder, name) {
            Ok(path) => path,
            Err(NameFault::Reserved) => {
                let reason = RefusedBecause::Name(NameFault::Reserved);
                return Ok(self.without(shown(folder, name), reason));
            }
            Err(_) => return Ok(self.without(shown(folder, name), RefusedBecause::OddInProject)),
        };
        match self.in_project(&path, lower)? {
            Ok(None) => Ok(None),
            Ok(Some((node, stale))) => {
                let is_folder = node.is_folder();
                let entry = Entry::new(path.clone(), Some(node), None);
                self.entries.push(Entry { stale, ..entry });
                Ok(Some((path, is_folder)))
            }
            Err(reason) => Ok(self.without(path.to_string(), reason)),
        }
    }

    /// What the upper layer says nothing about: hidden by an opaque folder, or still there.
    fn project_names(
        &mut self,
        folder: &Folder,
        lower: &OwnedFd,
        hides: Hides,
        seen: &HashMap<Vec<u8>, (bool, bool)>,
    ) -> Result<(), CaptureError> {
        let place = folder.path.as_ref();
        let adds = seen.values().any(|(before, exists)| *exists && !*before);
        if hides == Hides::Nothing && !adds {
            return Ok(());
        }
        let names = beneath::names(lower, FOLDER_NAMES_MAX);
        let names = names.map_err(|error| failed(place, b"", error))?;
        let untouched = names.iter().filter(|name| !seen.contains_key(*name));
        if hides == Hides::All {
            for name in untouched {
                if let Some((path, true)) = self.lost_name(place, name, lower)? {
                    self.lost(&path)?;
                }
            }
            self.collisions(place, seen.iter().map(|(name, seen)| (name.as_slice(), *seen)));
        } else {
            let kept = untouched.map(|name| (name.as_slice(), (true, true)));
            let written = seen.iter().map(|(name, seen)| (name.as_slice(), *seen));
            self.collisions(place, written.chain(kept));
        }
        Ok(())
    }

    /// Refuses new names that some file systems cannot tell from another name of the folder.
    fn collisions<'n>(
        &mut self,
        folder: Option<&RelPath>,
        names: impl Iterator<Item = (&'n [u8], (bool, bool))>,
    ) {
        let mut folded: HashMap<String, (&[u8], bool)> = HashMap::new();
        for (name, (before, _)) in names.filter(|(_, (_, exists))| *exists) {
            let key = fold(&String::from_utf8_lossy(name));
            let Some((twin, twin_before)) = folded.insert(key, (name, before)) else { continue };
            if !before || !twin_before {
                let (new, other) = if before { (twin, name) } else { (name, twin) };
                self.refuse(shown(folder, new), RefusedBecause::Collides(escape(other)));
            }
        }
    }

    /// Follows every new link through the tree as it will be.
    fn check_links(&mut self) {
        let known: HashMap<&str, &Entry> =
            self.entries.iter().map(|entry| (entry.path.as_str(), entry)).collect();
        let view = link::view_of(self.layers.lower, |path| known.get(path).copied());
        let leads_out = |entry: &&Entry| match &entry.after {
            Some(Node::Symlink { target }) => link::leads_out(&entry.path, target, &view),
            _ => false,
        };
        let out: Vec<String> =
            self.entries.iter().filter(leads_out).map(|entry| entry.path.to_string()).collect();
        drop(view);
        for path in out {
            self.refuse(path, RefusedBecause::LinkOut);
        }
    }

    fn spend(&mut self, bytes: u64) -> Result<(), CaptureError> {
        let limit = self.limits.total_bytes;
        let left = self.bytes_left.checked_sub(bytes);
        self.bytes_left = left.ok_or(CaptureError::Limit { what: "bytes", limit })?;
        Ok(())
    }

    const fn too_many(&self) -> CaptureError {
        CaptureError::Limit { what: "entries", limit: self.limits.entries as u64 }
    }

    fn refuse(&mut self, path: String, reason: RefusedBecause) {
        if self.refused.len() < REFUSED_MAX {
            self.refused.push(Refused { path, reason });
        }
    }

    /// Refuses what would have become something.
    fn without<T>(&mut self, path: String, reason: RefusedBecause) -> Option<T> {
        self.refuse(path, reason);
        None
    }
}

fn shown(folder: Option<&RelPath>, name: &[u8]) -> String {
    match (folder, name) {
        (None, b"") => ".".to_owned(),
        (None, name) => escape(name),
        (Some(folder), b"") => folder.to_string(),
        (Some(folder), name) => format!("{folder}/{}", escape(name)),
    }
}

fn failed(folder: Option<&RelPath>, name: &[u8], source: impl Into<io::Error>) -> CaptureError {
    CaptureError::Io { path: shown(folder, name), source: source.into() }
}
