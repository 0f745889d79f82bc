//! Frames: a big-endian `u32` length and that many bytes.
//!
//! A length is checked before anything is read or set aside for it, and memory grows with the bytes that came, not
//! with those that were announced. A whole frame has a time limit, so that a peer cannot hold a place by sending a
//! byte now and then. What a frame means is not known here.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Largest frame, in bytes; a longer one ends the connection unread.
pub const FRAME_BYTES: usize = 1024 * 1024;
/// Bytes set aside at a time.
const PIECE: usize = 64 * 1024;

/// Why a frame could not be exchanged.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other end closed between two frames.
    #[error("the connection was closed")]
    Closed,
    /// The other end closed within a frame.
    #[error("the connection ended within a frame")]
    Truncated,
    /// A length over the limit.
    #[error("a frame of {found} bytes is over the limit of {limit}")]
    TooLong {
        /// The length announced.
        found: usize,
        /// What is allowed.
        limit: usize,
    },
    /// It took too long.
    #[error("the frame did not come, or was not taken, in time")]
    TimedOut,
    /// The connection failed.
    #[error("the connection failed")]
    Io(#[source] io::Error),
}

/// How long a frame may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Within {
    /// Until its first byte.
    pub(super) idle: Duration,
    /// From its first byte to its last.
    pub(super) frame: Duration,
}

/// Reads one frame of at most `limit` bytes.
pub(super) fn read(
    stream: &UnixStream,
    limit: usize,
    within: Within,
) -> Result<Vec<u8>, FrameError> {
    let mut head = [0; 4];
    let (first, rest) = head.split_at_mut(1);
    match fill(stream, first, Instant::now() + within.idle) {
        Err(FrameError::Truncated) => return Err(FrameError::Closed),
        other => other?,
    }
    let until = Instant::now() + within.frame;
    fill(stream, rest, until)?;
    let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
    if length > limit {
        return Err(FrameError::TooLong { found: length, limit });
    }
    let mut body = Vec::new();
    while body.len() < length {
        let have = body.len();
        body.resize(length.min(have + PIECE), 0);
        fill(stream, body.get_mut(have..).unwrap_or_default(), until)?;
    }
    Ok(body)
}

fn fill(mut stream: &UnixStream, mut room: &mut [u8], until: Instant) -> Result<(), FrameError> {
    while !room.is_empty() {
        stream.set_read_timeout(Some(left(until)?)).map_err(FrameError::Io)?;
        match stream.read(room) {
            Ok(0) => return Err(FrameError::Truncated),
            Ok(count) => room = room.get_mut(count..).unwrap_or_default(),
            Err(error) => again(error)?,
        }
    }
    Ok(())
}

/// Writes one frame within `limit` of time; a body over [`FRAME_BYTES`] is refused unsent.
pub(super) fn write(stream: &UnixStream, body: &[u8], limit: Duration) -> Result<(), FrameError> {
    let too_long = FrameError::TooLong { found: body.len(), limit: FRAME_BYTES };
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= FRAME_BYTES);
    let mut bytes = length.ok_or(too_long)?.to_be_bytes().to_vec();
    bytes.extend_from_slice(body);
    let until = Instant::now() + limit;
    let (mut stream, mut unsent) = (stream, bytes.as_slice());
    while !unsent.is_empty() {
        stream.set_write_timeout(Some(left(until)?)).map_err(FrameError::Io)?;
        match stream.write(unsent) {
            Ok(count) => unsent = unsent.get(count..).unwrap_or_default(),
            Err(error) => again(error)?,
        }
    }
    Ok(())
}

/// What is left of the time; never nothing, because that would mean for ever.
fn left(until: Instant) -> Result<Duration, FrameError> {
    match until.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(FrameError::TimedOut),
        left => Ok(left),
    }
}

fn again(error: io::Error) -> Result<(), FrameError> {
    match error.kind() {
        ErrorKind::Interrupted => Ok(()),
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Err(FrameError::TimedOut),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Err(FrameError::Truncated),
        _ => Err(FrameError::Io(error)),
    }
}
