//! SHA-256 digests and the two domain-separated hashes of a record.
//!
//! The prefixes are those of RFC 6962: 0x00 for a leaf; 0x01 is ours for payloads (the tree's
//! interior prefix is never applied to payload bytes, which are not node hashes).
//! Files in the artifact store use the plain SHA-256, so that other tools can check them.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// A SHA-256 value; written as 64 lowercase hexadecimal characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Thirty-two zero bytes: `prev_leaf` of the first record of every log, and "no schema".
    pub const ZERO: Self = Self([0; 32]);

    /// Wraps 32 bytes that are already a digest.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The plain SHA-256 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// `SHA-256(0x00 ‖ header bytes)`: the link of the chain and the leaf of the Merkle tree.
#[must_use]
pub fn leaf_of(header: &[u8]) -> Digest {
    tagged(0x00, header)
}

/// `SHA-256(0x01 ‖ payload bytes)`: the payload digest a header carries.
#[must_use]
pub fn payload_digest_of(payload: &[u8]) -> Digest {
    tagged(0x01, payload)
}

fn tagged(tag: u8, bytes: &[u8]) -> Digest {
    let mut hasher = Sha256::new_with_prefix([tag]);
    hasher.update(bytes);
    Digest(hasher.finalize().into())
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Digest({self})")
    }
}

/// The text is not 64 lowercase hexadecimal characters.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a digest of 64 lowercase hexadecimal characters")]
pub struct DigestError {
    text: String,
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || DigestError { text: text.chars().take(80).collect() };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut bytes = [0_u8; 32];
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(refused());
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(*high).zip(nibble(*low)).map(|(h, l)| h << 4 | l).ok_or_else(refused)?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips_and_is_strict() {
        let digest = Digest::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse(), Ok(digest));
        for bad in ["", "ba78", &text.to_uppercase(), &format!("{text}00"), &text.replace('b', "g")]
        {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_two_hashes_are_separated() {
        assert_eq!(leaf_of(b"x"), Digest::of(b"\x00x"));
        assert_eq!(payload_digest_of(b"x"), Digest::of(b"\x01x"));
    }
}
