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
    owned: Vec<CString>,
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers lead into `owned` and to nothing else, so they may move with it.
unsafe impl Send for Strings {}

impl Strings {
    /// Builds the table; allocates, so only for the supervisor.
    pub(crate) fn new(owned: Vec<CString>) -> Self {
        let mut pointers: Vec<*const c_char> = owned.iter().map(|text| text.as_ptr()).collect();
        pointers.push(std::ptr::null());
        Self { owned, pointers }
    }

    /// The strings themselves.
    pub(crate) fn texts(&self) -> &[CString] {
        &self.owned
    }

    /// The table for `execve`.
    pub(crate) fn table(&self) -> Table<'_> {
        Table(&self.pointers)
    }
}

/// A null-terminated table of pointers to C strings that live as long as it does.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a>(&'a [*const c_char]);

impl<'a> Table<'a> {
    /// For this room only, which keeps what the entries point to alive. `None` if the last entry
    /// is not null.
    pub(super) fn terminated(entries: &'a [*const c_char]) -> Option<Self> {
        entries.last().is_some_and(|last| last.is_null()).then_some(Self(entries))
    }

    /// The strings, for tests.
    #[cfg(test)]
    pub(super) fn texts(self) -> Vec<&'a str> {
        let entries = self.0.iter().take_while(|entry| !entry.is_null());
        // SAFETY: every entry points to a C string that lives as long as the table.
        entries.map(|entry| unsafe { CStr::from_ptr(*entry) }.to_str().unwrap()).collect()
    }
}

/// Replaces the calling process by `path`. Returns only on failure, with the reason.
pub(crate) fn execve(path: &CStr, arguments: Table<'_>, environment: Table<'_>) -> Errno {
    // SAFETY: both tables are null-terminated and point to strings that outlive the call.
    unsafe {
        libc::execve(path.as_ptr(), arguments.0.as_ptr(), environment.0.as_ptr());
    }
    last_error()
}
