//! Reaching a host at the addresses that were checked, one after the other.
//!
//! It knows no names: what it is handed is what it dials.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::wait::{Halt, Stop};
use crate::outside::Outside;

/// Addresses tried for one connection.
const TRIES: usize = 4;

/// The first of the addresses that answers.
pub(crate) fn dial(
    outside: &dyn Outside,
    addresses: &[IpAddr],
    port: u16,
    time: Duration,
    stop: &Stop,
) -> Result<(OwnedFd, IpAddr), Halt> {
    for address in addresses.iter().take(TRIES) {
        let Ok(socket) = outside.dial(SocketAddr::new(*address, port)) else { continue };
        match stop.ready(&socket, PollFlags::OUT, Instant::now() + time) {
            Err(Halt::Stopped) => return Err(Halt::Stopped),
            Err(Halt::Late | Halt::Gone) => continue,
            Ok(()) => {}
        }
        if matches!(rustix::net::sockopt::socket_error(&socket), Ok(Ok(()))) {
            // Small writes of one side must not wait for the other; failing that, it is slower.
            let _ = rustix::net::sockopt::set_tcp_nodelay(&socket, true);
            return Ok((socket, *address));
        }
    }
    Err(Halt::Gone)
}
