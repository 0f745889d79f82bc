//! The asking side of the peer socket.
//! It does not retry: a request whose answer got lost may have taken effect, and the caller says so.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::frame::{self, FRAME_BYTES, FrameError, Within};
use super::handshake::{API_VERSION, HANDSHAKE};
use super::identity::{self, Unidentified};
use super::message::{Fault, Message};

/// Longest wait for an answer to begin; the owner answers after one commit, or says that it still waits.
const ANSWER_WAIT: Duration = Duration::from_secs(90);
/// Longest time for one frame.
const FRAME_WAIT: Duration = Duration::from_secs(10);

/// Why the owner could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens: no process owns the project now.
    #[error("no running process owns this project")]
    NoOwner,
    /// Whoever listens is not the owner of this project.
    #[error("who listens on the project's socket is not trusted")]
    Impostor(#[from] Unidentified),
    /// The conversation failed.
    #[error("the owning process did not answer")]
    Frame(#[from] FrameError),
    /// The owner refuses; nothing changed unless its code says otherwise.
    #[error(transparent)]
    Refused(Fault),
    /// The answer is none.
    #[error("the owning process answered with something else")]
    Answer,
}

/// A connection to the owner of a project, after the handshake.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    asked: u64,
}

impl Client {
    /// Connects to the owner that listens on `socket`.
    ///
    /// # Errors
    /// [`ClientError::NoOwner`] when nobody listens; otherwise nothing was asked.
    pub fn connect(socket: &Path) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(socket).map_err(|_| ClientError::NoOwner)?;
        identity::is_owner(&stream)?;
        Self::greeted(stream)
    }

    /// As [`Client::connect`], for root in a project of the user `owner`: nobody else's process is asked, whatever a
    /// link in that user's folder leads to.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn connect_to_user(socket: &Path, owner: u32) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(socket).map_err(|_| ClientError::NoOwner)?;
        identity::is_of_user(&stream, owner)?;
        Self::greeted(stream)
    }

    fn greeted(stream: UnixStream) -> Result<Self, ClientError> {
        let mut client = Self { stream, asked: 0 };
        let greeting = json!({
            "client": "palisade",
            "client_version": env!("CARGO_PKG_VERSION"),
            "api_version": API_VERSION,
        });
        client.request(HANDSHAKE, greeting)?;
        Ok(client)
    }

    /// Sends one request and waits for its answer.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the owner's reason; with any other error it is unknown whether the request took
    /// effect.
    pub fn request(&mut self, method: &str, params: Value) -> Result<Value, ClientError> {
        self.asked += 1;
        let id = self.asked.to_string();
        let request = Message::request(&id, method, params).encode();
        // Whoever is turned away is told so before it says anything, and then cannot say it.
        let sent = frame::write(&self.stream, &request, FRAME_WAIT);
        let within = Within { idle: ANSWER_WAIT, frame: FRAME_WAIT };
        let answer = match frame::read(&self.stream, FRAME_BYTES, within) {
            Ok(answer) => answer,
            Err(error) => return Err(sent.err().unwrap_or(error).into()),
        };
        // The owner is trusted; what programs made its values of is not held to the rules for requests.
        let answer: Message = serde_json::from_slice(&answer).map_err(|_| ClientError::Answer)?;
        match (answer.result, answer.error) {
            (Some(result), None) if answer.id == id => Ok(result),
            (None, Some(fault)) => Err(ClientError::Refused(fault)),
            _ => Err(ClientError::Answer),
        }
    }
}
