//! The binary from outside, as a person or a script uses it. One test program, so that it links once.
//! Each module is about one thing a user does; `support` has the project and the processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

mod audit;
mod crash;
mod document;
mod example;
mod json;
mod output;
mod shipped;
mod storage;
mod support;
mod usage;
