//! The signer: grows the trees over a journal's logs from what was committed, and signs them.
//!
//! It works on the housekeeper's thread with a reader of its own. The order is what makes it safe: read
//! and compare, keep the trees durably, and only then sign. So no crash and no older copy of the journal
//! can lead to two checkpoints of which neither is the beginning of the other.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::head::TreeHead;
use super::key::NodeKey;
use super::logs::LogOfLogs;
use super::note::VerifierKey;
use super::published::{self, Published, PublishedError};
use super::shelf::ShelfError;
use super::tree::Frontier;
use crate::checkpoint::Checkpoint;
use crate::digest::{Digest, leaf_of};
use crate::error::{OpenError, ReadError};
use crate::reader::{PAGE_RECORDS_MAX, Reader};
use crate::record::LogId;
use crate::store::{Trees, write_checkpoints_durably};

/// What a journal needs to sign its checkpoints.
#[derive(Debug, Clone)]
pub struct Notary {
    /// The node's key.
    pub key: NodeKey,
    /// Folder of the signed checkpoints and their tiles; made when missing.
    pub folder: PathBuf,
    /// What else is known to have been signed, for instance from the journal's own records. It counts where
    /// the folder says less, so that whoever takes the folder away does not begin another history.
    pub known: Vec<TreeHead>,
}

/// Why a checkpoint was not signed. Everything committed stands; the next attempt starts afresh.
#[derive(Debug, Error)]
pub enum SignError {
    /// The journal cannot be read, or a record was changed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The trees cannot be kept.
    #[error("trees cannot be kept in `{path}`")]
    Keep {
        /// The checkpoint file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The checkpoint or the log of logs cannot be written.
    #[error(transparent)]
    Write(#[from] ShelfError),
    /// The checkpoint signed last cannot be read.
    #[error(transparent)]
    Published(#[from] PublishedError),
    /// What would be signed contradicts what was.
    #[error("`{origin}` was signed with {size} entries that are not the ones there now")]
    Inconsistent {
        /// The log.
        origin: String,
        /// Its signed size.
        size: u64,
    },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Signer {
    notary: Notary,
    published: Published,
    reader: Reader,
    file: PathBuf,
    trees: Trees,
}

impl Signer {
    /// A signer that goes on from `trees`, kept in the checkpoint file `file`.
    pub(crate) fn new(notary: Notary, reader: Reader, file: &Path, trees: Trees) -> Self {
        let published = Published::at(&notary.folder);
        Self { notary, published, reader, file: file.to_owned(), trees }
    }

    /// Signs every log that has grown since it was signed last; durable before anyone can see it.
    ///
    /// # Errors
    /// See [`SignError`]; nothing was signed then, or only logs before the one at fault.
    pub(crate) fn sign(&mut self) -> Result<(), SignError> {
        let heads = self.reader.logs()?;
        let mut grown = Vec::new();
        let mut trees = self.trees.clone();
        for head in &heads {
            let origin = self.notary.key.origin(&head.log);
            let lying = published::lying(&self.published.of_log(&head.log), Some(&self.key()))?;
            let is_own = |lying: &TreeHead| self.key().below(&lying.origin).is_some();
            let signed = lying.as_ref().filter(|lying| is_own(lying));
            let at = trees.get(&head.log).map_or(0, Frontier::size);
            if at == head.sequence && signed.is_some_and(|signed| signed.size == at) {
                continue;
            }
            let reached = signed.map_or(0, |signed| signed.size);
            let known = self.notary.known.iter();
            let known = known.filter(|head| head.origin == origin && head.size > reached).cloned();
            // What another node signed of this log is taken over only by a log that begins with it.
            let is_of = |lying: &TreeHead| lying.log().as_ref() == Some(&head.log);
            let lying = lying.filter(|lying| is_own(lying) || is_of(lying));
            let signed: Vec<TreeHead> = lying.into_iter().chain(known).collect();
            let tree = trees.entry(head.log.clone()).or_default();
            // A tree kept beyond what was signed last is no witness of it: it is grown anew, through all of it.
            if signed.iter().any(|signed| signed.size < tree.size()) {
                *tree = Frontier::default();
            }
            self.grow(&head.checkpoint(), tree, &signed)?;
            let (size, root) = (tree.size(), tree.root());
            grown.push((head.log.clone(), TreeHead { origin, size, root }));
        }
        if grown.is_empty() {
            return Ok(());
        }
        let tips = heads.iter().map(crate::reader::LogHead::checkpoint).collect();
        write_checkpoints_durably(&self.file, tips, &trees)
            .map_err(|source| SignError::Keep { path: self.file.clone(), source })?;
        self.trees = trees;
        for (log, head) in grown {
            published::write(&self.published.of_log(&log), &self.notary.key.sign(&head))?;
        }
        Ok(())
    }

    /// Enters the newest checkpoints into the log of logs and signs it.
    ///
    /// # Errors
    /// See [`SignError`]; the logs' own checkpoints stand.
    pub(crate) fn sign_logs(&mut self) -> Result<(), SignError> {
        let all = self.published.all(&self.key())?;
        let known = &self.notary.known;
        LogOfLogs::open(self.published.of_logs())?.enter(&all, &self.notary.key, known)
    }

    /// Gives back the trees for the store to keep.
    pub(crate) fn into_trees(self) -> Trees {
        self.trees
    }

    fn key(&self) -> VerifierKey {
        self.notary.key.verifier()
    }

    /// Grows a tree to a log's end; on the way it must pass through what was signed before.
    fn grow(
        &self,
        end: &Checkpoint,
        tree: &mut Frontier,
        signed: &[TreeHead],
    ) -> Result<(), SignError> {
        let passes = |tree: &Frontier| {
            let differs =
                |signed: &&TreeHead| signed.size == tree.size() && signed.root != tree.root();
            match signed.iter().find(differs) {
                Some(TreeHead { origin, size, .. }) => {
                    Err(SignError::Inconsistent { origin: origin.clone(), size: *size })
                }
                None => Ok(()),
            }
        };
        passes(tree)?;
        let changed = |sequence| ReadError::Changed { log: end.log.clone(), sequence };
        let mut last = Digest::ZERO;
        while tree.size() < end.sequence {
            // One record before, so that the page's links reach back to what is in the tree.
            let before = tree.size().saturating_sub(1);
            let headers = self.reader.headers(&end.log, before, PAGE_RECORDS_MAX)?;
            let rest = usize::try_from(end.sequence - tree.size()).unwrap_or(usize::MAX);
            let skip = usize::from(tree.size() > 0);
            let size = tree.size();
            for header in headers.iter().skip(skip).take(rest) {
                last = leaf_of(header);
                tree.push(last);
                passes(tree)?;
            }
            if tree.size() == size {
                return Err(changed(size + 1).into());
            }
        }
        if end.sequence == tree.size() && (last == end.leaf || last == Digest::ZERO) {
            return Ok(());
        }
        Err(changed(end.sequence).into())
    }
}

/// Whether a journal with these tips reaches every checkpoint that was published, by whichever node, or that its own is
/// known to have signed.
///
/// # Errors
/// When it does not, or a published checkpoint cannot be read.
pub(crate) fn reaches(notary: &Notary, tips: &[Checkpoint]) -> Result<(), OpenError> {
    let ends: HashMap<&LogId, u64> = tips.iter().map(|tip| (&tip.log, tip.sequence)).collect();
    let key = notary.key.verifier();
    let published = Published::at(&notary.folder).lying(&key)?;
    let known = notary.known.iter().filter(|head| key.below(&head.origin).is_some());
    for head in published.into_iter().chain(known.cloned()) {
        // The log of logs is longer than no record, and its signer looks at it.
        let Some(log) = head.log().filter(|_| head.origin != key.name()) else { continue };
        let found = ends.get(&log).copied().unwrap_or(0);
        if found < head.size {
            return Err(OpenError::BehindCheckpoint { log, found, expected: head.size });
        }
    }
    Ok(())
}
