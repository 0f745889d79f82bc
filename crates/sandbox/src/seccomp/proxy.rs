//! What `proxy` allows otherwise than `strict`: outgoing connections, and datagrams to a resolver.
//!
//! For the egress proxy's own process, the only one in the network of the host. It waits at no
//! address: the socket it answers on is handed to it. It starts no further process and executes no
//! other program.

use super::internet::{CONNECTED_PAIR, OPTIONS, TCP_AND_UDP};
use super::rule::{Entry, allow, cases, refuse};

/// The calls `proxy` allows more or less of.
pub(super) const ENTRIES: &[Entry] = &[
    cases("socket", TCP_AND_UDP, "TCP to the hosts of the grant, UDP to the resolver"),
    cases("socketpair", CONNECTED_PAIR, "channels between its threads, which reach nothing else"),
    cases("setsockopt", OPTIONS, "options of TCP; the resolver wants errors of UDP reported"),
    allow("sendmmsg", "the C library's resolver asks for both kinds of address at once"),
    refuse("bind", "waits at no address of the host; what goes out gets a port by itself"),
    refuse("listen", "waits at no address of the host; its listener is handed to it"),
];
