//! The seccomp filters against the real kernel and real programs, and the page printed from them.
//!
//! `install.rs` starts processes under a filter; `programs.rs` holds what must run, `denials.rs` and
//! `sockets.rs` what must not, `numbers.rs` the call numbers against `libc`. That the compiled filters equal the
//! lists for every number and argument is tested beside the compiler, with an interpreter.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

mod denials;
mod install;
mod numbers;
mod programs;
mod sockets;

use std::path::Path;

use sandbox::Profile;
use sandbox::seccomp::{conformance_table, filter};

#[test]
fn page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/syscalls.md");
    let page = conformance_table();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap();
    let first = checked_in.lines().zip(page.lines()).find(|(old, new)| old != new);
    assert!(checked_in == page, "set UPDATE_DOCS=1 to rewrite docs/syscalls.md; first: {first:?}");
}

#[test]
fn filters_are_compiled_once_and_fit_the_kernel() {
    for profile in Profile::ALL {
        assert!(std::ptr::eq(filter(profile), filter(profile)));
        assert!(filter(profile).instructions.len() <= 4096);
    }
}
