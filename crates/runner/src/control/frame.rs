//! Frames of the control socket: a big-endian `u32` length and that many bytes of JSON.
//! Lengths are checked before anything is read; what a message means is not known here.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Largest frame, in bytes; a longer one ends the connection unread.
pub(super) const FRAME_BYTES: u32 = 64 * 1024;

/// Why a frame could not be exchanged.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The connection failed or ended midway.
    #[error("the connection ended")]
    Io(#[from] io::Error),
    /// A length over the limit.
    #[error("a frame of {0} bytes is over the limit of {FRAME_BYTES}")]
    Length(u32),
    /// Not the JSON that was expected.
    #[error("a frame is not a known message")]
    Message(#[from] serde_json::Error),
}

pub(super) fn write(stream: &mut impl Write, message: &impl Serialize) -> Result<(), FrameError> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    if length > FRAME_BYTES {
        return Err(FrameError::Length(length));
    }
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(&body);
    stream.write_all(&bytes)?;
    Ok(stream.flush()?)
}

pub(super) fn read<M: DeserializeOwned>(stream: &mut impl Read) -> Result<M, FrameError> {
    let mut head = [0; 4];
    stream.read_exact(&mut head)?;
    let length = u32::from_be_bytes(head);
    if length > FRAME_BYTES {
        return Err(FrameError::Length(length));
    }
    let mut body = vec![0; usize::try_from(length).unwrap_or(0)];
    stream.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::*;

    fn check(bytes: &[u8]) -> Result<Request, FrameError> {
        read(&mut io::Cursor::new(bytes))
    }

    #[test]
    fn a_frame_survives_the_way_there_and_hostile_ones_do_not() {
        let request = Request::Cancel { run: "run_x".to_owned(), reason: "why".to_owned() };
        let mut bytes = Vec::new();
        write(&mut bytes, &request).unwrap();
        assert_eq!(check(&bytes).unwrap(), request);
        assert!(matches!(check(&bytes[..bytes.len() - 1]), Err(FrameError::Io(_))));
        assert!(matches!(check(&[0xff; 8]), Err(FrameError::Length(u32::MAX))));
        assert!(matches!(check(b"\0\0\0\x02{}"), Err(FrameError::Message(_))));
        let extra = br#"{"ask":"cancel","run":"r","reason":"x","more":1}"#;
        let mut framed = (u32::try_from(extra.len()).unwrap()).to_be_bytes().to_vec();
        framed.extend_from_slice(extra);
        assert!(matches!(check(&framed), Err(FrameError::Message(_))));
    }
}
