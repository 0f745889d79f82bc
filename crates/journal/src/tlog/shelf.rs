//! A folder of tiles: brought up to a size when somebody needs it, and read for proofs.
//!
//! Everything in it follows from the log, so it is written late, without flushes, and never trusted:
//! a proof made from it is checked against the tree head before anyone gets it. Writing twice, or by
//! two processes at once, gives the same files.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::head::TreeHead;
use super::proof::{inclusion, is_consistent, root_from};
use super::tile::{Kind, TILE_HEIGHT, TILE_WIDTH, Tile, bundle_bytes, tile_bytes, tile_hashes};
use super::tree::Frontier;
use crate::digest::{Digest, leaf_of};
use crate::error::ReadError;
use crate::place::beside;
use crate::plain;

/// Gives `count` entries of the log from the one at an index on.
pub(super) type Entries<'a> = dyn FnMut(u64, u64) -> Result<Vec<Vec<u8>>, ShelfError> + 'a;

/// Why tiles could not be written or a proof not made.
#[derive(Debug, Error)]
pub enum ShelfError {
    /// The journal cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file cannot be read or written.
    #[error("`{path}` cannot be used")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A tile has another length than it must have, or leads to another root than the signed one.
    #[error("tiles in `{0}` are not those of the log")]
    Damaged(PathBuf),
    /// Entries of the log of logs, which nothing can make again, are not those that were kept.
    #[error("`{0}` does not hold the entries that were signed")]
    Kept(PathBuf),
    /// The log has fewer entries than the tree.
    #[error("log ends at {found}, before the {wanted} entries of the tree")]
    Short {
        /// Entries there are.
        found: u64,
        /// Entries the tree has.
        wanted: u64,
    },
}

/// The tiles of one log in a folder.
#[derive(Debug)]
pub(super) struct Shelf {
    folder: PathBuf,
    read: RefCell<HashMap<Tile, Vec<Digest>>>,
}

impl Shelf {
    pub(super) fn at(folder: PathBuf) -> Self {
        Self { folder, read: RefCell::default() }
    }

    /// Writes the tiles of a tree of `size` that are missing; entries are read only for those.
    pub(super) fn keep_hashes(
        &self,
        size: u64,
        entries: &mut Entries<'_>,
    ) -> Result<(), ShelfError> {
        self.keep(Kind::Hashes(0), size, &mut |tile| {
            let found = entries(tile.index * TILE_WIDTH, tile.width)?;
            Ok(tile_bytes(&found.iter().map(|entry| leaf_of(entry)).collect::<Vec<_>>()))
        })?;
        let mut level = 1;
        while Kind::Hashes(level).count(size) > 0 {
            self.keep(Kind::Hashes(level), size, &mut |tile| {
                let below = tile.index * TILE_WIDTH..tile.index * TILE_WIDTH + tile.width;
                let whole =
                    |index| Tile { kind: Kind::Hashes(level - 1), index, width: TILE_WIDTH };
                let roots: Result<Vec<Digest>, ShelfError> = below
                    .map(|index| {
                        Ok(self.hashes(whole(index))?.into_iter().collect::<Frontier>().root())
                    })
                    .collect();
                Ok(tile_bytes(&roots?))
            })?;
            level += 1;
        }
        Ok(())
    }

    /// Writes the entry bundles of a tree of `size` that are missing.
    pub(super) fn keep_entries(
        &self,
        size: u64,
        entries: &mut Entries<'_>,
    ) -> Result<(), ShelfError> {
        self.keep(Kind::Entries, size, &mut |tile| {
            let found = entries(tile.index * TILE_WIDTH, tile.width)?;
            bundle_bytes(found.iter().map(Vec::as_slice))
                .ok_or_else(|| ShelfError::Damaged(self.folder.clone()))
        })
    }

    /// Writes what is missing of one kind, in order, so that the first missing one can be searched.
    fn keep(
        &self,
        kind: Kind,
        size: u64,
        contents: &mut dyn FnMut(Tile) -> Result<Vec<u8>, ShelfError>,
    ) -> Result<(), ShelfError> {
        let full = kind.count(size) / TILE_WIDTH;
        let is_there = |index| {
            let tile = Tile { kind, index, width: TILE_WIDTH };
            fs::metadata(self.folder.join(tile.path())).is_ok_and(|found| found.len() > 0)
        };
        let (mut low, mut high) = (0, full);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_there(middle) { low = middle + 1 } else { high = middle }
        }
        for tile in (low..=full).filter_map(|index| kind.tile(index, size)) {
            let path = self.folder.join(tile.path());
            if tile.width == TILE_WIDTH || !path.exists() {
                replace(&path, &contents(tile)?, Flush::No)?;
            }
            if tile.width == TILE_WIDTH {
                // The full one stands for all of its beginnings; leftovers cost only room.
                let _ = fs::remove_dir_all(beside(&path, ".p"));
            }
        }
        Ok(())
    }

    fn hashes(&self, tile: Tile) -> Result<Vec<Digest>, ShelfError> {
        if let Some(known) = self.read.borrow().get(&tile) {
            return Ok(known.clone());
        }
        let path = self.folder.join(tile.path());
        let bytes = match fs::read(&path) {
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                return Err(ShelfError::Damaged(self.folder.clone()));
            }
            other => other.map_err(|source| ShelfError::Io { path, source })?,
        };
        let hashes = tile_hashes(&bytes, tile.width)
            .ok_or_else(|| ShelfError::Damaged(self.folder.clone()))?;
        self.read.borrow_mut().insert(tile, hashes.clone());
        Ok(hashes)
    }

    /// The root of a perfect subtree of the tree of `size` leaves.
    fn subtree(&self, size: u64, level: u8, index: u64) -> Result<Digest, ShelfError> {
        let damaged = || ShelfError::Damaged(self.folder.clone());
        let kind = Kind::Hashes(level / TILE_HEIGHT);
        let height = level % TILE_HEIGHT;
        let first = index << height;
        let tile = kind.tile(first / TILE_WIDTH, size).ok_or_else(damaged)?;
        let hashes = self.hashes(tile)?;
        let start = usize::try_from(first % TILE_WIDTH).unwrap_or(usize::MAX);
        let below = hashes.get(start..start.saturating_add(1 << height)).ok_or_else(damaged)?;
        Ok(below.iter().copied().collect::<Frontier>().root())
    }

    /// The proof that the leaf at `index` is in the tree of `head`, checked.
    pub(super) fn inclusion(
        &self,
        head: &TreeHead,
        index: u64,
        leaf: Digest,
    ) -> Result<Vec<Digest>, ShelfError> {
        let mut subtrees = |level, at| self.subtree(head.size, level, at);
        let path = inclusion(&mut subtrees, index, head.size)?;
        if root_from(leaf, index, head.size, &path) == Some(head.root) {
            return Ok(path);
        }
        Err(ShelfError::Damaged(self.folder.clone()))
    }

    /// The proof that the tree of `old` is the beginning of that of `new`; `None` when it is not.
    pub(super) fn consistency(
        &self,
        old: &TreeHead,
        new: &TreeHead,
    ) -> Result<Option<Vec<Digest>>, ShelfError> {
        if old.size > new.size {
            return Ok(None);
        }
        let mut subtrees = |level, at| self.subtree(new.size, level, at);
        let path = super::proof::consistency(&mut subtrees, old.size, new.size)?;
        let holds = is_consistent((old.size, old.root), (new.size, new.root), &path);
        Ok(holds.then_some(path))
    }

    /// The right edge of the tree the tiles are of.
    pub(super) fn frontier(&self, size: u64) -> Result<Frontier, ShelfError> {
        let mut peaks = Vec::new();
        let mut start = 0;
        for level in (0..u64::BITS).rev().filter(|level| size >> level & 1 == 1) {
            peaks.push(self.subtree(
                size,
                u8::try_from(level).unwrap_or(u8::MAX),
                start >> level,
            )?);
            start += 1 << level;
        }
        Frontier::of(size, peaks).ok_or_else(|| ShelfError::Damaged(self.folder.clone()))
    }
}

/// Whether a file has to survive a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flush {
    /// It cannot be made again.
    Yes,
    /// It is made again from the journal.
    No,
}

/// Writes a file whole or not at all, with its folders.
pub(super) fn replace(path: &Path, bytes: &[u8], flush: Flush) -> Result<(), ShelfError> {
    let io_error = |source| ShelfError::Io { path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io_error)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = folder.join(format!("{name}.new-{}", std::process::id()));
    let written = || -> io::Result<()> {
        plain::check(folder)?;
        let mut options = OpenOptions::new();
        let mut file = plain::open(options.write(true).create(true).truncate(true), &aside)?;
        file.write_all(bytes)?;
        if flush == Flush::No {
            return fs::rename(&aside, path);
        }
        file.sync_all()?;
        fs::rename(&aside, path)?;
        File::open(folder)?.sync_all()
    };
    written().map_err(io_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64) -> Vec<u8> {
        format!("entry {index}").into_bytes()
    }

    fn source(start: u64, count: u64) -> Result<Vec<Vec<u8>>, ShelfError> {
        Ok((start..start + count).map(entry).collect())
    }

    fn head(size: u64) -> TreeHead {
        let root = (0..size).map(|index| leaf_of(&entry(index))).collect::<Frontier>().root();
        TreeHead { origin: "node".to_owned(), size, root }
    }

    #[test]
    fn tiles_grow_by_any_steps_to_the_same_proofs() {
        let place = tempfile::tempdir().unwrap();
        let mut old = head(0);
        for size in [1, 2, 255, 256, 257, 511, 512, 600, 65_536, 65_537, 66_000] {
            let shelf = Shelf::at(place.path().to_owned());
            shelf.keep_hashes(size, &mut source).unwrap();
            let head = head(size);
            assert_eq!(shelf.frontier(size).unwrap().root(), head.root, "{size}");
            for index in [0, size / 2, size - 1] {
                shelf.inclusion(&head, index, leaf_of(&entry(index))).unwrap();
                let other = shelf.inclusion(&head, index, leaf_of(b"other"));
                assert!(matches!(other, Err(ShelfError::Damaged(_))));
            }
            assert!(shelf.consistency(&old, &head).unwrap().is_some(), "{size}");
            let forked = TreeHead { root: Digest::of(b"fork"), ..old.clone() };
            assert_eq!(shelf.consistency(&forked, &head).unwrap(), None);
            old = head;
        }
    }

    #[test]
    fn what_is_there_is_not_written_again() {
        let place = tempfile::tempdir().unwrap();
        let shelf = Shelf::at(place.path().to_owned());
        let asked = RefCell::new(Vec::new());
        let mut counting = |start, count| {
            asked.borrow_mut().push((start, count));
            source(start, count)
        };
        shelf.keep_hashes(600, &mut counting).unwrap();
        shelf.keep_entries(600, &mut counting).unwrap();
        assert_eq!(asked.take(), [(0, 256), (256, 256), (512, 88)].repeat(2));
        shelf.keep_hashes(600, &mut counting).unwrap();
        shelf.keep_entries(600, &mut counting).unwrap();
        assert_eq!(asked.take(), []);
        shelf.keep_hashes(770, &mut counting).unwrap();
        assert_eq!(asked.take(), [(512, 256), (768, 2)]);
    }

    #[test]
    fn every_changed_tile_is_noticed_before_a_proof_leaves() {
        let place = tempfile::tempdir().unwrap();
        Shelf::at(place.path().to_owned()).keep_hashes(300, &mut source).unwrap();
        let head = head(300);
        let proves = || {
            let shelf = Shelf::at(place.path().to_owned());
            (0..300).all(|index| shelf.inclusion(&head, index, leaf_of(&entry(index))).is_ok())
        };
        assert!(proves());
        for name in ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"] {
            let path = place.path().join(name);
            let good = fs::read(&path).unwrap();
            for place in (0..good.len()).step_by(31) {
                let mut bad = good.clone();
                bad[place] ^= 1;
                fs::write(&path, bad).unwrap();
                assert!(!proves(), "{name} byte {place}");
            }
            fs::write(&path, &good[1..]).unwrap();
            assert!(!proves(), "{name} cut");
            fs::write(&path, &good).unwrap();
        }
        assert!(proves());
    }
}
