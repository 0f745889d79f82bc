//! Waiting for processes, with the resources they used; closing and placing descriptors.
//! What an ending means is judged in `outcome`.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use rustix::io::Errno;

use super::{check, last_error};

/// How a process ended, in the encoding of `wait(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) i32);

impl Status {
    /// The exit code, if the process ended by itself.
    pub(crate) fn code(self) -> Option<i32> {
        libc::WIFEXITED(self.0).then(|| libc::WEXITSTATUS(self.0))
    }

    /// The signal that ended the process, if one did.
    pub(crate) fn signal(self) -> Option<i32> {
        libc::WIFSIGNALED(self.0).then(|| libc::WTERMSIG(self.0))
    }
}

/// Processor time and memory of a process and of all its descendants that were waited for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Resources {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    /// Of the largest single process, in bytes.
    pub(crate) peak_memory: u64,
}

/// Takes one dead child of the caller, if there is one, without waiting.
/// `Ok(None)` means that none is dead yet; `ECHILD` that there are none left.
pub(crate) fn any_child() -> Result<Option<(i32, Status)>, Errno> {
    let mut status: libc::c_int = 0;
    // SAFETY: `status` is a valid place for the answer; a null usage is allowed.
    let pid = unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG, std::ptr::null_mut()) };
    match pid {
        0 => Ok(None),
        pid if pid > 0 => Ok(Some((pid, Status(status)))),
        _ => Err(last_error()),
    }
}

/// Reaps the dead process behind `pidfd` and returns what it and its descendants used.
pub(crate) fn reap(pidfd: BorrowedFd<'_>) -> Result<Resources, Errno> {
    const BY_PIDFD: libc::c_int = 3;
    // SAFETY: both structures are plain data for which all zeroes is a valid value.
    let (mut info, mut usage) =
        unsafe { (std::mem::zeroed::<libc::siginfo_t>(), std::mem::zeroed::<libc::rusage>()) };
    // SAFETY: both places are valid for writing for the length of the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_waitid,
            BY_PIDFD,
            pidfd.as_raw_fd(),
            &raw mut info,
            libc::WEXITED,
            &raw mut usage,
        )
    };
    check(answer)?;
    Ok(Resources {
        user: duration(usage.ru_utime),
        system: duration(usage.ru_stime),
        peak_memory: u64::try_from(usage.ru_maxrss).unwrap_or(0).saturating_mul(1024),
    })
}

/// Closes every descriptor from `first` to `last`, whether or not it is open.
pub(crate) fn close_range(first: u32, last: u32) -> Result<(), Errno> {
    range(first, last, 0)
}

/// Marks every descriptor from `first` on to be closed by `execve` (Linux 5.11).
pub(crate) fn close_on_exec(first: u32) -> Result<(), Errno> {
    const CLOEXEC: libc::c_uint = 1 << 2;
    range(first, u32::MAX, CLOEXEC)
}

/// Makes `number` mean the same as `fd`, and stay open over `execve`. What it meant is closed.
pub(crate) fn place(fd: BorrowedFd<'_>, number: i32) -> Result<(), Errno> {
    // SAFETY: takes numbers only. The caller runs in a process of its own, between clone and exec,
    // and touches what the number meant before no more.
    check(unsafe { libc::dup2(fd.as_raw_fd(), number) }.into()).map(drop)
}

fn range(first: u32, last: u32, flags: libc::c_uint) -> Result<(), Errno> {
    // SAFETY: takes numbers only. The callers run in a process of their own, between clone and
    // exec, and touch none of the closed descriptors afterwards.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    check(answer).map(drop)
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros))
}
