//! The proof of one record as a text (`c2sp.org/tlog-proof`), to be checked by anyone with the key.
//!
//! `extra` carries the header, from which the leaf follows. A proof up to the log of logs has the
//! record's whole proof as its own `extra`: the entry it proves is the signed checkpoint in there.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use super::head::{TreeHead, TreeHeadError, decode, encode, number};
use super::note::{NOTE_BYTES_MAX, Note, NoteError, VerifierKey};
use super::proof::{PROOF_HASHES_MAX, root_from};
use crate::digest::{Digest, leaf_of};
use crate::record::{DecodeError, Header, SEQUENCE_MAX};

/// The first line.
const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// Most bytes of a proof that is read: its note, its hashes, and another proof in base64.
pub const PROOF_BYTES_MAX: usize = 4 * NOTE_BYTES_MAX;

/// Why a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProofError {
    /// The text is not a proof.
    #[error("not a proof: {0}")]
    Malformed(&'static str),
    /// The signature does not hold.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// What is signed is not a checkpoint.
    #[error(transparent)]
    Head(#[from] TreeHeadError),
    /// The checkpoint is of a log that the key does not speak for.
    #[error("checkpoint is of `{origin}`, for which the key of `{key}` does not speak")]
    OtherLog {
        /// The checkpoint's origin.
        origin: String,
        /// The name of the key.
        key: String,
    },
    /// The hashes do not lead from the entry to the signed root.
    #[error("entry {index} is not in the tree of {size} that was signed")]
    NotIncluded {
        /// The place the proof claims, from 0.
        index: u64,
        /// The signed size.
        size: u64,
    },
    /// The entry is not a record's header.
    #[error("entry is not a record of this format")]
    Header(#[from] DecodeError),
    /// The record names another log or another place than it was found in.
    #[error("record says it is {sequence} of `{log}`, which is not where it was found")]
    Displaced {
        /// The sequence in the header.
        sequence: u64,
        /// The log in the header.
        log: String,
    },
}

/// A checkpoint, a place in its tree, and the hashes between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) extra: Vec<u8>,
    pub(super) index: u64,
    pub(super) path: Vec<Digest>,
    pub(super) note: Note,
}

impl Proof {
    /// Checks that `entry` is in the tree that a key below `key` signed, and gives the tree's head.
    fn verify(&self, entry: &[u8], key: &VerifierKey) -> Result<TreeHead, ProofError> {
        let head: TreeHead = verified(&self.note, key)?;
        let root = root_from(leaf_of(entry), self.index, head.size, &self.path);
        if root == Some(head.root) {
            return Ok(head);
        }
        Err(ProofError::NotIncluded { index: self.index, size: head.size })
    }
}

/// The tree head in a note that `key`, or the same key under a log's name below it, has signed.
///
/// # Errors
/// When the note is not a checkpoint, is of another node, or its signature does not hold.
pub fn verified(note: &Note, key: &VerifierKey) -> Result<TreeHead, ProofError> {
    let origin = note.unverified().split('\n').next().unwrap_or_default();
    let other = || ProofError::OtherLog { origin: origin.to_owned(), key: key.name().to_owned() };
    let own = key.below(origin).ok_or_else(other)?;
    Ok(note.verify(&own)?.parse()?)
}

/// What a proof has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The record's header, whose every field is certain; its payload by digest.
    pub header: Header,
    /// The record's leaf.
    pub leaf: Digest,
    /// The tree of the record's log.
    pub log: TreeHead,
    /// The tree of the log of logs, when the proof goes up to it.
    pub logs: Option<TreeHead>,
}

/// Checks a proof text with a public key alone.
///
/// # Errors
/// When it is not a proof, or does not prove what it says; see [`ProofError`].
pub fn verify_proof(text: &str, key: &VerifierKey) -> Result<Shown, ProofError> {
    let outer: Proof = text.parse()?;
    let inner = std::str::from_utf8(&outer.extra).ok().filter(|text| text.starts_with(FIRST_LINE));
    let (proof, logs) = match inner {
        None => (outer, None),
        Some(text) => {
            let inner: Proof = text.parse()?;
            let logs = outer.verify(inner.note.to_string().as_bytes(), key)?;
            (inner, Some(logs))
        }
    };
    let log = proof.verify(&proof.extra, key)?;
    let header = Header::decode(&proof.extra)?;
    if header.sequence != proof.index + 1 || log.log().as_ref() != Some(&header.log) {
        let (sequence, log) = (header.sequence, header.log.to_string());
        return Err(ProofError::Displaced { sequence, log });
    }
    Ok(Shown { leaf: leaf_of(&proof.extra), header, log, logs })
}

impl fmt::Display for Proof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{FIRST_LINE}\nextra {}", STANDARD.encode(&self.extra))?;
        writeln!(formatter, "index {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(formatter, "{}", encode(hash)))?;
        write!(formatter, "\n{}", self.note)
    }
}

impl FromStr for Proof {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        let refused = ProofError::Malformed;
        if text.len() > PROOF_BYTES_MAX {
            return Err(refused("it is longer than 256 KiB"));
        }
        let (head, note) = text.split_once("\n\n").ok_or(refused("it has no empty line"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err(refused("the first line is another"));
        }
        let extra = lines.next().and_then(|line| line.strip_prefix("extra "));
        let extra = extra.ok_or(refused("the second line is not `extra` with the record"))?;
        let extra = STANDARD.decode(extra).map_err(|_| refused("`extra` is not base64"))?;
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index
            .and_then(|text| number(text, SEQUENCE_MAX - 1))
            .ok_or(refused("the third line is not `index` with a number"))?;
        let path: Option<Vec<Digest>> = lines.map(decode).collect();
        let path = path.ok_or(refused("a line is not a hash in base64"))?;
        if path.len() > PROOF_HASHES_MAX {
            return Err(refused("it has more than 64 hashes"));
        }
        Ok(Self { extra, index, path, note: note.parse()? })
    }
}
