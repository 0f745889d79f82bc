//! The log of logs: its entries are the checkpoints of a node's logs, so that one root stands for all.
//!
//! An entry is a whole signed checkpoint. The entries are kept in one file in the form of a bundle, and are durable before the tree over them is signed. Who is shown a proof of one
//! log learns of the others no more than hashes of texts with roots in them, which cannot be guessed.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use super::head::TreeHead;
use super::key::NodeKey;
use super::note::Note;
use super::published::{Signed, append, read, write};
use super::shelf::ShelfError;
use super::signer::SignError;
use super::tile::{bundle_bytes, bundle_entries};
use super::tree::Frontier;
use crate::digest::leaf_of;

/// Largest file of entries read, in bytes: some 250 000 checkpoints.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The log of logs as it is on disk.
#[derive(Debug)]
pub(super) struct LogOfLogs {
    folder: PathBuf,
    entries: Vec<Vec<u8>>,
    bytes: u64,
    tree: Frontier,
    /// The size under which each log was entered last.
    newest: HashMap<String, u64>,
}

impl LogOfLogs {
    /// Reads the entries; an entry cut off by a crash was never signed and is not one.
    pub(super) fn open(folder: PathBuf) -> Result<Self, ShelfError> {
        let path = folder.join("entries");
        let io_error = |source| ShelfError::Io { path: path.clone(), source };
        let bytes = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Ok(found) if found.len() > FILE_BYTES_MAX => {
                return Err(io_error(io::Error::from(io::ErrorKind::FileTooLarge)));
            }
            _ => fs::read(&path).map_err(io_error)?,
        };
        let (entries, used) = bundle_entries(&bytes);
        let mut newest = HashMap::new();
        for entry in &entries {
            let (_, head) = parsed(entry).ok_or_else(|| ShelfError::Damaged(folder.clone()))?;
            newest.insert(head.origin, head.size);
        }
        let tree = entries.iter().map(|entry| leaf_of(entry)).collect();
        let entries = entries.into_iter().map(<[u8]>::to_vec).collect();
        let bytes = u64::try_from(used).unwrap_or(u64::MAX);
        Ok(Self { folder, entries, bytes, tree, newest })
    }

    /// Enters the checkpoints that have changed since they were entered last, and signs the tree.
    ///
    /// # Errors
    /// When the entries are not those of the tree that was signed last, or cannot be written.
    pub(super) fn enter(&mut self, all: &[Signed], key: &NodeKey) -> Result<(), SignError> {
        self.compare(key)?;
        let is_new = |(_, head): &&Signed| self.newest.get(&head.origin) != Some(&head.size);
        let new: Vec<&Signed> = all.iter().filter(is_new).collect();
        if new.is_empty() {
            return Ok(());
        }
        let texts: Vec<Vec<u8>> =
            new.iter().map(|(note, _)| note.to_string().into_bytes()).collect();
        let bytes = bundle_bytes(texts.iter().map(Vec::as_slice))
            .ok_or_else(|| ShelfError::Damaged(self.folder.clone()))?;
        append(&self.folder.join("entries"), self.bytes, &bytes)?;
        self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        texts.iter().for_each(|text| self.tree.push(leaf_of(text)));
        self.newest.extend(new.iter().map(|(_, head)| (head.origin.clone(), head.size)));
        self.entries.extend(texts);
        let head = TreeHead {
            origin: key.name().to_owned(),
            size: self.tree.size(),
            root: self.tree.root(),
        };
        Ok(write(&self.folder, &key.sign(&head))?)
    }

    /// Whether what was signed last is the beginning of these entries.
    fn compare(&self, key: &NodeKey) -> Result<(), SignError> {
        let Some((_, signed)) = read(&self.folder, &key.verifier())? else { return Ok(()) };
        let lost = SignError::Inconsistent { origin: signed.origin.clone(), size: signed.size };
        self.heads(&signed).map(drop).ok_or(lost)
    }

    /// How many entries there are.
    pub(super) const fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The entries of the tree that `signed` is of; `None` when these do not begin with them.
    pub(super) fn heads(&self, signed: &TreeHead) -> Option<Vec<TreeHead>> {
        let size = usize::try_from(signed.size).ok()?;
        let entries = self.entries.get(..size)?;
        let begin: Frontier = entries.iter().map(|entry| leaf_of(entry)).collect();
        if begin.root() != signed.root {
            return None;
        }
        entries.iter().map(|entry| parsed(entry).map(|(_, head)| head)).collect()
    }

    /// The newest entry below `limit` of a log that has at least `size` records, and its index.
    pub(super) fn covering(&self, origin: &str, size: u64, limit: u64) -> Option<(u64, Signed)> {
        let covers = |(index, entry): (u64, &Vec<u8>)| {
            let (note, head) = parsed(entry)?;
            (head.origin == origin && head.size >= size).then_some((index, (note, head)))
        };
        (0..limit).zip(&self.entries).filter_map(covers).last()
    }

    /// Entries by place, for tiles and bundles.
    pub(super) fn slice(&self, start: u64, count: u64) -> Result<Vec<Vec<u8>>, ShelfError> {
        let found = self.tree.size();
        let wanted = start.saturating_add(count);
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let slice = self.entries.get(place(start)..place(wanted));
        slice.map(<[Vec<u8>]>::to_vec).ok_or(ShelfError::Short { found, wanted })
    }
}

fn parsed(entry: &[u8]) -> Option<Signed> {
    let note: Note = std::str::from_utf8(entry).ok()?.parse().ok()?;
    let head = note.unverified().parse().ok()?;
    Some((note, head))
}
