//! The exchange between supervisor and proxy: frames of JSON with a length, over a stream socket.
//!
//! A frame is four bytes of length, most significant first, and that many bytes of JSON. The first
//! frame to the proxy carries the listening socket beside its bytes. Anything else than what
//! stands here ends the session, on either side. Both sides are the same program, so the version
//! is only there to say it plainly when they are not.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::grant::Grant;

/// The version of these frames.
pub(crate) const VERSION: u32 = 1;

/// Bytes of a frame to the proxy: room for a grant of some thousand entries.
pub(crate) const TO_PROXY: usize = 1024 * 1024;
/// Bytes of a frame from the proxy, which is the less trusted of the two.
pub(crate) const FROM_PROXY: usize = 64 * 1024;

/// What the supervisor says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Order {
    /// The first frame, with the listening socket.
    Begin { version: u32, grant: Grant },
    /// The decision is on record; what it allows may be dialled.
    Acknowledge { id: u64 },
}

/// What the proxy says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "report", content = "of", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Report {
    /// The first frame: the proxy speaks this version and accepts connections.
    Ready { version: u32 },
    /// Something was decided or ended.
    Event(Event),
}

/// Why no frame came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("the socket failed")]
    Socket(#[from] io::Error),
    #[error("a frame of {0} bytes, {1} at most")]
    Oversized(usize, usize),
    #[error("a frame that cannot be read")]
    Malformed(#[source] serde_json::Error),
    #[error("the socket ended in the middle of a frame")]
    Torn,
    #[error("the first frame carries no socket")]
    Bare,
}

/// Sends one frame, whole.
pub(crate) fn send<T: Serialize>(socket: impl AsFd, frame: &T) -> Result<(), FrameError> {
    write_all(socket.as_fd(), &encode(frame)?, 0)
}

/// Sends one frame with a descriptor beside its first bytes.
pub(crate) fn send_with<T: Serialize>(
    socket: impl AsFd,
    frame: &T,
    descriptor: BorrowedFd<'_>,
) -> Result<(), FrameError> {
    let bytes = encode(frame)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(FrameError::Bare);
    }
    let sent = loop {
        let slices = [IoSlice::new(&bytes)];
        match rustix::net::sendmsg(&socket, &slices, &mut control, SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => {}
            result => break result.map_err(io::Error::from)?,
        }
    };
    write_all(socket.as_fd(), &bytes, sent)
}

/// Receives one frame; `None` is the end of the stream between two frames.
pub(crate) fn receive<T: DeserializeOwned>(
    socket: impl AsFd,
    limit: usize,
) -> Result<Option<T>, FrameError> {
    let mut length = [0; 4];
    let got = read_full(socket.as_fd(), &mut length)?;
    body(socket.as_fd(), length, got, limit)
}

/// Receives the first frame and the descriptor beside it.
pub(crate) fn receive_with<T: DeserializeOwned>(
    socket: impl AsFd,
    limit: usize,
) -> Result<Option<(T, OwnedFd)>, FrameError> {
    let mut length = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(&mut length)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let got = loop {
        match rustix::net::recvmsg(&socket, &mut slices, &mut control, flags) {
            Err(rustix::io::Errno::INTR) => {}
            result => break result.map_err(io::Error::from)?.bytes,
        }
    };
    let mut descriptors = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptor = descriptors.next().and_then(|mut descriptors| descriptors.next());
    if got == 0 {
        return Ok(None);
    }
    let rest = length.get_mut(got..).unwrap_or_default();
    let got = got + read_full(socket.as_fd(), rest)?;
    let frame = body(socket.as_fd(), length, got, limit)?;
    let descriptor = descriptor.ok_or(FrameError::Bare)?;
    Ok(frame.map(|frame| (frame, descriptor)))
}

fn encode<T: Serialize>(frame: &T) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, frame).map_err(FrameError::Malformed)?;
    let length = bytes.len() - 4;
    let written = u32::try_from(length).map_err(|_| FrameError::Oversized(length, TO_PROXY))?;
    for (to, from) in bytes.iter_mut().zip(written.to_be_bytes()) {
        *to = from;
    }
    Ok(bytes)
}

fn body<T: DeserializeOwned>(
    socket: BorrowedFd<'_>,
    length: [u8; 4],
    got: usize,
    limit: usize,
) -> Result<Option<T>, FrameError> {
    if got == 0 {
        return Ok(None);
    }
    if got < length.len() {
        return Err(FrameError::Torn);
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > limit {
        return Err(FrameError::Oversized(length, limit));
    }
    let mut bytes = vec![0; length];
    if read_full(socket, &mut bytes)? < length {
        return Err(FrameError::Torn);
    }
    serde_json::from_slice(&bytes).map(Some).map_err(FrameError::Malformed)
}

/// Reads until the buffer is full or the stream ends; how much was read.
fn read_full(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, FrameError> {
    let mut got = 0;
    while let Some(rest) = buffer.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match rustix::net::recv(socket, rest, RecvFlags::empty()) {
            Ok((0, _)) | Err(rustix::io::Errno::CONNRESET) => break,
            Ok((read, _)) => got += read,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
    Ok(got)
}

fn write_all(socket: BorrowedFd<'_>, bytes: &[u8], mut sent: usize) -> Result<(), FrameError> {
    while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
        match rustix::net::send(socket, rest, SendFlags::NOSIGNAL) {
            Ok(written) => sent += written,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
    Ok(())
}
