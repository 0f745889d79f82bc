//! Making and revoking tickets: calls like any other, decided by policy and recorded before they count.
//!
//! What is asked for is put before the policy as arguments of `ticket.mint`, so a rule can bound who may hand out
//! what. The text of a ticket goes to whoever asked and nowhere else.

use std::sync::Arc;
use std::time::Duration;

use engine::run::StoppedBy;
use journal::{CommitError, Journal, Operation, ReadError, Reader};
use serde::Serialize;
use serde_json::{Value, json};
use ticket::{Claims, Expiry, Id, LIFE_MAX, MintError, Signer, Spent, Ticket};

use super::book::Shut;
use super::keys::{self, Earlier, Keys, KeysError, Scheme};
use super::ledger::{
    self, DENIED_KIND, ISSUED_KIND, Issue, REVOKED_KIND, ROTATED_KIND, Revocation,
};
use super::{Wanted, time};
use crate::gate::{Asked, Gate, Principal, Refused};
use crate::layout::Layout;
use crate::node::log;
use crate::{clock, projection, record, tool};

/// What tickets are made and revoked with.
#[derive(Debug)]
pub struct Issuing<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) gate: Arc<Gate>,
    pub(crate) journal: &'a Journal,
    pub(crate) principal: &'a Principal,
}

/// How wrong a clock may be when a ticket is revoked, or when a node starts, without the revocation being over before
/// the ticket is.
const CLOCK_WRONG: Duration = Duration::from_hours(31 * 24);

/// A ticket that was made and is on record.
#[derive(Debug)]
pub struct Issued {
    /// Its id.
    pub id: Id,
    /// The ticket.
    pub ticket: Ticket,
}

/// Why a ticket is not made or revoked.
#[derive(Debug, thiserror::Error)]
pub enum NotIssued {
    /// The arguments are not valid.
    #[error("the ticket is not a valid call: {0}")]
    Invalid(String),
    /// Nothing could ever be done with it.
    #[error("no call could use the ticket: {0}")]
    Useless(String),
    /// Policy or another guard stopped it.
    #[error("stopped by `{}`: {}", .0.name, .0.detail)]
    Stopped(StoppedBy),
    /// What is known of tickets cannot be read, so none is added to it.
    #[error(transparent)]
    Shut(#[from] Shut),
    /// There is no room to remember one more that is revoked.
    #[error("{0}")]
    Full(Spent),
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Nobody should sign it.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// What was issued before is not known.
    #[error("the journal cannot be read")]
    Read(#[from] ReadError),
    /// It could not be put on record, and is not handed out.
    #[error("the journal could not be written")]
    Journal(#[from] CommitError),
    /// The machine refuses something.
    #[error("the ticket cannot be made: {0}")]
    System(String),
}

/// Which tickets are revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoke {
    /// One, and what was narrowed from it.
    One(Id),
    /// Every ticket of the tenant there is.
    All,
}

impl Issuing<'_> {
    /// Makes a ticket, where policy allows it. It is on record before it is returned.
    ///
    /// # Errors
    /// [`NotIssued`]; then there is no ticket.
    pub fn mint(&self, wanted: &Wanted) -> Result<Issued, NotIssued> {
        wanted.is_usable()?;
        let bound = wanted.bound(&self.gate)?;
        let principal = wanted.principal.as_deref().unwrap_or(&self.principal.id);
        let arguments = bound.as_ref().map(|form| form.digest.0);
        let log = log();
        let claims = Claims {
            policy: wanted.this_policy.then(|| self.gate.policy().digest()),
            ..wanted.claims((log.tenant(), principal), arguments, clock::now())
        };
        claims.clone().sorted().check().map_err(MintError::from)?;
        let call = bound.map(|form| self.gate.written(&form.tool, &form.arguments));
        let asked = wanted.asked(principal, call);
        let decision = self.admit(tool::TICKET_MINT, &asked)?;
        let book = self.gate.book();
        let _turn = book.turn();
        // A ticket that nobody could use is not made.
        book.known()?;
        let keys = keys::read_or_make(self.layout, wanted.scheme)?;
        let signer = keys.signer(wanted.scheme)?;
        book.accept(keys.keyring());
        let id = Id(clock::ticket_id().map_err(|error| NotIssued::System(error.to_string()))?);
        self.sign(Claims { id, ..claims }, &signer, (asked, decision))
    }

    fn sign(
        &self,
        claims: Claims<'_>,
        signer: &Signer,
        (asked, decision): (Value, Value),
    ) -> Result<Issued, NotIssued> {
        let (id, key, reader) = (claims.id, signer.id().to_string(), self.reader()?);
        let principal = claims.principal.to_owned();
        let nonce = nonce(&reader, &ledger::nonce_row(&key, &principal))?.saturating_add(1);
        let claims = Claims { nonce, epoch: epoch(&reader)?, ..claims };
        let expires = claims.expires.0;
        let ticket = ticket::mint(claims, signer)?;
        let id_text = id.to_string();
        let issue = Issue { ticket: id_text, key, principal, nonce, expires, asked, decision };
        self.record(ISSUED_KIND, &issue)?;
        Ok(Issued { id, ticket })
    }

    /// Revokes one ticket or all of them, where policy allows it; on record when it returns.
    ///
    /// # Errors
    /// [`NotIssued`]; then every ticket is as it was.
    pub fn revoke(&self, what: Revoke) -> Result<(), NotIssued> {
        let asked = match what {
            Revoke::One(id) => json!({ "ticket": id.to_string(), "all": false }),
            Revoke::All => json!({ "all": true }),
        };
        let decision = self.admit(tool::TICKET_REVOKE, &asked)?;
        let (book, now) = (self.gate.book(), clock::now());
        let _turn = book.turn();
        let known = book.known()?;
        // It counts in this process before it is on record: what is told to be revoked is revoked everywhere.
        let revocation = match what {
            Revoke::One(id) => {
                let over = time(now).after(LIFE_MAX).after(CLOCK_WRONG);
                known.revoke(id, Expiry(over)).map_err(NotIssued::Full)?;
                Revocation { ticket: Some((id.to_string(), over.0)), epoch: None, decision }
            }
            Revoke::All => {
                let next = epoch(&self.reader()?)?.checked_add(1).ok_or_else(|| {
                    NotIssued::System("the tenant's epoch cannot be raised any more".to_owned())
                })?;
                known.raise(next);
                Revocation { ticket: None, epoch: Some(next), decision }
            }
        };
        self.record(REVOKED_KIND, &revocation)
    }

    /// Makes a new key of a scheme, and accepts what is accepted from now on in this process too. Retiring those before
    /// is revoking every ticket signed with them, and decided like that.
    ///
    /// # Errors
    /// [`NotIssued`]; where policy denies it the keys are as they were.
    pub fn rotate(&self, scheme: Scheme, earlier: Earlier) -> Result<Keys, NotIssued> {
        let decision = match earlier {
            Earlier::Retired => self.admit(tool::TICKET_REVOKE, &json!({ "all": true }))?,
            Earlier::Kept => Value::Null,
        };
        let _turn = self.gate.book().turn();
        let rotated = keys::rotate(self.layout, scheme, earlier);
        // Retired keys may be gone even where making the new one failed.
        self.gate.book().accept(Keys::read(self.layout).and_then(|keys| keys.keyring()));
        let keys = rotated?;
        let accepted: Vec<String> = keys.names(scheme).iter().map(ToString::to_string).collect();
        let body = json!({
            "scheme": scheme, "earlier": earlier, "accepted": accepted, "decision": decision,
        });
        self.record(ROTATED_KIND, &body)?;
        Ok(keys)
    }

    fn admit(&self, tool: &str, arguments: &Value) -> Result<Value, NotIssued> {
        let asked = Asked { tool: tool.to_owned(), arguments: arguments.clone() };
        let (by, decision) = match self.gate.admit(self.principal, asked) {
            Ok(admitted) => match admitted.uncounted() {
                Ok(decision) => return Ok(decision),
                Err(stopped) => stopped,
            },
            Err(Refused::Invalid(why)) => return Err(NotIssued::Invalid(why)),
            Err(Refused::Review(reviewed)) => reviewed.unanswered(),
            Err(Refused::Stopped { by, decision, .. }) => (by, decision),
        };
        let body = json!({
            "tool": tool, "asked": arguments, "stopped_by": by, "decision": decision,
        });
        self.record(DENIED_KIND, &body)?;
        Err(NotIssued::Stopped(by))
    }

    fn reader(&self) -> Result<Reader, NotIssued> {
        Reader::open(self.layout.journal()).map_err(|error| NotIssued::System(error.to_string()))
    }

    /// Makes one record durable, with what follows from it, in the name of who asks.
    fn record(&self, kind: &'static str, body: &impl Serialize) -> Result<(), NotIssued> {
        let mut draft = record::node_draft(kind, body, clock::now());
        self.principal.id.clone_into(&mut draft.principal);
        let changes = ledger::changes(kind, &draft.payload);
        self.journal.commit(Operation { log: log(), drafts: vec![draft], changes }).map(drop)?;
        Ok(())
    }
}

/// The last nonce of an issuer for a principal; 0 before the first.
fn nonce(reader: &Reader, row: &str) -> Result<u64, NotIssued> {
    let found = row_of(reader, row)?;
    found.map_or(Some(0), |found| found.as_u64()).ok_or_else(|| unreadable(row))
}

fn epoch(reader: &Reader) -> Result<u32, NotIssued> {
    let found = row_of(reader, ledger::EPOCH)?;
    ledger::epoch(found.as_ref()).ok_or_else(|| unreadable(ledger::EPOCH))
}

fn row_of(reader: &Reader, row: &str) -> Result<Option<Value>, NotIssued> {
    let found = reader.view_get(projection::TICKET, row.as_bytes())?;
    let read = |bytes: Vec<u8>| serde_json::from_slice(&bytes).map_err(|_| unreadable(row));
    found.map(read).transpose()
}

fn unreadable(row: &str) -> NotIssued {
    Shut::unreadable(row).into()
}
