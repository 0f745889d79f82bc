//! Words about internet sockets, for the profiles that have any: which are made, which options set.
//!
//! No list and no profile: `net.rs` and `proxy.rs` are made of these. Whatever the profile,
//! a socket is one of TCP, UDP or the sandbox's own Unix sockets; every other family and protocol is
//! kernel surface without a use here.

use super::rule::{Case, Condition, Errno};
use super::strict::{SOCKET_OPTION, UNIX};

/// The bits of a socket's type without `SOCK_CLOEXEC` and `SOCK_NONBLOCK`.
const TYPE: u64 = 0xFFFF_FFFF & !0x8_0800;

const INTERNET: Condition =
    Condition::int(0, &[("AF_INET", 2), ("AF_INET6", 10)], Errno::FamilyNotSupported);

const STREAM: Condition =
    Condition::bits(1, TYPE, &[("SOCK_STREAM", 1)], Errno::ProtocolNotSupported);

const STREAM_OR_DATAGRAM: Condition =
    Condition::bits(1, TYPE, &[("SOCK_STREAM", 1), ("SOCK_DGRAM", 2)], Errno::ProtocolNotSupported);

/// Not MPTCP or SCTP, which are streams too. Programs that try those go on with TCP at this answer.
const TCP: Condition =
    Condition::int(2, &[("any", 0), ("IPPROTO_TCP", 6)], Errno::ProtocolNotSupported);

const TCP_OR_UDP: Condition = Condition::int(
    2,
    &[("any", 0), ("IPPROTO_TCP", 6), ("IPPROTO_UDP", 17)],
    Errno::ProtocolNotSupported,
);

/// Unix sockets of any type, and TCP.
pub(super) const UNIX_OR_TCP: &[Case] =
    &[Case { applies: UNIX, tests: &[] }, Case { applies: INTERNET, tests: &[STREAM, TCP] }];

/// TCP and UDP. No Unix socket: in the network of the host its abstract ones would be in reach.
pub(super) const TCP_AND_UDP: &[Case] =
    &[Case { applies: INTERNET, tests: &[STREAM_OR_DATAGRAM, TCP_OR_UDP] }];

/// Pairs that stay connected. A pair of datagram sockets can be turned to any other address, and so
/// to the abstract sockets of the host.
pub(super) const CONNECTED_PAIR: &[Case] = &[Case { applies: UNIX, tests: &[CONNECTED] }];

const CONNECTED: Condition = Condition::bits(
    1,
    TYPE,
    &[("SOCK_STREAM", 1), ("SOCK_SEQPACKET", 5)],
    Errno::ProtocolNotSupported,
);

/// The option's number means another thing at each level, and among the meanings is one that loads
/// BPF programs into the kernel, so the level is looked at first.
pub(super) const OPTIONS: &[Case] = &[
    Case { applies: level(&[("SOL_SOCKET", 1)]), tests: &[SOCKET_OPTION] },
    Case { applies: level(&[("IPPROTO_TCP", 6)]), tests: &[TCP_OPTION] },
    Case { applies: level(&[("IPPROTO_IP", 0)]), tests: &[IP_OPTION] },
    Case { applies: level(&[("IPPROTO_IPV6", 41)]), tests: &[IPV6_OPTION] },
];

const fn level(values: &'static [(&'static str, u64)]) -> Condition {
    Condition::int(1, values, Errno::UnknownSocketOption)
}

/// Without `TCP_ULP`, which loads protocols into the kernel, repair, signatures and zero copy.
const TCP_OPTION: Condition = Condition::int(
    2,
    &[
        ("TCP_NODELAY", 1),
        ("TCP_MAXSEG", 2),
        ("TCP_CORK", 3),
        ("TCP_KEEPIDLE", 4),
        ("TCP_KEEPINTVL", 5),
        ("TCP_KEEPCNT", 6),
        ("TCP_SYNCNT", 7),
        ("TCP_LINGER2", 8),
        ("TCP_DEFER_ACCEPT", 9),
        ("TCP_QUICKACK", 12),
        ("TCP_USER_TIMEOUT", 18),
        ("TCP_NOTSENT_LOWAT", 25),
    ],
    Errno::UnknownSocketOption,
);

const IP_OPTION: Condition = Condition::int(
    2,
    &[("IP_TOS", 1), ("IP_TTL", 2), ("IP_RECVERR", 11), ("IP_BIND_ADDRESS_NO_PORT", 24)],
    Errno::UnknownSocketOption,
);

const IPV6_OPTION: Condition = Condition::int(
    2,
    &[("IPV6_UNICAST_HOPS", 16), ("IPV6_RECVERR", 25), ("IPV6_V6ONLY", 26), ("IPV6_TCLASS", 67)],
    Errno::UnknownSocketOption,
);
