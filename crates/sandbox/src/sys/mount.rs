//! `mount_setattr` (Linux 5.12): flags of a mount, and of all mounts beneath it, in one call.
//!
//! It only ever adds flags here. The old remount has to repeat flags that the host locked and
//! fails when one is forgotten; adding cannot clear one.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use super::check;

/// Restrictions of a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags(u64);

impl Flags {
    /// None at all.
    #[cfg(weaken)]
    pub(crate) const NONE: Self = Self(0);
    /// Nothing can be written.
    pub(crate) const READ_ONLY: Self = Self(0x1);
    /// Set-user-id bits and file capabilities mean nothing.
    pub(crate) const NO_SETUID: Self = Self(0x2);
    /// Device nodes cannot be opened.
    pub(crate) const NO_DEVICES: Self = Self(0x4);
    /// Nothing can be executed.
    pub(crate) const NO_EXEC: Self = Self(0x8);

    /// Both sets of restrictions.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Adds `flags` to the mount that `mount` is the root of, without those beneath it.
pub(crate) fn restrict(mount: BorrowedFd<'_>, flags: Flags) -> Result<(), Errno> {
    set_attributes(mount, flags, 0)
}

/// Adds `flags` to the mount that `mount` is the root of and to every mount beneath it.
pub(crate) fn restrict_tree(mount: BorrowedFd<'_>, flags: Flags) -> Result<(), Errno> {
    set_attributes(mount, flags, libc::AT_RECURSIVE)
}

fn set_attributes(mount: BorrowedFd<'_>, flags: Flags, depth: libc::c_int) -> Result<(), Errno> {
    const EMPTY: &CStr = c"";
    let attributes = MountAttributes { set: flags.0, clear: 0, propagation: 0, user_namespace: 0 };
    // SAFETY: the path is a C string and the block has the size given; both outlive the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            EMPTY.as_ptr(),
            libc::AT_EMPTY_PATH | depth,
            &raw const attributes,
            size_of::<MountAttributes>(),
        )
    };
    check(answer).map(drop)
}
