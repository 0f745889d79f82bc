//! The log of logs: its entries are the checkpoints of a node's logs, so that one root stands for all.
//!
//! An entry is a whole signed checkpoint. Entries are kept in bundles of C2SP, durable before the tree over
//! them is signed; opening, entering and looking up read a few of them, however many there are. Who is
//! shown a proof of one log learns of the others no more than hashes of texts with roots in them, which
//! cannot be guessed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::head::TreeHead;
use super::key::NodeKey;
use super::note::{Note, VerifierKey};
use super::published::{Signed, lying, write};
use super::shelf::{Flush, Shelf, ShelfError, replace};
use super::signer::SignError;
use super::tile::{Kind, TILE_WIDTH, Tile, bundle_bytes, bundle_entries};
use super::tree::Frontier;
use crate::digest::leaf_of;
use crate::place::beside;

/// Folder of the entries below that of the log of logs. Its tiles can be made again, its entries not.
pub(super) const KEPT: &str = "kept";

/// The log of logs as it is on disk.
#[derive(Debug)]
pub(super) struct LogOfLogs {
    folder: PathBuf,
    size: u64,
}

impl LogOfLogs {
    /// Looks how many entries there are. Those a crash kept from being signed are entries all the same.
    pub(super) fn open(folder: PathBuf) -> Result<Self, ShelfError> {
        let size = count(&folder.join(KEPT))?;
        Ok(Self { folder, size })
    }

    /// Enters the checkpoints that have changed since they were entered last, and signs the tree.
    ///
    /// # Errors
    /// When the entries are not those of a tree that was signed, as its checkpoint, of whichever node, or
    /// `known` says, or cannot be written.
    pub(super) fn enter(
        &mut self,
        all: &[Signed],
        key: &NodeKey,
        known: &[TreeHead],
    ) -> Result<(), SignError> {
        let mut heads: Vec<TreeHead> =
            known.iter().filter(|head| head.origin == key.name()).cloned().collect();
        heads.extend(lying(&self.folder, Some(&key.verifier()))?);
        let mut tree = self.tree_through(&heads)?;
        let new = self.not_entered(all)?;
        if new.is_empty() {
            return Ok(());
        }
        self.append(&new)?;
        new.iter().for_each(|text| tree.push(leaf_of(text)));
        self.size = tree.size();
        let (origin, size, root) = (key.name().to_owned(), tree.size(), tree.root());
        write(&self.folder, &key.sign(&TreeHead { origin, size, root }))?;
        self.tidy();
        Ok(())
    }

    /// How many entries there are.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// The tree over all entries, which passes through what was signed.
    ///
    /// Tiles are taken at their word only where they lead to every signed root; else all entries are read.
    fn tree_through(&self, heads: &[TreeHead]) -> Result<Frontier, SignError> {
        if let Ok(Some(tree)) = self.tree_of_tiles(heads) {
            return Ok(tree);
        }
        let mut tree = Frontier::default();
        let lost = |head: &TreeHead| SignError::Inconsistent {
            origin: head.origin.clone(),
            size: head.size,
        };
        let differs = |tree: &Frontier| {
            let at = heads.iter().find(|head| head.size == tree.size());
            at.filter(|head| head.root != tree.root()).map(lost)
        };
        if let Some(longer) = heads.iter().find(|head| head.size > self.size) {
            return Err(lost(longer));
        }
        for entry in self.entries(self.size) {
            tree.push(leaf_of(&entry?));
            if let Some(error) = differs(&tree) {
                return Err(error);
            }
        }
        // They follow from the entries and were wrong; the next use makes them again.
        let _ = fs::remove_dir_all(self.folder.join("tile"));
        Ok(tree)
    }

    fn tree_of_tiles(&self, heads: &[TreeHead]) -> Result<Option<Frontier>, ShelfError> {
        let tiles = Shelf::at(self.folder.clone());
        tiles.keep_hashes(self.size, &mut |start, count| self.slice(start, count))?;
        let tree = tiles.frontier(self.size)?;
        let now = TreeHead { origin: String::new(), size: tree.size(), root: tree.root() };
        for head in heads {
            if tiles.consistency(head, &now)?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(tree))
    }

    /// The checkpoints whose log was entered last with another size, as entries.
    fn not_entered(&self, all: &[Signed]) -> Result<Vec<Vec<u8>>, ShelfError> {
        let mut unseen: Vec<&Signed> = all.iter().collect();
        let mut new = Vec::new();
        for entry in self.backwards(self.size) {
            if unseen.is_empty() {
                break;
            }
            let (_, entry) = entry?;
            let Some((_, head)) = parsed(&entry) else { return Err(self.damaged()) };
            let seen = unseen.iter().position(|(_, signed)| signed.origin == head.origin);
            if let Some(signed) = seen.map(|at| unseen.swap_remove(at))
                && signed.1.size != head.size
            {
                new.push(signed);
            }
        }
        new.extend(unseen);
        new.sort_unstable_by(|a, b| a.1.origin.cmp(&b.1.origin));
        Ok(new.into_iter().map(|(note, _)| note.to_string().into_bytes()).collect())
    }

    /// Writes the bundles that the new entries change, under names of their own; durable when this returns.
    fn append(&self, new: &[Vec<u8>]) -> Result<(), ShelfError> {
        let first = self.size / TILE_WIDTH;
        let mut entries = self.slice(first * TILE_WIDTH, self.size % TILE_WIDTH)?;
        entries.extend_from_slice(new);
        let size = self.size + u64::try_from(new.len()).unwrap_or(u64::MAX);
        let width = usize::try_from(TILE_WIDTH).unwrap_or(usize::MAX);
        for (index, chunk) in (first..).zip(entries.chunks(width)) {
            let tile = Kind::Entries.tile(index, size).ok_or_else(|| self.damaged())?;
            let bytes = bundle_bytes(chunk.iter().map(Vec::as_slice));
            let path = self.kept(tile);
            replace(&path, &bytes.ok_or_else(|| self.damaged())?, Flush::Yes)?;
            // Its folder may be new as well, and so may be those above.
            let above =
                path.ancestors().skip(2).take_while(|above| above.starts_with(&self.folder));
            for folder in above {
                File::open(folder)
                    .and_then(|folder| folder.sync_all())
                    .map_err(|source| ShelfError::Io { path: folder.to_owned(), source })?;
            }
        }
        Ok(())
    }

    /// Takes away the bundles that a longer one stands for; leftovers cost only room.
    fn tidy(&self) {
        let Some(last) = Kind::Entries.tile(self.size.saturating_sub(1) / TILE_WIDTH, self.size)
        else {
            return;
        };
        let path = self.kept(last);
        let whole = self.kept(Tile { width: TILE_WIDTH, ..last });
        if last.width == TILE_WIDTH {
            let _ = fs::remove_dir_all(beside(&whole, ".p"));
            return;
        }
        let listing = path.parent().map(fs::read_dir).and_then(Result::ok);
        for entry in listing.into_iter().flatten().flatten() {
            if entry.path() != path {
                let _ = fs::remove_file(entry.path());
            }
        }
        if let Some(index) = last.index.checked_sub(1) {
            let before = self.kept(Tile { index, width: TILE_WIDTH, ..last });
            let _ = fs::remove_dir_all(beside(&before, ".p"));
        }
    }

    /// What the tree that `signed` is of has entered; `None` when these entries do not begin with its own.
    ///
    /// Every entry is read and hashed; nothing is believed of the tiles.
    pub(super) fn heads(&self, signed: &TreeHead) -> Result<Option<Vec<TreeHead>>, ShelfError> {
        if signed.size > self.size {
            return Ok(None);
        }
        let (mut tree, mut heads) = (Frontier::default(), Vec::new());
        for entry in self.entries(signed.size) {
            let entry = entry?;
            tree.push(leaf_of(&entry));
            let Some((_, head)) = parsed(&entry) else { return Ok(None) };
            heads.push(head);
        }
        Ok((tree.root() == signed.root).then_some(heads))
    }

    /// What all entries say; `None` when one says nothing.
    pub(super) fn readable(&self) -> Result<Option<Vec<TreeHead>>, ShelfError> {
        let heads = self.entries(self.size).map(|entry| Ok(parsed(&entry?).map(|(_, head)| head)));
        heads.collect()
    }

    /// The first of `size` entries that is no checkpoint, or none of `key` where it says so: its file, and its place
    /// from 0. Where each is, the folder of them all.
    pub(super) fn first_bad(
        &self,
        size: u64,
        key: Option<&VerifierKey>,
    ) -> Result<(PathBuf, Option<u64>), ShelfError> {
        for (index, entry) in (0..).zip(self.entries(size)) {
            let is_good = parsed(&entry?).is_some_and(|(note, head)| {
                let key = key.and_then(|key| key.below(&head.origin));
                key.is_none_or(|key| note.verify(&key).is_ok())
            });
            let tile = Kind::Entries.tile(index / TILE_WIDTH, self.size);
            if let Some(tile) = tile.filter(|_| !is_good) {
                return Ok((self.kept(tile), Some(index)));
            }
        }
        Ok((self.folder.join(KEPT), None))
    }

    /// The newest entry below `limit` of a log, where it has at least `size` records, and its index.
    pub(super) fn covering(
        &self,
        origin: &str,
        size: u64,
        limit: u64,
    ) -> Result<Option<(u64, Signed)>, ShelfError> {
        for found in self.backwards(limit.min(self.size)) {
            let (index, entry) = found?;
            let Some((note, head)) = parsed(&entry) else { return Err(self.damaged()) };
            if head.origin == origin {
                return Ok((head.size >= size).then_some((index, (note, head))));
            }
        }
        Ok(None)
    }

    /// Entries by place, for tiles and bundles.
    pub(super) fn slice(&self, start: u64, count: u64) -> Result<Vec<Vec<u8>>, ShelfError> {
        let (found, wanted) = (self.size, start.saturating_add(count));
        if wanted > found {
            return Err(ShelfError::Short { found, wanted });
        }
        let mut slice = Vec::new();
        for index in start / TILE_WIDTH..wanted.div_ceil(TILE_WIDTH) {
            let places = index * TILE_WIDTH..;
            let inside = places.zip(self.bundle(index)?);
            slice.extend(inside.filter(|(at, _)| (start..wanted).contains(at)).map(|(_, one)| one));
        }
        Ok(slice)
    }

    /// The first `size` entries, a bundle at a time.
    fn entries(&self, size: u64) -> impl Iterator<Item = Result<Vec<u8>, ShelfError>> {
        let bundles = (0..size.div_ceil(TILE_WIDTH)).map(move |index| {
            let rest = usize::try_from(size - index * TILE_WIDTH).unwrap_or(usize::MAX);
            self.bundle(index).map(|mut bundle| {
                bundle.truncate(rest);
                bundle
            })
        });
        bundles.flat_map(|bundle| match bundle {
            Ok(entries) => entries.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        })
    }

    /// The first `size` entries with their places, the last first.
    fn backwards(&self, size: u64) -> impl Iterator<Item = Result<(u64, Vec<u8>), ShelfError>> {
        let bundles = (0..size.div_ceil(TILE_WIDTH)).rev().map(move |index| {
            let places = index * TILE_WIDTH..size;
            self.bundle(index).map(|bundle| places.zip(bundle).collect::<Vec<_>>())
        });
        bundles.flat_map(|bundle| match bundle {
            Ok(entries) => entries.into_iter().rev().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        })
    }

    /// The entries of one bundle, all that there are.
    fn bundle(&self, index: u64) -> Result<Vec<Vec<u8>>, ShelfError> {
        let tile = Kind::Entries.tile(index, self.size).ok_or_else(|| self.damaged())?;
        let bytes = self.read(tile)?;
        let (entries, used) = bundle_entries(&bytes);
        let width = usize::try_from(tile.width).unwrap_or(usize::MAX);
        if used != bytes.len() || entries.len() < width {
            return Err(ShelfError::Kept(self.kept(tile)));
        }
        Ok(entries.into_iter().take(width).map(<[u8]>::to_vec).collect())
    }

    /// The bytes of a bundle; the owner may have put a longer one in its place meanwhile.
    fn read(&self, tile: Tile) -> Result<Vec<u8>, ShelfError> {
        let path = self.kept(tile);
        let failed = |path, source| ShelfError::Io { path, source };
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let now = count(&self.folder.join(KEPT))?;
                let longer = Kind::Entries.tile(tile.index, now);
                let longer = longer.filter(|longer| longer.width > tile.width);
                let path = self.kept(longer.ok_or_else(|| failed(path, error))?);
                fs::read(&path).map_err(|source| failed(path, source))
            }
            other => other.map_err(|source| failed(path, source)),
        }
    }

    fn kept(&self, tile: Tile) -> PathBuf {
        self.folder.join(KEPT).join(tile.path())
    }

    fn damaged(&self) -> ShelfError {
        ShelfError::Kept(self.folder.join(KEPT))
    }
}

/// How many entries the bundles in a folder hold: the full ones, and the longest of the last.
pub(super) fn count(kept: &Path) -> Result<u64, ShelfError> {
    let full = |index| Tile { kind: Kind::Entries, index, width: TILE_WIDTH };
    let is_there = |index: u64| kept.join(full(index).path()).exists();
    let (mut low, mut high) = (0, 1);
    while is_there(high - 1) {
        (low, high) = (high, high * 2);
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if is_there(middle) { low = middle + 1 } else { high = middle }
    }
    let folder = beside(&kept.join(full(low).path()), ".p");
    let io_error = |source| ShelfError::Io { path: folder.clone(), source };
    let listing = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(low * TILE_WIDTH),
        other => other.map_err(io_error)?,
    };
    let mut longest = 0;
    for entry in listing {
        let name = entry.map_err(io_error)?.file_name();
        // Anything else is what a crash left of writing.
        let width: Option<u64> = name.to_str().and_then(|name| name.parse().ok());
        longest = width.filter(|width| *width < TILE_WIDTH).unwrap_or(0).max(longest);
    }
    Ok(low * TILE_WIDTH + longest)
}

fn parsed(entry: &[u8]) -> Option<Signed> {
    let note: Note = std::str::from_utf8(entry).ok()?.parse().ok()?;
    let head = note.unverified().parse().ok()?;
    Some((note, head))
}

#[cfg(test)]
mod tests {
    use super::super::published::read;
    use super::*;
    use crate::digest::Digest;

    fn key() -> NodeKey {
        NodeKey::of(&[7; 32])
    }

    /// A signed checkpoint of a log `name` with so many records.
    fn signed(name: &str, size: u64) -> Signed {
        let origin = format!("{}/{name}/0", key().name());
        let head = TreeHead { origin, size, root: Digest::of(&size.to_be_bytes()) };
        (key().sign(&head), head)
    }

    fn head_of(folder: &Path) -> TreeHead {
        read(folder, &key().verifier()).unwrap().unwrap().1
    }

    /// A log of logs with one entry for each of `sizes`.
    fn grown(folder: &Path, sizes: std::ops::RangeInclusive<u64>) {
        for size in sizes {
            let mut all = LogOfLogs::open(folder.to_owned()).unwrap();
            all.enter(&[signed("a", size)], &key(), &[]).unwrap();
        }
    }

    #[test]
    fn entries_outlive_bundles_and_are_found_from_the_end() {
        let place = tempfile::tempdir().unwrap();
        grown(place.path(), 1..=600);
        let all = LogOfLogs::open(place.path().to_owned()).unwrap();
        assert_eq!(all.size(), 600);
        let head = head_of(place.path());
        let sizes: Vec<u64> =
            all.heads(&head).unwrap().unwrap().iter().map(|head| head.size).collect();
        assert_eq!(sizes, (1..=600).collect::<Vec<_>>());
        let origin = signed("a", 1).1.origin;
        let covering = |size, limit| {
            all.covering(&origin, size, limit).unwrap().map(|(at, (_, head))| (at, head.size))
        };
        assert_eq!(covering(5, 600), Some((599, 600)));
        assert_eq!(covering(5, 256), Some((255, 256)));
        assert_eq!(covering(257, 256), None);
        assert_eq!(all.slice(255, 2).unwrap().len(), 2);
        assert!(matches!(all.slice(599, 2), Err(ShelfError::Short { .. })));
        // A bundle that grew meanwhile begins with the one that was there.
        let before = LogOfLogs { size: 599, ..LogOfLogs::open(place.path().to_owned()).unwrap() };
        assert_eq!(before.slice(590, 9).unwrap(), all.slice(590, 9).unwrap());
        // What was entered is not entered again; one more log is.
        let mut all = LogOfLogs::open(place.path().to_owned()).unwrap();
        all.enter(&[signed("a", 600)], &key(), &[]).unwrap();
        assert_eq!(all.size(), 600);
        all.enter(&[signed("b", 3), signed("a", 600)], &key(), &[]).unwrap();
        assert_eq!((all.size(), head_of(place.path()).size), (601, 601));
        // Only what is needed is left: two full bundles and one partial.
        let bundles = place.path().join("kept/tile/entries");
        let mut names: Vec<_> = fs::read_dir(bundles.join("002.p"))
            .unwrap()
            .chain(fs::read_dir(bundles).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["000", "001", "002.p", "89"]);
    }

    #[test]
    fn tiles_that_are_wrong_are_made_again_and_entries_that_are_wrong_end_the_signing() {
        let place = tempfile::tempdir().unwrap();
        grown(place.path(), 1..=300);
        let tile = place.path().join("tile/1/000.p/1");
        LogOfLogs::open(place.path().to_owned()).unwrap().tree_through(&[]).unwrap();
        let good = fs::read(&tile).unwrap();
        fs::write(&tile, vec![1; good.len()]).unwrap();
        grown(place.path(), 301..=302);
        assert_eq!(head_of(place.path()).size, 302);
        grown(place.path(), 303..=303);
        assert!(fs::read(&tile).unwrap() == good);
        // An entry that was signed is another: neither tiles nor entries lead to what was signed.
        fs::remove_dir_all(place.path().join("tile")).unwrap();
        let bundle = place.path().join("kept/tile/entries/000");
        let mut bytes = fs::read(&bundle).unwrap();
        bytes[40] ^= 1;
        fs::write(&bundle, bytes).unwrap();
        let mut all = LogOfLogs::open(place.path().to_owned()).unwrap();
        let refused = all.enter(&[signed("a", 400)], &key(), &[]).unwrap_err();
        assert!(matches!(refused, SignError::Inconsistent { size: 303, .. }), "{refused}");
        assert_eq!(all.heads(&head_of(place.path())).unwrap(), None);
    }

    #[test]
    fn what_is_known_to_have_been_signed_is_not_begun_anew() {
        let place = tempfile::tempdir().unwrap();
        grown(place.path(), 1..=3);
        let known = [head_of(place.path())];
        fs::remove_dir_all(place.path()).unwrap();
        let mut all = LogOfLogs::open(place.path().to_owned()).unwrap();
        let refused = all.enter(&[signed("a", 9)], &key(), &known).unwrap_err();
        assert!(matches!(refused, SignError::Inconsistent { size: 3, .. }), "{refused}");
        // Controls: what another node signed says nothing of this one, and without it another log begins.
        let foreign = [TreeHead { origin: "palisade/other".to_owned(), ..known[0].clone() }];
        all.enter(&[signed("a", 9)], &key(), &foreign).unwrap();
        assert_eq!(head_of(place.path()).size, 1);
    }
}
