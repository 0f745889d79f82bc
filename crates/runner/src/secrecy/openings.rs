//! Openings: the salts of commitments, and the values where nobody else has them. Outside the journal, encrypted, erasable.
//!
//! The openings of one record are one sealed file, named by run and record. Erasing them leaves every record and every
//! proof as it was; what is erased can be proved to nobody any more, and guessed by nobody either. What cannot be kept
//! is not committed to, and the record says how much that was.

use std::sync::{Mutex, PoisonError};

use engine::run::RunId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vault::{Name, Secret, Vault, VaultError};

use super::commitment::{Salt, Taken, commitment};
use crate::layout::Layout;
use crate::{cause, clock};

/// Most records whose openings are kept; of later ones nothing is committed to until some are erased.
const RECORDS_MOST: usize = 16_384;
/// Most bytes of values kept for one record; of those beyond, only the salt is kept.
const VALUES_BYTES: usize = 16 * 1024;
/// Longest place of a value, in bytes; what stands deeper is not committed to.
const FIELD_BYTES: usize = 256;

/// Commitments of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Names the record in each commitment.
    id: String,
    /// Each place and its commitment.
    commitments: Vec<(String, journal::Digest)>,
    /// How many values nothing is committed to, and why.
    left_out: Option<(usize, String)>,
}

/// What proves one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// Where it stood.
    pub field: String,
    /// The salt, in hexadecimal.
    pub salt: String,
    /// The value as JSON text; none where it is kept by the vault, or was too long.
    pub value: Option<String>,
}

/// What a record's openings are sealed as.
#[derive(Debug, Serialize, Deserialize)]
pub struct Opened {
    /// Each value's.
    pub openings: Vec<Opening>,
}

/// Where openings are kept.
#[derive(Debug)]
pub struct Openings {
    vault: Vault,
    /// Held while something is sealed, because the first one draws the key, and while a key is renewed.
    sealing: Mutex<()>,
}

impl Openings {
    /// Those of a project.
    #[must_use]
    pub fn of(layout: &Layout) -> Self {
        let vault = Vault::at(&layout.openings(), &layout.openings_key());
        Self { vault: vault.with_room(RECORDS_MOST), sealing: Mutex::default() }
    }

    /// Commits to what was taken out of one record of `run`; `None` where nothing was. The openings are durable when
    /// this returns. Of a value that `is_kept` elsewhere only the salt is kept.
    #[must_use]
    pub fn commit(
        &self,
        run: RunId,
        taken: &[Taken<'_>],
        is_kept: impl Fn(&str) -> bool,
    ) -> Option<Committed> {
        if taken.is_empty() {
            return None;
        }
        let failed = |why: String| Committed {
            id: String::new(),
            commitments: Vec::new(),
            left_out: Some((taken.len(), why)),
        };
        Some(self.committed(run, taken, is_kept).unwrap_or_else(failed))
    }

    fn committed(
        &self,
        run: RunId,
        taken: &[Taken<'_>],
        is_kept: impl Fn(&str) -> bool,
    ) -> Result<Committed, String> {
        let drawn = || clock::seed().map_err(|error| error.to_string());
        let id = journal::Digest::new(drawn()?).to_string().chars().take(32).collect::<String>();
        let (mut commitments, mut openings) = (Vec::new(), Vec::new());
        let mut room = VALUES_BYTES;
        for Taken { field, value } in taken.iter().filter(|taken| taken.field.len() <= FIELD_BYTES)
        {
            let (salt, value): (Salt, String) = (drawn()?, value.to_string());
            commitments.push((field.clone(), commitment(&salt, &id, field, &value)));
            let fits = room.checked_sub(value.len()).filter(|_| !is_kept(&value));
            room = fits.unwrap_or(room);
            let salt = journal::Digest::new(salt).to_string();
            openings.push(Opening { field: field.clone(), salt, value: fits.map(|_| value) });
        }
        let deep = taken.len() - commitments.len();
        if !commitments.is_empty() {
            self.keep(run, &id, openings).map_err(|error| cause::line(&error))?;
        }
        let left_out = (deep > 0).then(|| (deep, "it stands too deep".to_owned()));
        Ok(Committed { id, commitments, left_out })
    }

    fn keep(&self, run: RunId, id: &str, openings: Vec<Opening>) -> Result<(), VaultError> {
        let text = serde_json::to_vec(&Opened { openings }).unwrap_or_default();
        let _one = self.sealing.lock().unwrap_or_else(PoisonError::into_inner);
        self.vault.set(&name(run, id)?, &Secret::new(text)?).map(drop)
    }

    /// The openings of the record that names itself `id`.
    ///
    /// # Errors
    /// [`VaultError::Missing`] where they were erased.
    pub fn open(&self, run: RunId, id: &str) -> Result<Opened, VaultError> {
        let name = name(run, id)?;
        let (text, _) = self.vault.get(&name)?;
        let damaged = |_| VaultError::Damaged { name: name.to_string(), why: "it is no opening" };
        serde_json::from_str(text.reveal()).map_err(damaged)
    }

    /// Erases the openings of a run, or all, and the key they were sealed with; how many records' there were. Others
    /// are sealed anew. What lies in freed blocks of the disk cannot be opened after it.
    ///
    /// # Errors
    /// When a file cannot be removed or sealed anew; it can be repeated.
    pub fn erase(&self, run: Option<RunId>) -> Result<usize, VaultError> {
        let _one = self.sealing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut erased = 0;
        for listed in self.named(run)? {
            self.vault.remove(&listed)?;
            erased += 1;
        }
        self.vault.renew_key()?;
        Ok(erased)
    }

    /// How many records' openings there are.
    ///
    /// # Errors
    /// When the folder cannot be trusted.
    pub fn count(&self, run: Option<RunId>) -> Result<usize, VaultError> {
        self.named(run).map(|named| named.len())
    }

    fn named(&self, run: Option<RunId>) -> Result<Vec<Name>, VaultError> {
        let begin = run.map(|run| hex(&run.0)).unwrap_or_default();
        let all = self.vault.names()?;
        Ok(all.into_iter().filter(|name| name.as_str().starts_with(&begin)).collect())
    }
}

impl Committed {
    /// The record of it.
    #[must_use]
    pub fn body(&self, step: &str, attempt: u32) -> Value {
        let commitment = |(field, digest): &(String, journal::Digest)| json!({ "field": field, "commitment": digest.to_string() });
        let commitments: Vec<Value> = self.commitments.iter().map(commitment).collect();
        let mut body =
            json!({ "step": step, "attempt": attempt, "id": self.id, "commitments": commitments });
        if let (Some((count, why)), Some(body)) = (&self.left_out, body.as_object_mut()) {
            body.insert("uncommitted".to_owned(), (*count).into());
            body.insert("why".to_owned(), why.as_str().into());
        }
        body
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Run and record, 32 hexadecimal characters each.
fn name(run: RunId, id: &str) -> Result<Name, VaultError> {
    Name::new(&format!("{}{id}", hex(&run.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrecy::commitment::taken;

    fn place() -> (tempfile::TempDir, Openings) {
        let place = tempfile::tempdir().unwrap();
        let layout = Layout::of(place.path()).unwrap();
        layout.create().unwrap();
        vault::private_key(&layout.keys(), "other.key").unwrap();
        let openings = Openings::of(&layout);
        (place, openings)
    }

    fn committed(openings: &Openings, run: u8, kept: &str) -> Committed {
        let before = json!({ "outputs": { "a": "token-one", "b": "token-one", "c": 3 } });
        let after = json!({ "outputs": { "a": "*", "b": "*", "c": 3 } });
        let taken = taken(&before, &after);
        openings.commit(RunId([run; 16]), &taken, |value| value.contains(kept)).unwrap()
    }

    #[test]
    fn equal_values_have_unequal_commitments_and_each_can_be_opened() {
        let (_place, openings) = place();
        let made = [committed(&openings, 1, "none"), committed(&openings, 1, "none")];
        let mut digests = Vec::new();
        for one in &made {
            let opened = openings.open(RunId([1; 16]), &one.id).unwrap().openings;
            assert_eq!(opened.len(), 2);
            for (opening, (field, digest)) in opened.iter().zip(&one.commitments) {
                let salt: journal::Digest = opening.salt.parse().unwrap();
                let value = opening.value.as_deref().unwrap();
                assert_eq!((&opening.field, value), (field, "\"token-one\""));
                assert_eq!(commitment(salt.as_bytes(), &one.id, field, value), *digest);
                digests.push(*digest);
            }
            let body = one.body("step", 1).to_string();
            assert!(!body.contains("token-one") && !body.contains(&opened[0].salt), "{body}");
        }
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), 4);
    }

    #[test]
    fn what_the_vault_keeps_and_what_is_long_has_a_salt_alone() {
        let (_place, openings) = place();
        let kept = committed(&openings, 1, "token");
        let opened = openings.open(RunId([1; 16]), &kept.id).unwrap().openings;
        assert!(opened.iter().all(|opening| opening.value.is_none() && opening.salt.len() == 64));
        let long = json!({ "a": "x".repeat(VALUES_BYTES), "b": "short" });
        let redacted = json!({ "a": "*", "b": "*" });
        let made = openings.commit(RunId([2; 16]), &taken(&long, &redacted), |_| false).unwrap();
        let opened = openings.open(RunId([2; 16]), &made.id).unwrap().openings;
        assert_eq!(opened[0].value, None);
        assert_eq!(opened[1].value.as_deref(), Some("\"short\""));
        // Control: nothing taken, nothing made.
        assert_eq!(openings.commit(RunId([2; 16]), &[], |_| false), None);
    }

    #[test]
    fn what_is_erased_cannot_be_opened_and_the_rest_can() {
        let (place, openings) = place();
        let (one, two) = (committed(&openings, 1, "none"), committed(&openings, 2, "none"));
        let folder = place.path().join(".palisade/openings");
        let sealed = |run: u8, id: &str| {
            std::fs::read(folder.join(name(RunId([run; 16]), id).unwrap().as_str())).unwrap()
        };
        let (first, second) = (sealed(1, &one.id), sealed(2, &two.id));
        assert_eq!(openings.count(None).unwrap(), 2);
        assert_eq!(openings.erase(Some(RunId([1; 16]))).unwrap(), 1);
        assert!(matches!(openings.open(RunId([1; 16]), &one.id), Err(VaultError::Missing(_))));
        assert_eq!(openings.open(RunId([2; 16]), &two.id).unwrap().openings.len(), 2);
        assert_ne!(sealed(2, &two.id), second, "sealed with another key");
        // A file that was put back cannot be opened: its key is gone.
        let name = name(RunId([1; 16]), &one.id).unwrap();
        let path = folder.join(name.as_str());
        std::fs::write(&path, first).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        assert!(matches!(openings.open(RunId([1; 16]), &one.id), Err(VaultError::Damaged { .. })));
        std::fs::remove_file(path).unwrap();
        assert_eq!((openings.erase(None).unwrap(), openings.count(None).unwrap()), (1, 0));
    }

    #[test]
    fn where_nothing_can_be_kept_nothing_is_committed_to_and_the_record_says_so() {
        let (place, openings) = place();
        let keys = place.path().join(".palisade/keys/openings");
        std::fs::write(keys, "in the way").unwrap();
        let body = committed(&openings, 1, "none").body("step", 1);
        assert_eq!((&body["commitments"], &body["uncommitted"]), (&json!([]), &json!(2)));
        assert!(body["why"].as_str().unwrap().len() > 5, "{body}");
    }
}
