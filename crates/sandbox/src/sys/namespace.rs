//! Namespaces of a single thread, and ids seen through a mount.
//!
//! A thread that has left the process's mounts or network passes its own on to the programs it
//! starts and takes them with it when it ends. Runs in the supervisor, so it may allocate.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use super::check;

/// Gives the calling thread a copy of the mounts of its own, and a working directory of its own.
pub(crate) fn own_mounts() -> Result<(), Errno> {
    // SAFETY: no memory is involved; only the calling thread's view changes.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS) }.into()).map(drop)
}

/// Puts the calling thread into the network of the process behind `pidfd` (Linux 5.8).
pub(crate) fn enter_network(pidfd: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: no memory is involved; only the calling thread's view changes.
    check(unsafe { libc::setns(pidfd.as_raw_fd(), libc::CLONE_NEWNET) }.into()).map(drop)
}

/// Brings up the loopback interface of the network `socket` was made in.
pub(crate) fn raise_loopback(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: the structure is plain data for which all zeroes is a valid value.
    let mut request = unsafe { std::mem::zeroed::<libc::ifreq>() };
    for (place, letter) in request.ifr_name.iter_mut().zip(b"lo") {
        *place = *letter as libc::c_char;
    }
    let up = libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).map_err(|_| Errno::RANGE)?;
    request.ifr_ifru.ifru_flags = up;
    // SAFETY: this request reads one `ifreq`, which outlives the call.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    check(answer.into()).map(drop)
}

/// Maps the owners of the files under `mount` as `user_namespace` says (Linux 5.12), in every
/// mount of the tree. Only for a clone that is not attached yet.
pub(crate) fn map_owners(
    mount: BorrowedFd<'_>,
    user_namespace: BorrowedFd<'_>,
) -> Result<(), Errno> {
    const EMPTY: &CStr = c"";
    const MAP_OWNERS: u64 = 0x10_0000;
    let attributes = libc::mount_attr {
        attr_set: MAP_OWNERS,
        attr_clr: 0,
        propagation: 0,
        userns_fd: u64::try_from(user_namespace.as_raw_fd()).map_err(|_| Errno::BADF)?,
    };
    // SAFETY: the path is a C string and the block has the size given; both outlive the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            EMPTY.as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    check(answer).map(drop)
}
