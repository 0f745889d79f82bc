//! The binary from outside, as a person or a script uses it. One test program, so that it links once.
//! Each module is about one thing a user does; `support` has the project and the processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

mod approval;
mod audit;
mod change;
mod crash;
mod created;
mod disclosure;
mod document;
mod evidence;
mod example;
mod explained;
mod exported;
mod extension;
mod hidden;
#[path = "../../../testkit/src/install.rs"]
#[allow(
    unreachable_pub,
    dead_code,
    reason = "a public file of another crate, of which a part is used"
)]
mod install;
mod json;
mod keeper;
mod kept;
mod links;
mod network;
mod output;
mod payload;
mod policy_apply;
mod policy_change;
mod policy_guide;
mod restore;
mod retention;
mod second;
mod secret;
mod shipped;
mod storage;
mod support;
mod thorough;
mod ticket;
mod tool;
mod transparency;
mod unheld;
mod usage;
mod workflow_guide;
