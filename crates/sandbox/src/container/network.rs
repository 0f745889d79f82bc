//! The egress proxy's socket in a container's own network, in which there is nothing else.
//!
//! A socket stays in the network it was made in. So while the making of the container is held up
//! (`gate`), a thread visits its network, listens there and comes back with the socket: whoever
//! accepts on it outside serves this container and nobody else, and no process of ours is inside.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{AddressFamily, SocketType, socket};

use super::error::ContainerError;
use super::first::First;
use crate::spec::PROXY_PORT;
use crate::sys::namespace;

/// Listens in the network of a container that has not begun.
pub(super) fn listen(first: &First) -> Result<OwnedFd, ContainerError> {
    let at = |source| ContainerError::Place { step: "opening the proxy's socket", source };
    std::thread::scope(|scope| {
        let visiting = std::thread::Builder::new().name("palisade-network".into());
        let visiting = visiting.spawn_scoped(scope, || visit(first)).map_err(at)?;
        let made = visiting.join().unwrap_or_else(|_| Err(io::Error::other("the thread ended")));
        made.map_err(at)
    })
}

/// Runs in a thread of its own, which never comes back to the host's network.
fn visit(first: &First) -> io::Result<OwnedFd> {
    namespace::enter_network(first.pidfd.as_fd())?;
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, PROXY_PORT);
    let listener = match TcpListener::bind(address) {
        // The OCI runtime raises the interface itself. Asking the kernel to is kept for one that
        // does not: it waits for every network of the host that is just being taken down.
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
            let any = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
            namespace::raise_loopback(any.as_fd())?;
            TcpListener::bind(address)
        }
        other => other,
    };
    Ok(listener?.into())
}
