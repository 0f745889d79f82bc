//! Frames of the extension protocol: four bytes of length, most significant first, then the message.
//!
//! One question, one answer, nothing else in either direction. An answer is read as it comes, in any
//! pieces; a byte beyond it is a fault, because nobody asked for it.

use super::{Extended, ExtensionFault, message};
use crate::call::Call;

/// Longest question, in bytes without its length. A larger call is denied unasked.
pub const QUESTION_BYTES_MAX: usize = 1 << 20;

/// Longest answer, in bytes without its length. A longer one is a fault as soon as it is announced.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Bytes of the length before a message.
const LENGTH_BYTES: usize = 4;

/// The frame that asks about `call`; `number` tells its answer from any other.
///
/// # Errors
/// [`ExtensionFault::TooLarge`] where the question would be longer than [`QUESTION_BYTES_MAX`].
pub fn question(number: u64, call: &Call<'_>) -> Result<Vec<u8>, ExtensionFault> {
    let message = message::question(number, call)?;
    let length = u32::try_from(message.len()).map_err(|_| ExtensionFault::TooLarge)?;
    if message.len() > QUESTION_BYTES_MAX {
        return Err(ExtensionFault::TooLarge);
    }
    let mut frame = Vec::with_capacity(LENGTH_BYTES + message.len());
    frame.extend(length.to_be_bytes());
    frame.extend(message);
    Ok(frame)
}

/// The answer to one question while it comes in. Holds no more than one answer.
#[derive(Debug)]
pub struct Answer {
    number: u64,
    bytes: Vec<u8>,
}

impl Answer {
    /// Waits for the answer to question `number`.
    #[must_use]
    pub fn to(number: u64) -> Answer {
        Answer { number, bytes: Vec::new() }
    }

    /// Takes the next bytes: the answer once it is complete, nothing before.
    ///
    /// # Errors
    /// [`ExtensionFault::Malformed`] for anything but one answer to this question. Whatever came after
    /// a fault or a complete answer means nothing; ask again on a new connection.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Option<Extended>, ExtensionFault> {
        let most = LENGTH_BYTES + ANSWER_BYTES_MAX;
        if self.bytes.len().saturating_add(bytes.len()) > most {
            return Err(ExtensionFault::Malformed);
        }
        self.bytes.extend(bytes);
        let Some((length, message)) = self.bytes.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length == 0 || length > ANSWER_BYTES_MAX || message.len() > length {
            return Err(ExtensionFault::Malformed);
        }
        if message.len() < length {
            return Ok(None);
        }
        message::answer(self.number, message).map(Some)
    }
}
