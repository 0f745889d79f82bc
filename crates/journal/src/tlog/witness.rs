//! What a reader makes of the signed checkpoints: proofs of records, and folders of tiles for others.
//!
//! It signs nothing and owns nothing. Tiles are brought up to date when they are asked for; whatever
//! leaves here has been held against a checkpoint whose signature was verified.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::evidence::Proof;
use super::head::{TreeHead, encode};
use super::inventory::{entered, inventory};
use super::logs::LogOfLogs;
use super::note::{Note, VerifierKey};
use super::published::{self, Published, PublishedError, Signed};
use super::shelf::{Shelf, ShelfError};
use super::tile::TILE_WIDTH;
use crate::digest::leaf_of;
use crate::reader::Reader;
use crate::record::LogId;

/// Which tree is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// That of one log.
    Log(LogId),
    /// That of the log of logs.
    Logs,
}

/// Why nothing could be proved or exported.
#[derive(Debug, Error)]
pub enum WitnessError {
    /// No checkpoint has been signed.
    #[error("no checkpoint has been signed yet")]
    Unsigned,
    /// The record is newer than the newest checkpoint.
    #[error("record {sequence} is not covered yet: the newest checkpoint has {size}")]
    NotCovered {
        /// The record.
        sequence: u64,
        /// Records the checkpoint has.
        size: u64,
    },
    /// The tree is not one that grew from the given checkpoint.
    #[error("`{origin}` has {size} entries, and does not begin with the {old} that were signed")]
    Forked {
        /// The log.
        origin: String,
        /// Size of the given checkpoint.
        old: u64,
        /// Size of the newest one.
        size: u64,
    },
    /// The entries of the log of logs are not those that were signed.
    #[error("`{file}` does not hold the entries that were signed: {}", other(*entry, *size))]
    Entries {
        /// The file with the first that is another, or the folder of them all.
        file: PathBuf,
        /// Its place from 0, where it can be told: it is no checkpoint, or its own signature does not hold.
        entry: Option<u64>,
        /// Entries that were signed.
        size: u64,
    },
    /// A checkpoint that was signed is not here any more, or only an older one.
    #[error("checkpoint of `{origin}` with {size} entries was signed, and is not here")]
    Lost {
        /// The log.
        origin: String,
        /// How large it was.
        size: u64,
    },
    /// What lies in the place of a checkpoint was not signed by this node.
    #[error("`{0}` is not a checkpoint of this node")]
    Foreign(PathBuf),
    /// A signed checkpoint cannot be read.
    #[error(transparent)]
    Published(#[from] PublishedError),
    /// Tiles cannot be read or written.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
}

/// A proof of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// The proof, for a file that ends in `.tlog-proof`.
    pub text: String,
    /// The tree the record is in.
    pub log: TreeHead,
    /// The log of logs, when it covers that tree.
    pub logs: Option<TreeHead>,
}

/// A folder of tiles that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The folder, with `checkpoint` and `tile` in it.
    pub folder: PathBuf,
    /// What its checkpoint says.
    pub head: TreeHead,
}

/// The signed checkpoints of a node, for readers.
#[derive(Debug)]
pub struct Witness {
    published: Published,
    key: VerifierKey,
}

impl Witness {
    /// The checkpoints in `folder` that `key` has signed.
    #[must_use]
    pub fn new(folder: &Path, key: VerifierKey) -> Self {
        Self { published: Published::at(folder), key }
    }

    /// The newest signed checkpoint and what it says, verified; `None` before the first.
    ///
    /// # Errors
    /// When it cannot be read or its signature does not hold.
    pub fn checkpoint(&self, scope: &Tree) -> Result<Option<(Note, TreeHead)>, PublishedError> {
        published::read(&self.folder(scope), &self.key)
    }

    /// Proves a record: up to the log of logs where that covers it, else up to its own log.
    ///
    /// # Errors
    /// When no checkpoint covers it yet, or what is stored contradicts what was signed.
    pub fn prove(
        &self,
        reader: &Reader,
        log: &LogId,
        sequence: u64,
    ) -> Result<Proved, WitnessError> {
        let newest = self.checkpoint(&Tree::Log(log.clone()))?.ok_or(WitnessError::Unsigned)?;
        let size = newest.1.size;
        let index = sequence.checked_sub(1).filter(|index| *index < size);
        let index = index.ok_or(WitnessError::NotCovered { sequence, size })?;
        match self.above(&newest.1.origin, sequence)? {
            None => {
                let (proof, log) = self.below(reader, log, index, newest)?;
                Ok(Proved { text: proof.to_string(), log, logs: None })
            }
            Some((place, signed, (note, logs), all)) => {
                let entry = signed.0.to_string();
                let (proof, log) = self.below(reader, log, index, signed)?;
                let shelf = Shelf::at(self.published.of_logs());
                shelf.keep_hashes(logs.size, &mut |start, count| all.slice(start, count))?;
                let path = shelf.inclusion(&logs, place, leaf_of(entry.as_bytes()))?;
                let extra = proof.to_string().into_bytes();
                let outer = Proof { extra, index: place, path, note };
                Ok(Proved { text: outer.to_string(), log, logs: Some(logs) })
            }
        }
    }

    /// Proves that a tree has only grown since `old`, which was verified: the text that C2SP
    /// tlog-witness takes (`old`, the size, the hashes, an empty line, the newest checkpoint).
    ///
    /// # Errors
    /// [`WitnessError::Forked`] when it has not.
    pub fn extend(
        &self,
        reader: &Reader,
        tree: &Tree,
        old: &TreeHead,
    ) -> Result<String, WitnessError> {
        let (note, head) = self.checkpoint(tree)?.ok_or(WitnessError::Unsigned)?;
        let shelf = Shelf::at(self.folder(tree));
        match tree {
            Tree::Log(log) => {
                shelf.keep_hashes(head.size, &mut |at, count| headers(reader, log, at, count))?;
            }
            Tree::Logs => {
                let all = LogOfLogs::open(self.folder(tree))?;
                shelf.keep_hashes(head.size, &mut |at, count| all.slice(at, count))?;
            }
        }
        let (origin, size) = (head.origin.clone(), head.size);
        let forked = WitnessError::Forked { origin, old: old.size, size };
        let path = shelf.consistency(old, &head)?.ok_or(forked)?;
        let hashes: String = path.iter().map(|hash| format!("{}\n", encode(hash))).collect();
        Ok(format!("old {}\n{hashes}\n{note}", old.size))
    }

    /// What a verified checkpoint says of logs: itself, or all that the log of logs had entered then.
    ///
    /// # Errors
    /// [`WitnessError::Lost`] or [`WitnessError::Entries`] when the log of logs does not begin with what was signed.
    pub fn heads_of(&self, head: TreeHead) -> Result<Vec<TreeHead>, WitnessError> {
        if head.origin != self.key.name() {
            return Ok(vec![head]);
        }
        entered(&self.published, Some(&head), Some(&self.key))
    }

    /// Every tree head of a log that was signed, as [`inventory`] finds them.
    ///
    /// # Errors
    /// As [`inventory`].
    pub fn signed(&self, known: &[TreeHead]) -> Result<Vec<TreeHead>, WitnessError> {
        Ok(inventory(self.published.folder(), Some(&self.key), known)?.heads)
    }

    /// The newest checkpoint of every log and of the log of logs, as they lie here.
    ///
    /// # Errors
    /// When one cannot be read or its signature does not hold.
    pub fn newest(&self) -> Result<Vec<TreeHead>, PublishedError> {
        let mut all = self.published.all(&self.key)?;
        all.extend(published::read(&self.published.of_logs(), &self.key)?);
        Ok(all.into_iter().map(|(_, head)| head).collect())
    }

    /// The proof that a record is in the tree of its log.
    fn below(
        &self,
        reader: &Reader,
        log: &LogId,
        index: u64,
        (note, head): Signed,
    ) -> Result<(Proof, TreeHead), WitnessError> {
        let shelf = Shelf::at(self.published.of_log(log));
        shelf.keep_hashes(head.size, &mut |start, count| headers(reader, log, start, count))?;
        let extra = headers(reader, log, index, 1)?.pop().unwrap_or_default();
        let path = shelf.inclusion(&head, index, leaf_of(&extra))?;
        Ok((Proof { extra, index, path, note }, head))
    }

    /// The newest signed entry of the log of logs that covers a record, and its place.
    fn above(
        &self,
        origin: &str,
        sequence: u64,
    ) -> Result<Option<(u64, Signed, Signed, LogOfLogs)>, WitnessError> {
        let Some(signed) = self.checkpoint(&Tree::Logs)? else { return Ok(None) };
        let all = LogOfLogs::open(self.published.of_logs())?;
        let found = all.covering(origin, sequence, signed.1.size)?;
        Ok(found.map(|(place, entry)| (place, entry, signed, all)))
    }

    /// Writes the tiles and entries of every log, and of the log of logs, below `folder`.
    ///
    /// Each log's folder is laid out as C2SP tlog-tiles wants it; a web server can serve it as it is.
    /// What is there already is not written again. The checkpoint comes last.
    ///
    /// # Errors
    /// When the folder cannot be written, or holds tiles that contradict what was signed.
    pub fn export(&self, reader: &Reader, folder: &Path) -> Result<Vec<Exported>, WitnessError> {
        let target = Published::at(folder);
        let mut exported = Vec::new();
        for head in reader.logs().map_err(ShelfError::from)? {
            let log = head.log;
            let Some(signed) = self.checkpoint(&Tree::Log(log.clone()))? else { continue };
            let mut entries = |start, count| headers(reader, &log, start, count);
            exported.push(write(target.of_log(&log), signed, &mut entries)?);
        }
        if let Some(signed) = self.checkpoint(&Tree::Logs)? {
            let all = LogOfLogs::open(self.published.of_logs())?;
            let mut entries = |start, count| all.slice(start, count);
            exported.push(write(target.of_logs(), signed, &mut entries)?);
        }
        if exported.is_empty() { Err(WitnessError::Unsigned) } else { Ok(exported) }
    }

    fn folder(&self, scope: &Tree) -> PathBuf {
        match scope {
            Tree::Log(log) => self.published.of_log(log),
            Tree::Logs => self.published.of_logs(),
        }
    }
}

/// What is known of entries that are not those that were signed.
fn other(entry: Option<u64>, size: u64) -> String {
    match entry {
        Some(entry) => format!("entry at index {entry} is not one"),
        None => format!("the first {size} have another root"),
    }
}

fn write(
    folder: PathBuf,
    (note, head): Signed,
    entries: &mut super::shelf::Entries<'_>,
) -> Result<Exported, WitnessError> {
    let shelf = Shelf::at(folder.clone());
    shelf.keep_hashes(head.size, entries)?;
    shelf.keep_entries(head.size, entries)?;
    if shelf.frontier(head.size)?.root() != head.root {
        return Err(ShelfError::Damaged(folder).into());
    }
    published::write(&folder, &note)?;
    Ok(Exported { folder, head })
}

/// The headers of `count` records from the one at `start` (from 0), all of them.
fn headers(
    reader: &Reader,
    log: &LogId,
    start: u64,
    count: u64,
) -> Result<Vec<Vec<u8>>, ShelfError> {
    let limit = usize::try_from(count.min(TILE_WIDTH)).unwrap_or(usize::MAX);
    let found = reader.headers(log, start, limit)?;
    if found.len() == limit {
        return Ok(found);
    }
    let found = start.saturating_add(u64::try_from(found.len()).unwrap_or(u64::MAX));
    Err(ShelfError::Short { found, wanted: start.saturating_add(count) })
}
