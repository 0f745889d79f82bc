//! One connection from its first frame to its last: the handshake, then requests, one after the other.
//!
//! Whoever breaks the framing or sends what is no message is told so and hung up on, because nothing after it can be
//! trusted to begin where it should. A request that is merely wrong is answered, and the connection stays.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;

use super::frame::{self, FRAME_BYTES, FrameError, Within};
use super::handshake;
use super::identity::Peer;
use super::message::{Code, Fault, Kind, Message};
use super::method;
use super::refusal::Refusals;
use super::room::Room;
use crate::node::Desk;

/// Largest first frame, in bytes: a greeting is short.
const GREETING_BYTES: usize = 4096;

/// How long a peer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From connecting to the end of the handshake's frame.
    pub greeting: Duration,
    /// From the first to the last byte of a frame, either way.
    pub frame: Duration,
    /// Between two requests.
    pub idle: Duration,
}

impl Default for Patience {
    /// 5 s for the greeting and for a frame, 5 min between requests.
    fn default() -> Self {
        let short = Duration::from_secs(5);
        Self { greeting: short, frame: short, idle: Duration::from_secs(300) }
    }
}

/// A conversation.
pub(super) struct Conversation<'a> {
    pub(super) stream: &'a UnixStream,
    pub(super) peer: Peer,
    pub(super) desk: &'a Desk,
    pub(super) room: &'a Room,
    pub(super) patience: Patience,
    pub(super) refusals: &'a Refusals,
}

impl Conversation<'_> {
    /// Goes on until the peer leaves, breaks the protocol or is shown out.
    pub(super) fn hold(&self) {
        let first = Within { idle: self.patience.greeting, frame: self.patience.greeting };
        if !self.exchange(GREETING_BYTES, first, &|first| handshake::greet(first)) {
            return;
        }
        let within = Within { idle: self.patience.idle, frame: self.patience.frame };
        while self.exchange(FRAME_BYTES, within, &|request| self.answer(request)) {}
    }

    /// One request and its response; whether the connection goes on.
    fn exchange(
        &self,
        limit: usize,
        within: Within,
        answer: &dyn Fn(&Message) -> Result<Value, Fault>,
    ) -> bool {
        let bytes = match frame::read(self.stream, limit, within) {
            Ok(bytes) => bytes,
            Err(error @ FrameError::TooLong { .. }) => {
                return self.refuse(limit, Fault::new(Code::BadMessage, error.to_string()));
            }
            // Somebody who is gone or does not go on is told nothing.
            Err(_) => return false,
        };
        let request = match Message::read(&bytes) {
            Ok(request) => request,
            Err(fault) => return self.refuse(limit, fault),
        };
        let answer = match request.kind {
            Kind::Request => answer(&request),
            Kind::Response | Kind::Event => {
                Err(Fault::new(Code::NotARequest, "only requests are answered"))
            }
        };
        let ends = self.ungreeted(limit, &answer);
        self.say(&request.id, answer) && !ends
    }

    /// Answers what is no message; the connection ends.
    fn refuse(&self, limit: usize, fault: Fault) -> bool {
        let answer = Err(fault);
        self.ungreeted(limit, &answer);
        self.say("", answer);
        false
    }

    /// Puts a handshake that was refused on record; whether this is one.
    fn ungreeted(&self, limit: usize, answer: &Result<Value, Fault>) -> bool {
        let refused = answer.as_ref().err().filter(|_| limit == GREETING_BYTES);
        if let Some(fault) = refused {
            self.refusals.ungreeted(self.desk, self.peer, fault);
        }
        refused.is_some()
    }

    fn answer(&self, request: &Message) -> Result<Value, Fault> {
        if self.room.is_closing() {
            return Err(Fault::new(Code::Busy, "the node is ending"));
        }
        let call = method::Asked { peer: self.peer, desk: self.desk, room: self.room };
        call.answer(request)
    }

    /// Sends a response; whether it went out.
    fn say(&self, id: &str, answer: Result<Value, Fault>) -> bool {
        let mut bytes = Message::response(id, answer).encode();
        if bytes.len() > FRAME_BYTES {
            let fault = format!("the answer of {} bytes does not fit into a frame", bytes.len());
            bytes = Message::response(id, Err(Fault::new(Code::TooLarge, fault))).encode();
        }
        frame::write(self.stream, &bytes, self.patience.frame).is_ok()
    }
}

/// Tells a connection that there is no place for it.
pub(super) fn turn_away(stream: &UnixStream) {
    send_off(stream, Fault::new(Code::Busy, "too many connections; come back later"));
}

/// Tells a program of this user why it is not let in: whoever runs programs in a container asks from outside of it.
pub(super) fn stay_out(stream: &UnixStream) {
    let why = "a program in a sandbox or container of its own is no peer; ask from outside of it";
    send_off(stream, Fault::new(Code::Denied, why));
}

fn send_off(stream: &UnixStream, fault: Fault) {
    const WORD: Duration = Duration::from_millis(100);
    drop(frame::write(stream, &Message::response("", Err(fault)).encode(), WORD));
}
