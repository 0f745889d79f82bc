//! Network interfaces by `ioctl`: which are up, and bringing one up.
//!
//! Asked by number and by name on any socket, as netdevice(7) describes; netlink would need buffers.
//! Which interfaces a sandbox may have is decided in `inside::network` and proved in `inside::proof`.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use super::check;

const NAME_OF: libc::c_ulong = 0x8910;
const FLAGS_OF: libc::c_ulong = 0x8913;
const SET_FLAGS: libc::c_ulong = 0x8914;

/// `struct ifreq`: a name, and a union of which the number or the flags are used here.
#[repr(C, align(8))]
struct Request {
    name: [u8; libc::IFNAMSIZ],
    /// An interface's number, or in its lower half, both architectures being little endian, flags.
    number: i32,
    unused: [u8; 20],
}

impl Request {
    const fn about(number: i32) -> Self {
        Self { name: [0; libc::IFNAMSIZ], number, unused: [0; 20] }
    }

    fn make(&mut self, socket: BorrowedFd<'_>, request: libc::c_ulong) -> Result<(), Errno> {
        // SAFETY: the block is as large as the kernel's, is initialised, and outlives the call.
        let answer = unsafe {
            libc::ioctl(socket.as_raw_fd(), request, std::ptr::from_mut(self).cast::<u8>())
        };
        check(answer.into()).map(drop)
    }
}

/// An interface of the network namespace a socket was made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) is_up: bool,
    pub(crate) is_loopback: bool,
}

/// The interface of this number, counted from 1; `None` where the number is not taken.
pub(crate) fn interface(socket: BorrowedFd<'_>, number: u8) -> Result<Option<Interface>, Errno> {
    let mut request = Request::about(number.into());
    match request.make(socket, NAME_OF) {
        Err(Errno::NODEV) => return Ok(None),
        other => other?,
    }
    request.make(socket, FLAGS_OF)?;
    let has = |flag: i32| request.number & flag != 0;
    Ok(Some(Interface { is_up: has(libc::IFF_UP), is_loopback: has(libc::IFF_LOOPBACK) }))
}

/// Brings up the interface of this number. Needs capabilities over the network namespace.
pub(crate) fn bring_up(socket: BorrowedFd<'_>, number: u8) -> Result<(), Errno> {
    let mut request = Request::about(number.into());
    request.make(socket, NAME_OF)?;
    request.make(socket, FLAGS_OF)?;
    request.number |= libc::IFF_UP;
    request.make(socket, SET_FLAGS)
}
