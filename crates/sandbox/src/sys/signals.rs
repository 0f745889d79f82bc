//! Signal masks, default actions and a descriptor for `SIGCHLD`, as raw calls.
//!
//! The C library's versions keep two real-time signals to themselves; a program has to start with
//! every signal at its default, so the kernel is asked directly.

use std::os::fd::{FromRawFd, OwnedFd};

use rustix::io::Errno;

use super::check;

/// The highest signal number of Linux, and the size of its masks in bytes.
const SIGNAL_MAX: libc::c_int = 64;
const MASK_BYTES: usize = 8;

/// The kernel's `struct sigaction`, which differs from the C library's.
#[repr(C)]
struct Action {
    handler: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

/// Sets every signal to its default action, including those the supervisor ignores.
/// `SIGKILL` and `SIGSTOP` cannot be changed and do not need to be.
pub(crate) fn reset_all() {
    let action = Action { handler: libc::SIG_DFL, flags: 0, restorer: 0, mask: 0 };
    for signal in 1..=SIGNAL_MAX {
        // SAFETY: `action` has the kernel's layout and outlives the call; a null old action is
        // allowed. A refusal leaves the default in place, so the answer does not matter.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                &raw const action,
                std::ptr::null::<Action>(),
                MASK_BYTES,
            );
        }
    }
}

/// Lets every signal through.
pub(crate) fn unblock_all() -> Result<(), Errno> {
    set_mask(0)
}

/// Holds `SIGCHLD` back and returns a descriptor that is readable when one is pending.
pub(crate) fn children() -> Result<OwnedFd, Errno> {
    let mask: u64 = 1 << (libc::SIGCHLD - 1);
    set_mask(mask)?;
    // SAFETY: the mask has the size given and outlives the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_signalfd4,
            -1,
            &raw const mask,
            MASK_BYTES,
            libc::SFD_CLOEXEC | libc::SFD_NONBLOCK,
        )
    };
    let fd = check(answer)?;
    // SAFETY: the kernel has just made this descriptor and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) })
}

fn set_mask(mask: u64) -> Result<(), Errno> {
    // SAFETY: the mask has the size given and outlives the call; a null old mask is allowed.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask,
            std::ptr::null::<u64>(),
            MASK_BYTES,
        )
    };
    check(answer).map(drop)
}
