//! A draft: everything of a record that its author knows before it has a place in a log.
//!
//! Sequence, final time and chain link are given by the writer. Limits are checked here, before
//! anything is written, so that one bad draft refuses its operation and nothing else.

use std::borrow::Cow;

use crate::digest::Digest;

/// Longest stream class, in bytes.
pub const CLASS_BYTES_MAX: usize = 32;

/// Longest event kind, in bytes.
pub const KIND_BYTES_MAX: usize = 96;

/// Longest principal, in bytes (its length has one byte in the header).
pub const PRINCIPAL_BYTES_MAX: usize = 255;

/// Largest payload kept in the row; a larger one goes to the artifact store by digest.
pub const PAYLOAD_INLINE_BYTES_MAX: usize = 16 * 1024;

/// Largest payload at all; a larger one refuses its operation.
pub const PAYLOAD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a record is about: a run, a session, a trigger.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stream {
    /// What kind of thing the id names, as `run`; `a-z 0-9 _`, at most [`CLASS_BYTES_MAX`] bytes.
    pub class: Cow<'static, str>,
    /// The 16-byte id (UUIDv7 keeps the stream index local).
    pub id: [u8; 16],
}

/// The author's part of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What the record is about.
    pub stream: Stream,
    /// The event type, as `step.finished`; `a-z 0-9 . _`, at most [`KIND_BYTES_MAX`] bytes.
    pub kind: Cow<'static, str>,
    /// When it happened, microseconds since the Unix epoch (UTC). Recorded times never go backwards:
    /// an earlier one is recorded as the log's latest time with a higher counter.
    pub time_us: i64,
    /// Who acted; 1 to [`PRINCIPAL_BYTES_MAX`] bytes without control characters.
    pub principal: String,
    /// The request or conversation this belongs to.
    pub correlation: Option<[u8; 16]>,
    /// The record or command that caused this one.
    pub causation: Option<[u8; 16]>,
    /// The W3C trace id.
    pub trace: Option<[u8; 16]>,
    /// Digest of the payload's schema; [`Digest::ZERO`] when it has none.
    pub schema: Digest,
    /// The payload bytes, at most [`PAYLOAD_BYTES_MAX`]; never re-serialised.
    pub payload: Vec<u8>,
}

/// Checks a draft against the limits; the error says which field and what is allowed.
pub(crate) fn check_draft(draft: &Draft) -> Result<(), String> {
    let Draft { stream, kind, principal, payload, .. } = draft;
    if !is_word(&stream.class, CLASS_BYTES_MAX, b"_") {
        return Err(format!("stream class `{}` is not a-z 0-9 _", clip(&stream.class)));
    }
    if !is_word(kind, KIND_BYTES_MAX, b"._") {
        return Err(format!("event kind `{}` is not a-z 0-9 . _", clip(kind)));
    }
    if !is_valid_text(principal, PRINCIPAL_BYTES_MAX) {
        return Err(format!("principal `{}` is empty, too long or unprintable", clip(principal)));
    }
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(format!("payload of {} bytes is above {PAYLOAD_BYTES_MAX}", payload.len()));
    }
    Ok(())
}

/// Whether `text` is 1 to `bytes_max` bytes long and free of control characters: what a header accepts.
#[must_use]
pub fn is_valid_text(text: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn is_word(text: &str, bytes_max: usize, extra: &[u8]) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || extra.contains(&byte);
    (1..=bytes_max).contains(&text.len()) && text.bytes().all(allowed)
}

fn clip(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { '?' } else { c }).collect()
}
