//! The proxy on real sockets: attacks, ordinary use, limits, the session, and real programs.
//!
//! One binary, so that it is linked once. What the suites have in common is in `support`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod attack;
mod carry;
mod limits;
mod session;
mod support;

#[test]
fn all_again_as_an_ordinary_user() {
    support::again_as_an_ordinary_user("all_again_as_an_ordinary_user");
}
