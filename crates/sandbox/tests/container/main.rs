//! The container driver against a real Podman, with an image made from a folder.
//!
//! Everything here needs root's own Podman; `ordinary` says what is left without. Each promise of
//! isolation has a control that succeeds where the protection is off. Nothing is fetched.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a failed test should stop loudly"
)]

mod ends;
mod isolation;
mod ordinary;
mod setting;
mod standing;
mod workspace;

#[path = "../../../testkit/src/install.rs"]
#[allow(
    unreachable_pub,
    dead_code,
    reason = "a public file of another crate, of which a part is used"
)]
mod install;
#[path = "../support/mod.rs"]
mod support;
