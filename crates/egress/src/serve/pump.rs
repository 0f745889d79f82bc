//! Bytes between the sandbox and a host, both ways at once, in one thread and bounded memory.
//!
//! It asks nobody and counts everything: the host's side of both directions is taken from the
//! entry's budget. What the bytes mean is the `Filter`'s.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::Shutdown;

use super::answer::Answer;
use super::budget::Account;
use super::framing::{Body, Broken};
use super::wait::{Halt, Stop, send};
use crate::event::Ending;

/// Bytes read at once.
const PIECE: usize = 16 * 1024;
/// Bytes waiting to be written, past which the other side is not read. An answer's head is the
/// largest thing that must fit whole.
const HIGH: usize = 96 * 1024;

/// What one direction lets through.
pub(crate) enum Filter {
    /// Everything, up to the end of the stream.
    All,
    /// The body of a request.
    Body(Body),
    /// The answer to a request.
    Answer(Answer),
}

/// One direction.
pub(crate) struct Lane {
    /// Read and not yet looked at.
    pub(crate) input: Vec<u8>,
    /// Ready to be written.
    pub(crate) output: Vec<u8>,
    pub(crate) filter: Filter,
    ended: bool,
    shut: bool,
}

impl Lane {
    pub(crate) fn new(filter: Filter, input: Vec<u8>, output: Vec<u8>) -> Self {
        Self { input, output, filter, ended: false, shut: false }
    }

    /// Whether nothing more will come out.
    fn is_done(&self) -> bool {
        match &self.filter {
            Filter::All => self.ended && self.input.is_empty(),
            Filter::Body(body) => body.is_done(),
            Filter::Answer(answer) => answer.is_done(),
        }
    }

    fn wants_input(&self) -> bool {
        !self.ended && !self.is_done() && self.input.len() + self.output.len() < HIGH
    }

    /// Moves what was read through the filter.
    fn advance(&mut self) -> Result<(), Broken> {
        let used = match &mut self.filter {
            Filter::All => {
                self.output.extend_from_slice(&self.input);
                self.input.len()
            }
            Filter::Body(body) => body.feed(&self.input, &mut self.output)?,
            Filter::Answer(answer) => answer.feed(&self.input, &mut self.output)?,
        };
        self.input.drain(..used.min(self.input.len()));
        if self.ended && !self.is_done() {
            match &mut self.filter {
                Filter::All => {}
                Filter::Body(body) => body.end()?,
                Filter::Answer(answer) => answer.end()?,
            }
        }
        Ok(())
    }
}

/// Both directions between two sockets.
pub(crate) struct Pump<'a> {
    pub(crate) client: &'a OwnedFd,
    pub(crate) host: &'a OwnedFd,
    pub(crate) up: Lane,
    pub(crate) down: Lane,
    pub(crate) account: Account<'a>,
    pub(crate) idle: Duration,
    /// Bytes the client has got from this pump.
    pub(crate) delivered: u64,
    spent: bool,
}

impl<'a> Pump<'a> {
    pub(crate) fn new(
        (client, host): (&'a OwnedFd, &'a OwnedFd),
        (up, down): (Lane, Lane),
        account: Account<'a>,
        idle: Duration,
    ) -> Self {
        Self { client, host, up, down, account, idle, delivered: 0, spent: false }
    }

    /// Whether this is one request and its answer, not a stream both ways.
    fn is_exchange(&self) -> bool {
        matches!(self.down.filter, Filter::Answer(_))
    }

    /// Moves bytes until both directions are done, or the answer is, or something ends it.
    pub(crate) fn run(&mut self, stop: &Stop) -> Ending {
        loop {
            if self.up.advance().is_err() {
                return if self.up.ended { Ending::Client } else { Ending::Malformed };
            }
            if self.down.advance().is_err() {
                return if self.down.ended { Ending::Host } else { Ending::Malformed };
            }
            if let Some(ending) = self.finished() {
                return ending;
            }
            let (client, host) = match self.wait(stop) {
                Ok(ready) => ready,
                Err(Halt::Late) => return Ending::Idle,
                Err(Halt::Stopped) => return Ending::Stopped,
                Err(Halt::Gone) => return Ending::Host,
            };
            if let Err(ending) = self.client_side(client).and_then(|()| self.host_side(host)) {
                return ending;
            }
        }
    }

    fn finished(&mut self) -> Option<Ending> {
        if self.down.output.is_empty() {
            if self.spent {
                return Some(Ending::Budget);
            }
            if self.is_exchange() && self.down.is_done() {
                return Some(Ending::Done);
            }
        }
        if self.is_exchange() {
            return None;
        }
        shut_when_done(&mut self.up, self.host);
        shut_when_done(&mut self.down, self.client);
        (self.up.shut && self.down.shut).then_some(Ending::Done)
    }

    /// What each side is ready for. A side nothing is wanted of is only watched for its end.
    fn wait(&self, stop: &Stop) -> Result<(PollFlags, PollFlags), Halt> {
        let client = flags(self.up.wants_input() && !self.spent, !self.down.output.is_empty());
        let host = flags(
            self.down.wants_input() && !self.spent,
            !self.up.output.is_empty() && !self.spent,
        );
        // Poll reports failures of whatever it is given: a side nothing is wanted of is left out,
        // or a half-closed tunnel would turn in circles. Only a client that waits for its answer
        // is watched for having gone.
        let skips_client = client.is_empty() && !self.is_exchange();
        let mut sockets = Vec::with_capacity(3);
        if !skips_client {
            sockets.push(PollFd::new(self.client, client));
        }
        if !host.is_empty() {
            sockets.push(PollFd::new(self.host, host));
        }
        stop.wait(&mut sockets, Instant::now() + self.idle)?;
        let mut found = sockets.iter().map(PollFd::revents);
        let none = PollFlags::empty();
        let client = if skips_client { none } else { found.next().unwrap_or(none) };
        let host = if host.is_empty() { none } else { found.next().unwrap_or(none) };
        Ok((client, host))
    }

    fn client_side(&mut self, ready: PollFlags) -> Result<(), Ending> {
        let broken = PollFlags::HUP | PollFlags::ERR;
        if self.is_exchange() && ready.intersects(broken) && !ready.contains(PollFlags::IN) {
            return Err(Ending::Client);
        }
        if ready.intersects(PollFlags::OUT | broken) && !self.down.output.is_empty() {
            match send(self.client.as_fd(), &self.down.output) {
                Ok(written) => {
                    self.down.output.drain(..written);
                    self.delivered += written as u64;
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => return Err(Ending::Client),
            }
        }
        if ready.intersects(PollFlags::IN | broken) && self.up.wants_input() && !self.spent {
            fill(self.client.as_fd(), &mut self.up).map_err(|()| Ending::Client)?;
        }
        Ok(())
    }

    fn host_side(&mut self, ready: PollFlags) -> Result<(), Ending> {
        let broken = PollFlags::HUP | PollFlags::ERR;
        if ready.intersects(PollFlags::OUT | broken) && !self.up.output.is_empty() && !self.spent {
            self.send_up()?;
        }
        if ready.intersects(PollFlags::IN | broken) && self.down.wants_input() && !self.spent {
            let before = self.down.input.len();
            fill(self.host.as_fd(), &mut self.down).map_err(|()| Ending::Host)?;
            let read = self.down.input.len().saturating_sub(before);
            let taken = self.account.budget.take(read);
            self.account.received += taken as u64;
            if taken < read {
                self.down.input.truncate(before + taken);
                self.spent = true;
            }
        }
        Ok(())
    }

    fn send_up(&mut self) -> Result<(), Ending> {
        let taken = self.account.budget.take(self.up.output.len().min(PIECE));
        if taken == 0 {
            self.spent = true;
            return Ok(());
        }
        let piece = self.up.output.get(..taken).unwrap_or_default();
        let sent = send(self.host.as_fd(), piece);
        let written = sent.unwrap_or(0);
        self.account.budget.give(taken.saturating_sub(written));
        self.account.sent += written as u64;
        self.up.output.drain(..written);
        match sent {
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            // A host may answer before it has read everything and hang up behind the answer.
            Err(_) if self.is_exchange() => {
                self.up.ended = true;
                self.up.output.clear();
                self.up.filter = Filter::All;
                self.up.input.clear();
                Ok(())
            }
            Err(_) => Err(Ending::Host),
        }
    }
}

fn flags(input: bool, output: bool) -> PollFlags {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, input);
    flags.set(PollFlags::OUT, output);
    flags
}

/// Passes the end of one direction on.
fn shut_when_done(lane: &mut Lane, to: &OwnedFd) {
    if !lane.shut && lane.is_done() && lane.output.is_empty() {
        lane.shut = true;
        // One that is gone already needs no telling.
        let _ = rustix::net::shutdown(to, Shutdown::Write);
    }
}

/// Reads one piece.
fn fill(socket: BorrowedFd<'_>, lane: &mut Lane) -> Result<(), ()> {
    let mut piece = [0; PIECE];
    match rustix::net::recv(socket, &mut piece, rustix::net::RecvFlags::DONTWAIT) {
        Ok((0, _)) => lane.ended = true,
        Ok((read, _)) => lane.input.extend_from_slice(piece.get(..read).unwrap_or_default()),
        Err(Errno::AGAIN | Errno::INTR) => {}
        Err(_) => return Err(()),
    }
    Ok(())
}
