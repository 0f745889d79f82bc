//! Any bytes on the peer socket: frames, messages and the handshake, each refused or read one way.
//! Whoever includes this has `frame`, `handshake` and `message` beside it. The seeds are replayed by the tests of the
//! crate.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a check fails by panicking")]

use std::io::Write as _;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::frame::{self, Within};
use super::handshake;
use super::message::Message;

/// Most bytes that are sent at once, so that nobody waits for them to be read.
const SENT_MAX: usize = 32 * 1024;
/// The limit of the frames that are read.
const FRAME_MAX: usize = 4096;

pub(crate) fn check(data: &[u8]) {
    if data.len() > SENT_MAX {
        return;
    }
    let (mut ours, theirs) = UnixStream::pair().expect("two sockets");
    ours.write_all(data).expect("it fits into the socket");
    ours.shutdown(Shutdown::Write).expect("an open socket");
    let long = Duration::from_secs(5);
    let mut rest = data;
    while let Ok(bytes) = frame::read(&theirs, FRAME_MAX, Within { idle: long, frame: long }) {
        assert!(bytes.len() <= FRAME_MAX);
        assert_eq!(rest.get(4..4 + bytes.len()), Some(bytes.as_slice()), "not what was sent");
        rest = rest.get(4 + bytes.len()..).unwrap_or_default();
        message(&bytes);
    }
    message(data);
}

fn message(bytes: &[u8]) {
    let Ok(message) = Message::read(bytes) else { return };
    assert_eq!(Message::read(&message.encode()).as_ref(), Ok(&message), "read otherwise again");
    if let Ok(answer) = handshake::greet(&message) {
        assert_eq!(message.method.as_deref(), Some("handshake"));
        assert_eq!(answer["negotiated_api_version"], 1);
    }
}
