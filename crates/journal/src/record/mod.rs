//! Records: what a caller hands in, what is stored, and the exact bytes of a header.
//!
//! `draft` is the input, `header` the encoding, `decode` its inverse without allocation, `log` the
//! name of a chain. Nothing here touches a file or a database; the format is in `FORMAT.md`.

mod decode;
mod draft;
mod header;
mod log;

pub use decode::DecodeError;
pub(crate) use draft::check_draft;
pub use draft::{
    CLASS_BYTES_MAX, Draft, KIND_BYTES_MAX, PAYLOAD_BYTES_MAX, PAYLOAD_INLINE_BYTES_MAX,
    PRINCIPAL_BYTES_MAX, Stream, is_valid_text,
};
pub use header::{FORMAT_VERSION, Header, HeaderView, PayloadRef, Timestamp};
pub use log::SEQUENCE_MAX;
pub(crate) use log::{LOGS_MAX, LogNumber};
pub use log::{LogId, LogIdError, TENANT_BYTES_MAX};

use crate::digest::Digest;

/// One stored record: its decoded header, its leaf, and the payload bytes wherever they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The decoded header.
    pub header: Header,
    /// The hash of the stored header bytes.
    pub leaf: Digest,
    /// The payload; external payloads have been read from the artifact store and checked.
    pub payload: Vec<u8>,
}
