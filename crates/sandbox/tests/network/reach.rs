//! What can be reached from inside, and what cannot: addresses, kinds of socket, other sandboxes.
//! Perl plays the program; what real programs make of it is in `programs.rs`.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use sandbox::{End, Network, PROXY_PORT, Profile, launch, launch_on};

use crate::support::{Project, is_root, outside, run, stdout};
use crate::{listener, printed, with_proxy};

/// A Perl program that tries to connect to each address and prints what came of it.
fn connects(addresses: &[SocketAddr]) -> String {
    let list: Vec<String> = addresses
        .iter()
        .map(|address| format!("['{}', {}]", address.ip(), address.port()))
        .collect();
    format!(
        "use Socket qw(:DEFAULT inet_pton pack_sockaddr_in6 AF_INET6); $| = 1; \
         for ({}) {{ my ($ip, $port) = @$_; my $six = $ip =~ /:/; \
           socket(my $s, $six ? AF_INET6 : AF_INET, SOCK_STREAM, 0) or die qq(socket: $!); \
           my $to = $six ? pack_sockaddr_in6($port, inet_pton(AF_INET6, $ip)) \
             : pack_sockaddr_in($port, inet_aton($ip)); \
           print connect($s, $to) ? 'in' : $! + 0, ' ' }}",
        list.join(", ")
    )
}

/// This host's own address, as its neighbours know it; `None` on a host without a network.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: connecting only chooses the address to send from.
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback())
}

#[test]
fn a_program_reaches_the_listener_that_is_answered_outside() {
    let program = "use IO::Socket::INET; \
         my $s = IO::Socket::INET->new('127.0.0.1:3128') or die qq(connect: $!); \
         print $s 'a'; $s->flush; read($s, my $answer, 1); print $answer";
    let mut child = launch(&with_proxy(Project::new().perl(program))).unwrap();
    let listener = listener(&mut child);
    assert!(child.take_listener().is_none(), "handed out once");
    assert_eq!(listener.local_addr().unwrap().to_string(), format!("127.0.0.1:{PROXY_PORT}"));
    let (mut stream, _) = listener.accept().unwrap();
    let mut byte = [0];
    stream.read_exact(&mut byte).unwrap();
    stream.write_all(&[byte[0] + 1]).unwrap();
    assert_eq!(printed(child), "b");
}

#[test]
fn the_strictest_profile_with_a_network_reaches_it_too() {
    let program = "use IO::Socket::INET; \
         my $s = IO::Socket::INET->new('127.0.0.1:3128') or die qq(connect: $!); \
         read($s, my $answer, 2); print defined(fork) ? 'forked' : $answer";
    let project = Project::new();
    let mut spec = with_proxy(project.perl(program));
    spec.profile = Profile::StrictNet;
    let mut child = launch(&spec).unwrap();
    listener(&mut child).accept().unwrap().0.write_all(b"ok").unwrap();
    assert_eq!(printed(child), "ok");
}

#[test]
fn a_connection_waits_until_somebody_answers() {
    let program = "use IO::Socket::INET; \
         my $s = IO::Socket::INET->new('127.0.0.1:3128') or die; print qq(connected\n); \
         STDOUT->flush; read($s, my $answer, 3); print $answer";
    let mut child = launch(&with_proxy(Project::new().perl(program))).unwrap();
    let listener = listener(&mut child);
    let mut seen = Vec::new();
    let outcome = child.wait(&mut |_, bytes| {
        if seen.is_empty() {
            listener.accept().unwrap().0.write_all(b"now").unwrap();
        }
        seen.extend_from_slice(bytes);
    });
    assert_eq!((outcome.end, seen.as_slice()), (End::Exited(0), &b"connected\nnow"[..]));
}

#[test]
fn without_a_listener_outside_connections_are_refused() {
    // Nobody took it, so it is closed when waiting begins; the program tries until then.
    let program = "use IO::Socket::INET; \
         while (IO::Socket::INET->new('127.0.0.1:3128')) {} print $! + 0";
    let outcome = run(&with_proxy(Project::new().perl(program)));
    assert_eq!(stdout(&outcome), libc::ECONNREFUSED.to_string());
}

#[test]
fn nobody_inside_can_take_the_listeners_place() {
    let program = "use Socket qw(:all); for (['127.0.0.1', AF_INET], ['0.0.0.0', AF_INET]) { \
           socket(my $s, $_->[1], SOCK_STREAM, 0) or die; \
           setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1) or die; \
           setsockopt($s, SOL_SOCKET, SO_REUSEPORT, 1) or die; \
           print bind($s, pack_sockaddr_in(3128, inet_aton($_->[0]))) ? 'bound' : $! + 0, ' ' }";
    let mut child = launch(&with_proxy(Project::new().perl(program))).unwrap();
    let _listener = listener(&mut child);
    assert_eq!(printed(child), format!("{0} {0} ", libc::EADDRINUSE));
}

#[test]
fn services_of_the_host_are_out_of_reach() {
    let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = everywhere.local_addr().unwrap().port();
    let mut addresses = vec![SocketAddr::from(([127, 0, 0, 1], port))];
    addresses.extend(own_address().map(|ip| SocketAddr::from((ip, port))));
    let six = TcpListener::bind("[::1]:0").ok();
    addresses.extend(six.as_ref().map(|six| six.local_addr().unwrap()));
    let reached = "in ".repeat(addresses.len());
    assert_eq!(outside(&["perl", "-e", &connects(&addresses)]), (true, reached), "control");
    // Elsewhere: documentation, link-local, where clouds keep metadata, private, public, mapped.
    let elsewhere = [
        "192.0.2.1:80",
        "169.254.169.254:80",
        "10.0.0.1:80",
        "1.1.1.1:443",
        "[2001:db8::1]:80",
        "[fe80::1]:80",
        "[::ffff:1.1.1.1]:443",
    ];
    addresses.extend(elsewhere.map(|address| address.parse::<SocketAddr>().unwrap()));
    let mut child = launch(&with_proxy(Project::new().perl(&connects(&addresses)))).unwrap();
    let _listener = listener(&mut child);
    let answers = printed(child);
    let no_way = [libc::ECONNREFUSED, libc::ENETUNREACH, libc::EADDRNOTAVAIL, libc::EINVAL];
    for (answer, address) in answers.split_whitespace().zip(&addresses) {
        let errno: i32 = answer.parse().unwrap_or_else(|_| panic!("{address} was reached"));
        assert!(no_way.contains(&errno), "{address}: {errno}");
    }
    assert_eq!(answers.split_whitespace().count(), addresses.len());
}

/// Family, type, protocol.
const REFUSED: [(i32, i32, i32); 20] = [
    (libc::AF_INET, libc::SOCK_DGRAM, 0),
    (libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, libc::IPPROTO_UDP),
    (libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK, libc::IPPROTO_UDP),
    (libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP),
    (libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_UDPLITE),
    (libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW),
    (libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP),
    (libc::AF_INET, libc::SOCK_SEQPACKET, libc::IPPROTO_SCTP),
    (libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_SCTP),
    (libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP),
    (libc::AF_INET, 10, 0x0300),
    (libc::AF_INET6, libc::SOCK_DGRAM, 0),
    (libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6),
    (libc::AF_NETLINK, libc::SOCK_RAW, 0),
    (libc::AF_NETLINK, libc::SOCK_DGRAM, 0),
    (libc::AF_PACKET, libc::SOCK_RAW, 0x0300),
    (libc::AF_VSOCK, libc::SOCK_STREAM, 0),
    (libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
    (libc::AF_BLUETOOTH, libc::SOCK_RAW, 0),
    (libc::AF_XDP, libc::SOCK_RAW, 0),
];

#[test]
fn every_other_kind_of_socket_is_refused() {
    let list: Vec<String> =
        REFUSED.iter().map(|kind| format!("[{}, {}, {}]", kind.0, kind.1, kind.2)).collect();
    let program = format!(
        "for ({}) {{ print socket(my $s, $_->[0], $_->[1], $_->[2]) ? 0 : $! + 0, ' ' }}",
        list.join(", ")
    );
    let (_, control) = outside(&["perl", "-e", &program]);
    let made: Vec<_> =
        control.split_whitespace().zip(REFUSED).filter(|(answer, _)| *answer == "0").collect();
    // Datagrams of both kinds of address and netlink are in every kernel and allowed to everybody.
    let expected = if is_root() { 8 } else { 5 };
    assert!(made.len() >= expected, "control: {control}");
    let answers = crate::support::succeeds(&with_proxy(Project::new().perl(&program)));
    for (answer, (family, kind, protocol)) in answers.split_whitespace().zip(REFUSED) {
        let expect = match family {
            libc::AF_INET | libc::AF_INET6 => libc::EPROTONOSUPPORT,
            _ => libc::EAFNOSUPPORT,
        };
        assert_eq!(answer, expect.to_string(), "{family} {kind} {protocol}");
    }
    assert_eq!(answers.split_whitespace().count(), REFUSED.len());
}

#[test]
fn two_sandboxes_do_not_see_each_others_loopback() {
    const PORT: u16 = 4000;
    let project = Project::new();
    let own = connects(&[SocketAddr::from(([127, 0, 0, 1], PORT))]);
    let serve = format!(
        "use IO::Socket::INET; my $own = IO::Socket::INET->new(Listen => 5, \
           LocalAddr => '127.0.0.1:{PORT}') or die qq(listen: $!); {own}; \
         my $out = IO::Socket::INET->new('127.0.0.1:3128') or die; read($out, my $wait, 1)"
    );
    let mut first = launch(&with_proxy(project.perl(&serve))).unwrap();
    let first_listener = listener(&mut first);
    let (mut serving, _) = first_listener.accept().unwrap();
    // The first serves now. Another sandbox, and this process, find nothing there.
    let mut second = launch(&with_proxy(project.perl(&own))).unwrap();
    let _second_listener = listener(&mut second);
    assert_eq!(printed(second), format!("{} ", libc::ECONNREFUSED));
    assert_eq!(outside(&["perl", "-e", &own]).1, format!("{} ", libc::ECONNREFUSED));
    serving.write_all(b"!").unwrap();
    assert_eq!(printed(first), "in ", "control: the first reaches itself");
}

#[test]
fn ipv6_is_a_loopback_like_the_other() {
    if TcpListener::bind("[::1]:0").is_err() {
        assert!(!std::path::Path::new("/proc/net/if_inet6").exists(), "the kernel has IPv6");
        return;
    }
    let program = "use Socket qw(:all); \
         socket(my $l, AF_INET6, SOCK_STREAM, 0) or die; \
         setsockopt($l, IPPROTO_IPV6, IPV6_V6ONLY, 1) or die; \
         bind($l, pack_sockaddr_in6(4001, inet_pton(AF_INET6, '::1'))) or die qq(bind: $!); \
         listen($l, 5) or die;";
    let addresses = ["[::1]:4001", "[::1]:3128", "127.0.0.1:4001", "127.0.0.1:3128"];
    let addresses = addresses.map(|address| address.parse::<SocketAddr>().unwrap());
    let program = format!("{program} {}", connects(&addresses));
    let mut child = launch(&with_proxy(Project::new().perl(&program))).unwrap();
    let _listener = listener(&mut child);
    // The proxy listens at the address that is in the environment, and at no other.
    assert_eq!(printed(child), format!("in {0} {0} in ", libc::ECONNREFUSED));
}

#[test]
fn no_network_means_that_nothing_is_up() {
    let project = Project::new();
    let mut spec = project.perl(
        "use Socket; for (['0.0.0.0', 0], ['127.0.0.1', 1]) { \
           socket(my $s, AF_INET, SOCK_STREAM, 0) or die; \
           my $at = pack_sockaddr_in(4002, inet_aton($_->[0])); \
           print +($_->[1] ? connect($s, $at) : bind($s, $at)) ? 'in' : $! + 0, ' ' }",
    );
    spec.profile = Profile::StandardNet;
    let found = sandbox::Host::current().landlock.unwrap_or(0);
    let mut host = sandbox::Host::current().clone();
    host.landlock = Some(found.min(3));
    let without_rules = stdout(&launch_on(&host, &spec).unwrap().wait(&mut |_, _| {}));
    assert_eq!(without_rules, format!("in {} ", libc::ENETUNREACH), "no interface is up");
    let denied = launch(&spec).unwrap();
    assert_eq!(denied.receipt().landlock.tcp_denied, found >= 4);
    if found >= 4 {
        assert_eq!(printed(denied), format!("{0} {0} ", libc::EACCES), "and Landlock denies both");
    }
    // The receipt of a program that has a network does not claim that.
    let receipt = run(&with_proxy(project.sh("true"))).receipt;
    assert!(!receipt.landlock.tcp_denied && !receipt.landlock.tcp_bind_denied);
    assert_eq!((receipt.network, receipt.landlock.scoped), (Network::Proxy, found >= 6));
}

#[test]
fn each_listener_belongs_to_its_own_sandbox() {
    const AT_ONCE: usize = 24;
    let project = Project::new();
    let program = |number: usize| {
        format!(
            "use IO::Socket::INET; my $s = IO::Socket::INET->new('127.0.0.1:3128') or die $!; \
             print $s '{number}'; $s->shutdown(1); read($s, my $answer, 9); print $answer"
        )
    };
    std::thread::scope(|scope| {
        for number in 0..AT_ONCE {
            let spec = with_proxy(project.perl(&program(number)));
            scope.spawn(move || {
                let mut child = launch(&spec).unwrap();
                let (mut stream, _) = listener(&mut child).accept().unwrap();
                let mut said = String::new();
                stream.read_to_string(&mut said).unwrap();
                assert_eq!(said, number.to_string());
                stream.write_all(format!("for {said}").as_bytes()).unwrap();
                drop(stream);
                assert_eq!(printed(child), format!("for {number}"));
            });
        }
    });
}

#[test]
fn connections_end_with_the_sandbox() {
    let program = "use IO::Socket::INET; \
         my $s = IO::Socket::INET->new('127.0.0.1:3128') or die $!; sleep 600";
    let mut child = launch(&with_proxy(Project::new().perl(program))).unwrap();
    let listener = listener(&mut child);
    let (mut stream, _) = listener.accept().unwrap();
    drop(child);
    // An orderly end or a reset, and nobody who could connect again.
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    listener.set_nonblocking(true).unwrap();
    let again = listener.accept().map(|_| ()).unwrap_err();
    assert_eq!(again.kind(), std::io::ErrorKind::WouldBlock);
}
