//! One connection of the sandbox: requests one after the other, until one ends it.
//!
//! Everything on it is untrusted. What is asked is read in `request`, decided in the `office`,
//! and carried in `tunnel` or `plain`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use super::office::Refusal;
use super::plain::After;
use super::request::{self, Asked, USE, Wish};
use super::wait::{Halt, read};
use super::{Proxy, plain, reply, tunnel};
use crate::event::Reason;

/// Bytes read at once while a head is awaited.
const PIECE: usize = 4096;

/// The sandbox's end of one connection, with what was read and not yet used.
pub(crate) struct Client {
    socket: OwnedFd,
    input: Vec<u8>,
}

impl Client {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket, input: Vec::new() }
    }

    pub(crate) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(crate) fn input(&self) -> &[u8] {
        &self.input
    }

    pub(crate) fn take_input(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.input)
    }

    /// Puts back what a pump read and did not use.
    pub(crate) fn give_back(&mut self, rest: Vec<u8>) {
        self.input = rest;
    }

    /// Reads more; zero is the end of the stream.
    pub(crate) fn fill(&mut self, proxy: &Proxy, until: Instant) -> Result<usize, Halt> {
        let mut piece = [0; PIECE];
        let got = read(&proxy.stop, self.socket.as_fd(), &mut piece, until)?;
        self.input.extend_from_slice(piece.get(..got).unwrap_or_default());
        Ok(got)
    }

    /// Records a refusal, then tells it.
    pub(crate) fn refuse(
        &self,
        proxy: &Proxy,
        wish: Option<&Wish>,
        refusal: &Refusal,
    ) -> Result<(), Halt> {
        proxy.office.deny(wish, refusal)?;
        reply::refuse(&proxy.stop, self.fd(), refusal);
        Ok(())
    }

    /// Serves the connection to its end. The error only says why nothing more could be done.
    pub(crate) fn serve(mut self, proxy: &Proxy) -> Result<(), Halt> {
        loop {
            if proxy.office.is_exhausted() {
                return Ok(());
            }
            let asked = match self.request(proxy)? {
                Next::Nothing => return Ok(()),
                Next::Refused(wish, refusal) => {
                    return self.refuse(proxy, wish.as_ref(), &refusal);
                }
                Next::Asked(asked) => asked,
            };
            let after = match asked {
                Asked::Tunnel(wish) => return tunnel::serve(proxy, &mut self, &wish),
                Asked::Plain(request) => plain::serve(proxy, &mut self, &request)?,
            };
            if after == After::Over {
                return Ok(());
            }
        }
    }

    fn request(&mut self, proxy: &Proxy) -> Result<Next, Halt> {
        if self.input.is_empty() {
            let until = Instant::now() + proxy.limits.idle_time;
            if self.fill(proxy, until)? == 0 {
                return Ok(Next::Nothing);
            }
        }
        let until = Instant::now() + proxy.limits.head_time;
        loop {
            let most = usize::try_from(proxy.limits.head_bytes).unwrap_or(usize::MAX);
            let head = self.input.get(..most.min(self.input.len())).unwrap_or_default();
            match request::read(head) {
                Ok(Some((asked, used))) => {
                    self.input.drain(..used.min(self.input.len()));
                    return Ok(Next::Asked(asked));
                }
                Ok(None) if self.input.len() >= most => {
                    return Ok(limit(431, format!("the head is longer than {most} bytes")));
                }
                Ok(None) => {}
                Err(mut bad) => return Ok(Next::Refused(bad.wish.take(), bad.into())),
            }
            match self.fill(proxy, until) {
                Ok(0) => return Ok(limit(400, "the connection ended within a head".to_owned())),
                Ok(_) => {}
                Err(Halt::Late) => {
                    return Ok(limit(408, "the head did not come in time".to_owned()));
                }
                Err(halt) => return Err(halt),
            }
        }
    }
}

enum Next {
    Nothing,
    Refused(Option<Wish>, Refusal),
    Asked(Asked),
}

fn limit(status: u16, detail: String) -> Next {
    let reason = if status == 400 { Reason::Malformed } else { Reason::Limit };
    let refusal = Refusal { reason, status, detail, hint: USE, addresses: Vec::new() };
    Next::Refused(None, refusal)
}
