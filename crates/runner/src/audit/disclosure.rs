//! Disclosing: a file that proves to a stranger what one value was that a record only has a commitment to.
//!
//! It holds the value, its salt, the payload of the record of commitments and that record's proof; nothing of what the
//! record it belongs to says. Whoever can read the openings can disclose; that it was done, and that openings were
//! erased, is on record before it is.

use engine::run::RunId;
use journal::tlog::{ProofError, Shown, VerifierKey, verify_proof};
use journal::{CommitError, LogId, payload_digest_of};
use serde::{Deserialize, Serialize};
use serde_json::json;
use vault::VaultError;

use super::owner::{self, Clerk, Opened, opened};
use super::signed::{Signed, SignedError, close};
use crate::layout::Layout;
use crate::peer::ClientError;
use crate::secrecy::commitment::commitment;
use crate::secrecy::{Opening, Openings};
use crate::{clock, record};

/// What the file says it is.
const FORMAT: &str = "palisade disclosure 1";

/// Largest disclosure that is read, in bytes.
const DISCLOSURE_BYTES_MAX: usize = 1 << 20;

/// A value and everything that proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disclosure {
    format: String,
    /// Where the value stood (RFC 6901).
    pub field: String,
    /// The value as JSON text, as it was committed to.
    pub value: String,
    /// The salt, in hexadecimal.
    salt: String,
    /// The payload of the record of commitments, as it was recorded.
    record: String,
    /// That record's proof.
    proof: String,
}

/// What a disclosure has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revealed {
    /// The record of commitments.
    pub shown: Shown,
    /// The step whose outcome the value was a part of.
    pub step: String,
    /// Its attempt.
    pub attempt: u32,
}

/// The payload of a record of commitments, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Body {
    step: String,
    attempt: u32,
    id: String,
    commitments: Vec<Commitment>,
}

#[derive(Debug, Deserialize)]
struct Commitment {
    field: String,
    commitment: String,
}

/// Why a disclosure discloses nothing.
#[derive(Debug, thiserror::Error)]
pub enum DisclosureError {
    /// The text is not a disclosure.
    #[error("not a disclosure: {0}")]
    Malformed(String),
    /// The record is not in the log.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The payload is not the one of the record that is proved.
    #[error("its record is not the one that is proved")]
    OtherRecord,
    /// The record has no commitment at that place.
    #[error("record has no commitment to `{0}`")]
    NoCommitment(String),
    /// The value and the salt are not those that were committed to.
    #[error("value of `{0}` is not the one that was committed to")]
    OtherValue(String),
}

/// Why nothing was disclosed or erased.
#[derive(Debug, thiserror::Error)]
pub enum DiscloseError {
    /// The journal cannot be opened, signed or proved.
    #[error(transparent)]
    Signed(#[from] SignedError),
    /// The record cannot be read.
    #[error(transparent)]
    Read(#[from] journal::ReadError),
    /// The record has no commitments.
    #[error("record {0} has no commitments")]
    NotCommitted(u64),
    /// It has several, or none at this place; those there are.
    #[error("record {sequence} has commitments to {}", .fields.join(", "))]
    Fields {
        /// The record.
        sequence: u64,
        /// The places.
        fields: Vec<String>,
    },
    /// Nobody kept the value.
    #[error("only the salt of `{0}` is kept, not the value")]
    NoValue(String),
    /// The openings were erased, or cannot be read.
    #[error("what opens its commitments is not here")]
    Openings(#[from] VaultError),
    /// The value that was given is not the one.
    #[error(transparent)]
    Wrong(#[from] DisclosureError),
    /// It could not be recorded; nothing was disclosed or erased.
    #[error("the journal could not be written")]
    Journal(#[from] CommitError),
    /// The process that owns the project did not do it.
    #[error(transparent)]
    Owner(#[from] ClientError),
}

/// What was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Records whose commitments nobody can open any more.
    pub records: usize,
    /// Sequence of the record that says so.
    pub receipt: u64,
}

/// Makes the disclosure of the value at `field` of the record of commitments `sequence`, or of its only one. `value`
/// is the JSON text of a value that nobody kept. Where another process owns the project, that one makes it.
///
/// # Errors
/// See [`DiscloseError`]; nothing is disclosed that would not verify.
pub fn disclose(
    layout: &Layout,
    sequence: u64,
    field: Option<&str>,
    value: Option<String>,
) -> Result<Disclosure, DiscloseError> {
    let journal = match opened::<DiscloseError>(
        layout,
        owner::DISCLOSE,
        || json!({ "record": sequence, "field": field, "value": value }),
    )? {
        Opened::Here(journal) => journal,
        Opened::There(answer) => return Ok(owner::read(answer)?),
    };
    let openings = Openings::of(layout);
    let clerk = Clerk { layout, journal: &journal, openings: &openings };
    let made = clerk.disclose((sequence, field), value)?;
    close(&journal)?;
    Ok(made)
}

impl Clerk<'_> {
    /// See [`disclose`]; on record before it is returned.
    ///
    /// # Errors
    /// See [`DiscloseError`].
    pub(crate) fn disclose(
        &self,
        (sequence, field): (u64, Option<&str>),
        value: Option<String>,
    ) -> Result<Disclosure, DiscloseError> {
        let log = LogId::default();
        let reader = self.journal.reader().map_err(SignedError::from)?;
        let found = reader.get(&log, sequence)?;
        let found = found.filter(|found| found.header.kind == record::COMMITTED_KIND);
        let found = found.ok_or(DiscloseError::NotCommitted(sequence))?;
        let body = body(&found.payload).map_err(DiscloseError::Wrong)?;
        let run = RunId(found.header.stream);
        let opening = opening(self.openings, (run, &body), (sequence, field))?;
        let value = opening.value.or(value);
        let value = value.ok_or_else(|| DiscloseError::NoValue(opening.field.clone()))?;
        check(&body, (&opening.field, &value, &opening.salt))?;
        let told = json!({ "record": sequence, "field": opening.field });
        self.note(record::node_draft(record::DISCLOSED_KIND, &told, clock::now()))?;
        self.sign()?;
        let proved = Signed::as_it_is(self.layout)?.prove(&log, sequence)?;
        Ok(Disclosure {
            format: FORMAT.to_owned(),
            field: opening.field,
            value,
            salt: opening.salt,
            record: String::from_utf8_lossy(&found.payload).into_owned(),
            proof: proved.text,
        })
    }

    /// See [`erase`]; on record before anything is erased.
    ///
    /// # Errors
    /// See [`DiscloseError`].
    pub(crate) fn erase(&self, run: Option<RunId>) -> Result<Erased, DiscloseError> {
        let body = json!({ "run": run, "records": self.openings.count(run)? });
        let draft = match run {
            Some(run) => record::draft(run, record::ERASED_KIND, &body, clock::now()),
            None => record::node_draft(record::ERASED_KIND, &body, clock::now()),
        };
        let receipt = self.note(draft)?;
        let records = self.openings.erase(run)?;
        Ok(Erased { records, receipt })
    }
}

/// The opening that is meant.
fn opening(
    openings: &Openings,
    (run, body): (RunId, &Body),
    (sequence, field): (u64, Option<&str>),
) -> Result<Opening, DiscloseError> {
    let fields: Vec<String> = body.commitments.iter().map(|one| one.field.clone()).collect();
    let wanted = match (field, fields.as_slice()) {
        (Some(field), _) => fields.iter().find(|known| *known == field),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let Some(wanted) = wanted else { return Err(DiscloseError::Fields { sequence, fields }) };
    let opened = openings.open(run, &body.id)?.openings;
    let found = opened.into_iter().find(|opening| opening.field == *wanted);
    found.ok_or_else(|| DisclosureError::NoCommitment(wanted.clone()).into())
}

/// Erases what opens the commitments of a run, or of all; no record changes. Where another process owns the project,
/// that one does it, so that nothing is kept meanwhile with a key that is gone.
///
/// # Errors
/// See [`DiscloseError`].
pub fn erase(layout: &Layout, run: Option<RunId>) -> Result<Erased, DiscloseError> {
    let journal = match opened::<DiscloseError>(layout, owner::ERASE, || match run {
        Some(run) => json!({ "run": run }),
        None => json!({ "all": true }),
    })? {
        Opened::Here(journal) => journal,
        Opened::There(answer) => return Ok(owner::read(answer)?),
    };
    let openings = Openings::of(layout);
    let erased = Clerk { layout, journal: &journal, openings: &openings }.erase(run)?;
    close(&journal)?;
    Ok(erased)
}

impl Disclosure {
    /// Reads a disclosure.
    ///
    /// # Errors
    /// [`DisclosureError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, DisclosureError> {
        let malformed = |why: &str| DisclosureError::Malformed(why.to_owned());
        if text.len() > DISCLOSURE_BYTES_MAX {
            return Err(malformed("it is longer than 1 MiB"));
        }
        let read: Self =
            serde_json::from_str(text).map_err(|error| malformed(&error.to_string()))?;
        if read.format == FORMAT { Ok(read) } else { Err(malformed("it has another format")) }
    }

    /// As the text of a file.
    #[must_use]
    pub fn text(&self) -> String {
        // Texts alone: nothing that could fail to serialise.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Checks it with a public key alone.
    ///
    /// # Errors
    /// See [`DisclosureError`].
    pub fn verify(&self, key: &VerifierKey) -> Result<Revealed, DisclosureError> {
        let shown = verify_proof(&self.proof, key)?;
        let payload = self.record.as_bytes();
        let is_of = shown.header.kind == record::COMMITTED_KIND
            && shown.header.payload.digest == payload_digest_of(payload);
        if !is_of {
            return Err(DisclosureError::OtherRecord);
        }
        let body = body(payload)?;
        check(&body, (&self.field, &self.value, &self.salt))?;
        Ok(Revealed { shown, step: body.step, attempt: body.attempt })
    }
}

fn body(payload: &[u8]) -> Result<Body, DisclosureError> {
    serde_json::from_slice(payload).map_err(|error| DisclosureError::Malformed(error.to_string()))
}

fn check(body: &Body, (field, value, salt): (&str, &str, &str)) -> Result<(), DisclosureError> {
    let salt: journal::Digest =
        salt.parse().map_err(|_| DisclosureError::Malformed("its salt is no salt".to_owned()))?;
    let known = body.commitments.iter().find(|one| one.field == field);
    let known = known.ok_or_else(|| DisclosureError::NoCommitment(field.to_owned()))?;
    let found = commitment(salt.as_bytes(), &body.id, field, value).to_string();
    if found == known.commitment {
        return Ok(());
    }
    Err(DisclosureError::OtherValue(field.to_owned()))
}
