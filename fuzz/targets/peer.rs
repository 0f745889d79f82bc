//! Any bytes on the peer socket; what is required is in `checks/peer.rs`.
//! No owner listens: what a request leads to is not looked at.
#![no_main]
#![allow(dead_code, reason = "files of another crate, of which a part is used")]

#[path = "../../crates/runner/src/peer/frame.rs"]
mod frame;
#[path = "../../crates/runner/src/peer/handshake.rs"]
mod handshake;
#[path = "../../crates/runner/src/peer/message.rs"]
mod message;
#[path = "../checks/peer.rs"]
mod peer;

libfuzzer_sys::fuzz_target!(|data: &[u8]| peer::check(data));
