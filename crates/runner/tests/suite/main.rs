//! The runner from outside: gate, read-only tools, nodes.
//! One binary, so that it links once; each module is about one room of the crate.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

mod amendments;
mod approvals;
mod call;
mod fast;
mod full;
mod gate;
mod limits;
mod node;
mod peer;
mod support;
mod town;
