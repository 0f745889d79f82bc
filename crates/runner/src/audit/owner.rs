//! The audit log of a project that a process owns: what only the owner can do, asked for over its socket.
//!
//! [`Clerk`] does it, for the owner's peers and for a command that is the owner itself for a moment. Who may ask is
//! whoever could be the owner as well: the socket takes only processes of the user whose state folder it is, or root.

use journal::{CommitError, Draft, Journal, LogId, OpenError, Operation};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::signed::{SignedError, open};
use crate::layout::Layout;
use crate::peer::{Client, ClientError};
use crate::secrecy::Openings;

/// Methods of the peer socket.
pub(crate) const ANCHORED: &str = "audit.anchored";
pub(crate) const ARCHIVE: &str = "journal.archive";
pub(crate) const DISCLOSE: &str = "audit.disclose";
pub(crate) const ERASE: &str = "audit.erase";
pub(crate) const SIGN: &str = "audit.sign";

/// Who keeps the audit log of a project, with the journal it writes to.
#[derive(Debug)]
pub(crate) struct Clerk<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) journal: &'a Journal,
    pub(crate) openings: &'a Openings,
}

impl Clerk<'_> {
    /// Signs everything that is recorded by now.
    ///
    /// # Errors
    /// [`SignedError::Unsigned`].
    pub(crate) fn sign(&self) -> Result<(), SignedError> {
        self.journal.sign().map_err(SignedError::Unsigned)
    }

    /// Makes one record durable; its sequence.
    pub(super) fn note(&self, draft: Draft) -> Result<u64, CommitError> {
        let log = LogId::default();
        let operation = Operation { log, drafts: vec![draft], changes: Vec::new() };
        self.journal.commit(operation).map(|committed| committed.last())
    }
}

/// A journal to write to, or what the process that owns it answered.
pub(super) enum Opened {
    /// This process is the owner.
    Here(Journal),
    /// Another one is, and has done what was asked.
    There(Value),
}

/// Becomes the owner; where another process is, has that one do `method`.
pub(super) fn opened<E: From<SignedError> + From<ClientError>>(
    layout: &Layout,
    method: &str,
    params: impl FnOnce() -> Value,
) -> Result<Opened, E> {
    match open(layout) {
        Ok(journal) => Ok(Opened::Here(journal)),
        Err(busy @ SignedError::Open(OpenError::Busy { .. })) => {
            match ask(layout, method, params()) {
                // Somebody who owns it and takes no requests, for instance a command that is about to end.
                Err(ClientError::NoOwner) => Err(busy.into()),
                answer => Ok(Opened::There(answer?)),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// What the owner of the project answers.
///
/// # Errors
/// [`ClientError`]; [`ClientError::NoOwner`] where nobody takes requests.
pub(super) fn ask(layout: &Layout, method: &str, params: Value) -> Result<Value, ClientError> {
    Client::connect(&layout.peer())?.request(method, params)
}

/// An answer as what it is.
pub(super) fn read<T: DeserializeOwned>(answer: Value) -> Result<T, ClientError> {
    serde_json::from_value(answer).map_err(|_| ClientError::Answer)
}
