//! What a project shows to strangers: signed checkpoints, proofs, tiles, and the key to check them with.
//!
//! Only the owner signs. A command that needs a fresh checkpoint becomes the owner for a moment; where another process
//! is, that one is asked to sign, which else it does by itself within a second.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use journal::tlog::{
    Inventory, NodeKey, NodeKeyError, Notary, Note, Proved, Tree, TreeHead, VerifierKey, Witness,
    WitnessError, inventory,
};
use journal::{Journal, LogId, OpenError, Reader, VerifyError};
use serde_json::json;

use super::known::{self, Told};
use super::owner;
use crate::clock;
use crate::layout::Layout;
use crate::projection::VIEWS;

/// Mode of a folder that is for others to read.
const READABLE: u32 = 0o755;

/// Why nothing could be signed or shown.
#[derive(Debug, thiserror::Error)]
pub enum SignedError {
    /// The node's key cannot be used.
    #[error(transparent)]
    Key(#[from] NodeKeyError),
    /// The journal cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The journal was not signed when it was closed.
    #[error("journal was not signed: {0}")]
    Unsigned(String),
    /// Nothing could be proved or exported.
    #[error(transparent)]
    Witness(#[from] WitnessError),
}

/// The key and the folder of a project's checkpoints; the key is made when there is none.
///
/// # Errors
/// When the key cannot be used, or the journal does not say what was signed.
pub(crate) fn notary(layout: &Layout) -> Result<Notary, SignedError> {
    let path = layout.node_key();
    let seed = clock::seed().map_err(|error| NodeKeyError::Io {
        path: path.clone(),
        source: std::io::Error::other(error.to_string()),
    })?;
    let key = NodeKey::read_or_create(&path, &seed)?;
    Ok(Notary { key, folder: layout.tiles(), known: known::known(layout)? })
}

/// How the journal of a project is opened for writing.
pub(super) fn open(layout: &Layout) -> Result<Journal, SignedError> {
    let options = journal::Options {
        access: journal::Access::Existing,
        ..journal::Options::new(layout.journal(), VIEWS)
    };
    Ok(Journal::open_signing(options, notary(layout)?)?)
}

/// Ends a journal and sees to it that all of it is signed.
pub(super) fn close(journal: &Journal) -> Result<(), SignedError> {
    journal.close().map_err(|error| SignedError::Unsigned(error.to_string()))?;
    journal.unsigned().map_or(Ok(()), |why| Err(SignedError::Unsigned(why)))
}

/// What one project has signed.
#[derive(Debug)]
pub struct Signed {
    key: VerifierKey,
    witness: Witness,
    reader: Reader,
}

impl Signed {
    /// Signs what is there, or has the process that owns the project do so, and opens what was signed.
    ///
    /// # Errors
    /// See [`SignedError`].
    pub fn now(layout: &Layout) -> Result<Self, SignedError> {
        match open(layout) {
            Ok(journal) => close(&journal)?,
            // An owner that takes no requests has signed by itself, and that is shown.
            Err(SignedError::Open(OpenError::Busy { .. })) => {
                drop(owner::ask(layout, owner::SIGN, json!({})));
            }
            Err(error) => return Err(error),
        }
        Self::as_it_is(layout)
    }

    /// Opens what was signed before.
    ///
    /// # Errors
    /// See [`SignedError`].
    pub fn as_it_is(layout: &Layout) -> Result<Self, SignedError> {
        let key = NodeKey::read(&layout.node_key())?.verifier();
        let witness = Witness::new(&layout.tiles(), key.clone());
        Ok(Self { key, witness, reader: Reader::open(layout.journal())? })
    }

    /// The node's public key, which is good for all of its logs.
    #[must_use]
    pub const fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The newest checkpoint.
    ///
    /// # Errors
    /// When there is none or it cannot be read.
    pub fn checkpoint(&self, tree: &Tree) -> Result<(Note, TreeHead), SignedError> {
        let found = self.witness.checkpoint(tree).map_err(WitnessError::from)?;
        Ok(found.ok_or(WitnessError::Unsigned)?)
    }

    /// The proof of one record.
    ///
    /// # Errors
    /// When no checkpoint covers it, or the tiles are not those of the log.
    pub fn prove(&self, log: &LogId, sequence: u64) -> Result<Proved, SignedError> {
        Ok(self.witness.prove(&self.reader, log, sequence)?)
    }

    /// The proof that a tree has only grown since a checkpoint.
    ///
    /// # Errors
    /// [`WitnessError::Forked`] when it has not.
    pub fn extend(&self, tree: &Tree, old: &TreeHead) -> Result<String, SignedError> {
        Ok(self.witness.extend(&self.reader, tree, old)?)
    }

    /// Writes tiles and entries of all logs, for a web server or an auditor; the folders and what they hold.
    ///
    /// # Errors
    /// When the folder cannot be written or holds another log's tiles.
    pub fn export(&self, folder: &Path) -> Result<Vec<(PathBuf, TreeHead)>, SignedError> {
        let is_new = !folder.exists();
        let exported = self.witness.export(&self.reader, folder)?;
        // A folder that was there is as its owner wants it.
        let top = is_new.then(|| folder.to_path_buf());
        let made = exported.iter().flat_map(|one| {
            let above = one.folder.ancestors().take_while(|path| *path != folder);
            above.map(Path::to_path_buf).chain(below(&one.folder)).collect::<Vec<_>>()
        });
        made.chain(top).for_each(|path| open_to_readers(&path));
        Ok(exported.into_iter().map(|one| (one.folder, one.head)).collect())
    }
}

/// Lets everybody read a folder that is made for others. Files are made as the user has it; what cannot be changed belongs
/// to somebody who keeps it as it is.
fn open_to_readers(folder: &Path) {
    drop(fs::set_permissions(folder, Permissions::from_mode(READABLE)));
}

/// The folders below one, as far as they can be listed: one that cannot stays closed to readers.
fn below(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut next) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = next.pop() {
        let Ok(listing) = fs::read_dir(folder) else { continue };
        for entry in listing {
            let Ok(entry) = entry else { break };
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                found.push(entry.path());
                next.push(entry.path());
            }
        }
    }
    found
}

/// What a verified checkpoint of this project's node says of its logs; of another node's, only itself.
///
/// # Errors
/// When the log of logs does not begin with what was signed.
pub(super) fn heads_of(
    layout: &Layout,
    (key, head): (VerifierKey, TreeHead),
) -> Result<Vec<TreeHead>, WitnessError> {
    Witness::new(&layout.tiles(), key).heads_of(head)
}

/// The checkpoints a node finds signed when it starts, as its first record names them.
pub(crate) fn found(notary: &Notary) -> Vec<Told> {
    let witness = Witness::new(&notary.folder, notary.key.verifier());
    // What cannot be read has kept the journal from being opened.
    witness.newest().unwrap_or_default().iter().map(Told::from).collect()
}

/// Everything signed that is kept here, and what the records say was; why that is not all that should be.
pub(super) fn all(layout: &Layout) -> (Inventory, Option<VerifyError>) {
    let (known, unread) = match known::known(layout) {
        Ok(known) => (known, None),
        Err(error) => (Vec::new(), Some(VerifyError::Open(error))),
    };
    let (key, unusable) = match NodeKey::read(&layout.node_key()) {
        Ok(key) => (Some(key.verifier()), None),
        Err(error) => (None, Some(error)),
    };
    let (found, lost) = match inventory(&layout.tiles(), key.as_ref(), &known) {
        Ok(found) => (found, None),
        Err(error) => (Inventory { heads: known.clone(), ..Inventory::default() }, Some(error)),
    };
    // A copy comes without a key, but with everything that was signed; then that alone counts.
    let is_copy = |error: &NodeKeyError| {
        matches!(error, NodeKeyError::Missing(_)) && (found.lying > 0 || known.is_empty())
    };
    let lost = lost.map(VerifyError::Signed);
    let unusable = unusable.filter(|error| !is_copy(error)).map(VerifyError::Key);
    (found, unread.or(lost).or(unusable))
}

/// The node's public key.
///
/// # Errors
/// When there is none or it cannot be used.
pub fn public_key(layout: &Layout) -> Result<VerifierKey, SignedError> {
    Ok(NodeKey::read(&layout.node_key())?.verifier())
}
