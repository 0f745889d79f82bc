//! Everything about tickets that can be asked from outside the crate.
//! Time, ids and nonces are plain numbers here; nothing waits and nothing reads a clock.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod action;
mod check;
mod concurrency;
mod format;
mod fuzzed;
mod mistakes;
mod narrowing;
mod support;
mod window;
