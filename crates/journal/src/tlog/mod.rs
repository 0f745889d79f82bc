//! The journal as a transparency log that strangers can check (RFC 6962, C2SP).
//!
//! `tree` and `proof` are the Merkle tree over the records' leaves; `note` and `head` what is signed;
//! `key` the node's key; `signer` signs what was committed and `logs` the log over all logs; `tile`,
//! `shelf` and `published` are the files; `evidence` one record's proof; `witness` puts it together for
//! readers; `inventory` is everything signed. Nothing here is in a commit's way, and no record knows of it. The
//! bytes are in `FORMAT.md`.

mod evidence;
mod head;
mod inventory;
mod key;
mod logs;
mod note;
mod proof;
mod published;
mod shelf;
mod signer;
mod tile;
mod tree;
mod witness;

pub use evidence::{PROOF_BYTES_MAX, ProofError, Shown, verified, verify_proof};
pub use head::{TreeHead, TreeHeadError};
pub use inventory::{Inventory, inventory};
pub use key::{NodeKey, NodeKeyError};
pub use note::{KeyTextError, NOTE_BYTES_MAX, Note, NoteError, VerifierKey};
pub use published::PublishedError;
pub(crate) use published::copy_signed as copy;
pub use shelf::ShelfError;
pub use signer::{Notary, SignError};
pub(crate) use signer::{Signer, reaches};
pub use tree::Frontier;
pub use witness::{Exported, Proved, Tree, Witness, WitnessError};
