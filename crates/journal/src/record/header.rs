//! The header of a record and its deterministic, length-prefixed encoding.
//!
//! [`HeaderView`] borrows everything and is what the writer encodes and the verifier decodes without
//! allocation; [`Header`] is the owned form for readers. The layout is specified in `FORMAT.md`;
//! there is exactly one encoding of every header.

use super::log::LogId;
use crate::digest::Digest;

/// The version byte every header starts with.
pub const FORMAT_VERSION: u8 = 1;

pub(super) const HAS_CORRELATION: u8 = 0b0001;
pub(super) const HAS_CAUSATION: u8 = 0b0010;
pub(super) const HAS_TRACE: u8 = 0b0100;
pub(super) const HAS_ARTIFACT: u8 = 0b1000;

/// A place in time that strictly increases along a log whatever the clock does.
///
/// `micros` is the latest time any author reported so far; `counter` counts records since it last
/// advanced. Ordered by `micros`, then `counter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Microseconds since the Unix epoch (UTC).
    pub micros: i64,
    /// Records since `micros` advanced.
    pub counter: u32,
}

impl Timestamp {
    /// Before every record.
    pub const MIN: Self = Self { micros: i64::MIN, counter: 0 };

    /// The timestamp after `self` for a record whose author's clock says `time_us`.
    #[must_use]
    pub fn next(self, time_us: i64) -> Self {
        if time_us > self.micros {
            return Self { micros: time_us, counter: 0 };
        }
        match self.counter.checked_add(1) {
            Some(counter) => Self { micros: self.micros, counter },
            None => Self { micros: self.micros.saturating_add(1), counter: 0 },
        }
    }
}

/// What a header says of its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadRef {
    /// Length in bytes.
    pub len: u64,
    /// `SHA-256(0x01 ‖ payload)`.
    pub digest: Digest,
    /// Plain SHA-256 of the payload when it is kept in the artifact store instead of the row.
    pub artifact: Option<Digest>,
}

/// A header with borrowed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderView<'a> {
    /// The tenant of the log.
    pub tenant: &'a str,
    /// The shard of the log.
    pub shard: u16,
    /// Position in the log, from 1 without gaps.
    pub sequence: u64,
    /// Position in time.
    pub time: Timestamp,
    /// Class of the stream, as `run`.
    pub class: &'a str,
    /// Id of the stream.
    pub stream: &'a [u8; 16],
    /// The event type.
    pub kind: &'a str,
    /// Who acted.
    pub principal: &'a str,
    /// The request or conversation.
    pub correlation: Option<&'a [u8; 16]>,
    /// The cause.
    pub causation: Option<&'a [u8; 16]>,
    /// The W3C trace id.
    pub trace: Option<&'a [u8; 16]>,
    /// Digest of the payload's schema.
    pub schema: Digest,
    /// The payload's digest, length and place.
    pub payload: PayloadRef,
    /// Leaf of the record before this one; [`Digest::ZERO`] for the first.
    pub prev_leaf: Digest,
}

impl HeaderView<'_> {
    /// Appends the encoding to `out`.
    ///
    /// Texts must be within their limits (at most 255 bytes each); longer ones are cut to a length
    /// that cannot decode, which the writer excludes by checking drafts first.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        out.push(FORMAT_VERSION);
        out.push(self.flags());
        out.extend_from_slice(&self.shard.to_be_bytes());
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.time.micros.to_be_bytes());
        out.extend_from_slice(&self.time.counter.to_be_bytes());
        out.extend_from_slice(&self.payload.len.to_be_bytes());
        out.extend_from_slice(self.payload.digest.as_bytes());
        out.extend_from_slice(self.prev_leaf.as_bytes());
        out.extend_from_slice(self.schema.as_bytes());
        out.extend_from_slice(self.stream);
        for id in [self.correlation, self.causation, self.trace].into_iter().flatten() {
            out.extend_from_slice(id);
        }
        if let Some(artifact) = &self.payload.artifact {
            out.extend_from_slice(artifact.as_bytes());
        }
        for text in [self.tenant, self.class, self.kind, self.principal] {
            out.push(u8::try_from(text.len()).unwrap_or(0));
            out.extend_from_slice(text.as_bytes());
        }
    }

    fn flags(&self) -> u8 {
        let bit = |present: bool, flag: u8| if present { flag } else { 0 };
        bit(self.correlation.is_some(), HAS_CORRELATION)
            | bit(self.causation.is_some(), HAS_CAUSATION)
            | bit(self.trace.is_some(), HAS_TRACE)
            | bit(self.payload.artifact.is_some(), HAS_ARTIFACT)
    }
}

/// A header that owns its text; see [`HeaderView`] for the fields' meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The log.
    pub log: LogId,
    /// Position in the log, from 1 without gaps.
    pub sequence: u64,
    /// Position in time.
    pub time: Timestamp,
    /// Class of the stream, as `run`.
    pub class: String,
    /// Id of the stream.
    pub stream: [u8; 16],
    /// The event type.
    pub kind: String,
    /// Who acted.
    pub principal: String,
    /// The request or conversation.
    pub correlation: Option<[u8; 16]>,
    /// The cause.
    pub causation: Option<[u8; 16]>,
    /// The W3C trace id.
    pub trace: Option<[u8; 16]>,
    /// Digest of the payload's schema.
    pub schema: Digest,
    /// The payload's digest, length and place.
    pub payload: PayloadRef,
    /// Leaf of the record before this one.
    pub prev_leaf: Digest,
}

impl Header {
    /// Decodes stored header bytes.
    ///
    /// # Errors
    /// When the bytes are not exactly one header of this format version.
    pub fn decode(bytes: &[u8]) -> Result<Self, super::DecodeError> {
        let view = HeaderView::decode(bytes)?;
        let log =
            LogId::new(view.tenant, view.shard).map_err(|_| super::DecodeError::Text("tenant"))?;
        Ok(Self {
            log,
            sequence: view.sequence,
            time: view.time,
            class: view.class.to_owned(),
            stream: *view.stream,
            kind: view.kind.to_owned(),
            principal: view.principal.to_owned(),
            correlation: view.correlation.copied(),
            causation: view.causation.copied(),
            trace: view.trace.copied(),
            schema: view.schema,
            payload: view.payload,
            prev_leaf: view.prev_leaf,
        })
    }

    /// The same header with borrowed text.
    #[must_use]
    pub fn view(&self) -> HeaderView<'_> {
        HeaderView {
            tenant: self.log.tenant(),
            shard: self.log.shard(),
            sequence: self.sequence,
            time: self.time,
            class: &self.class,
            stream: &self.stream,
            kind: &self.kind,
            principal: &self.principal,
            correlation: self.correlation.as_ref(),
            causation: self.causation.as_ref(),
            trace: self.trace.as_ref(),
            schema: self.schema,
            payload: self.payload,
            prev_leaf: self.prev_leaf,
        }
    }

    /// The canonical bytes of this header.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(320);
        self.view().encode_into(&mut out);
        out
    }
}
