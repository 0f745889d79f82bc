//! The only unsafe code of the crate: system calls that no safe library offers.
//!
//! Each file wraps one call or one family, gives it a safe signature and says why it is sound.
//! There is no policy here and no order of steps; both are in `inside`. Everything in this room
//! may run between `clone3` and `execve`, so nothing here allocates, locks or panics unless its
//! doc says that it runs in the supervisor.
#![allow(unsafe_code, reason = "system calls without a safe wrapper live here and nowhere else")]

pub(crate) mod clone;
pub(crate) mod exec;
pub(crate) mod handed;
pub(crate) mod interface;
pub(crate) mod landlock;
pub(crate) mod letter;
pub(crate) mod mount;
pub(crate) mod namespace;
pub(crate) mod seccomp;
pub(crate) mod signals;
pub(crate) mod wait;

use rustix::io::Errno;

/// The error of the last call made through `libc`, as set by that call on this thread.
fn last_error() -> Errno {
    // SAFETY: the location is valid for the calling thread for as long as it lives; reading it
    // takes no lock, so it is also allowed after a raw clone.
    let raw = unsafe { *libc::__errno_location() };
    Errno::from_raw_os_error(raw)
}

/// Turns the `-1 and errno` convention into a result.
fn check(answer: libc::c_long) -> Result<libc::c_long, Errno> {
    if answer < 0 { Err(last_error()) } else { Ok(answer) }
}
