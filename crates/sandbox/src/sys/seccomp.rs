//! Puts a ready-made seccomp filter in force.
//!
//! Which calls the filter allows is data in the `seccomp` room of the crate.

use rustix::io::Errno;

use super::check;

const SET_MODE_FILTER: libc::c_int = 1;

/// Installs `filter` for the calling thread and everything it starts; there is no way back.
/// Needs `no_new_privs`. Fails with `EINVAL` when the kernel rejects the program.
pub(crate) fn install(filter: &[libc::sock_filter]) -> Result<(), Errno> {
    let len = u16::try_from(filter.len()).map_err(|_| Errno::INVAL)?;
    let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut() };
    // SAFETY: `program` describes exactly the slice, which outlives the call; the kernel copies
    // it and does not write to it.
    let answer =
        unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, 0, &raw const program) };
    check(answer).map(drop)
}
