//! The answering side of the control socket: one thread, one request per connection.
//!
//! The owner lock is already held when this starts, so a socket file that is still there belongs to a dead owner
//! and is replaced.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::frame;
use super::{Answer, Request};

/// Longest time one peer may take over its request.
const PEER_WAIT: Duration = Duration::from_secs(2);

/// Why the socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("control socket `{}` cannot be opened", path.display())]
pub struct ListenError {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

/// A listening control socket; dropping it stops the thread and removes the file.
#[derive(Debug)]
pub struct Listener {
    path: PathBuf,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Opens `path` with mode 0600 and answers every request with `serve`.
    ///
    /// # Errors
    /// When the socket cannot be bound, for example because the path is longer than the system allows.
    pub fn open(
        path: PathBuf,
        serve: impl Fn(u32, Request) -> Answer + Send + 'static,
    ) -> Result<Self, ListenError> {
        let failed = |source| ListenError { path: path.clone(), source };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error));
            }
            _ => {}
        }
        let listener = UnixListener::bind(&path).map_err(failed)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let thread = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || accept(&listener, &stop, &serve))
            .map_err(failed)?;
        Ok(Self { path, stopping, thread: Some(thread) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // A connection of our own wakes the accepting thread.
        drop(UnixStream::connect(&self.path));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        drop(fs::remove_file(&self.path));
    }
}

fn accept(listener: &UnixListener, stopping: &AtomicBool, serve: &impl Fn(u32, Request) -> Answer) {
    for stream in listener.incoming() {
        if stopping.load(Ordering::SeqCst) {
            return;
        }
        if let Ok(stream) = stream {
            converse(stream, serve);
        }
    }
}

/// One request and its answer; a peer that breaks the protocol is hung up on.
fn converse(mut stream: UnixStream, serve: &impl Fn(u32, Request) -> Answer) {
    let Ok(peer) = rustix::net::sockopt::socket_peercred(&stream) else { return };
    let peer = peer.uid.as_raw();
    if peer != rustix::process::geteuid().as_raw() && peer != 0 {
        return;
    }
    let timed =
        stream.set_read_timeout(Some(PEER_WAIT)).and(stream.set_write_timeout(Some(PEER_WAIT)));
    if timed.is_err() {
        return;
    }
    if let Ok(request) = frame::read::<Request>(&mut stream) {
        // The peer may be gone by now; the request has taken effect all the same.
        drop(frame::write(&mut stream, &serve(peer, request)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ControlError, ask};
    use super::*;

    #[test]
    fn a_request_reaches_the_owner_and_a_dead_owners_socket_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let request = Request::Cancel { run: "run_1".to_owned(), reason: "because".to_owned() };
        let expected = request.clone();
        let listener = Listener::open(path.clone(), move |_, request| {
            if request == expected {
                Answer::Done
            } else {
                Answer::Refused { reason: "other".to_owned() }
            }
        })
        .unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(ask(&path, &request).unwrap(), Answer::Done);
        drop(listener);
        assert!(matches!(ask(&path, &request), Err(ControlError::NoOwner)));
    }
}
