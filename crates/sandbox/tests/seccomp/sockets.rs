//! Which sockets each profile makes, by the filter alone: no namespace and no Landlock help here.
//!
//! Every refusal has a control without a filter, or says that this kernel has no such socket.

use sandbox::Profile;
use sandbox::seccomp::Errno;

use crate::denials::{check, check_same, failed, number_of};
use crate::install::{Ending, in_child, raw, say};

const NETS: [Profile; 3] = [Profile::StandardNet, Profile::StrictNet, Profile::Proxy];
const STREAM: i64 = libc::SOCK_STREAM as i64;
const DATAGRAM: i64 = libc::SOCK_DGRAM as i64;
const FLAGS: i64 = (libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) as i64;
/// Bits the kernel does not read.
const HIGH: [i64; 3] = [0, 1 << 32, i64::MIN];

fn make(domain: i32, kind: i64, protocol: i64) -> impl Fn() -> i64 {
    move || raw(number_of("socket"), [domain.into(), kind, protocol, 0, 0, 0])
}

fn option(domain: i32, level: i64, name: i64) -> impl Fn() -> i64 {
    let on: &'static [i32; 4] = &[1, 0, 0, 0];
    move || {
        let socket = make(domain, STREAM, 0)();
        raw(number_of("setsockopt"), [socket, level, name, on.as_ptr() as i64, 16, 0])
    }
}

#[test]
fn tcp_is_made_by_the_profiles_with_a_network_only() {
    for domain in [libc::AF_INET, libc::AF_INET6] {
        for (kind, protocol) in [(STREAM, 0), (STREAM | FLAGS, 6), (STREAM, 6)] {
            for high in HIGH {
                let tcp = make(domain, kind | high, protocol | high);
                for profile in NETS {
                    check_same(profile, "TCP", &tcp);
                }
                let others = [Profile::Strict, Profile::Standard];
                check(&others, "TCP", Errno::FamilyNotSupported, &tcp);
            }
        }
    }
}

#[test]
fn datagrams_are_made_by_the_proxy_only() {
    for (kind, protocol) in [(DATAGRAM, 0), (DATAGRAM | FLAGS, 17)] {
        for high in HIGH {
            let udp = make(libc::AF_INET, kind | high, protocol | high);
            check_same(Profile::Proxy, "UDP", &udp);
            let others = [Profile::StandardNet, Profile::StrictNet];
            check(&others, "UDP", Errno::ProtocolNotSupported, &udp);
        }
    }
}

#[test]
fn other_protocols_and_families_are_refused() {
    let protocols = [
        ("MPTCP", STREAM, libc::IPPROTO_MPTCP),
        ("SCTP", STREAM, libc::IPPROTO_SCTP),
        ("UDP-Lite", DATAGRAM, libc::IPPROTO_UDPLITE),
        ("ping", DATAGRAM, libc::IPPROTO_ICMP),
        ("raw", libc::SOCK_RAW.into(), libc::IPPROTO_ICMP),
        ("packet by an old name", 10, 0x0300),
    ];
    for (name, kind, protocol) in protocols {
        let socket = make(libc::AF_INET, kind, protocol.into());
        for profile in NETS {
            let ending = in_child(Some(profile), &socket);
            assert_eq!(ending, failed(Errno::ProtocolNotSupported), "{name} under {profile}");
        }
        match in_child(None, &socket) {
            Ending::Returned => {}
            other => say(&format!("without a filter, {name} ends with {other:?} here")),
        }
    }
    check(&NETS, "netlink", Errno::FamilyNotSupported, &make(libc::AF_NETLINK, 3, 0));
    const SMC: i32 = 43;
    for domain in [libc::AF_PACKET, libc::AF_VSOCK, libc::AF_ALG, libc::AF_XDP, SMC] {
        for profile in NETS {
            let ending = in_child(Some(profile), &make(domain, STREAM, 0));
            assert_eq!(ending, failed(Errno::FamilyNotSupported), "{domain} under {profile}");
        }
    }
}

#[test]
fn unix_sockets_are_made_by_all_but_the_proxy() {
    let pair = |domain: i64, kind: i64| {
        let ends: &'static mut [i32; 2] = Box::leak(Box::new([0; 2]));
        let ends = ends.as_mut_ptr() as i64;
        move || raw(number_of("socketpair"), [domain, kind, 0, ends, 0, 0])
    };
    for kind in [STREAM, DATAGRAM, STREAM | FLAGS] {
        let unix = make(libc::AF_UNIX, kind, 0);
        check_same(Profile::StandardNet, "Unix", &unix);
        check(&[Profile::Proxy], "Unix", Errno::FamilyNotSupported, &unix);
    }
    for profile in NETS {
        check_same(profile, "pair", &pair(1, STREAM | FLAGS));
        check_same(profile, "pair", &pair(1, libc::SOCK_SEQPACKET.into()));
    }
    // It could be turned to any other address.
    check(&[Profile::Proxy], "pair", Errno::ProtocolNotSupported, &pair(1, DATAGRAM));
    check(&NETS, "pair", Errno::FamilyNotSupported, &pair(libc::AF_INET.into(), STREAM));
}

#[test]
fn the_proxy_waits_at_no_address() {
    let proxy = [Profile::Proxy];
    for call in ["bind", "listen"] {
        check(&proxy, call, Errno::NotPermitted, &|| raw(number_of(call), [-1; 6]));
        check_same(Profile::StandardNet, call, &|| raw(number_of(call), [-1; 6]));
    }
    check_same(Profile::Proxy, "connect", &|| raw(number_of("connect"), [-1; 6]));
    check_same(Profile::Proxy, "accept4", &|| raw(number_of("accept4"), [-1; 6]));
    check_same(Profile::Proxy, "sendmmsg", &|| raw(number_of("sendmmsg"), [-1; 6]));
}

#[test]
fn options_are_told_apart_by_their_level() {
    let (inet, inet6) = (libc::AF_INET, libc::AF_INET6);
    let unknown = Errno::UnknownSocketOption;
    // 26 loads a filter at one level, and chooses the kind of address at another.
    check(&NETS, "SO_ATTACH_FILTER", unknown, &option(inet, 1, 26));
    check(&NETS, "SO_ATTACH_FILTER", unknown, &option(inet, 1 | 1 << 32, 26 | 1 << 32));
    for profile in NETS {
        check_same(profile, "IPV6_V6ONLY", &option(inet6, 41, 26));
        check_same(profile, "TCP_NODELAY", &option(inet, 6, 1));
        check_same(profile, "SO_KEEPALIVE", &option(inet, 1, 9));
        check_same(profile, "IP_RECVERR", &option(inet, 0, 11));
    }
    // Loads a protocol into the kernel: without one behind the name the control fails otherwise.
    check(&NETS, "TCP_ULP", unknown, &option(inet, 6, 31));
    // Without the test of the level this number would be let through as that of an option above.
    check(&NETS, "IPV6_2292PKTINFO", unknown, &option(inet6, 41, 2));
}
