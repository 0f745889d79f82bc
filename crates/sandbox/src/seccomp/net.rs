//! What `standard-net` and `strict-net` allow beyond `standard` and `strict`: TCP, inside the sandbox.
//!
//! The sandbox's own loopback is all a socket reaches, and the egress proxy's listener on it the only
//! way out. Datagrams stay refused: no name is resolved inside, and what asks for one goes on
//! without at the answer it gets.

use super::internet::{OPTIONS, UNIX_OR_TCP};
use super::rule::{Entry, cases};

/// The calls both allow more of.
pub(super) const ENTRIES: &[Entry] = &[
    cases("socket", UNIX_OR_TCP, "TCP to the egress proxy and among the sandbox's own programs"),
    cases("setsockopt", OPTIONS, "options of TCP; none that loads a BPF program or a protocol"),
];
