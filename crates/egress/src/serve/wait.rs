//! Waiting: for a socket, a bell or the end of the proxy, and never without a limit.
//!
//! Every wait of a connection goes through here, so that all of them end when the proxy ends.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

/// The wait ended without what was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// The time was over.
    Late,
    /// The proxy ends.
    Stopped,
    /// The other side is gone or the socket failed.
    Gone,
}

/// The end of the proxy as something to wait for: the read end of a pipe whose other end is
/// dropped then.
#[derive(Debug)]
pub(crate) struct Stop(OwnedFd);

impl Stop {
    /// The thing to wait for, and what to drop to let every wait end.
    pub(crate) fn new() -> io::Result<(Self, OwnedFd)> {
        let (ear, hold) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        Ok((Self(ear), hold))
    }

    /// Waits until one of `sockets` is ready; afterwards each says for what.
    pub(crate) fn wait<'a>(
        &'a self,
        sockets: &mut Vec<PollFd<'a>>,
        until: Instant,
    ) -> Result<(), Halt> {
        sockets.push(PollFd::new(&self.0, PollFlags::empty()));
        let result = poll(sockets, until);
        let stopped = sockets.pop().is_none_or(|stop| !stop.revents().is_empty());
        if stopped { Err(Halt::Stopped) } else { result }
    }

    /// Waits until one socket is ready for one thing, or has failed.
    pub(crate) fn ready(
        &self,
        socket: impl AsFd,
        flags: PollFlags,
        until: Instant,
    ) -> Result<(), Halt> {
        let mut both = [PollFd::new(&socket, flags), PollFd::new(&self.0, PollFlags::empty())];
        let result = poll(&mut both, until);
        let stopped = both.last().is_none_or(|stop| !stop.revents().is_empty());
        if stopped { Err(Halt::Stopped) } else { result }
    }
}

fn poll(all: &mut [PollFd<'_>], until: Instant) -> Result<(), Halt> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match rustix::event::poll(all, Some(&timespec(left))) {
            Ok(0) if Instant::now() >= until => return Err(Halt::Late),
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(_) => return Err(Halt::Gone),
        }
    }
}

/// Rounded up, so that a wait never ends just before its time and turns in circles.
fn timespec(left: Duration) -> Timespec {
    let left = left.saturating_add(Duration::from_millis(1));
    Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: left.subsec_nanos().into(),
    }
}

/// One end of a bell: rung once, from another thread.
#[derive(Debug)]
pub(crate) struct Bell(OwnedFd);

/// The other end: hears the bell, or that nobody can ring it any more.
#[derive(Debug)]
pub(crate) struct Ear(OwnedFd);

/// A new bell.
pub(crate) fn bell() -> io::Result<(Bell, Ear)> {
    let (ear, bell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((Bell(bell), Ear(ear)))
}

impl Bell {
    /// Rings. That nobody listens any more is no concern of the ringer.
    pub(crate) fn ring(self) {
        let _ = rustix::io::write(&self.0, &[1]);
    }
}

impl Ear {
    /// Waits for the bell.
    pub(crate) fn hear(&self, stop: &Stop, until: Instant) -> Result<(), Halt> {
        stop.ready(&self.0, PollFlags::IN, until)?;
        match rustix::io::read(&self.0, &mut [0]) {
            Ok(1) => Ok(()),
            _ => Err(Halt::Gone),
        }
    }
}

/// Reads what is there into `buffer`, waiting for the first byte; zero is the end of the stream.
pub(crate) fn read(
    stop: &Stop,
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    until: Instant,
) -> Result<usize, Halt> {
    loop {
        stop.ready(socket, PollFlags::IN, until)?;
        match rustix::net::recv(socket, &mut *buffer, rustix::net::RecvFlags::DONTWAIT) {
            Ok((read, _)) => return Ok(read),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => return Err(Halt::Gone),
        }
    }
}

/// Writes all of `bytes`.
pub(crate) fn write(
    stop: &Stop,
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    until: Instant,
) -> Result<(), Halt> {
    let mut rest = bytes;
    while !rest.is_empty() {
        stop.ready(socket, PollFlags::OUT, until)?;
        match send(socket, rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => return Err(Halt::Gone),
        }
    }
    Ok(())
}

/// Sends what fits without waiting and without a signal.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    let flags = rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL;
    rustix::net::send(socket, bytes, flags)
}
