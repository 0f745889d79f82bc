//! The calls that change the vault: decided like any other, on record before and after, with names only.
//! How a secret is kept is the vault's; whether it may be changed is the gate's.

use std::sync::Arc;

use engine::run::StoppedBy;
use journal::{CommitError, Journal, Operation};
use redaction::Known;
use serde_json::{Value, json};
use vault::{Name, Secret, VaultError};

use super::{Secrecy, SecrecyError};
use crate::gate::{Asked, Gate, Principal, Refused};
use crate::node::log;
use crate::{cause, clock, record, tool};

/// What the vault is changed with.
#[derive(Debug)]
pub struct Keeping<'a> {
    pub(crate) secrecy: &'a Secrecy,
    pub(crate) gate: Arc<Gate>,
    pub(crate) journal: &'a Journal,
    pub(crate) principal: &'a Principal,
}

/// What a change came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// A secret has this version now.
    Version(u64),
    /// It is gone.
    Removed,
    /// This many secrets are under a new key.
    Key(usize),
}

/// Why the vault was not changed.
#[derive(Debug, thiserror::Error)]
pub enum SecretRefused {
    /// The call is not a valid one.
    #[error("the call is not valid: {0}")]
    Invalid(String),
    /// Policy or another guard stopped it.
    #[error("stopped by `{}`: {}", .0.name, .0.detail)]
    Stopped(StoppedBy),
    /// The vault, or what is known of the value, says no.
    #[error(transparent)]
    Secrecy(#[from] SecrecyError),
    /// The journal could not be written; the vault is as it was unless the change is on record as begun.
    #[error("the journal could not be written")]
    Journal(#[from] CommitError),
}

impl From<VaultError> for SecretRefused {
    fn from(error: VaultError) -> Self {
        Self::Secrecy(error.into())
    }
}

impl Keeping<'_> {
    /// Sets a secret, new or not.
    ///
    /// # Errors
    /// [`SecretRefused`]; the old value still holds.
    pub fn set(&self, name: &str, value: Vec<u8>) -> Result<Changed, SecretRefused> {
        let (name, secret) = self.checked(name, value)?;
        self.call(tool::SECRET_SET, Some(&name), || {
            self.secrecy.vault.set(&name, &secret).map(Changed::Version)
        })
    }

    /// Gives a secret that is there a new value.
    ///
    /// # Errors
    /// [`SecretRefused`]; the old value still holds.
    pub fn rotate(&self, name: &str, value: Vec<u8>) -> Result<Changed, SecretRefused> {
        let (name, secret) = self.checked(name, value)?;
        self.secrecy.vault.get(&name)?;
        self.call(tool::SECRET_ROTATE, Some(&name), || {
            self.secrecy.vault.set(&name, &secret).map(Changed::Version)
        })
    }

    /// Draws a new key.
    ///
    /// # Errors
    /// [`SecretRefused`]; every secret can be read all the same.
    pub fn renew_key(&self) -> Result<Changed, SecretRefused> {
        self.call(tool::SECRET_ROTATE, None, || self.secrecy.vault.renew_key().map(Changed::Key))
    }

    /// Takes a secret away.
    ///
    /// # Errors
    /// [`SecretRefused`]; it is still there.
    pub fn remove(&self, name: &str) -> Result<Changed, SecretRefused> {
        let name = Name::new(name)?;
        self.call(tool::SECRET_RM, Some(&name), || {
            self.secrecy.vault.remove(&name).map(|()| Changed::Removed)
        })
    }

    /// A name and a value that can be kept out of records.
    fn checked(&self, name: &str, value: Vec<u8>) -> Result<(Name, Secret), SecretRefused> {
        let (name, secret) = (Name::new(name)?, Secret::new(value)?);
        Known::new([(name.as_str(), secret.reveal())], &self.secrecy.tagger)
            .map_err(SecrecyError::Known)?;
        Ok((name, secret))
    }

    fn call(
        &self,
        tool: &'static str,
        name: Option<&Name>,
        change: impl FnOnce() -> Result<Changed, VaultError>,
    ) -> Result<Changed, SecretRefused> {
        let name = name.map(Name::as_str);
        let arguments = name.map_or(json!({}), |name| json!({ "name": name }));
        let asked = Asked { tool: tool.to_owned(), arguments };
        let body = |more: Value| {
            let mut body = json!({ "tool": tool, "name": name });
            if let (Some(all), Value::Object(more)) = (body.as_object_mut(), more) {
                all.extend(more);
            }
            body
        };
        let judged = match self.gate.admit(self.principal, asked) {
            Ok(admitted) => admitted.uncounted(),
            Err(Refused::Review(reviewed)) => Err(reviewed.unanswered()),
            Err(Refused::Stopped { by, decision, .. }) => Err((by, decision)),
            Err(Refused::Invalid(why)) => return Err(SecretRefused::Invalid(why)),
        };
        match judged {
            Ok(decision) => {
                self.record(record::SECRET_STARTED_KIND, &body(json!({ "decision": decision })))?;
            }
            Err((by, decision)) => {
                let denied = body(json!({ "stopped_by": by, "decision": decision }));
                self.record(record::SECRET_DENIED_KIND, &denied)?;
                return Err(SecretRefused::Stopped(by));
            }
        }
        let done = change();
        let outcome = match &done {
            Ok(Changed::Version(version)) => json!({ "outcome": "set", "version": version }),
            Ok(Changed::Removed) => json!({ "outcome": "removed" }),
            Ok(Changed::Key(count)) => json!({ "outcome": "sealed anew", "secrets": count }),
            Err(error) => json!({ "outcome": "failed", "why": cause::line(error) }),
        };
        self.record(record::SECRET_FINISHED_KIND, &body(outcome))?;
        Ok(done?)
    }

    /// Makes one record durable, in the name of who asks.
    fn record(&self, kind: &'static str, body: &Value) -> Result<(), SecretRefused> {
        let mut draft = record::node_draft(kind, body, clock::now());
        self.principal.id.clone_into(&mut draft.principal);
        let operation = Operation { log: log(), drafts: vec![draft], changes: Vec::new() };
        self.journal.commit(operation).map(drop)?;
        Ok(())
    }
}
