//! `execve`, and lists of strings in the shape it wants.
//!
//! The lists are built in the supervisor, because the child may not allocate. Which names are
//! tried, and in which order, is decided in `plan::program`.

use std::ffi::{CStr, CString, c_char};

use rustix::io::Errno;

use super::last_error;

/// A list of C strings with the null-terminated table of pointers to them.
pub(crate) struct Strings {
    /// Owns what `pointers` points to; the heap blocks do not move with the vector.
    _owned: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl Strings {
    /// Builds the table; allocates, so only for the supervisor.
    pub(crate) fn new(owned: Vec<CString>) -> Self {
        let mut pointers: Vec<*const c_char> = owned.iter().map(|text| text.as_ptr()).collect();
        pointers.push(std::ptr::null());
        Self { _owned: owned, pointers }
    }
}

/// Replaces the calling process by `path`. Returns only on failure, with the reason.
pub(crate) fn execve(path: &CStr, arguments: &Strings, environment: &Strings) -> Errno {
    // SAFETY: both tables are null-terminated and point to strings owned by the same values,
    // which outlive the call.
    unsafe {
        libc::execve(path.as_ptr(), arguments.pointers.as_ptr(), environment.pointers.as_ptr());
    }
    last_error()
}
