//! Signed notes of C2SP (`c2sp.org/signed-note`): a text, and who signed it.
//!
//! Only Ed25519 signatures (type 0x01) are made and checked; those of others are carried along and
//! ignored, as the specification asks. What a note says is for `head`; keys on disk are in `key`.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// The type byte of an Ed25519 key and its signatures.
const ED25519: u8 = 0x01;

/// Most bytes of a note that is read.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;

/// Most signatures of a note; one with more is refused.
const SIGNATURES_MAX: usize = 64;

/// The first words of a signature line.
const SIGNATURE_LINE: &str = "\u{2014} ";

/// Why a note is not one, or is not signed by the key it was held against.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoteError {
    /// The text is not a signed note.
    #[error("not a signed note: {0}")]
    Malformed(&'static str),
    /// No signature is of the key that was given.
    #[error("not signed by `{key}`; it names {signers}")]
    Unsigned {
        /// The key's name and id.
        key: String,
        /// The names and ids of the keys that signed it.
        signers: String,
    },
    /// A signature in the key's name is not one of this text.
    #[error("signature of `{0}` is not one of this text")]
    Forged(String),
}

/// A key to check signatures with, written `name+id+base64` as everywhere in C2SP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    key: VerifyingKey,
}

/// The text is not a public key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a public key of the form `name+id+base64`: {0}")]
pub struct KeyTextError(&'static str);

impl VerifierKey {
    /// The key of `name`; its id follows from both.
    #[must_use]
    pub(super) fn new(name: &str, key: VerifyingKey) -> Self {
        Self { name: name.to_owned(), id: id_of(name, &key), key }
    }

    /// The name it signs under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same key under the name of a log below this one's: `node/tenant/shard` for the key of
    /// `node`. The key itself for its own name; `None` for any other name.
    #[must_use]
    pub fn below(&self, name: &str) -> Option<Self> {
        let rest = name.strip_prefix(&self.name)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| Self::new(name, self.key))
    }

    fn label(&self) -> String {
        format!("{}+{:08x}", self.name, self.id)
    }
}

fn id_of(name: &str, key: &VerifyingKey) -> u32 {
    let mut hasher = Sha256::new();
    hasher.update(name.as_bytes());
    hasher.update([b'\n', ED25519]);
    hasher.update(key.as_bytes());
    let digest: [u8; 32] = hasher.finalize().into();
    let [a, b, c, d, ..] = digest;
    u32::from_be_bytes([a, b, c, d])
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![ED25519];
        bytes.extend_from_slice(self.key.as_bytes());
        write!(formatter, "{}+{}", self.label(), STANDARD.encode(bytes))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyTextError;

    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        let mut parts = text.splitn(3, '+');
        let parts = (parts.next(), parts.next(), parts.next());
        let (Some(name), Some(id), Some(key)) = parts else {
            return Err(KeyTextError("there are not three parts"));
        };
        if !is_name(name) {
            return Err(KeyTextError("the name is empty or has spaces"));
        }
        let bytes = STANDARD.decode(key).map_err(|_| KeyTextError("the key is not base64"))?;
        let Some((&ED25519, key)) = bytes.split_first() else {
            return Err(KeyTextError("it is not an Ed25519 key"));
        };
        let key: [u8; 32] =
            key.try_into().map_err(|_| KeyTextError("an Ed25519 key has 32 bytes"))?;
        let key = VerifyingKey::from_bytes(&key)
            .map_err(|_| KeyTextError("these bytes are no Ed25519 key"))?;
        let found = Self::new(name, key);
        if format!("{:08x}", found.id) != id {
            return Err(KeyTextError("the id is not the one of this name and key"));
        }
        Ok(found)
    }
}

/// Whether a key may have this name.
pub(super) fn is_name(name: &str) -> bool {
    let bad =
        |character: char| character.is_whitespace() || character.is_control() || character == '+';
    !name.is_empty() && !name.contains(bad)
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Signed {
    name: String,
    id: u32,
    bytes: Vec<u8>,
}

/// A text with its signatures. The text means nothing until [`Note::verify`] has succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signed>,
}

impl Note {
    /// A note with one signature, by `key`, which is `sign`'s.
    pub(super) fn signed(
        text: String,
        key: &VerifierKey,
        sign: impl FnOnce(&[u8]) -> Signature,
    ) -> Self {
        let bytes = sign(text.as_bytes()).to_bytes().to_vec();
        let signature = Signed { name: key.name.clone(), id: key.id, bytes };
        Self { text, signatures: vec![signature] }
    }

    /// The text, which is true only when signed by a key the reader trusts.
    ///
    /// # Errors
    /// When no signature is of `key`, or one is not of this text.
    pub fn verify(&self, key: &VerifierKey) -> Result<&str, NoteError> {
        let of_key = |signed: &&Signed| signed.name == key.name && signed.id == key.id;
        let mut found = false;
        for signed in self.signatures.iter().filter(of_key) {
            let bytes = <[u8; 64]>::try_from(signed.bytes.as_slice());
            let valid = bytes.is_ok_and(|bytes| {
                let signature = Signature::from_bytes(&bytes);
                key.key.verify_strict(self.text.as_bytes(), &signature).is_ok()
            });
            if !valid {
                return Err(NoteError::Forged(key.label()));
            }
            found = true;
        }
        if found {
            return Ok(&self.text);
        }
        let named = |signed: &Signed| format!("`{}+{:08x}`", signed.name, signed.id);
        let signers: Vec<String> = self.signatures.iter().map(named).collect();
        Err(NoteError::Unsigned { key: key.label(), signers: signers.join(", ") })
    }

    /// The text before anyone has verified it: for finding out which key to verify with.
    #[must_use]
    pub fn unverified(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.text)?;
        for Signed { name, id, bytes } in &self.signatures {
            let whole = [id.to_be_bytes().as_slice(), bytes].concat();
            writeln!(formatter, "{SIGNATURE_LINE}{name} {}", STANDARD.encode(whole))?;
        }
        Ok(())
    }
}

impl FromStr for Note {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        let refused = NoteError::Malformed;
        if note.len() > NOTE_BYTES_MAX {
            return Err(refused("it is longer than 64 KiB"));
        }
        if note.contains(|character: char| character < ' ' && character != '\n') {
            return Err(refused("it has control characters"));
        }
        let (text, signatures) =
            note.rsplit_once("\n\n").ok_or(refused("no empty line before signatures"))?;
        let lines = signatures.strip_suffix('\n').ok_or(refused("the last line is not ended"))?;
        let signatures: Vec<Signed> = lines.split('\n').map(line).collect::<Result<_, _>>()?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(refused("it has more than 64 signatures"));
        }
        Ok(Self { text: format!("{text}\n"), signatures })
    }
}

fn line(text: &str) -> Result<Signed, NoteError> {
    let refused = || NoteError::Malformed("a line after the text is not a signature");
    let (name, encoded) = text
        .strip_prefix(SIGNATURE_LINE)
        .and_then(|rest| rest.split_once(' '))
        .ok_or_else(refused)?;
    let bytes = STANDARD.decode(encoded).map_err(|_| refused())?;
    let (id, bytes) = bytes.split_first_chunk::<4>().ok_or_else(refused)?;
    if !is_name(name) || bytes.is_empty() {
        return Err(refused());
    }
    Ok(Signed { name: name.to_owned(), id: u32::from_be_bytes(*id), bytes: bytes.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    /// The example of the documentation of Go's `note` package.
    #[test]
    fn a_note_of_another_implementation_verifies() {
        let key: VerifierKey = KEY.parse().unwrap();
        let note: Note = NOTE.parse().unwrap();
        assert!(note.verify(&key).unwrap().starts_with("If you think"));
        assert_eq!(note.to_string(), NOTE);
        assert_eq!(key.to_string(), KEY);
    }

    #[test]
    fn every_changed_byte_of_a_note_or_a_key_is_refused() {
        let key: VerifierKey = KEY.parse().unwrap();
        let verifies = |bytes: Vec<u8>| {
            let note = String::from_utf8(bytes).ok()?.parse::<Note>().ok()?;
            note.verify(&key).ok().map(str::to_owned)
        };
        assert!(verifies(NOTE.into()).is_some());
        for place in 0..NOTE.len() {
            for flip in [0x01, 0x20, 0x80] {
                let mut bytes = NOTE.as_bytes().to_vec();
                bytes[place] ^= flip;
                assert_eq!(verifies(bytes), None, "byte {place}");
            }
        }
        for place in 0..KEY.len() {
            let mut bytes = KEY.as_bytes().to_vec();
            bytes[place] ^= 0x01;
            let parsed = String::from_utf8(bytes).unwrap().parse::<VerifierKey>();
            assert!(parsed.is_err(), "byte {place}");
        }
    }

    #[test]
    fn what_is_not_a_note_is_refused_with_its_reason() {
        let check = |text: &str, expect: &str| {
            let error = text.parse::<Note>().unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check("", "no empty line");
        check("text\n", "no empty line");
        check("text\n\n", "is not ended");
        check("text\n\nname AAAA\n", "not a signature");
        check(NOTE.trim_end(), "is not ended");
        check(&NOTE.replace("PeterNeumann x", "Peter+Neumann x"), "not a signature");
        check(&NOTE.replace('.', ".\r"), "control characters");
        check(&format!("{}{NOTE}", "a".repeat(NOTE_BYTES_MAX)), "64 KiB");
        let line = NOTE.lines().last().unwrap();
        check(&format!("{NOTE}{}", format!("{line}\n").repeat(64)), "64 signatures");
    }

    #[test]
    fn signatures_of_unknown_keys_are_passed_over_and_prove_nothing() {
        let key: VerifierKey = KEY.parse().unwrap();
        let line = NOTE.lines().last().unwrap();
        let stranger = line.replace("PeterNeumann", "Stranger");
        let both: Note = format!("{NOTE}{stranger}\n").parse().unwrap();
        assert!(both.verify(&key).is_ok());
        let alone: Note = NOTE.replace(line, &stranger).parse().unwrap();
        assert!(matches!(alone.verify(&key), Err(NoteError::Unsigned { .. })));
        let forged: Note = NOTE.replace("your problem,", "my problem,").parse().unwrap();
        assert!(matches!(forged.verify(&key), Err(NoteError::Forged(_))));
    }

    #[test]
    fn a_key_vouches_for_names_below_its_own_only() {
        let key: VerifierKey = KEY.parse().unwrap();
        assert_eq!(key.below("PeterNeumann"), Some(key.clone()));
        assert_eq!(key.below("PeterNeumann/a/0").unwrap().name(), "PeterNeumann/a/0");
        for other in ["Peter", "PeterNeumannX", "x/PeterNeumann", ""] {
            assert_eq!(key.below(other), None, "{other}");
        }
    }
}
