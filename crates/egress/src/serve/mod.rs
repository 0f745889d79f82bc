//! The proxy's whole life: begin, accept the sandbox's connections, end with the supervisor.
//!
//! One thread reads the control socket, one accepts, one serves each connection. There is no
//! port, path or word by which a client could ask the proxy about itself.

mod answer;
mod budget;
mod client;
mod dial;
mod framing;
mod head;
mod lookup;
mod office;
mod plain;
mod pump;
mod reply;
mod request;
mod seats;
mod tunnel;
mod wait;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::{SocketFlags, SocketType, sockopt};

use self::client::Client;
use self::lookup::Lookups;
use self::office::Office;
use self::seats::{Seat, Seats};
use self::wait::{Halt, Stop};
use crate::grant::{Grant, ProxyLimits};
use crate::outside::{Outside, System};
use crate::wire::{self, FrameError, Order, TO_PROXY, VERSION};

/// Stack of a connection's thread; its buffers are on the heap.
const STACK: usize = 256 * 1024;
/// Time connections have to tell how they ended once the proxy ends.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Wait after the kernel had no descriptor or memory for another connection.
const SHORTAGE: Duration = Duration::from_millis(50);

/// Why a proxy ended otherwise than by its supervisor's wish.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A socket, pipe or thread could not be had or has failed.
    #[error("{0} failed")]
    System(&'static str, #[source] io::Error),
    /// What came with the first frame is no listening TCP socket.
    #[error("the supervisor handed over no listening TCP socket")]
    Listener,
    /// The supervisor broke the protocol.
    #[error("the supervisor broke the protocol: {0}")]
    Protocol(String),
    /// The supervisor is another build of this program.
    #[error("the supervisor speaks version {0} of the protocol, not {VERSION}")]
    Version(u32),
}

/// What every connection needs.
pub(crate) struct Proxy {
    pub(crate) office: Office,
    pub(crate) outside: Arc<dyn Outside>,
    pub(crate) limits: ProxyLimits,
    pub(crate) stop: Stop,
}

/// Serves one sandbox until the supervisor at the other end of `control` goes away.
///
/// `control` is a connected Unix stream socket, as made by
/// [`Session::sockets`](crate::Session::sockets). Every connection is cut when this returns.
///
/// # Errors
/// When the supervisor breaks the protocol, or the machine refuses a socket or a thread.
pub fn serve(control: OwnedFd) -> Result<(), ServeError> {
    serve_with(control, Arc::new(System))
}

/// As [`serve`], with another outside than the machine's.
///
/// # Errors
/// As [`serve`].
pub fn serve_with(control: OwnedFd, outside: Arc<dyn Outside>) -> Result<(), ServeError> {
    let Some((grant, listener)) = begin(&control)? else { return Ok(()) };
    check_listener(&listener)?;
    let (stop, hold) = Stop::new().map_err(|error| ServeError::System("a pipe", error))?;
    let control = Arc::new(control);
    let limits = grant.limits.clone();
    let lookups = Lookups::new(outside.clone(), limits.lookups, limits.lookup_time);
    let office = Office::new(grant, lookups, control.clone());
    let seats = Seats::new(limits.connections);
    let proxy = Arc::new(Proxy { office, outside, limits, stop });
    if proxy.office.ready().is_err() {
        return Ok(());
    }
    let accepting = {
        let (proxy, seats) = (proxy.clone(), seats.clone());
        let accept = move || accept(&proxy, &seats, &listener);
        std::thread::Builder::new().name("accept".to_owned()).spawn(accept)
    };
    let accepting = accepting.map_err(|error| ServeError::System("a thread", error))?;
    let result = obey(&proxy, &control);
    drop(hold);
    seats.close(LAST_WORDS);
    // Whoever still waits to write to a supervisor that does not read is let go.
    let _ = rustix::net::shutdown(&*control, rustix::net::Shutdown::Both);
    let _ = accepting.join();
    result
}

/// The first frame: the grant and the listening socket.
fn begin(control: &OwnedFd) -> Result<Option<(Grant, OwnedFd)>, ServeError> {
    match wire::receive_with::<Order>(control, TO_PROXY).map_err(broken)? {
        None => Ok(None),
        Some((Order::Begin { version: VERSION, grant }, listener)) => Ok(Some((grant, listener))),
        Some((Order::Begin { version, .. }, _)) => Err(ServeError::Version(version)),
        Some((Order::Acknowledge { .. }, _)) => {
            Err(ServeError::Protocol("an acknowledgement came before the beginning".to_owned()))
        }
    }
}

fn check_listener(listener: &OwnedFd) -> Result<(), ServeError> {
    let stream = sockopt::socket_type(listener).is_ok_and(|kind| kind == SocketType::STREAM);
    let listens = sockopt::socket_acceptconn(listener).is_ok_and(|listens| listens);
    if !stream || !listens {
        return Err(ServeError::Listener);
    }
    let set = rustix::fs::fcntl_getfl(listener)
        .and_then(|flags| rustix::fs::fcntl_setfl(listener, flags | OFlags::NONBLOCK));
    set.map_err(|error| ServeError::System("the listener", error.into()))
}

/// Reads the supervisor's orders until it goes away.
fn obey(proxy: &Proxy, control: &OwnedFd) -> Result<(), ServeError> {
    loop {
        match wire::receive::<Order>(control, TO_PROXY).map_err(broken)? {
            None => return Ok(()),
            Some(Order::Acknowledge { id }) => proxy.office.acknowledge(id).map_err(|()| {
                ServeError::Protocol(format!("decision {id} was acknowledged and never made"))
            })?,
            Some(Order::Begin { .. }) => {
                return Err(ServeError::Protocol("it began twice".to_owned()));
            }
        }
    }
}

fn broken(error: FrameError) -> ServeError {
    match error {
        FrameError::Socket(error) => ServeError::System("the control socket", error),
        FrameError::Malformed(error) => ServeError::Protocol(format!("unreadable: {error}")),
        other => ServeError::Protocol(other.to_string()),
    }
}

/// Accepts while there are seats, each connection on a thread of its own.
fn accept(proxy: &Arc<Proxy>, seats: &Arc<Seats>, listener: &OwnedFd) {
    while let Some(seat) = seats.take() {
        match next(proxy, listener) {
            Some(socket) => attend(proxy, seat, socket),
            None => return,
        }
    }
}

/// The next connection; `None` when the proxy ends or the listener is gone.
fn next(proxy: &Proxy, listener: &OwnedFd) -> Option<OwnedFd> {
    let far = Duration::from_secs(3600);
    loop {
        match proxy.stop.ready(listener, PollFlags::IN, Instant::now() + far) {
            Ok(()) => {}
            Err(Halt::Late) => continue,
            Err(Halt::Stopped | Halt::Gone) => return None,
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        match rustix::net::accept_with(listener.as_fd(), flags) {
            Ok(socket) => return Some(socket),
            Err(Errno::BADF | Errno::INVAL | Errno::NOTSOCK) => return None,
            Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                // The connection stays in the queue; without a pause this would spin.
                if proxy.stop.wait(&mut Vec::new(), Instant::now() + SHORTAGE) == Err(Halt::Stopped)
                {
                    return None;
                }
            }
            // One that was given up while it waited.
            Err(_) => {}
        }
    }
}

fn attend(proxy: &Arc<Proxy>, seat: Seat, socket: OwnedFd) {
    let proxy = proxy.clone();
    let serve = move || {
        let _seat = seat;
        let _ = sockopt::set_tcp_nodelay(&socket, true);
        // How a connection ended is in its events; there is nobody else to tell.
        let _ = Client::new(socket).serve(&proxy);
    };
    // Without a thread the connection is closed, and the client may try again.
    let _ = std::thread::Builder::new().stack_size(STACK).spawn(serve);
}
