//! The supervisor's side of one proxy: begin, read events, acknowledge, close.
//!
//! It launches nothing: the process that calls [`serve`](crate::serve) on the other end of the
//! socket is the caller's to start and to end. It is the more trusted side, so whatever the proxy
//! sends is bounded and read strictly.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType};

use crate::event::{Event, Verdict};
use crate::grant::Grant;
use crate::wire::{self, FROM_PROXY, FrameError, Order, Report, TO_PROXY, VERSION};

/// Bytes of the host in a decision: a name of 253 characters, or an address in brackets.
const HOST: usize = 256;
/// Bytes of the explanation in a decision.
const DETAIL: usize = 2048;

/// One proxy at work. Shared between threads: one waits in [`Session::next`], any other may
/// acknowledge or close.
#[derive(Debug)]
pub struct Session {
    control: OwnedFd,
    reading: Mutex<Reading>,
    writing: Mutex<()>,
    /// The rules a decision may name.
    rules: Vec<String>,
}

#[derive(Debug)]
struct Reading {
    stage: Stage,
    /// The id of the newest decision.
    decided: u64,
}

/// What the next frame of the proxy may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Unready,
    Ready,
    Over,
}

/// Why a session could not begin or has ended badly.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No bytes go to or come from the proxy.
    #[error("the control socket of the egress proxy failed")]
    Socket(#[source] io::Error),
    /// The grant is larger than a frame.
    #[error("the grant takes more than {TO_PROXY} bytes; name fewer hosts, or use ranges and `*.`")]
    Grant,
    /// The proxy sent what no proxy sends. Its process should be ended.
    #[error("the egress proxy broke the protocol: {0}")]
    Protocol(String),
    /// The proxy is another build of this program.
    #[error("the egress proxy speaks version {0} of the protocol, not {VERSION}")]
    Version(u32),
}

impl Session {
    /// A pair of sockets for a session: one end stays here, the other is the proxy's `control`.
    ///
    /// # Errors
    /// When the kernel gives no sockets.
    pub fn sockets() -> io::Result<(OwnedFd, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC;
        let pair = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        Ok(pair)
    }

    /// Hands the grant and the listening TCP socket to the proxy at the other end of `control`.
    ///
    /// Returns without waiting for it: connections queue at the listener until the proxy is up.
    /// `control` is a connected Unix stream socket, as made by [`Session::sockets`].
    ///
    /// # Errors
    /// When the proxy is gone, or the grant is too large.
    pub fn begin(control: OwnedFd, grant: &Grant, listener: OwnedFd) -> Result<Self, SessionError> {
        let order = Order::Begin { version: VERSION, grant: grant.clone() };
        let size = serde_json::to_vec(&order).map_err(|error| protocol(&error))?.len();
        if size > TO_PROXY {
            return Err(SessionError::Grant);
        }
        wire::send_with(&control, &order, listener.as_fd()).map_err(refused)?;
        let reading = Mutex::new(Reading { stage: Stage::Unready, decided: 0 });
        let rules = grant.entries.iter().map(|entry| entry.name.clone()).collect();
        Ok(Self { control, reading, writing: Mutex::new(()), rules })
    }

    /// Waits for the next event. `None` means that the proxy is gone, or the session closed.
    ///
    /// # Errors
    /// When the proxy breaks the protocol or the socket fails; the session is over then, and
    /// every later call returns `None`.
    pub fn next(&self) -> Result<Option<Event>, SessionError> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if reading.stage == Stage::Over {
                return Ok(None);
            }
            let report = wire::receive::<Report>(&self.control, FROM_PROXY);
            match (report, reading.stage) {
                (Ok(Some(Report::Ready { version: VERSION })), Stage::Unready) => {
                    reading.stage = Stage::Ready;
                }
                (Ok(Some(Report::Event(event))), Stage::Ready) => {
                    return match self.check(&event, &mut reading) {
                        Ok(()) => Ok(Some(event)),
                        Err(what) => {
                            self.over(&mut reading);
                            Err(protocol(&what))
                        }
                    };
                }
                (Ok(None), _) => {
                    self.over(&mut reading);
                    return Ok(None);
                }
                (other, _) => {
                    self.over(&mut reading);
                    return Err(unexpected(other));
                }
            }
        }
    }

    /// What a decision says goes into a record and before people: a proxy that was taken over
    /// must not write there what it likes.
    fn check(&self, event: &Event, reading: &mut Reading) -> Result<(), &'static str> {
        let decision = match event {
            Event::Closed(closed) if closed.id <= reading.decided => return Ok(()),
            Event::Closed(_) => return Err("a connection ended that was never decided"),
            Event::Decision(decision) => decision,
        };
        if decision.id != reading.decided.saturating_add(1) {
            return Err("decisions are not numbered one after the other");
        }
        let known = |rule: &String| self.rules.contains(rule);
        match (decision.verdict, &decision.rule) {
            (Verdict::Allow, Some(rule)) if known(rule) => {}
            (Verdict::Deny, None) => {}
            _ => return Err("a decision names no rule of its grant"),
        }
        let texts = [(&decision.host, HOST), (&decision.detail, DETAIL)];
        if texts.iter().any(|(text, most)| text.len() > *most || text.contains(char::is_control)) {
            return Err("a decision holds text that no proxy writes");
        }
        reading.decided = decision.id;
        Ok(())
    }

    /// Tells the proxy that an allowed decision is on record, so that it dials.
    ///
    /// # Errors
    /// When the proxy is gone.
    pub fn acknowledge(&self, id: u64) -> Result<(), SessionError> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        wire::send(&self.control, &Order::Acknowledge { id }).map_err(refused)
    }

    /// Asks the proxy to end: it cuts every connection, tells how each ended, and goes. Read
    /// [`Session::next`] until `None` to have them all.
    pub fn finish(&self) {
        // The only failure is that the other side is gone already, which is what is wanted.
        let _ = rustix::net::shutdown(&self.control, Shutdown::Write);
    }

    /// Ends the session at once: the proxy cuts every connection and ends, and a waiting
    /// [`Session::next`] returns `None` after the events that had already come.
    pub fn close(&self) {
        // The only failure is that the other side is gone already, which is what is wanted.
        let _ = rustix::net::shutdown(&self.control, Shutdown::Both);
    }

    fn over(&self, reading: &mut Reading) {
        reading.stage = Stage::Over;
        self.close();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
    }
}

fn unexpected(report: Result<Option<Report>, FrameError>) -> SessionError {
    match report {
        Ok(Some(Report::Ready { version })) if version != VERSION => SessionError::Version(version),
        Ok(Some(Report::Ready { .. })) => protocol(&"it was ready twice"),
        Ok(_) => protocol(&"an event came before it was ready"),
        Err(error) => refused(error),
    }
}

fn refused(error: FrameError) -> SessionError {
    match error {
        FrameError::Socket(error) => SessionError::Socket(error),
        FrameError::Malformed(error) => SessionError::Protocol(format!("unreadable: {error}")),
        other => protocol(&other),
    }
}

fn protocol(what: &dyn std::fmt::Display) -> SessionError {
    SessionError::Protocol(what.to_string())
}
