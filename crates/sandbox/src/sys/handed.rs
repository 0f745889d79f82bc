//! The descriptors a program was handed, taken by the program itself.
//!
//! For our own programs that run inside, such as the egress proxy; nothing else in the crate needs
//! it. Which descriptors are handed on is `Spec::handed`'s.

use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::spec::HANDED_MAX;

/// The number of the first of them inside.
const FIRST: i32 = 3;

/// Which were taken already, a bit for each.
static TAKEN: AtomicU32 = AtomicU32::new(0);

/// The descriptor at `place` of [`Spec::handed`](crate::Spec), once; `None` when there is none, or it
/// was taken before.
///
/// To be called before the program opens anything: a number that nobody handed could be its own.
#[must_use]
pub fn handed(place: usize) -> Option<OwnedFd> {
    if place >= HANDED_MAX {
        return None;
    }
    let number = FIRST + i32::try_from(place).ok()?;
    let bit = 1_u32 << place;
    // SAFETY: asks for the flags of a number, which is harmless whatever the number is.
    let open = unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0;
    if !open || TAKEN.fetch_or(bit, Ordering::AcqRel) & bit != 0 {
        return None;
    }
    // SAFETY: it is open, this is the only place that makes an owner of it, and it does so once.
    let owned = unsafe { OwnedFd::from_raw_fd(number) };
    // SAFETY: as above; what this program starts, if anything, must not get it.
    let _kept = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    Some(owned)
}
