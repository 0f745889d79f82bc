//! What a reader makes of the signed checkpoints: proofs of records, and folders of tiles for others.
//!
//! It signs nothing and owns nothing. Tiles are brought up to date when they are asked for; whatever
//! leaves here has been held against a checkpoint whose signature was verified.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::evidence::Proof;
use super::head::{TreeHead, encode};
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
    #[error("log of {size} records does not begin with the {old} that were signed")]
    Forked {
        /// Size of the given checkpoint.
        old: u64,
        /// Size of the newest one.
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
        let forked = WitnessError::Forked { old: old.size, size: head.size };
        let path = shelf.consistency(old, &head)?.ok_or(forked)?;
        let hashes: String = path.iter().map(|hash| format!("{}\n", encode(hash))).collect();
        Ok(format!("old {}\n{hashes}\n{note}", old.size))
    }

    /// What a verified checkpoint says of logs: itself, or all that the log of logs had entered then.
    ///
    /// # Errors
    /// [`WitnessError::Forked`] when the log of logs does not begin with what was signed.
    pub fn heads_of(&self, head: TreeHead) -> Result<Vec<TreeHead>, WitnessError> {
        if head.origin != self.key.name() {
            return Ok(vec![head]);
        }
        let all = LogOfLogs::open(self.published.of_logs())?;
        let size = all.size();
        all.heads(&head)?.ok_or(WitnessError::Forked { old: head.size, size })
    }

    /// Every tree head that this node has signed, as far as it is kept here, each verified: the newest of every
    /// log, that of the log of logs, and all it has entered. What is `known` besides to have been signed by
    /// this node, for instance from records, must be among them or be outgrown by them, and is added.
    ///
    /// # Errors
    /// [`WitnessError::Lost`] or [`WitnessError::Foreign`] where one is missing, [`WitnessError::Forked`]
    /// where the log of logs is not the one that was signed.
    pub fn signed(&self, known: &[TreeHead]) -> Result<Vec<TreeHead>, WitnessError> {
        let mut newest = Vec::new();
        // The log of logs first: what it has entered was signed before, also by an owner who signs meanwhile.
        for folder in [self.published.of_logs()].into_iter().chain(self.published.logs()?) {
            match published::read(&folder, &self.key)? {
                Some((_, head)) => newest.push(head),
                None if folder.join("checkpoint").exists() => {
                    return Err(WitnessError::Foreign(folder.join("checkpoint")));
                }
                None => {}
            }
        }
        let mut all = Vec::new();
        let own = known.iter().filter(|head| self.key.below(&head.origin).is_some());
        for head in newest.iter().chain(own).filter(|head| head.origin == self.key.name()) {
            all.extend(self.heads_of(head.clone()).map_err(|error| lost(head, error))?);
        }
        all.extend(known.iter().filter(|head| self.key.below(&head.origin).is_some()).cloned());
        for head in &all {
            let reached = newest.iter().find(|found| found.origin == head.origin);
            if reached.is_none_or(|reached| reached.size < head.size) {
                return Err(WitnessError::Lost { origin: head.origin.clone(), size: head.size });
            }
        }
        all.extend(newest);
        all.retain(|head| head.origin != self.key.name());
        all.sort_unstable_by(|a, b| (&a.origin, a.size).cmp(&(&b.origin, b.size)));
        all.dedup();
        Ok(all)
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

/// A log of logs that is shorter than what was signed of it was taken away, not rewritten.
fn lost(head: &TreeHead, error: WitnessError) -> WitnessError {
    match error {
        WitnessError::Forked { old, size } if size < old => {
            WitnessError::Lost { origin: head.origin.clone(), size: old }
        }
        other => other,
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
