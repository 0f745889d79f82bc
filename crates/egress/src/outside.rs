//! The two things the proxy does outside: asking for a name's addresses, and dialling one.
//!
//! It checks nothing; only names and addresses that passed every check come here. The other
//! implementation is the scripted one of the tests.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

/// What lies beyond the proxy.
pub trait Outside: Send + Sync {
    /// Every address a name stands for. May block; it is called on a thread of its own and its
    /// answer is dropped when it comes too late.
    ///
    /// # Errors
    /// When the name has no address or nobody knows.
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;

    /// Begins a connection without waiting for it: the socket does not block, and becomes
    /// writable when the connection is there or has failed.
    ///
    /// # Errors
    /// When the address cannot be reached from here at all.
    fn dial(&self, address: SocketAddr) -> io::Result<OwnedFd>;
}

/// The machine's resolver and its network. Names are asked for as its files say, `hosts` and
/// search list included; those are the administrator's word.
#[derive(Clone, Copy, Debug)]
pub struct System;

impl Outside for System {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut addresses: Vec<IpAddr> = Vec::new();
        for found in (name, 0).to_socket_addrs()? {
            if !addresses.contains(&found.ip()) {
                addresses.push(found.ip());
            }
        }
        Ok(addresses)
    }

    fn dial(&self, address: SocketAddr) -> io::Result<OwnedFd> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        match rustix::net::connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
            Err(error) => Err(error.into()),
        }
    }
}
