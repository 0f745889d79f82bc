//! A ticket as text: `base64url(payload).base64url(signature)`, without padding, and how its payload is framed.
//!
//! Only lengths and the version are looked at here. What the payload means is read by `verify`, after its signature.
//! The text is a secret: `Debug` names the ticket and shows neither payload nor signature.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::key::{KeyId, MAC_BYTES, SIGNATURE_BYTES};
use crate::narrowing::DEPTH_MAX;
use crate::wire::Reader;

/// Longest text of a ticket, in bytes; a longer one is refused unread.
pub const TEXT_BYTES_MAX: usize = 4096;
/// The version of the format this build writes and reads.
pub(crate) const VERSION: u8 = 1;
/// Version, key, length of the claims.
const HEAD_BYTES: usize = 1 + 8 + 2;

/// A text that is no ticket, told without repeating it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Nothing, or longer than any ticket.
    #[error("it has {0} bytes, and a ticket has 1 to {TEXT_BYTES_MAX}")]
    Length(usize),
    /// Not two parts with a dot between.
    #[error("it is not two parts with one dot between them")]
    Parts,
    /// Not base64url without padding, or not the one text of its bytes.
    #[error("a part is not canonical base64url without padding")]
    Encoding,
    /// Made by another version.
    #[error("its version is {0}, and this build reads {VERSION}")]
    Version(u8),
    /// The signature has the length of no algorithm.
    #[error("its signature has {0} bytes, and one has {MAC_BYTES} or {SIGNATURE_BYTES}")]
    Signature(usize),
    /// Lengths inside do not add up.
    #[error("its payload is cut short or followed by something else")]
    Framing,
    /// Narrowed too often.
    #[error("it was narrowed more than {DEPTH_MAX} times")]
    Depth,
}

/// A signature and by which algorithm its length says it is; whether that is so, the key says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signature {
    Mac([u8; MAC_BYTES]),
    Ed25519([u8; SIGNATURE_BYTES]),
}

impl Signature {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Mac(bytes) => bytes,
            Self::Ed25519(bytes) => bytes,
        }
    }
}

/// A ticket whose lengths add up. Nothing of it is to be believed before [`verify`](crate::verify).
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Version, key, length of the claims, claims; then each narrowing with its length before it.
    payload: Vec<u8>,
    /// Bytes of the payload up to the first narrowing.
    root: usize,
    signature: Signature,
}

impl Ticket {
    pub(crate) fn new(payload: Vec<u8>, signature: Signature) -> Result<Self, Malformed> {
        let root = frame(&payload)?;
        Ok(Self { payload, root, signature })
    }

    /// Reads a ticket's text.
    ///
    /// # Errors
    /// [`Malformed`] for every text but the one that [`Ticket::text`] gives.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.is_empty() || text.len() > TEXT_BYTES_MAX {
            return Err(Malformed::Length(text.len()));
        }
        let (payload, signature) = text.split_once('.').ok_or(Malformed::Parts)?;
        if payload.is_empty() || signature.is_empty() || signature.contains('.') {
            return Err(Malformed::Parts);
        }
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| Malformed::Encoding)?;
        let mut bytes = [0; SIGNATURE_BYTES + 1];
        let count = match URL_SAFE_NO_PAD.decode_slice(signature, &mut bytes) {
            Ok(count) => count,
            Err(base64::DecodeSliceError::OutputSliceTooSmall) => {
                return Err(Malformed::Signature(signature.len() * 3 / 4));
            }
            Err(base64::DecodeSliceError::DecodeError(_)) => return Err(Malformed::Encoding),
        };
        let signature = match bytes.split_at_checked(count).map(|(kept, _)| kept) {
            Some(kept) if count == MAC_BYTES => kept.try_into().map(Signature::Mac),
            Some(kept) if count == SIGNATURE_BYTES => kept.try_into().map(Signature::Ed25519),
            _ => return Err(Malformed::Signature(count)),
        };
        Self::new(payload, signature.map_err(|_| Malformed::Signature(count))?)
    }

    /// The text to hand out. Whoever has it can use the ticket.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = URL_SAFE_NO_PAD.encode(&self.payload);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(self.signature.bytes(), &mut text);
        text
    }

    /// The key it says it is signed with.
    #[must_use]
    pub fn key(&self) -> KeyId {
        let id = self.payload.get(1..).and_then(|rest| rest.first_chunk());
        KeyId(id.copied().unwrap_or_default())
    }

    /// How often it was narrowed.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.blocks().count()
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    pub(crate) fn signature(&self) -> &Signature {
        &self.signature
    }

    /// What the first signature covers: everything before the first narrowing.
    pub(crate) fn root(&self) -> &[u8] {
        self.payload.get(..self.root).unwrap_or_default()
    }

    pub(crate) fn claims(&self) -> &[u8] {
        self.payload.get(HEAD_BYTES..self.root).unwrap_or_default()
    }

    /// Each narrowing, its length before it.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = Reader(self.payload.get(self.root..).unwrap_or_default());
        std::iter::from_fn(move || block(&mut rest))
    }
}

/// One narrowing with its length before it; `None` at the end.
fn block<'a>(rest: &mut Reader<'a>) -> Option<&'a [u8]> {
    let length = rest.0.first_chunk().copied().map(u16::from_be_bytes)?;
    rest.bytes(2 + usize::from(length)).ok()
}

/// The bytes before the first narrowing, where everything adds up.
fn frame(payload: &[u8]) -> Result<usize, Malformed> {
    let cut = |_| Malformed::Framing;
    let mut rest = Reader(payload);
    let version = rest.byte().map_err(cut)?;
    if version != VERSION {
        return Err(Malformed::Version(version));
    }
    rest.array::<8>().map_err(cut)?;
    let length = rest.u16().map_err(cut)?;
    rest.bytes(usize::from(length)).map_err(cut)?;
    let root = payload.len() - rest.0.len();
    let mut depth = 0;
    while !rest.0.is_empty() {
        block(&mut rest).ok_or(Malformed::Framing)?;
        depth += 1;
        if depth > DEPTH_MAX {
            return Err(Malformed::Depth);
        }
    }
    Ok(root)
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket(by {}, {} deep)", self.key(), self.depth())
    }
}
