//! The Landlock calls that the `landlock` crate does not offer, or not to a bare process.
//!
//! The ruleset itself, with what it handles, comes from the `landlock` crate and is made in the
//! supervisor. Rules about folders that only exist inside have to be added inside, and that
//! crate's builder is not written for the time after a raw clone.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use super::check;

const RULE_PATH_BENEATH: libc::c_int = 1;

#[repr(C, packed)]
struct PathBeneath {
    allowed_access: u64,
    parent_fd: i32,
}

/// The generation of the kernel's Landlock, or `None` where it has none or does not use it.
pub(crate) fn generation() -> Option<i32> {
    const VERSION: libc::c_int = 1;
    // SAFETY: a null attribute of size zero with this flag asks for the version and nothing else.
    let answer = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, VERSION)
    };
    i32::try_from(answer).ok().filter(|version| *version > 0)
}

/// Allows `access` on everything beneath `parent`.
pub(crate) fn allow(
    ruleset: BorrowedFd<'_>,
    parent: BorrowedFd<'_>,
    access: u64,
) -> Result<(), Errno> {
    let rule = PathBeneath { allowed_access: access, parent_fd: parent.as_raw_fd() };
    // SAFETY: `rule` has the layout the kernel documents for this kind and outlives the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            RULE_PATH_BENEATH,
            &raw const rule,
            0,
        )
    };
    check(answer).map(drop)
}

/// Puts the ruleset in force for the calling thread and all it starts; there is no way back.
pub(crate) fn restrict(ruleset: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: takes a descriptor and flags by value.
    let answer = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) };
    check(answer).map(drop)
}
