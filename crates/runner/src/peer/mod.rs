//! The peer socket: how other programs on this machine ask the owner of a project to act.
//!
//! A Unix socket, mode 0600 in the 0700 state folder (`door`). The kernel says who is at the other end before a byte
//! is read (`identity`); then come frames (`frame`) of messages (`message`), a handshake first (`handshake`), then
//! requests, one after the other (`conversation`). Each method is one file below `method`. It carries requests to the
//! node's [`crate::Desk`] and decides nothing itself: a call goes through the gate like any other.
//!
//! The protocol for other programs is described in `docs/peers.md`.

mod client;
mod conversation;
mod door;
mod frame;
mod handshake;
mod identity;
mod message;
mod method;
mod refusal;
mod room;

pub use client::{Client, ClientError};
pub use conversation::Patience;
pub use door::{Door, DoorError};
pub use frame::{FRAME_BYTES, FrameError};
pub use handshake::{API_VERSION, supported};
pub use identity::{Peer, Unidentified};
pub use message::{Code, Fault, MESSAGE_DEPTH};
pub use method::REQUEST_KIND;
pub use refusal::REFUSALS_MAX;
pub use room::{MAX_CONNECTIONS, MAX_CONNECTIONS_OF_ONE};

#[cfg(test)]
#[path = "../../../../fuzz/checks/peer.rs"]
mod fuzzed;
#[cfg(test)]
#[path = "../../../../fuzz/checks/seeds.rs"]
mod seeds;

#[cfg(test)]
mod tests {
    use super::{fuzzed, seeds};

    #[test]
    fn the_seeds_of_the_fuzz_target_and_what_is_near_them_hold() {
        assert!(seeds::replay("peer", &|data| fuzzed::check(data)) > 1_000);
    }
}
