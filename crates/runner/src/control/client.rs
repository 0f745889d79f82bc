//! The asking side of the control socket.
//! It does not retry: a request whose answer got lost may have taken effect, and the caller says so.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::frame::{self, FrameError};
use super::{Answer, Request};

/// Longest wait for an answer; the owner answers after one commit.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// Why the owner could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens: no process owns the project now.
    #[error("no running process owns this project")]
    NoOwner,
    /// The conversation failed.
    #[error("the owning process did not answer")]
    Frame(#[from] FrameError),
}

/// Sends one request to the owner listening on `socket` and waits for its answer.
///
/// # Errors
/// [`ControlError::NoOwner`] when nobody listens; otherwise whether the request took effect is unknown.
pub fn ask(socket: &Path, request: &Request) -> Result<Answer, ControlError> {
    let mut stream = UnixStream::connect(socket).map_err(|_| ControlError::NoOwner)?;
    stream.set_read_timeout(Some(ANSWER_WAIT)).map_err(FrameError::Io)?;
    stream.set_write_timeout(Some(ANSWER_WAIT)).map_err(FrameError::Io)?;
    frame::write(&mut stream, request)?;
    Ok(frame::read(&mut stream)?)
}
