//! Decoding of header bytes: strict, bounded, without allocation.
//!
//! Accepts exactly what `header` writes: every other byte string is refused, so a header has one
//! encoding. Whether the contents are true is for `verify` to say.

use thiserror::Error;

use super::header::{
    FORMAT_VERSION, HAS_ARTIFACT, HAS_CAUSATION, HAS_CORRELATION, HAS_TRACE, HeaderView,
    PayloadRef, Timestamp,
};
use crate::digest::Digest;

/// Why bytes are not a header.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("header ends inside a field")]
    Short,
    /// Bytes follow the last field.
    #[error("{0} bytes follow the header")]
    Trailing(usize),
    /// The version byte names a format this program does not know.
    #[error("header has unknown format version {0}")]
    Version(u8),
    /// Flag bits are set that this version does not define.
    #[error("header has undefined flags {0:#010b}")]
    Flags(u8),
    /// The named text is empty or not UTF-8.
    #[error("{0} is empty or not text")]
    Text(&'static str),
}

impl<'a> HeaderView<'a> {
    /// Reads a header that borrows from `bytes`.
    ///
    /// # Errors
    /// When `bytes` is not exactly one header of this format version.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut rest = bytes;
        let [version, flags] = *take::<2>(&mut rest)?;
        if version != FORMAT_VERSION {
            return Err(DecodeError::Version(version));
        }
        if flags & !(HAS_CORRELATION | HAS_CAUSATION | HAS_TRACE | HAS_ARTIFACT) != 0 {
            return Err(DecodeError::Flags(flags));
        }
        let shard = u16::from_be_bytes(*take(&mut rest)?);
        let sequence = u64::from_be_bytes(*take(&mut rest)?);
        let micros = i64::from_be_bytes(*take(&mut rest)?);
        let counter = u32::from_be_bytes(*take(&mut rest)?);
        let len = u64::from_be_bytes(*take(&mut rest)?);
        let digest = Digest::new(*take(&mut rest)?);
        let prev_leaf = Digest::new(*take(&mut rest)?);
        let schema = Digest::new(*take(&mut rest)?);
        let stream = take(&mut rest)?;
        let correlation = optional(flags, HAS_CORRELATION, &mut rest)?;
        let causation = optional(flags, HAS_CAUSATION, &mut rest)?;
        let trace = optional(flags, HAS_TRACE, &mut rest)?;
        let artifact = optional(flags, HAS_ARTIFACT, &mut rest)?.map(|bytes| Digest::new(*bytes));
        let tenant = text("tenant", &mut rest)?;
        let class = text("stream class", &mut rest)?;
        let kind = text("kind", &mut rest)?;
        let principal = text("principal", &mut rest)?;
        if !rest.is_empty() {
            return Err(DecodeError::Trailing(rest.len()));
        }
        let time = Timestamp { micros, counter };
        let payload = PayloadRef { len, digest, artifact };
        Ok(Self {
            tenant,
            shard,
            sequence,
            time,
            class,
            stream,
            kind,
            principal,
            correlation,
            causation,
            trace,
            schema,
            payload,
            prev_leaf,
        })
    }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], DecodeError> {
    let (field, tail) = rest.split_first_chunk::<N>().ok_or(DecodeError::Short)?;
    *rest = tail;
    Ok(field)
}

fn optional<'a, const N: usize>(
    flags: u8,
    flag: u8,
    rest: &mut &'a [u8],
) -> Result<Option<&'a [u8; N]>, DecodeError> {
    if flags & flag == 0 { Ok(None) } else { take(rest).map(Some) }
}

fn text<'a>(name: &'static str, rest: &mut &'a [u8]) -> Result<&'a str, DecodeError> {
    let [len] = *take::<1>(rest)?;
    let (field, tail) = rest.split_at_checked(usize::from(len)).ok_or(DecodeError::Short)?;
    *rest = tail;
    match str::from_utf8(field) {
        Ok(text) if !text.is_empty() => Ok(text),
        _ => Err(DecodeError::Text(name)),
    }
}
