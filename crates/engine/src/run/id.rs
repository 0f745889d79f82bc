//! `RunId` and `ApprovalId`: 128 bits with one text form each.
//!
//! The text is `run_` or `apr_` and 26 lowercase Crockford base32 characters, most significant
//! first, so that text order is byte order. Ids are not made here: that takes a clock and
//! randomness, which the runner has. A prefix of a run's text names a range of ids, see
//! [`RunId::range`].

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

const PREFIX: &str = "run_";
const APPROVAL_PREFIX: &str = "apr_";
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of base32 for 128 bits: 26 × 5 = 130, the two highest bits are zero.
const LENGTH: usize = 26;

/// The identity of a run; a UUIDv7 by convention, any 16 bytes by type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub [u8; 16]);

/// Why a text is no run id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunIdError {
    /// The text does not begin with `run_`.
    #[error("`{0}` is no run id: it does not begin with `run_`")]
    Prefix(String),
    /// The number of characters after `run_` is wrong.
    #[error("`{text}` is no run id: {found} characters after `run_` instead of 26")]
    Length {
        /// What was given.
        text: String,
        /// How many characters follow the prefix.
        found: usize,
    },
    /// A character is not of the alphabet, or the value needs more than 128 bits.
    #[error("`{text}` is no run id: `{found}` may not stand there")]
    Character {
        /// What was given.
        text: String,
        /// The first character that does not fit.
        found: char,
    },
}

impl RunId {
    /// The stream of facts that belong to no run, such as a new epoch. Never the id of a run.
    pub const NIL: Self = Self([0; 16]);

    /// Every id whose text begins with `text`; `run_` may be left out.
    ///
    /// Errors as for parsing, save that fewer characters are fine.
    pub fn range(text: &str) -> Result<RangeInclusive<Self>, RunIdError> {
        let digits = text.strip_prefix(PREFIX).unwrap_or(text);
        let low = decode(text, digits, '0')?;
        let high = decode(text, digits, if digits.is_empty() { '7' } else { 'z' })?;
        Ok(Self(low.to_be_bytes())..=Self(high.to_be_bytes()))
    }
}

/// The value of `digits`, filled up to full length with `fill`.
fn decode(text: &str, digits: &str, fill: char) -> Result<u128, RunIdError> {
    let found = digits.chars().count();
    if found > LENGTH {
        return Err(RunIdError::Length { text: text.to_owned(), found });
    }
    let mut value = 0_u128;
    let filled = digits.chars().chain(std::iter::repeat(fill)).take(LENGTH);
    for (place, character) in filled.enumerate() {
        // The first character of an empty prefix is at most `7`, every later one may be `z`.
        let character = if place > 0 && fill == '7' { 'z' } else { character };
        let digit = ALPHABET.iter().position(|&known| char::from(known) == character);
        let fits = digit.filter(|&digit| place > 0 || digit < 8);
        let digit =
            fits.ok_or_else(|| RunIdError::Character { text: text.to_owned(), found: character })?;
        value = (value << 5) | digit as u128;
    }
    Ok(value)
}

fn encode(f: &mut fmt::Formatter<'_>, prefix: &str, bytes: [u8; 16]) -> fmt::Result {
    let value = u128::from_be_bytes(bytes);
    let mut text = [b'0'; LENGTH];
    for (place, slot) in text.iter_mut().rev().enumerate() {
        let digit = (value >> (5 * place)) & 31;
        *slot = ALPHABET.get(digit as usize).copied().unwrap_or(b'0');
    }
    f.write_str(prefix)?;
    f.write_str(std::str::from_utf8(&text).unwrap_or_default())
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        encode(f, PREFIX, self.0)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RunId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, RunIdError> {
        let digits =
            text.strip_prefix(PREFIX).ok_or_else(|| RunIdError::Prefix(text.to_owned()))?;
        let found = digits.chars().count();
        if found != LENGTH {
            return Err(RunIdError::Length { text: text.to_owned(), found });
        }
        Ok(Self(decode(text, digits, '0')?.to_be_bytes()))
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The identity of a request for an approval; a UUIDv7 by convention, any 16 bytes by type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApprovalId(pub [u8; 16]);

/// A text that is no id of an approval.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no approval: expected `apr_` and 26 characters of `0-9a-z` without `i l o u`")]
pub struct ApprovalIdError(String);

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        encode(f, APPROVAL_PREFIX, self.0)
    }
}

impl fmt::Debug for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ApprovalId {
    type Err = ApprovalIdError;

    fn from_str(text: &str) -> Result<Self, ApprovalIdError> {
        let digits = text.strip_prefix(APPROVAL_PREFIX).filter(|digits| digits.len() == LENGTH);
        let value = digits.and_then(|digits| decode(text, digits, '0').ok());
        value.map(|value| Self(value.to_be_bytes())).ok_or_else(|| ApprovalIdError(text.to_owned()))
    }
}

impl Serialize for ApprovalId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ApprovalId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_one_to_one() {
        let rows = [
            ([0; 16], "run_00000000000000000000000000"),
            ([0xff; 16], "run_7zzzzzzzzzzzzzzzzzzzzzzzzz"),
            (1_u128.to_be_bytes(), "run_00000000000000000000000001"),
            ((1_u128 << 127).to_be_bytes(), "run_40000000000000000000000000"),
        ];
        for (bytes, text) in rows {
            assert_eq!(RunId(bytes).to_string(), text);
            assert_eq!(text.parse(), Ok(RunId(bytes)));
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let rows = [
            "",
            "00000000000000000000000000",
            "run_",
            "run_0000000000000000000000000",
            "run_000000000000000000000000000",
            "run_80000000000000000000000000",
            "run_0000000000000000000000000u",
            "run_0000000000000000000000000A",
            "run_é000000000000000000000000",
        ];
        for text in rows {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_approval_is_not_a_run() {
        let id = ApprovalId(1_u128.to_be_bytes());
        assert_eq!(id.to_string(), "apr_00000000000000000000000001");
        assert_eq!(id.to_string().parse(), Ok(id));
        let run = RunId(id.0).to_string();
        for text in ["", "apr_", "apr_1", "apr_8zzzzzzzzzzzzzzzzzzzzzzzzz", &run, &run[4..]] {
            assert!(text.parse::<ApprovalId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_prefix_is_a_range() {
        let id: RunId = "run_06abc000000000000000000000".parse().unwrap();
        for length in 0..=26 {
            let text = id.to_string();
            let range = RunId::range(&text[..4 + length]).unwrap();
            assert!(range.contains(&id), "{length}");
            assert_eq!(RunId::range(&text[4..4 + length]).unwrap(), range);
        }
        assert_eq!(RunId::range("").unwrap(), RunId([0; 16])..=RunId([0xff; 16]));
        assert!(!RunId::range("run_06abd").unwrap().contains(&id));
        assert!(RunId::range("run_8").is_err());
    }
}
