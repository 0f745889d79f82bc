//! Prepares the sandbox's own network for the egress proxy: the loopback, and a socket listening on it.
//!
//! A socket belongs for ever to the namespace it was made in. So the listener is made here and
//! handed out, and whoever accepts on it outside talks to this sandbox and to no other. Nothing
//! here leads out: there is no second interface, no route and no forwarder.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrV4, SocketFlags, SocketType, bind, listen, socket_with,
};

use super::report::{Fault, Message, Stage};
use super::send_with;
use crate::spec::{Network, PROXY_PORT};
use crate::sys::interface;

/// The loopback is the first interface of every network namespace.
pub(super) const LOOPBACK: u8 = 1;

/// Connections that may wait to be accepted; further ones are tried again by the kernel.
const WAITING_MAX: i32 = 128;

/// Does what the spec's network needs while the capabilities for it are still there.
pub(super) fn prepare(network: Network, setup: &OwnedFd) -> Result<(), Fault> {
    match network {
        Network::None | Network::Host => Ok(()),
        Network::Proxy => {
            bring_up().map_err(Fault::of(Stage::Loopback))?;
            hand_over(setup).map_err(Fault::of(Stage::Listener))
        }
    }
}

fn bring_up() -> Result<(), Errno> {
    let any = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    interface::bring_up(any.as_fd(), LOOPBACK)
}

fn hand_over(setup: &OwnedFd) -> Result<(), Errno> {
    let flags = SocketFlags::CLOEXEC;
    let listener = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    bind(&listener, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, PROXY_PORT))?;
    listen(&listener, WAITING_MAX)?;
    send_with(setup, Message::Listener, listener.as_fd())
}
